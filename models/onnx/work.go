package onnx

import (
	"fmt"
	"sort"
	"strings"

	"chexp/experiments/trial"
)

// Work counts what one inference of batch inputs must do at least. It fails,
// and says why, where an operator or a shape is not known: a count that left
// something out would be taken for the whole.
//
// A first dimension that the file fixes is the model's own batch, as it is for
// the agent; the count is then that of one such inference, scaled to batch.
func Work(m *Model, batch int64) (trial.Work, error) {
	own := batch
	for _, v := range m.Graph.RealInputs() {
		if len(v.Shape) > 0 && v.Shape[0].Known() && v.Shape[0].Size > 0 {
			own = v.Shape[0].Size
			break
		}
	}
	s, err := Infer(m, own, nil)
	if err != nil {
		return trial.Work{}, err
	}
	return s.work(m, batch, own)
}

// WorkOnce counts what one inference does, whatever it handles, where a free batch is
// 1.
func WorkOnce(m *Model) (trial.Work, error) {
	s, err := Infer(m, 1, nil)
	if err != nil {
		return trial.Work{}, err
	}
	return s.work(m, 1, 1)
}

// WorkOf counts what one input takes where the model's inputs have these shapes,
// with which one inference handles so many inputs.
func WorkOf(m *Model, shapes map[string][]int64, batch int64) (trial.Work, error) {
	s, err := Infer(m, batch, shapes)
	if err != nil {
		return trial.Work{}, err
	}
	return s.work(m, 1, batch)
}

func (s *Shapes) work(m *Model, batch, own int64) (w trial.Work, err error) {
	p := newProducts(m, s)
	if err := p.unknown(); err != nil {
		return w, err
	}
	for _, n := range s.nodes {
		float, integer, err := p.multiplyAdds(n)
		if err != nil {
			return trial.Work{}, err
		}
		w.Float, w.Integer = w.Float+float, w.Integer+integer
		if w.Float < 0 || w.Integer < 0 {
			return trial.Work{}, fmt.Errorf("the multiply-adds are more than can be counted")
		}
	}
	for _, v := range append(m.Graph.RealInputs(), m.Graph.Outputs...) {
		dims, err := s.Of(v.Name)
		if err != nil {
			return trial.Work{}, err
		}
		bytes := v.Elem.bytes(Elements(dims))
		if bytes < 0 {
			return trial.Work{}, fmt.Errorf("the size of %q (%v) cannot be counted", v.Name, v.Elem)
		}
		w.ActivationBytes += bytes
	}
	for _, t := range usedConstants(m.Graph) {
		w.WeightBytes += max(0, t.Bytes())
	}
	if own != batch {
		for _, v := range []*int64{&w.Float, &w.Integer, &w.ActivationBytes} {
			if *v%own != 0 || *v/own > maxElements*(1<<20)/max(1, batch) {
				return trial.Work{},
					fmt.Errorf("the model is made for %d inputs at once, and its work does not divide by them", own)
			}
			*v = *v / own * batch
		}
	}
	return w, nil
}

// usedConstants are the initializers and constants that some node reads, in
// the file's order.
func usedConstants(g *Graph) (list []*Tensor) {
	used := map[string]bool{}
	for _, n := range g.Nodes {
		EachUse(n, func(name string) { used[name] = true })
	}
	for _, v := range g.Outputs {
		used[v.Name] = true
	}
	for _, t := range g.Initializers {
		if used[t.Name] {
			list = append(list, t)
		}
	}
	for _, n := range g.Nodes {
		if n.Type() != "Constant" || len(n.Outputs) == 0 || !used[n.Outputs[0]] {
			continue
		}
		if a := n.Attr("value"); a != nil && a.Tensor != nil {
			list = append(list, a.Tensor)
		}
	}
	return list
}

// productCounter counts the multiply-adds of nodes.
type productCounter struct {
	m     *Model
	s     *Shapes
	maker map[string]*Node
	users map[string][]*Node
	types map[string]DataType // made when first asked for
}

func newProducts(m *Model, s *Shapes) *productCounter {
	p := &productCounter{m: m, s: s, maker: map[string]*Node{}, users: map[string][]*Node{}}
	for _, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			p.maker[o] = n
		}
		for _, i := range n.Inputs {
			p.users[i] = append(p.users[i], n)
		}
	}
	return p
}

