package quant

import (
	"fmt"
	"slices"
	"strings"

	"chexp/models/onnx"
)

// weight is the index of the input with a product's weights.
const weight = 1

// smallTable is how many values an embedding must have: for fewer, the scale and
// the node that dequantizes would take what is saved.
const smallTable = 256

// weighty says what a node with weights becomes, and why it must not: stays for a
// node that has none of its own, whatever its inputs.
func (p *plan) weighty(n *onnx.Node) (r role, why string) {
	if n.Type() != n.Op {
		return stays, ""
	}
	switch n.Op {
	case "Conv", "Gemm", "MatMul":
		r, why = product, p.whyNoProduct(n)
	case "Gather":
		r, why = p.lookup(n)
	case "LSTM", "GRU", "RNN":
		r, why = recurrent, p.whyNotRecurrent(n)
	case "ConvTranspose":
		r, why = product, "ONNX Runtime has no integer form of it"
	}
	if r != stays && p.o.excluded(n) {
		why = "it is excluded"
	}
	return r, why
}

// constantOf returns an input that must be a constant of 32-bit floats; what it is
// called goes into the reason why it is none.
func (p *plan) constantOf(n *onnx.Node, i int, called string) (t *onnx.Tensor, why string) {
	name := n.Input(i)
	t = p.constants[name]
	switch {
	case name == "":
		return nil, "it has no " + called
	case t == nil && p.makers[name] != nil:
		return nil, fmt.Sprintf("its %s are computed while running (by %s)", called, p.makers[name].Type())
	case t == nil:
		return nil, fmt.Sprintf("its %s are no constants of the model (%s comes from outside)", called, name)
	case t.Type != onnx.Float32:
		return nil, fmt.Sprintf("its %s are of %v, not float32", called, t.Type)
	case t.Elements() <= 0:
		return nil, fmt.Sprintf("its %s hold nothing", called)
	case p.makers[name] != nil:
		return nil, fmt.Sprintf("its %s have the name of another value", called)
	case isOutput(p.g, name):
		return nil, fmt.Sprintf("its %s are an output of the model too, as floats", called)
	}
	for _, user := range p.users[name] {
		if hasBodies(user) && !p.readInside(user, name) {
			return nil, fmt.Sprintf("its %s are handed to %s as floats too", called, user.Type())
		}
	}
	return t, ""
}

// readInside says whether a node with bodies has the value from inside of them only.
func (p *plan) readInside(n *onnx.Node, name string) bool { return !slices.Contains(n.Inputs, name) }

// whyNoProduct: convolutions and matrix products are put on integers if weights and
// bias are constants of 32-bit floats.
func (p *plan) whyNoProduct(n *onnx.Node) string {
	w, why := p.constantOf(n, weight, "weights")
	switch {
	case why != "":
		return why
	case p.constants[n.Input(0)] != nil || n.Input(0) == "":
		return "both of its factors are constants"
	case !single(n):
		return "it has several outputs"
	}
	outputs := int64(-1) // how many numbers a bias has
	switch {
	case n.Op == "Conv" && len(w.Dims) < 3, n.Op != "Conv" && len(w.Dims) < 2, n.Op == "Gemm" && len(w.Dims) != 2:
		return fmt.Sprintf("its weights have %d dimensions", len(w.Dims))
	case n.Op == "Conv":
		outputs = w.Dims[0]
	case n.Op == "MatMul" && len(w.Dims) > 2 && p.o.Mode != Dynamic:
		return fmt.Sprintf("its weights have %d dimensions, and ONNX Runtime takes 2 in a static model", len(w.Dims))
	case n.Op == "Gemm" && n.IntAttr("transA", 0) != 0:
		return "its input is transposed (transA)"
	case n.Op == "Gemm" && (n.FloatAttr("alpha", 1) != 1 || n.FloatAttr("beta", 1) != 1):
		return "it has factors (alpha, beta) that were not to be put into its weights"
	case n.Op == "Gemm":
		outputs = gemmColumns(n, w)
	}
	if n.Input(2) == "" {
		return ""
	}
	b, why := p.constantOf(n, 2, "bias")
	if why == "" && (len(b.Dims) != 1 || b.Dims[0] != outputs) {
		why = fmt.Sprintf("its bias has the shape %v", b.Dims)
	}
	return strings.Replace(why, "its bias are", "its bias is", 1)
}

