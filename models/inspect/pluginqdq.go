package inspect

import (
	"slices"

	"chexp/models/onnx"
)

func (p *plugin) oneScale(scale, zero string) bool {
	s := p.constants[scale]
	return s != nil && s.Elements() == 1 && (zero == "" || p.constants[zero] != nil && p.constants[zero].Elements() == 1)
}

// quantizedProduct: the operators with scales of their own.
func (p *plugin) quantizedProduct(n *onnx.Node) string {
	x := n.Input(0)
	var why string
	switch {
	case n.Op == "QGemm" && n.Input(7) == "":
		return "its output is float"
	case n.Op == "QLinearConv":
		why = p.conv(n, x, n.Input(3), n.Input(8))
	case n.Op == "QGemm":
		why = p.product(n, x, n.Input(3), n.Input(6))
	default:
		why = p.product(n, x, n.Input(3), "")
	}
	out, outZero := n.Input(6), n.Input(7)
	if n.Op == "QGemm" {
		out, outZero = n.Input(7), n.Input(8)
	}
	switch {
	case why != takes:
		return why
	case !eightBits(p.types[x]) || !eightBits(p.types[n.Input(3)]):
		return "it is not of 8 bits"
	case p.constants[n.Input(4)] == nil || !p.oneScale(n.Input(1), n.Input(2)) || !p.oneScale(out, outZero):
		return "scales or zero points are no constants"
	}
	return p.zeroPoints(p.constants[n.Input(5)])
}

// zeroPoints of weights must be one.
func (p *plugin) zeroPoints(zero *onnx.Tensor) string {
	if zero == nil {
		return takes
	}
	v, err := zero.Integers()
	if err != nil || slices.ContainsFunc(v, func(z int64) bool { return z != v[0] }) {
		return "the weights' zero points differ by channel"
	}
	return takes
}

func (p *plugin) quantizedRest(n *onnx.Node) (*claim, string) {
	x, y, scales := n.Input(0), "", [][2]int{{1, 2}, {3, 4}}
	if n.Op == "QLinearAdd" {
		y, scales = n.Input(3), [][2]int{{1, 2}, {4, 5}, {6, 7}}
	}
	if n.IntAttr("channels_last", 0) != 0 {
		return nil, "channels_last"
	}
	for _, at := range scales {
		if !p.oneScale(n.Input(at[0]), n.Input(at[1])) {
			return nil, "not one constant scale each"
		}
	}
	if !eightBits(p.types[x]) {
		return nil, "it is not of 8 bits"
	}
	if y == "" {
		if dims, ok := p.concrete(x); !ok || len(dims) != 4 {
			return nil, unknownShape
		}
		return p.one(n, false, x), takes
	}
	return p.one(n, false, x, y), p.summands(x, y)
}

// dequantized says whether a value comes out of a DequantizeLinear.
func (f *facts) dequantized(name string) bool {
	n := f.makers[name]
	return n != nil && n.Type() == "DequantizeLinear"
}

// source is what a DequantizeLinear makes the value from, else the value.
func (f *facts) source(name string) string {
	if f.dequantized(name) {
		return f.makers[name].Input(0)
	}
	return name
}

// qdq recognises a product between DequantizeLinear and QuantizeLinear, with its
// conversions.
func (p *plugin) qdq(n *onnx.Node, shapes func() string) (*claim, string) {
	x, w := p.makers[n.Input(0)], p.makers[n.Input(1)]
	if x == nil || x.Type() != "DequantizeLinear" {
		return nil, "its weights are quantized and what goes in is not"
	}
	switch {
	case !eightBits(p.types[x.Input(0)]) || !eightBits(p.types[w.Input(0)]):
		return nil, "it is not of 8 bits"
	case p.types[x.Input(0)] == onnx.Int8 && p.types[w.Input(0)] != onnx.Int8:
		return nil, "signed values with unsigned weights"
	case !p.oneScale(x.Input(1), x.Input(2)) || p.constants[w.Input(1)] == nil:
		return nil, "scales or zero points are no constants"
	}
	if why := p.zeroPoints(p.constants[w.Input(2)]); why != takes {
		return nil, why
	}
	if why := shapes(); why != takes {
		return nil, why
	}
	c := p.one(n, true, x.Input(0))
	c.nodes = append(c.nodes, x, w)
	if b := n.Input(2); b != "" {
		if !p.dequantized(b) || p.types[p.source(b)] != onnx.Int32 {
			return nil, "the bias is not quantized"
		}
		c.nodes = append(c.nodes, p.makers[b])
	}
	next := p.soleUser(n.Outputs[0])
	if next != nil && (next.Op == "Relu" || next.Op == "Clip") {
		c.nodes = append(c.nodes, next)
		next = p.soleUser(next.Outputs[0])
	}
	if next == nil || next.Type() != "QuantizeLinear" || !p.oneScale(next.Input(1), next.Input(2)) ||
		p.types[next.Outputs[0]] != p.types[x.Input(0)] {
		return nil, "there is no QuantizeLinear behind it"
	}
	for _, use := range []*onnx.Node{x, w} {
		if p.soleUser(use.Outputs[0]) != n {
			return nil, "its conversion has another user"
		}
	}
	c.nodes, c.out = append(c.nodes, next), next.Outputs[0]
	return c, takes
}

