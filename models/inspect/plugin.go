package inspect

import (
	"slices"
	"strings"

	"chexp/models/onnx"
)

// What chexp's ACL plugin takes: the rules of agent/acl (recognise.cc, read.cc,
// shape.cc, qdq.cc, partition.cc), node by node, without what the Arm library's
// own validate refuses on top. The plugin looks at the graph that ONNX Runtime has
// tidied up, in which what follows from constants is a constant.

// claim is an operator that the plugin can take, of one node or, in the QDQ form,
// of several.
type claim struct {
	nodes []*onnx.Node
	ins   []string
	out   string
	heavy bool // a convolution or product
}

// plugin is one look at a model.
type plugin struct {
	*facts
	claims []*claim
	owner  map[*onnx.Node]*claim
	why    map[*onnx.Node]string
}

// pluginTakes says of each node why the plugin leaves it, empty where it takes it.
func (f *facts) pluginTakes() map[*onnx.Node]string {
	p := &plugin{facts: f, owner: map[*onnx.Node]*claim{}, why: map[*onnx.Node]string{}}
	for _, n := range f.m.Graph.Nodes {
		if f.folded[n] || p.owner[n] != nil {
			continue
		}
		c, why := p.recognise(n)
		if why == takes {
			why = p.sizes(n, c)
		}
		if why != takes {
			p.why[n] = why
			continue
		}
		p.claims = append(p.claims, c)
		for _, n := range c.nodes {
			p.owner[n] = c
		}
	}
	p.dropStray()
	p.dropLight()
	for _, c := range p.claims {
		for _, n := range c.nodes {
			p.why[n] = takes
		}
	}
	return p.why
}

const unknownShape = "a dimension other than the batch is not known beforehand"

// concrete is a value's shape, 1 in the place of a free batch.
func (f *facts) concrete(name string) (dims []int64, ok bool) {
	dims, ok = f.sizes(name)
	if !ok || len(dims) > 6 {
		return nil, false
	}
	dims = slices.Clone(dims)
	for i := range dims {
		if dims[i] < 0 && i == 0 {
			dims[i] = 1
		}
		if dims[i] < 1 {
			return nil, false
		}
	}
	return dims, true
}

// sizes checks what holds for every operator: no constant goes in, and sizes are
// known.
func (p *plugin) sizes(n *onnx.Node, c *claim) string {
	for i, name := range c.ins {
		switch _, ok := p.concrete(name); {
		case i == 0 && p.constant[name]:
			return "it works on constants only"
		case !ok && !p.constant[name]:
			return unknownShape
		}
	}
	if len(n.Outputs) == 0 || n.Outputs[0] == "" {
		return "it has no output"
	}
	for _, more := range n.Outputs[1:] {
		if more != "" {
			return "it has a second output"
		}
	}
	return takes
}

func (p *plugin) one(n *onnx.Node, heavy bool, ins ...string) *claim {
	out := ""
	if len(n.Outputs) > 0 {
		out = n.Outputs[0]
	}
	return &claim{nodes: []*onnx.Node{n}, ins: ins, out: out, heavy: heavy}
}

func eightBits(t onnx.DataType) bool { return t == onnx.Uint8 || t == onnx.Int8 }

// sameFloat: every value is of one of the two types that it computes in.
func (p *plugin) sameFloat(names ...string) string {
	first := p.types[names[0]]
	switch first {
	case onnx.Float32, onnx.Float16:
	case 0:
		return "what type it computes in is not known here"
	default:
		return "it computes in " + first.String()
	}
	for _, name := range names {
		if t := p.types[name]; name != "" && t != 0 && t != first {
			return "types differ"
		}
	}
	return takes
}