func gemmColumns(n *onnx.Node, w *onnx.Tensor) int64 {
	if n.IntAttr("transB", 0) != 0 {
		return w.Dims[0]
	}
	return w.Dims[1]
}

// lookup: a Gather in a large constant of floats is an embedding. Any other only
// picks sizes or columns.
func (p *plan) lookup(n *onnx.Node) (role, string) {
	t := p.constants[n.Input(0)]
	if t == nil || !t.Type.IsFloat() || t.Elements() < smallTable || !single(n) {
		return stays, ""
	}
	_, why := p.constantOf(n, 0, "values")
	return table, why
}

// whyNotRecurrent: the weights of recurrent nodes are put on 8 bits in dynamic
// models only. ONNX Runtime has no static form.
func (p *plan) whyNotRecurrent(n *onnx.Node) string {
	if p.o.Mode != Dynamic {
		return "it is put on 8 bits in dynamic models only (--mode dynamic)"
	}
	for _, i := range []int{1, 2} {
		w, why := p.constantOf(n, i, "weights")
		if why == "" && len(w.Dims) != 3 {
			why = fmt.Sprintf("its weights have %d dimensions", len(w.Dims))
		}
		if why != "" {
			return why
		}
	}
	if n.Op == "LSTM" && n.IntAttr("layout", 0) != 0 {
		return "its batch is first (layout 1), which ONNX Runtime's quantized LSTM does not take"
	}
	return ""
}

// Refusal is a node that has weights and whose weights stay as they are.
type Refusal struct {
	Node string `json:"node"`
	Op   string `json:"op"`
	Why  string `json:"why"`
}

// Refusals are the nodes with weights that these options leave in float, each with
// its reason, in the graph's order.
func Refusals(m *onnx.Model, o Options) (list []Refusal) {
	newPlan(m, o).each(func(p *plan, n *onnx.Node) {
		if r, why := p.weighty(n); r != stays && why != "" {
			list = append(list, Refusal{NodeName(n), n.Op, why})
		}
	})
	return list
}

// notLookedInto is where weights may be that were not looked for.
func notLookedInto(m *onnx.Model, o Options) (text string) {
	if o.Mode != Dynamic && hasBodies(m.Graph.Nodes...) {
		text = " outside of If, Loop and Scan, whose insides are put on 8 bits in dynamic models only (--mode dynamic)"
	}
	if m.Functions > 0 {
		text += fmt.Sprintf(" outside of its %d own functions (onnx.inliner.inline_local_functions puts them into the graph)",
			m.Functions)
	}
	return text
}

// Nothing is the error of a model of which these options put nothing on 8 bits: it
// says for each operator with weights why not. It is nil where there is something.
func Nothing(m *onnx.Model, o Options) error {
	if len(Products(m, o)) > 0 {
		return nil
	}
	refusals := Refusals(m, o)
	if len(refusals) == 0 {
		var ops []string
		for _, n := range m.Graph.Nodes {
			if !slices.Contains(ops, n.Type()) {
				ops = append(ops, n.Type())
			}
		}
		return fmt.Errorf("there is nothing to quantize: the model has no convolution, no product with a matrix of "+
			"weights, no embedding, LSTM or GRU%s; it has %s", notLookedInto(m, o), listed(ops, 8))
	}
	var reasons []string
	at := map[string][]string{}
	for _, r := range refusals {
		why := r.Op + " stays in float, because " + r.Why
		if at[why] == nil {
			reasons = append(reasons, why)
		}
		at[why] = append(at[why], r.Node)
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s (%s)", why, listed(at[why], 3))
	}
	if n := len(reasons) - 5; n > 0 {
		reasons = append(reasons[:5], fmt.Sprintf("and %d more reasons", n))
	}
	return fmt.Errorf("there is nothing to quantize: %s", strings.Join(reasons, "; "))
}

func listed(names []string, most int) string {
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n)
	}
	return strings.Join(names, ", ")
}
