package mobilenet

import "chexp/models/onnx"

const batchName = "batch_size"

// Info is what a model file says about itself.
type Info struct {
	Name, Doc string
	Metadata  []onnx.Property
}

// Build makes the float model: input [batch_size, 3, size, size], output
// [batch_size, classes], the batch free. Opset 17 and IR 8 are read by ONNX
// Runtime from 1.12 on.
func Build(net Net, w *Weights, info Info) (*onnx.Model, error) {
	if err := net.Check(w); err != nil {
		return nil, err
	}
	b := &builder{graph: &onnx.Graph{Name: info.Name, Doc: info.Doc}, value: "input"}
	batch, size := onnx.Dim{Param: batchName}, onnx.Dim{Size: int64(net.Size)}
	b.graph.Inputs = []*onnx.Value{onnx.FloatValue("input", batch, onnx.Dim{Size: 3}, size, size)}
	// ReLU6's bounds are inputs of Clip since opset 11; all Clips share them.
	b.tensor("relu6_min", []float32{0})
	b.tensor("relu6_max", []float32{6})
	inputs := make([]string, len(net.Layers)) // of each layer
	for i, l := range net.Layers {
		inputs[i] = b.value
		b.conv(l, w.Layers[i])
		if l.Add >= 0 {
			block := l.Name[:len(l.Name)-len(".project")]
			b.node("Add", block+".add", []string{inputs[l.Add], b.value})
		}
	}
	b.head(net, w.Head)
	b.graph.Outputs = []*onnx.Value{onnx.FloatValue("output", batch, onnx.Dim{Size: int64(net.Classes)})}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Producer: "chexp", Doc: info.Doc,
		Metadata: info.Metadata, Graph: b.graph}, nil
}

type builder struct {
	graph *onnx.Graph
	value string // the latest value's name
}

// node appends an operator whose output carries its name.
func (b *builder) node(op, name string, inputs []string, attributes ...*onnx.Attribute) {
	b.graph.Nodes = append(b.graph.Nodes, &onnx.Node{
		Op: op, Name: name, Inputs: inputs, Outputs: []string{name}, Attributes: attributes,
	})
	b.value = name
}

func (b *builder) tensor(name string, data []float32, dims ...int64) {
	b.graph.Initializers = append(b.graph.Initializers, onnx.FloatTensor(name, dims, data))
}

func (b *builder) conv(l Layer, w Affine) {
	kernel, stride, pad := int64(l.Kernel), int64(l.Stride), int64(l.Kernel/2)
	b.tensor(l.Name+".weight", w.Weight, int64(l.Out), int64(l.In/l.Groups), kernel, kernel)
	b.tensor(l.Name+".bias", w.Bias, int64(l.Out))
	b.node("Conv", l.Name, []string{b.value, l.Name + ".weight", l.Name + ".bias"},
		onnx.Ints("dilations", 1, 1), onnx.Int("group", int64(l.Groups)),
		onnx.Ints("kernel_shape", kernel, kernel), onnx.Ints("pads", pad, pad, pad, pad),
		onnx.Ints("strides", stride, stride))
	if l.ReLU6 {
		b.node("Clip", l.Name+".relu6", []string{b.value, "relu6_min", "relu6_max"})
	}
}

// head appends the classifier; its output is the graph's.
func (b *builder) head(net Net, w Affine) {
	classes := int64(net.Classes)
	b.node("GlobalAveragePool", "pool", []string{b.value})
	b.node("Flatten", "flatten", []string{b.value}, onnx.Int("axis", 1))
	b.tensor("classifier.weight", w.Weight, classes, int64(net.Features()))
	b.tensor("classifier.bias", w.Bias, classes)
	b.node("Gemm", "output", []string{b.value, "classifier.weight", "classifier.bias"}, onnx.Int("transB", 1))
}