func (p *plugin) recognise(n *onnx.Node) (*claim, string) {
	x := n.Input(0)
	out := ""
	if len(n.Outputs) > 0 {
		out = n.Outputs[0]
	}
	switch n.Type() {
	case "Conv":
		if p.dequantized(n.Input(1)) {
			return p.qdq(n, func() string { return p.conv(n, p.source(x), p.source(n.Input(1)), "") })
		}
		if why := p.conv(n, x, n.Input(1), n.Input(2)); why != takes {
			return nil, why
		}
		return p.one(n, true, x), p.sameFloat(x, n.Input(1), n.Input(2), out)
	case "Gemm", "MatMul":
		if p.dequantized(n.Input(1)) {
			return p.qdq(n, func() string { return p.product(n, p.source(x), p.source(n.Input(1)), "") })
		}
		if why := p.product(n, x, n.Input(1), n.Input(2)); why != takes {
			return nil, why
		}
		return p.one(n, true, x), p.sameFloat(x, n.Input(1), n.Input(2), out)
	case "QLinearConv", "QLinearMatMul", "com.microsoft.QGemm":
		return p.one(n, true, x), p.quantizedProduct(n)
	case "com.microsoft.QLinearAdd", "com.microsoft.QLinearGlobalAveragePool":
		return p.quantizedRest(n)
	case "Add":
		return p.add(n, x, n.Input(1))
	case "Relu", "Clip":
		if n.Op == "Clip" && (n.Input(1) != "" && !p.constant[n.Input(1)] || n.Input(2) != "" && !p.constant[n.Input(2)]) {
			return nil, "its bounds are no constants"
		}
		return p.one(n, false, x), p.sameFloat(x, out)
	case "GlobalAveragePool", "AveragePool", "MaxPool":
		return p.one(n, false, x), p.pool(n)
	case "Flatten", "Reshape":
		return p.one(n, false, x), p.reshape(n)
	case "QuantizeLinear", "DequantizeLinear":
		return p.one(n, false, x), p.conversion(n)
	case "ConvInteger", "DynamicQuantizeLinear", "MatMulInteger":
		return nil, "dynamic quantization is not what it does"
	}
	return nil, notImplemented
}

// weights are a constant of the file itself, with as many dimensions.
func (p *plugin) weights(name, what string) (dims []int64, why string) {
	switch {
	case !p.constant[name]:
		return nil, "the " + what + " are no constant"
	case p.outside[name]:
		return nil, "the " + what + " lie in another file"
	}
	dims, ok := p.sizesOfConstant(name)
	if !ok || onnx.Elements(dims) < 1 {
		return nil, "the " + what + " have no known size"
	}
	return dims, takes
}

// perChannel: a bias is a constant with a value for each channel.
func (p *plugin) perChannelBias(name string, channels int64) bool {
	dims, why := p.weights(name, "bias")
	return why == takes && len(dims) > 0 && dims[len(dims)-1] == channels && onnx.Elements(dims) == channels
}

const maxWindow = 64

// window checks a kernel's attributes.
func window(n *onnx.Node, kernel []int64) string {
	for _, k := range kernel {
		if k < 1 || k > maxWindow {
			return "a kernel larger than 64"
		}
	}
	for _, name := range []string{"strides", "dilations"} {
		v := n.IntsAttr(name)
		if v != nil && (len(v) != 2 || slices.Min(v) < 1 || slices.Max(v) > maxWindow) {
			return "strides or dilations"
		}
	}
	if v := n.IntsAttr("pads"); v != nil && (len(v) != 4 || slices.Min(v) < 0) {
		return "pads"
	}
	return takes
}

func (p *plugin) conv(n *onnx.Node, x, weights, bias string) string {
	w, why := p.weights(weights, "weights")
	if why != takes {
		return why
	}
	if len(w) != 4 {
		return "it is no convolution of two dimensions"
	}
	in, ok := p.concrete(x)
	if !ok || len(in) != 4 {
		return unknownShape
	}
	if bias != "" && !p.perChannelBias(bias, w[0]) {
		return "the bias is no constant per channel"
	}
	if why := window(n, w[2:]); why != takes {
		return why
	}
	if group := n.IntAttr("group", 1); group != 1 && (group != in[1] || w[1] != 1 || w[0]%group != 0) {
		return "its groups are not one channel each"
	}
	return takes
}

func (p *plugin) product(n *onnx.Node, x, weights, bias string) string {
	w, why := p.weights(weights, "values of the second matrix")
	switch {
	case why != takes:
		return why
	case len(w) != 2:
		return "the second matrix has not two dimensions"
	case n.IntAttr("transA", 0) != 0 || n.FloatAttr("alpha", 1) != 1:
		return "transA or alpha"
	}
	columns := w[1]
	if n.IntAttr("transB", 0) != 0 {
		columns = w[0]
	}
	if bias != "" && (n.FloatAttr("beta", 1) != 1 || !p.perChannelBias(bias, columns)) {
		return "beta, or the bias is no constant per column"
	}
	in, ok := p.concrete(x)
	switch {
	case !ok:
		return unknownShape
	case len(in) < 2 || len(in) == 4:
		return "the first matrix has four dimensions, or one"
	}
	return takes
}