// soleUser is the only node that reads a value that nothing else can see.
func (f *facts) soleUser(name string) *onnx.Node {
	if slices.ContainsFunc(f.m.Graph.Outputs, func(v *onnx.Value) bool { return v.Name == name }) {
		return nil
	}
	if users := f.users[name]; len(users) == 1 {
		return users[0]
	}
	return nil
}

// dropStray leaves a conversion alone whose other side is not claimed, and an
// activation between the two.
func (p *plugin) dropStray() {
	stray := func(c *claim) bool {
		if len(c.nodes) != 1 {
			return false
		}
		n := c.nodes[0]
		from := p.makers[n.Input(0)]
		feeds := slices.ContainsFunc(p.users[c.out], func(u *onnx.Node) bool { return u.Op == "QuantizeLinear" })
		if n.Op == "QuantizeLinear" || (n.Op == "Relu" || n.Op == "Clip") && feeds {
			return from != nil && p.owner[from] == nil
		}
		return n.Op == "DequantizeLinear" &&
			slices.ContainsFunc(p.users[c.out], func(u *onnx.Node) bool { return p.owner[u] == nil })
	}
	p.drop("the other side of the conversion is not taken", stray)
}

// drop gives claims back until no more are to be.
func (p *plugin) drop(why string, gone func(*claim) bool) {
	for again := true; again; {
		again = false
		p.claims = slices.DeleteFunc(p.claims, func(c *claim) bool {
			if !gone(c) {
				return false
			}
			for _, n := range c.nodes {
				delete(p.owner, n)
				p.why[n] = why
			}
			again = true
			return true
		})
	}
}

// dropLight gives back groups without a convolution or product: light operators
// alone would cost more at their edges than they save. A group is convex: its
// operators have one depth, the number of times that a way to them leaves the
// claimed ones.
func (p *plugin) dropLight() {
	depth, foreign, root := map[*claim]int{}, map[*onnx.Node]int{}, map[*claim]*claim{}
	find := func(c *claim) *claim {
		for root[c] != nil {
			c = root[c]
		}
		return c
	}
	for _, n := range p.m.Graph.Nodes {
		c := p.owner[n]
		if c == nil {
			onnx.EachUse(n, func(name string) {
				from := p.makers[name]
				if from == nil {
					return
				}
				at := foreign[from]
				if o := p.owner[from]; o != nil {
					at = depth[o]
				}
				foreign[n] = max(foreign[n], at)
			})
			continue
		}
		if n != c.last() {
			continue
		}
		for _, name := range c.ins {
			if from := p.makers[name]; from != nil {
				at := foreign[from] + 1
				if o := p.owner[from]; o != nil {
					at = depth[o]
				}
				if !p.folded[from] {
					depth[c] = max(depth[c], at)
				}
			}
		}
		for _, name := range c.ins {
			if o := p.owner[p.makers[name]]; o != nil && depth[o] == depth[c] && find(o) != find(c) {
				root[find(o)] = find(c)
			}
		}
	}
	heavy := map[*claim]bool{}
	for _, c := range p.claims {
		heavy[find(c)] = heavy[find(c)] || c.heavy
	}
	p.drop("there is no convolution or product beside it that it takes", func(c *claim) bool { return !heavy[find(c)] })
}

// last is the node of a claim that makes its output.
func (c *claim) last() *onnx.Node {
	for _, n := range c.nodes {
		if slices.Contains(n.Outputs, c.out) {
			return n
		}
	}
	return c.nodes[0]
}
