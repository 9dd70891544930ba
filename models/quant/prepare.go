// Package quant makes INT8 versions of float models: static ones, whose
// activations have scales found on sample inputs, as QDQ or QOperator graphs,
// and dynamic ones, whose activations are scaled while running. It writes
// float16 versions too, which is no quantization and half of the size.
//
// Emitting a model is pure Go and the same to the bit on every platform for
// the same float model, ranges and options: no order of a map, no fused
// multiply-add and no function of math that may differ in the last bit is on
// that path. Finding ranges and judging the result needs a Runner (package
// models/infer).
//
// What is quantized: convolutions, matrix products with constant weights, and
// what lies between them (additions, products, pools, reshapes, concatenations).
// Everything else stays float, between dequantizers and quantizers.
package quant

import (
	"fmt"
	"math"
	"slices"

	"chexp/models/onnx"
)

// Prepare returns a copy of a float model in the form that the rest of this
// package works on: constants are initializers, also behind what only moves their
// numbers about (Transpose, Reshape), Identity and inference-time Dropout are gone,
// batch normalisations are folded into the convolutions before them, nodes are in
// order. It computes the same.
func Prepare(m *onnx.Model) (*onnx.Model, error) {
	b, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	if m, err = onnx.Parse(append([]byte(nil), b...)); err != nil {
		return nil, err
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	g := m.Graph
	if g.Nodes, err = g.Sorted(); err != nil {
		return nil, err
	}
	for _, t := range m.Tensors() {
		if t.Outside {
			return nil, fmt.Errorf("the values of tensor %q are in another file and were not read", t.Name)
		}
	}
	for _, n := range g.Nodes {
		switch n.Op {
		case "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger", "QLinearMatMul":
			return nil, fmt.Errorf("the model is quantized already (it has %s); quantize the float model that it was "+
				"made from",
				n.Type())
		}
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, makesNothing)
	g.Values = nil // types will change; a runtime infers them
	dropInitializerInputs(m)
	constantsToInitializers(g)
	dropIdentities(g)
	foldMoves(g, nil)
	if err := foldFactors(g); err != nil {
		return nil, err
	}
	if err := foldBatchNorms(g); err != nil {
		return nil, err
	}
	dropUnusedInitializers(g)
	return m, nil
}

func makesNothing(n *onnx.Node) bool {
	return !slices.ContainsFunc(n.Outputs, func(o string) bool { return o != "" })
}

// dropInitializerInputs: before IR version 4 initializers had to be listed as
// inputs too, which lets a caller replace them.
func dropInitializerInputs(m *onnx.Model) {
	m.Graph.Inputs = m.Graph.RealInputs()
	m.IRVersion = max(m.IRVersion, 4)
}

func constantsToInitializers(g *onnx.Graph) {
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *onnx.Node) bool {
		if n.Type() != "Constant" || !single(n) || isOutput(g, n.Outputs[0]) || len(n.Attributes) != 1 {
			return false
		}
		t := constantTensor(n.Attributes[0])
		if t == nil {
			return false
		}
		t.Name = n.Outputs[0]
		g.Initializers = append(g.Initializers, t)
		return true
	})
}

// constantTensor is a Constant's value, nil where it is no tensor of numbers.
func constantTensor(a *onnx.Attribute) *onnx.Tensor {
	switch {
	case a.Name == "value":
		return a.Tensor
	case a.Name == "value_float" && a.Kind == onnx.FloatAttribute:
		return onnx.FloatTensor("", nil, []float32{a.Float})
	case a.Name == "value_floats" && a.Kind == onnx.FloatsAttribute:
		return onnx.FloatTensor("", []int64{int64(len(a.Floats))}, a.Floats)
	case a.Name == "value_int" && a.Kind == onnx.IntAttribute:
		return onnx.Int64Tensor("", nil, []int64{a.Int})
	case a.Name == "value_ints" && a.Kind == onnx.IntsAttribute:
		return onnx.Int64Tensor("", []int64{int64(len(a.Ints))}, a.Ints)
	}
	return nil
}

func isOutput(g *onnx.Graph, name string) bool {
	return slices.ContainsFunc(g.Outputs, func(v *onnx.Value) bool { return v.Name == name })
}

func dropIdentities(g *onnx.Graph) {
	same := map[string]string{}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *onnx.Node) bool {
		for i, name := range n.Inputs {
			if to, ok := same[name]; ok {
				n.Inputs[i] = to
			}
		}
		idle := n.Type() == "Identity" || n.Type() == "Dropout" && len(n.Inputs) < 3
		if !idle || n.Input(0) == "" || n.Outputs[0] == "" ||
			slices.ContainsFunc(n.Outputs[1:], func(o string) bool { return o != "" }) || isOutput(g, n.Outputs[0]) ||
			hasBodies(g.Nodes...) {
			return false
		}
		same[n.Outputs[0]] = n.Inputs[0]
		return true
	})
}

