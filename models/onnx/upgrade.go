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
	"Upsample": {10}, "TopK": {10, 11}, "Resize": {11}, "BatchNormalization": {9, 14, 15}, "Dropout": {12},
	"Loop": {11, 13}, "Scan": {9, 11}, "If": {11, 13},
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
			if n.Domain == "" && at > from && at <= to && !sameWithoutTraining(n) {
				return fmt.Errorf("the model has operator set %d, and %s means something else since %d: export it "+
					"with operator set %d or newer", from, label(n), at, to)
			}
		}
		if n.Op == "Loop" || n.Op == "Scan" || n.Op == "If" {
			return fmt.Errorf("the model has operator set %d, and the bodies of %s are not raised here", from, label(n))
		}
	}
	if from < 13 && to >= 13 {
		m.softmaxes()
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

// sameWithoutTraining: a Dropout's ratio became an input; without training it does nothing.
func sameWithoutTraining(n *Node) bool { return n.Op == "Dropout" && len(n.Outputs) == 1 }

// softmaxes writes the Softmax of before operator set 13, and what is like it, as that of
// since then: it worked on everything from its axis on, with 1 as the default axis; now it
// works on the axis alone, with -1 as the default. Where the axis is the last, as at a
// classifier's end, they agree. Elsewhere, and where nobody knows how many dimensions there
// are, everything from the axis on is made one dimension before it, and several behind it.
func (m *Model) softmaxes() {
	shapes, err := Infer(m, 1, nil) // also of a model that leaves more open, as far as that goes
	last := func(n *Node) bool {
		axis, rank := n.IntAttr("axis", 1), -1
		if i := slices.IndexFunc(m.Graph.Outputs, func(v *Value) bool { return v.Name == n.Outputs[0] }); i >= 0 {
			if v := m.Graph.Outputs[i]; v.Shape != nil {
				rank = len(v.Shape)
			}
		}
		if err == nil {
			if x, err := shapes.Of(n.Input(0)); err == nil {
				rank = len(x)
			}
		}
		return axis == -1 || rank > 0 && axis == int64(rank)-1
	}
	var nodes []*Node
	for _, n := range m.Graph.Nodes {
		if !slices.Contains([]string{"Softmax", "LogSoftmax", "Hardmax"}, n.Type()) {
			nodes = append(nodes, n)
			continue
		}
		axis := Int("axis", n.IntAttr("axis", 1))
		isLast := last(n)
		n.Attributes = []*Attribute{Int("axis", -1)}
		if isLast {
			nodes = append(nodes, n)
			continue
		}
		x, y := n.Inputs[0], n.Outputs[0]
		flat, shape, made := y+".flat", y+".shape", y+".made"
		n.Inputs, n.Outputs = []string{flat}, []string{made}
		nodes = append(nodes,
			&Node{Op: "Shape", Name: shape, Inputs: []string{x}, Outputs: []string{shape}},
			&Node{Op: "Flatten", Name: flat, Inputs: []string{x}, Outputs: []string{flat}, Attributes: []*Attribute{axis}},
			n, &Node{Op: "Reshape", Name: made, Inputs: []string{made, shape}, Outputs: []string{y}})
	}
	m.Graph.Nodes = nodes
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