// summands have equal numbers of dimensions, or the second is a constant of fewer.
func (p *plugin) summands(x, y string) string {
	a, ok1 := p.concrete(x)
	b, ok2 := p.concrete(y)
	if p.constant[y] {
		b, ok2 = p.sizesOfConstant(y)
	}
	switch {
	case !ok1 || !ok2:
		return unknownShape
	case p.constant[y] && len(b) > len(a), !p.constant[y] && len(a) != len(b):
		return "the numbers of dimensions differ"
	case len(a) > 4 && len(b) != len(a):
		return "more than four dimensions"
	}
	return takes
}

func (p *plugin) add(n *onnx.Node, x, y string) (*claim, string) {
	if p.constant[x] {
		x, y = y, x
	}
	if p.outside[y] {
		return nil, "its constant lies in another file"
	}
	if why := p.sameFloat(x, y, n.Outputs[0]); why != takes {
		return nil, why
	}
	return p.one(n, false, x, y), p.summands(x, y)
}

func (p *plugin) pool(n *onnx.Node) string {
	in, ok := p.concrete(n.Input(0))
	if !ok || len(in) != 4 {
		return "a dimension other than the batch is not known beforehand, or not two of them"
	}
	if why := p.sameFloat(n.Input(0)); why != takes && (n.Op != "MaxPool" || !eightBits(p.types[n.Input(0)])) {
		return why
	}
	if n.Op == "GlobalAveragePool" {
		return takes
	}
	kernel := n.IntsAttr("kernel_shape")
	padded := slices.ContainsFunc(n.IntsAttr("pads"), func(p int64) bool { return p != 0 }) ||
		strings.HasPrefix(n.TextAttr("auto_pad", ""), "SAME")
	switch {
	case n.IntAttr("ceil_mode", 0) != 0:
		return "ceil_mode"
	case len(kernel) != 2:
		return "kernel_shape"
	case slices.ContainsFunc(n.IntsAttr("dilations"), func(d int64) bool { return d != 1 }):
		return "dilations"
	case n.Op == "MaxPool" && padded && p.types[n.Input(0)] == onnx.Float16:
		return "float16 with padding"
	}
	return window(n, kernel)
}

// reshape moves nothing; a picture lies channels-last in it, so a plane cannot be
// read under another shape.
func (p *plugin) reshape(n *onnx.Node) string {
	switch t := p.types[n.Input(0)]; {
	case t == 0 || t == onnx.Text || t == onnx.Bool || t == onnx.Float64 || t == onnx.BFloat16:
		return "its type"
	case n.Op == "Flatten" && n.IntAttr("axis", 1) != 1:
		return "axis"
	case n.Op == "Reshape" && (!p.constant[n.Input(1)] || n.IntAttr("allowzero", 0) != 0):
		return "the shape is no constant"
	}
	in, ok1 := p.concrete(n.Input(0))
	out, ok2 := p.concrete(n.Outputs[0])
	plain := func(s []int64) bool { return len(s) != 4 || s[2] == 1 && s[3] == 1 }
	switch {
	case !ok1 || !ok2:
		return unknownShape
	case !slices.Equal(in, out) && !(plain(in) && plain(out)):
		return "it reshapes a plane"
	}
	return takes
}

func (p *plugin) conversion(n *onnx.Node) string {
	wide, narrow := p.types[n.Input(0)], p.types[n.Outputs[0]]
	if n.Op == "DequantizeLinear" {
		wide, narrow = narrow, wide
	}
	switch {
	case wide != onnx.Float32 || !eightBits(narrow):
		return "it is not between float32 and 8 bits"
	case n.IntAttr("block_size", 0) != 0:
		return "blocks"
	case !p.oneScale(n.Input(1), n.Input(2)):
		return "not one constant scale"
	}
	return takes
}
