package quant

import (
	"slices"

	"chexp/models/onnx"
)

// Mode says when activations get their scales.
type Mode string

// Format is how a static model says what is quantized.
type Format string

// The modes and formats.
const (
	Static  Mode = "static"
	Dynamic Mode = "dynamic"
	// QDQ puts QuantizeLinear and DequantizeLinear around float operators and
	// leaves it to the runtime to fuse them: every runtime can read it.
	QDQ Format = "qdq"
	// QOperator uses the quantized operators themselves, partly ONNX
	// Runtime's own: smaller, and loads faster.
	QOperator Format = "qoperator"
)

// Options of a quantization. The zero value is a static QDQ model with 8-bit
// weights per channel.
type Options struct {
	Mode      Mode
	Format    Format
	PerTensor bool // one scale for all of a weight tensor, instead of one per channel
	// WeightBits is 8, or 7 for x86-64 without VNNI, whose fast kernels
	// saturate when both factors use 8 bits; 0 is 8.
	WeightBits int
	// Exclude keeps nodes in float, by name (or, without one, by the name of
	// their first output) or by operator.
	Exclude []string
}

// WeightBits is the right default for a processor: Arm's kernels and those of
// x86-64 with VNNI add 8-bit products in 32 bits, older x86-64's in 16. A
// dynamic model has unsigned weights, whose kernels do not saturate anywhere.
func WeightBits(arch string, vnni bool, mode Mode) int {
	if arch == "amd64" && !vnni && mode != Dynamic {
		return 7
	}
	return 8
}

func (o Options) levels() int {
	if o.WeightBits == 7 {
		return 64
	}
	return 127
}

// NodeName is how Exclude and reports call a node.
func NodeName(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	if len(n.Outputs) > 0 {
		return n.Outputs[0]
	}
	return n.Op
}

func (o Options) excluded(n *onnx.Node) bool {
	return slices.Contains(o.Exclude, n.Op) || slices.Contains(o.Exclude, NodeName(n)) ||
		len(n.Outputs) > 0 && slices.Contains(o.Exclude, n.Outputs[0])
}

// role is what becomes of a node of the float model.
type role int

const (
	stays     role = iota // in float
	product               // a convolution or matrix product on integers
	table                 // an embedding, looked up in 8 bits
	recurrent             // an LSTM, GRU or RNN with weights in 8 bits
	between               // on integers, with scales of its own for its output
	passes                // moves integers about; its output has its input's scale
	folded                // a ReLU that the node before it does by saturation
)

// plan is what becomes of each node, and what must be known for it.
type plan struct {
	g         *onnx.Graph
	o         Options
	constants map[string]*onnx.Tensor
	users     map[string][]*onnx.Node
	makers    map[string]*onnx.Node
	roles     map[*onnx.Node]role
	// fold maps a node to the ReLU behind it that it takes over.
	fold map[*onnx.Node]*onnx.Node
}

func newPlan(m *onnx.Model, o Options) *plan { return planFor(m.Graph, o, nil) }

// planFor plans a graph; outer are the constants around it.
func planFor(g *onnx.Graph, o Options, outer map[string]*onnx.Tensor) *plan {
	p := &plan{g: g, o: o, roles: map[*onnx.Node]role{}, fold: map[*onnx.Node]*onnx.Node{}}
	p.constants, p.users, p.makers = index(g)
	for name, t := range outer {
		if p.constants[name] == nil && p.makers[name] == nil {
			p.constants[name] = t
		}
	}
	for _, v := range g.Inputs {
		if outer[v.Name] != nil {
			delete(p.constants, v.Name)
		}
	}
	for _, n := range g.Nodes {
		r, why := p.weighty(n)
		if r == stays || why != "" {
			continue
		}
		if p.roles[n] = r; r == product && o.Mode != Dynamic {
			p.takeOver(n)
		}
	}
	if o.Mode == Dynamic {
		return p
	}
	for _, n := range g.Nodes { // in order: whether an input is on integers is settled
		if p.roles[n] == stays && !o.excluded(n) {
			p.roles[n] = p.inBetween(n)
		}
	}
	return p
}

