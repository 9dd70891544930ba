// Package mobilenet is the topology of MobileNetV2 (Sandler et al. 2018, table
// 2), the weights that belong to it, and the ONNX model that both make. It is
// pure Go and knows neither how the weights were trained nor what the pictures
// show (package plates). Equal weights give equal bytes on every platform.
package mobilenet

import "fmt"

// Layer is one convolution with what follows it: a bias (a batch normalisation
// folded into it), ReLU6 where the paper has one, and the addition of the
// block's input where the block has one.
type Layer struct {
	Name   string
	In     int // channels
	Out    int
	Kernel int // 1 or 3, square; the padding keeps the size
	Stride int
	Groups int // 1, or In for a depthwise convolution
	ReLU6  bool
	// Add is the index of the layer whose input is added to this one's output;
	// -1 for none.
	Add int
}

// Weights is how many weights the layer has.
func (l Layer) Weights() int { return l.Out * l.FanIn() }

// FanIn is how many inputs each output value sums over.
func (l Layer) FanIn() int { return l.In / l.Groups * l.Kernel * l.Kernel }

// Net is the whole topology: the layers in order, then the mean over each
// channel, then one fully connected layer.
type Net struct {
	Size    int // height and width of the pictures
	Layers  []Layer
	Classes int
}

// Features is the number of values that the last layer sees.
func (n Net) Features() int { return n.Layers[len(n.Layers)-1].Out }

// Stage is one row of the paper's table 2: a block repeated.
type Stage struct{ Expand, Channels, Repeat, Stride int }

// V2 is MobileNetV2 at width 1.0 for 224×224 pictures: 52 convolutions, 35
// ReLU6, 10 additions.
func V2(classes int) Net {
	return New(224, 32, []Stage{
		{1, 16, 1, 1},
		{6, 24, 2, 2},
		{6, 32, 3, 2},
		{6, 64, 4, 2},
		{6, 96, 3, 1},
		{6, 160, 3, 2},
		{6, 320, 1, 1},
	}, 1280, classes)
}

// New lays out a net of the paper's shape: a stem, the stages' inverted
// residuals (widen, filter each channel, narrow without activation), and a last
// widening.
func New(size, stem int, stages []Stage, last, classes int) Net {
	n := Net{Size: size, Classes: classes}
	add := func(name string, out, kernel, stride, groups int, relu6 bool) {
		in := 3
		if len(n.Layers) > 0 {
			in = n.Features()
		}
		n.Layers = append(n.Layers, Layer{Name: name, In: in, Out: out, Kernel: kernel,
			Stride: stride, Groups: groups, ReLU6: relu6, Add: -1})
	}
	add("stem", stem, 3, 2, 1, true)
	block := 0
	for _, s := range stages {
		stride := s.Stride // of a stage's first block only
		for range s.Repeat {
			block++
			name, first, in := fmt.Sprintf("block%d", block), len(n.Layers), n.Features()
			if s.Expand != 1 {
				add(name+".expand", in*s.Expand, 1, 1, 1, true)
			}
			add(name+".depthwise", in*s.Expand, 3, stride, in*s.Expand, true)
			add(name+".project", s.Channels, 1, 1, 1, false)
			if stride == 1 && in == s.Channels {
				n.Layers[len(n.Layers)-1].Add = first
			}
			stride = 1
		}
	}
	add("last", last, 1, 1, 1, true)
	return n
}

// Affine is a layer's weights, in ONNX's order (out, in per group, height,
// width), and one bias for each output.
type Affine struct{ Weight, Bias []float32 }

// Weights are those of a whole net.
type Weights struct {
	Layers []Affine // as Net.Layers
	Head   Affine   // (class, feature)
}

// Check reports whether the weights fit the net.
func (n Net) Check(w *Weights) error {
	if len(w.Layers) != len(n.Layers) {
		return fmt.Errorf("%d layers of weights for a net of %d", len(w.Layers), len(n.Layers))
	}
	for i, l := range n.Layers {
		if len(w.Layers[i].Weight) != l.Weights() || len(w.Layers[i].Bias) != l.Out {
			return fmt.Errorf("layer %s has %d weights and %d biases, want %d and %d", l.Name,
				len(w.Layers[i].Weight), len(w.Layers[i].Bias), l.Weights(), l.Out)
		}
	}
	if len(w.Head.Weight) != n.Classes*n.Features() || len(w.Head.Bias) != n.Classes {
		return fmt.Errorf("the classifier has %d weights and %d biases, want %d and %d",
			len(w.Head.Weight), len(w.Head.Bias), n.Classes*n.Features(), n.Classes)
	}
	return nil
}