// unknown names the operators that might multiply and add for all that is
// known here.
func (p *productCounter) unknown() error {
	found := map[string]bool{}
	for _, n := range p.m.Graph.Nodes {
		if _, ok := rules[n.Type()]; !ok {
			found[n.Type()] = true
		}
	}
	if len(found) == 0 {
		return nil
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(names) > 5 {
		names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
	}
	return fmt.Errorf("what these operators do is not counted: %s", strings.Join(names, ", "))
}

// multiplyAdds counts those of one node, 0 for an operator that does none.
func (p *productCounter) multiplyAdds(n *Node) (float, integer int64, err error) {
	if c, ok := counters[n.Type()]; ok {
		return c(p, n)
	}
	op, ok := products[n.Type()]
	if !ok {
		return 0, 0, nil
	}
	x, err := p.s.Of(n.Input(op.data))
	if err != nil {
		return 0, 0, err
	}
	w, err := p.s.Of(n.Input(op.weights))
	if err != nil {
		return 0, 0, err
	}
	if len(n.Outputs) == 0 {
		return 0, 0, nil
	}
	out, err := p.s.Of(n.Outputs[0])
	if err != nil {
		return 0, 0, err
	}
	var count, each int64
	switch op.kind {
	case convolution:
		count, each = Elements(out), Elements(w[1:])
	case spreading:
		count, each = Elements(x), Elements(w[1:])
	case matrix:
		count, each = Elements(out), x[len(x)-1]
		if n.IntAttr("transA", 0) != 0 {
			each = x[0]
		}
	}
	if count < 0 || each < 0 || each > 0 && count > maxElements*1024/each {
		return 0, 0, fmt.Errorf("%s: its multiply-adds are more than can be counted", label(n))
	}
	if op.integer || p.betweenQuantizers(n, op.data, op.weights) {
		return 0, count * each, nil
	}
	return count * each, 0, nil
}

// betweenQuantizers says whether a float product is written between
// DequantizeLinear and QuantizeLinear (QDQ), which a runtime turns into one on
// integers: both factors come from 8-bit values, and, for a convolution, the
// result becomes one. ONNX Runtime has integer matrix products with a float
// result, but no such convolution.
func (p *productCounter) betweenQuantizers(n *Node, data, weights int) bool {
	for _, i := range []int{data, weights} {
		from := p.maker[n.Input(i)]
		if from == nil || from.Op != "DequantizeLinear" || !p.eightBits(from.Input(0)) {
			return false
		}
	}
	if !strings.Contains(n.Op, "Conv") {
		return true
	}
	out := n.Outputs[0]
	for {
		users := p.users[out]
		switch {
		case len(users) != 1:
			return false
		case users[0].Op == "QuantizeLinear":
			return true
		case users[0].Op != "Relu" && users[0].Op != "Clip" || len(users[0].Outputs) != 1 || users[0].Outputs[0] == out:
			return false
		}
		out = users[0].Outputs[0]
	}
}

// eightBits says whether a value is of 8-bit integers. One of 4 or 16 bits, or of
// 8-bit floats, is computed on as float.
func (p *productCounter) eightBits(name string) bool {
	if p.types == nil {
		p.types = p.m.ElementTypes()
	}
	t := p.types[name]
	return t == Uint8 || t == Int8
}

// Product is what one node multiplies and adds.
type Product struct {
	Count   int64
	Integer bool
}

// Products counts every node's multiply-adds apart. Nodes whose shapes are not
// known are left out.
func (s *Shapes) Products(m *Model) map[*Node]Product {
	p := newProducts(m, s)
	counts := map[*Node]Product{}
	for _, n := range m.Graph.Nodes {
		if !n.Multiplies() {
			continue
		}
		if float, integer, err := p.multiplyAdds(n); err == nil {
			counts[n] = Product{float + integer, integer > 0}
		}
	}
	return counts
}

// Multiplies says whether the node is a convolution or matrix product, or a layer
// that is made of such.
func (n *Node) Multiplies() bool {
	_, product := products[n.Type()]
	_, layer := counters[n.Type()]
	return product || layer
}

// Known says whether the sizes and the work of the operator are known here.
func (n *Node) Known() bool {
	_, ok := rules[n.Type()]
	return ok
}