// hasBodies says whether a node is an If, Loop or Scan, whose body may read any
// value by its name: names in there are not rewritten.
func hasBodies(nodes ...*onnx.Node) bool {
	for _, n := range nodes {
		for _, a := range n.Attributes {
			if a.Graph != nil || len(a.Graphs) > 0 {
				return true
			}
		}
	}
	return false
}

func dropUnusedInitializers(g *onnx.Graph) {
	used := map[string]bool{}
	for _, n := range g.Nodes {
		onnx.EachUse(n, func(name string) { used[name] = true })
	}
	g.Initializers = slices.DeleteFunc(g.Initializers, func(t *onnx.Tensor) bool {
		return !used[t.Name] && !isOutput(g, t.Name)
	})
}

// single says whether the node makes one value and no more.
func single(n *onnx.Node) bool { return len(n.Outputs) == 1 && n.Outputs[0] != "" }

// foldBatchNorms multiplies a batch normalisation's factors into the weights
// of the convolution that it alone follows.
func foldBatchNorms(g *onnx.Graph) error {
	constants, users, makers := index(g)
	gone := map[*onnx.Node]bool{}
	for _, bn := range g.Nodes {
		conv := makers[bn.Input(0)]
		if bn.Type() != "BatchNormalization" || bn.IntAttr("training_mode", 0) != 0 || !single(bn) ||
			len(bn.Inputs) != 5 ||
			conv == nil || conv.Type() != "Conv" || !single(conv) || len(users[bn.Input(0)]) != 1 ||
			isOutput(g, bn.Input(0)) {
			continue
		}
		w := constants[conv.Input(1)]
		if w == nil || w.Type != onnx.Float32 || len(w.Dims) < 3 || len(users[w.Name]) != 1 {
			continue
		}
		var p [4][]float32 // scale, bias, mean, variance
		usable := true
		for i := range p {
			t := constants[bn.Input(i+1)]
			if t == nil || t.Type != onnx.Float32 || t.Elements() != w.Dims[0] {
				usable = false
				break
			}
			var err error
			if p[i], err = t.Float32s(); err != nil {
				return err
			}
		}
		if !usable {
			continue
		}
		values, err := w.Float32s()
		if err != nil {
			return err
		}
		bias := make([]float32, w.Dims[0])
		if t := constants[conv.Input(2)]; t != nil {
			if bias, err = t.Float32s(); err != nil || int64(len(bias)) != w.Dims[0] {
				continue
			}
		} else if conv.Input(2) != "" {
			continue
		}
		epsilon := float64(bn.FloatAttr("epsilon", 1e-5))
		each := len(values) / len(bias)
		for c := range bias {
			factor := float64(p[0][c]) / math.Sqrt(float64(p[3][c])+epsilon)
			for i := c * each; i < (c+1)*each; i++ {
				values[i] = float32(float64(values[i]) * factor)
			}
			shift := float64((float64(bias[c]) - float64(p[2][c])) * factor) // rounded: never fused with the addition
			bias[c] = float32(shift + float64(p[1][c]))
		}
		w.Raw = onnx.FloatTensor("", nil, values).Raw
		name := unique(g, bn.Outputs[0]+".folded_bias")
		g.Initializers = append(g.Initializers, onnx.FloatTensor(name, []int64{w.Dims[0]}, bias))
		conv.Inputs = append(conv.Inputs[:2:2], name)
		conv.Outputs[0] = bn.Outputs[0]
		makers[bn.Outputs[0]] = conv
		gone[bn] = true
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n *onnx.Node) bool { return gone[n] })
	return nil
}

// index maps names to initializers, to the nodes that read them, and to the
// node that makes them.
func index(g *onnx.Graph) (constants map[string]*onnx.Tensor, users map[string][]*onnx.Node,
	makers map[string]*onnx.Node) {
	constants, users, makers = map[string]*onnx.Tensor{}, map[string][]*onnx.Node{}, map[string]*onnx.Node{}
	for _, t := range g.Initializers {
		constants[t.Name] = t
	}
	for _, n := range g.Nodes {
		onnx.EachUse(n, func(name string) { users[name] = append(users[name], n) })
		for _, o := range n.Outputs {
			if o != "" {
				makers[o] = n
			}
		}
	}
	return constants, users, makers
}

// unique is the name, or with a number behind it if it is taken.
func unique(g *onnx.Graph, name string) string {
	taken := map[string]bool{}
	for _, t := range g.Initializers {
		taken[t.Name] = true
	}
	for _, v := range g.Inputs {
		taken[v.Name] = true
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			taken[o] = true
		}
	}
	free := name
	for i := 2; taken[free]; i++ {
		free = fmt.Sprintf("%s_%d", name, i)
	}
	return free
}
