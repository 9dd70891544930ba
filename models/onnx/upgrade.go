package onnx

import (
	"fmt"
	"slices"
)

// moved are attributes that became inputs, with the operator set that did it.
var moved = map[string]struct {
	opset      int64
	attributes []string // in the inputs' order, after the first
}{
	"Slice":     {10, []string{"starts", "ends", "axes"}},
	"Clip":      {11, []string{"min", "max"}},
	"Pad":       {11, []string{"pads", "value"}},
	"Squeeze":   {13, []string{"axes"}},
	"Unsqueeze": {13, []string{"axes"}},
	"ReduceSum": {13, []string{"axes"}},
	"Split":     {13, []string{"split"}},
}

// changed are operators whose meaning changed with an operator set in another
// way than by moving attributes.
var changed = map[string][]int64{
	"Upsample": {10}, "TopK": {10, 11}, "Resize": {11}, "Softmax": {13}, "LogSoftmax": {13}, "Hardmax": {13},
	"BatchNormalization": {9, 14, 15}, "Dropout": {12}, "Loop": {11, 13}, "Scan": {9, 11}, "If": {11, 13},
}

// highest is the operator set that Upgrade can go to.
const highest = 13

// Upgrade raises the model to an operator set of ai.onnx, if it has an older
// one: quantized operators came with 10, 11 and 13. It changes nothing when
// it fails.
func (m *Model) Upgrade(to int64) error {
	from := m.Opset()
	if from >= to {
		return nil
	}
	if to > highest || from < 7 {
		return fmt.Errorf("the model has operator set %d, which cannot be raised to %d here", from, to)
	}
	for _, n := range m.Graph.Nodes {
		for _, at := range changed[n.Op] {
			if n.Domain == "" && at > from && at <= to && !softmaxIsTheSame(n, m) {
				return fmt.Errorf("the model has operator set %d, and %s means something else since %d: export it "+
					"with operator set %d or newer", from, label(n), at, to)
			}
		}
		if n.Op == "Loop" || n.Op == "Scan" || n.Op == "If" {
			return fmt.Errorf("the model has operator set %d, and the bodies of %s are not raised here", from, label(n))
		}
	}
	for _, n := range m.Graph.Nodes {
		if x, ok := moved[n.Op]; ok && n.Domain == "" && x.opset > from && x.opset <= to {
			m.Graph.moveAttributes(n, x.attributes)
		}
	}
	for i := range m.Opsets {
		if m.Opsets[i].Domain == "" || m.Opsets[i].Domain == "ai.onnx" {
			m.Opsets[i].Version = to
		}
	}
	return nil
}

// softmaxIsTheSame: before 13 Softmax worked on everything from its axis on,
// with 1 as the default axis; since then on the axis alone, with -1. For two
// dimensions, which is what a classifier's end has, they agree.
func softmaxIsTheSame(n *Node, m *Model) bool {
	switch n.Op {
	case "Softmax", "LogSoftmax", "Hardmax":
	case "Dropout": // its ratio became an input; without training it does nothing
		return len(n.Outputs) == 1
	default:
		return false
	}
	if s, err := Infer(m, 1, nil); err == nil {
		if x, err := s.Of(n.Input(0)); err == nil {
			a := n.IntAttr("axis", 1)
			return a == -1 || a == int64(len(x))-1
		}
	}
	return false
}

func (g *Graph) moveAttributes(n *Node, names []string) {
	inputs := n.Inputs[:1:1]
	for _, name := range names {
		a := n.Attr(name)
		if a == nil {
			inputs = append(inputs, "")
			continue
		}
		t := Int64Tensor("", []int64{int64(len(a.Ints))}, a.Ints)
		if a.Kind == FloatAttribute {
			t = FloatTensor("", nil, []float32{a.Float})
		}
		t.Name = n.Outputs[0] + "." + name
		g.Initializers = append(g.Initializers, t)
		inputs = append(inputs, t.Name)
		n.Attributes = slices.DeleteFunc(n.Attributes, func(x *Attribute) bool { return x == a })
	}
	for len(inputs) > 0 && inputs[len(inputs)-1] == "" {
		inputs = inputs[:len(inputs)-1]
	}
	n.Inputs = inputs
}

// Sorted returns the nodes in an order in which they can run.
func (g *Graph) Sorted() ([]*Node, error) {
	nodes, stuck := g.order()
	if stuck != nil {
		return nil, fmt.Errorf("its nodes form a cycle at %s", label(stuck))
	}
	return nodes, nil
}
