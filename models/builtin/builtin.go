// Package builtin makes the models that need no file and no network. They have
// the topology of real ones but seeded random weights: UNTRAINED, right for
// measuring time and memory and for nothing else, and they say so in the file
// itself. The bytes are the same on every platform; package catalog pins their
// SHA-256.
package builtin

import (
	"fmt"
	"math"

	"chexp/models/onnxfile"
)

const (
	classes   = 11 // as Food-11, the tutorial's data set
	batchName = "batch_size"
	seed      = 1
)

// Generate makes a builtin model's file.
func Generate(name string) ([]byte, error) {
	switch name {
	case "mobilenetv2-11":
		return mobileNetV2().Marshal(), nil
	case "tiny-cnn":
		return tinyCNN().Marshal(), nil
	}
	return nil, fmt.Errorf("there is no builtin model %q", name)
}

// net builds a graph layer by layer; each layer takes the value that the one
// before it made.
type net struct {
	graph    onnxfile.Graph
	value    string // the latest value's name
	channels int64  // of that value
}

func newNet(name string, channels, height, width int64) *net {
	n := &net{value: "input", channels: channels}
	n.graph.Name = name
	n.graph.Inputs = []onnxfile.Value{{Name: "input", Dims: []onnxfile.Dim{
		{Param: batchName}, {Size: channels}, {Size: height}, {Size: width},
	}}}
	// ReLU6's bounds are inputs of Clip since opset 11; all Clips share them.
	n.graph.Initializers = []onnxfile.Tensor{
		{Name: "relu6_min", Data: []float32{0}},
		{Name: "relu6_max", Data: []float32{6}},
	}
	return n
}

// node appends an operator whose output carries its name.
func (n *net) node(op, name string, inputs []string, attributes ...onnxfile.Attribute) {
	n.graph.Nodes = append(n.graph.Nodes, onnxfile.Node{
		Op: op, Name: name, Inputs: inputs, Outputs: []string{name}, Attributes: attributes,
	})
	n.value = name
}

// conv appends a convolution with a bias (a batch normalisation folded into
// it), and ReLU6 behind it unless it is linear. groups is 1 or, for a
// depthwise convolution, the number of channels.
func (n *net) conv(name string, out, kernel, stride, groups int64, relu6 bool) {
	fanIn := n.channels / groups * kernel * kernel
	gain := int64(3) // keeps the variance through a linear layer
	if relu6 {
		gain = 6 // He: half of it is lost in the activation
	}
	n.weights(name+".weight", fanIn, gain, out, n.channels/groups, kernel, kernel)
	n.biases(name+".bias", out)
	pad := kernel / 2
	n.node("Conv", name, []string{n.value, name + ".weight", name + ".bias"},
		onnxfile.Ints("dilations", 1, 1), onnxfile.Int("group", groups),
		onnxfile.Ints("kernel_shape", kernel, kernel), onnxfile.Ints("pads", pad, pad, pad, pad),
		onnxfile.Ints("strides", stride, stride))
	n.channels = out
	if relu6 {
		n.node("Clip", name+".relu6", []string{n.value, "relu6_min", "relu6_max"})
	}
}

// head appends the classifier, whose output is the graph's.
func (n *net) head() {
	n.node("GlobalAveragePool", "pool", []string{n.value})
	n.node("Flatten", "flatten", []string{n.value}, onnxfile.Int("axis", 1))
	n.weights("classifier.weight", n.channels, 3, classes, n.channels)
	n.biases("classifier.bias", classes)
	n.node("Gemm", "output", []string{n.value, "classifier.weight", "classifier.bias"}, onnxfile.Int("transB", 1))
	n.graph.Outputs = []onnxfile.Value{{Name: "output", Dims: []onnxfile.Dim{{Param: batchName}, {Size: classes}}}}
}

// model wraps the graph. Opset 17 and IR 8 are read by ONNX Runtime from 1.12
// on.
func (n *net) model(what string) *onnxfile.Model {
	doc := what + " UNTRAINED: the weights are seeded random numbers and the outputs mean nothing. " +
		"For measuring time and memory only."
	n.graph.Doc = doc
	return &onnxfile.Model{
		IRVersion: 8, Opset: 17, Producer: "chexp", Doc: doc, Graph: n.graph,
		Metadata: []onnxfile.Property{
			{Key: "chexp.trained", Value: "false"},
			{Key: "chexp.weights", Value: fmt.Sprintf("xorshift64*, uniform, seed %d", seed)},
		},
	}
}

// weights appends a tensor of He-uniform values: ±sqrt(gain / fan in).
func (n *net) weights(name string, fanIn, gain int64, dims ...int64) {
	// math.Sqrt is exact by IEEE 754, unlike Log or Exp, which may differ in
	// the last bit between platforms.
	bound := float32(math.Sqrt(float64(gain) / float64(fanIn)))
	n.tensor(name, bound, dims)
}

// biases are small, as folded batch normalisations leave them.
func (n *net) biases(name string, count int64) { n.tensor(name, 0.1, []int64{count}) }

func (n *net) tensor(name string, bound float32, dims []int64) {
	size := int64(1)
	for _, d := range dims {
		size *= d
	}
	random := newRandom(n.graph.Name + "/" + name)
	data := make([]float32, size)
	for i := range data {
		data[i] = random.uniform(bound)
	}
	n.graph.Initializers = append(n.graph.Initializers, onnxfile.Tensor{Name: name, Dims: dims, Data: data})
}

// random is Marsaglia's xorshift64 with Vigna's multiplier (xorshift64*). Each
// tensor has its own stream, seeded by its name, so that adding a layer
// changes no other one.
type random uint64

func newRandom(name string) *random {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	r := random(h ^ seed)
	if r == 0 {
		r = 1 // zero is the one state that xorshift never leaves
	}
	return &r
}

// uniform returns a value in [-bound, bound). The 24 bits that it uses are
// exact in a float32, and each step is rounded by an explicit conversion, so
// that no compiler may fuse them.
func (r *random) uniform(bound float32) float32 {
	x := uint64(*r)
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*r = random(x)
	top := int32((x * 2685821657736338717) >> 40) // 0 … 2^24-1
	unit := float32(float32(top-1<<23) / (1 << 23))
	return float32(unit * bound)
}