// takeOver folds a ReLU, or a Clip from 0 on, into the node before it:
// with zero point 0 the saturation of uint8 is the clipping.
func (p *plan) takeOver(n *onnx.Node) {
	users := p.users[n.Outputs[0]]
	if n.Op != "Conv" && n.Op != "Add" || len(users) != 1 || isOutput(p.g, n.Outputs[0]) {
		return
	}
	a := users[0]
	if low, _, ok := p.clipping(a); ok && low == 0 && !p.o.excluded(a) {
		p.fold[n], p.roles[a] = a, folded
	}
}

// clipping returns the bounds of a ReLU or Clip with constant bounds; without
// an upper one, high is +infinity.
func (p *plan) clipping(n *onnx.Node) (low, high float32, ok bool) {
	switch {
	case n.Domain != "" || !single(n):
		return 0, 0, false
	case n.Op == "Relu":
		return 0, infinity, true
	case n.Op != "Clip":
		return 0, 0, false
	}
	low, high = n.FloatAttr("min", -infinity), n.FloatAttr("max", infinity) // before opset 11
	for i, to := range []*float32{&low, &high} {
		name := n.Input(i + 1)
		if name == "" {
			continue
		}
		t := p.constants[name]
		if t == nil {
			return 0, 0, false
		}
		v, err := t.Float32s()
		if err != nil || len(v) != 1 {
			return 0, 0, false
		}
		*to = v[0]
	}
	return low, high, low < high
}

// onIntegers says whether the value comes from a node that works on integers.
func (p *plan) onIntegers(name string) bool {
	n := p.makers[name]
	if n == nil {
		return false
	}
	switch p.roles[n] {
	case product:
		return n.Op == "Conv" // a matrix product's result stays float
	case between, passes, folded:
		return true
	}
	return false
}

// inBetween settles the nodes between products: it pays to keep them on
// integers where their inputs are.
func (p *plan) inBetween(n *onnx.Node) role {
	if n.Domain != "" || len(n.Inputs) == 0 || !single(n) {
		return stays
	}
	switch n.Op {
	case "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "MaxPool":
		if p.onIntegers(n.Inputs[0]) {
			return passes
		}
	case "GlobalAveragePool", "AveragePool":
		if len(n.Inputs) == 1 && p.onIntegers(n.Inputs[0]) {
			return between
		}
	case "Add", "Mul":
		if len(n.Inputs) == 2 && p.onIntegers(n.Inputs[0]) && p.onIntegers(n.Inputs[1]) {
			p.takeOver(n)
			return between
		}
	case "Concat":
		for _, i := range n.Inputs {
			if !p.onIntegers(i) {
				return stays
			}
		}
		return between
	}
	return stays
}

// activations are the values whose ranges a static model needs, in the
// graph's order.
func (p *plan) activations() (names []string) {
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] && p.constants[name] == nil {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, n := range p.g.Nodes {
		switch p.roles[n] {
		case product:
			add(n.Inputs[0])
			if n.Op == "Conv" {
				add(p.result(n))
			}
		case between:
			for _, i := range n.Inputs {
				add(i)
			}
			add(p.result(n))
		}
	}
	return names
}

// result is the value that a node makes, the folded ReLU's if there is one.
func (p *plan) result(n *onnx.Node) string {
	if a := p.fold[n]; a != nil {
		return a.Outputs[0]
	}
	return n.Outputs[0]
}

// Activations are the names of the values whose ranges Static needs.
func Activations(m *onnx.Model, o Options) []string { return newPlan(m, o).activations() }

// Products are the nodes whose weights these options put on 8 bits, in the graph's
// order: convolutions, matrix products, embeddings, and in dynamic models LSTM, GRU
// and RNN, and those inside of If, Loop and Scan.
func Products(m *onnx.Model, o Options) (list []*onnx.Node) {
	newPlan(m, o).each(func(p *plan, n *onnx.Node) {
		switch p.roles[n] {
		case product, table, recurrent:
			list = append(list, n)
		}
	})
	return list
}

// each calls f with every node that these options may change, those of a dynamic
// model's inner graphs with their own plan.
func (p *plan) each(f func(p *plan, n *onnx.Node)) {
	for _, n := range p.g.Nodes {
		f(p, n)
		if p.o.Mode == Dynamic {
			eachBody(n, func(g *onnx.Graph) { p.inner(g).each(f) })
		}
	}
}
