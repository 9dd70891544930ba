// Package untrained makes models with the topology of real ones and seeded random
// weights: right for measuring time and memory and for nothing else, and they
// say so in the file itself. The bytes are the same on every platform. It knows
// nothing of trained models, so that whatever those are made with can be tested
// on these.
package untrained

import (
	"fmt"
	"math"

	"chexp/models/mobilenet"
	"chexp/models/onnx"
)

const (
	classes = 11 // as Food-11, the tutorial's data set
	seed    = 1
)

// Generate makes the file of the model of that name.
func Generate(name string) ([]byte, error) {
	switch name {
	case "mobilenetv2-11":
		return untrained(name, "MobileNetV2 1.0, 3x224x224 to 11 classes.", mobilenet.V2(classes))
	case "tiny-cnn":
		return untrained(name, "Three convolutions, 3x32x32 to 11 classes.", tinyCNN())
	}
	return nil, fmt.Errorf("there is no builtin model %q", name)
}

// tinyCNN is small enough for a rehearsal on emulated hardware.
func tinyCNN() mobilenet.Net {
	conv := func(name string, in, out, stride int) mobilenet.Layer {
		return mobilenet.Layer{Name: name, In: in, Out: out, Kernel: 3, Stride: stride, Groups: 1, ReLU6: true, Add: -1}
	}
	return mobilenet.Net{Size: 32, Classes: classes,
		Layers: []mobilenet.Layer{conv("conv1", 3, 16, 1), conv("conv2", 16, 32, 2), conv("conv3", 32, 64, 2)}}
}

// untrained makes a model with seeded random weights.
func untrained(name, what string, net mobilenet.Net) ([]byte, error) {
	w := &mobilenet.Weights{}
	for _, l := range net.Layers {
		gain := 3 // keeps the variance through a linear layer
		if l.ReLU6 {
			gain = 6 // He: half of it is lost in the activation
		}
		w.Layers = append(w.Layers, random(name+"/"+l.Name, l.Weights(), l.FanIn(), gain, l.Out))
	}
	w.Head = random(name+"/classifier", classes*net.Features(), net.Features(), 3, classes)
	m, err := mobilenet.Build(net, w, mobilenet.Info{Name: name,
		Doc: what + " UNTRAINED: the weights are seeded random numbers and the outputs mean nothing. " +
			"For measuring time and memory only.",
		Metadata: []onnx.Property{
			{Key: "chexp.trained", Value: "false"},
			{Key: "chexp.weights", Value: fmt.Sprintf("xorshift64*, uniform, seed %d", seed)},
		}})
	if err != nil {
		return nil, err
	}
	return m.Marshal()
}

// random draws He-uniform weights, ±sqrt(gain / fan in), and biases as small as
// folded batch normalisations leave them.
func random(name string, weights, fanIn, gain, biases int) mobilenet.Affine {
	// math.Sqrt is exact by IEEE 754, unlike Log or Exp, which may differ in
	// the last bit between platforms.
	bound := float32(math.Sqrt(float64(gain) / float64(fanIn)))
	return mobilenet.Affine{Weight: draw(name+".weight", weights, bound), Bias: draw(name+".bias", biases, 0.1)}
}

func draw(name string, n int, bound float32) []float32 {
	r := newStream(name)
	data := make([]float32, n)
	for i := range data {
		data[i] = r.uniform(bound)
	}
	return data
}

// stream is Marsaglia's xorshift64 with Vigna's multiplier (xorshift64*). Each
// tensor has its own stream, seeded by its name, so that adding a layer
// changes no other one.
type stream uint64

func newStream(name string) *stream {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	r := stream(h ^ seed)
	if r == 0 {
		r = 1 // zero is the one state that xorshift never leaves
	}
	return &r
}

// uniform returns a value in [-bound, bound). The 24 bits that it uses are
// exact in a float32, and each step is rounded by an explicit conversion, so
// that no compiler may fuse them.
func (r *stream) uniform(bound float32) float32 {
	x := uint64(*r)
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*r = stream(x)
	top := int32((x * 2685821657736338717) >> 40) // 0 … 2^24-1
	unit := float32(float32(top-1<<23) / (1 << 23))
	return float32(unit * bound)
}
