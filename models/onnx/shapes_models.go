package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// Operators that are whole layers: recurrent ones, attention, and ONNX Runtime's own
// (com.microsoft) fused ones, with their outputs' sizes and their multiply-adds.

func init() {
	for _, name := range strings.Fields("LSTM GRU RNN") {
		rules[name], counters[name] = recurrent, countRecurrent
	}
	rules[ms+"DynamicQuantizeLSTM"], counters[ms+"DynamicQuantizeLSTM"] = recurrent, countRecurrent
	rules["Attention"], counters["Attention"] = attention, countAttention
	for _, name := range []string{"MultiHeadAttention", "GroupQueryAttention"} {
		rules[ms+name], counters[ms+name] = likeQuery, countHeads
	}
	for _, name := range []string{"Attention", "QAttention"} {
		rules[ms+name], counters[ms+name] = packedAttention, countPacked
	}
	rules[ms+"MatMulNBits"], counters[ms+"MatMulNBits"] = nBits, countNBits
	rules[ms+"MatMulBnb4"], counters[ms+"MatMulBnb4"] = nBits, countNBits
	rules[ms+"FusedMatMul"], counters[ms+"FusedMatMul"] = fusedMatMul, countFusedMatMul
	rules["Einsum"], counters["Einsum"] = einsum, countEinsum
	for _, name := range strings.Fields(`BiasGelu FastGelu BiasSplitGelu SkipLayerNormalization
		SkipSimplifiedLayerNormalization RotaryEmbedding GroupNorm BiasAdd NhwcFusedActivation`) {
		rules[ms+name] = likeFirst
	}
	for _, name := range strings.Fields(`SimplifiedLayerNormalization SkipSimplifiedLayerNormalization RotaryEmbedding
		ScatterND ScatterElements Scatter ReverseSequence EyeLike RandomNormalLike RandomUniformLike`) {
		rules[name] = likeFirst
	}
	rules["GatherElements"] = func(c *call) ([]*value, error) {
		x, err := c.dims(1)
		return shaped(x...), err
	}
	rules["TopK"] = topK
}

// counter says how many multiply-adds a node does in float and on integers.
type counter func(p *productCounter, n *Node) (float, integer int64, err error)

// counters are the operators whose multiply-adds are no single product.
var counters = map[string]counter{}

// times multiplies sizes, -1 where that is more than can be counted.
func times(sizes ...int64) int64 { return Elements(sizes) }

func (p *productCounter) inputs(n *Node, at ...int) (all [][]int64, err error) {
	for _, i := range at {
		if n.Input(i) == "" {
			all = append(all, nil)
			continue
		}
		dims, err := p.s.Of(n.Input(i))
		if err != nil {
			return nil, err
		}
		all = append(all, dims)
	}
	return all, nil
}

func counted(n *Node, products ...int64) (sum int64, err error) {
	for _, v := range products {
		if v < 0 {
			return 0, fmt.Errorf("%s: its multiply-adds are more than can be counted", label(n))
		}
		sum += v
	}
	return sum, nil
}

// recurrent: X is steps, batch, input (with layout 1 batch, steps, input); R ends
// in, or for ONNX Runtime's quantized form begins with, the hidden size.
func recurrent(c *call) ([]*value, error) {
	x, r, err := c.two(0, 2)
	if err != nil || len(x) != 3 || len(r) != 3 {
		return nil, orElse(err, "it takes %v with recurrence %v", x, r)
	}
	hidden := c.n.IntAttr("hidden_size", r[2])
	steps, batch := x[0], x[1]
	if c.n.IntAttr("layout", 0) != 0 {
		steps, batch = batch, steps
		return []*value{{dims: []int64{batch, steps, r[0], hidden}}, {dims: []int64{batch, r[0], hidden}},
			{dims: []int64{batch, r[0], hidden}}}, nil
	}
	return []*value{{dims: []int64{steps, r[0], batch, hidden}}, {dims: []int64{r[0], batch, hidden}},
		{dims: []int64{r[0], batch, hidden}}}, nil
}

func countRecurrent(p *productCounter, n *Node) (float, integer int64, err error) {
	in, err := p.inputs(n, 0, 1, 2)
	if err != nil {
		return 0, 0, err
	}
	x, w, r := in[0], in[1], in[2]
	if len(x) != 3 || len(w) != 3 || len(r) != 3 {
		return 0, 0, fmt.Errorf("%s: it has weights %v and %v", label(n), w, r)
	}
	sum, err := counted(n, times(x[0], x[1], Elements(w)), times(x[0], x[1], Elements(r)))
	if n.Domain != "" && n.Domain != "ai.onnx" {
		return 0, sum, err
	}
	return sum, 0, err
}

// heads splits the last dimension of a value of three dimensions.
func heads(x []int64, count int64) (batch, number, length, size int64, ok bool) {
	switch {
	case len(x) == 4:
		return x[0], x[1], x[2], x[3], true
	case len(x) == 3 && count > 0 && x[2]%count == 0:
		return x[0], count, x[1], x[2] / count, true
	}
	return 0, 0, 0, 0, false
}

// attention is ai.onnx's, from operator set 23 on: Q, K, V, mask, past key and value.
func attention(c *call) ([]*value, error) {
	q, k, err := c.two(0, 1)
	if err != nil {
		return nil, err
	}
	v, err := c.dims(2)
	if err != nil {
		return nil, err
	}
	qn, kn := c.n.IntAttr("q_num_heads", 0), c.n.IntAttr("kv_num_heads", 0)
	b, h, length, _, ok1 := heads(q, qn)
	_, kh, keys, size, ok2 := heads(k, kn)
	_, _, _, vsize, ok3 := heads(v, kn)
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("it attends from %v to %v and %v", q, k, v)
	}
	if past, err := c.dims(4); c.n.Input(4) != "" && (err != nil || len(past) != 4) {
		return nil, orElse(err, "its past is %v", past)
	} else if c.n.Input(4) != "" {
		keys += past[2]
	}
	out := []int64{b, length, h * vsize}
	if len(q) == 4 {
		out = []int64{b, h, length, vsize}
	}
	return []*value{{dims: out}, {dims: []int64{b, kh, keys, size}}, {dims: []int64{b, kh, keys, vsize}},
		{dims: []int64{b, h, length, keys}}}, nil
}

func countAttention(p *productCounter, n *Node) (float, integer int64, err error) {
	in, err := p.inputs(n, 0, 1, 2, 4)
	if err != nil {
		return 0, 0, err
	}
	kn := n.IntAttr("kv_num_heads", 0)
	b, h, length, size, ok1 := heads(in[0], n.IntAttr("q_num_heads", 0))
	_, _, keys, _, ok2 := heads(in[1], kn)
	_, _, _, vsize, ok3 := heads(in[2], kn)
	if !ok1 || !ok2 || !ok3 {
		return 0, 0, fmt.Errorf("%s: it attends from %v to %v", label(n), in[0], in[1])
	}
	if len(in[3]) == 4 {
		keys += in[3][2]
	}
	float, err = counted(n, times(b, h, length, keys, size), times(b, h, length, keys, vsize))
	return float, 0, err
}

// likeQuery: the first output has the query's shape, with the values' width.
func likeQuery(c *call) ([]*value, error) {
	q, err := c.dims(0)
	if err != nil || len(q) != 3 || c.n.Input(1) == "" {
		return nil, orElse(err, "its query, keys and values are packed into %v", q)
	}
	out := slices.Clone(q)
	if c.n.Op == "MultiHeadAttention" && c.n.Input(2) != "" {
		v, err := c.dims(2)
		if err != nil {
			return nil, err
		}
		if _, h, _, size, ok := heads(v, c.n.IntAttr("num_heads", 0)); ok {
			out[2] = h * size
		}
	}
	return shaped(out...), nil
}

// countHeads is of com.microsoft's attention over separate Q, K and V. Past keys
// are inputs 6 (MultiHeadAttention) and 3 (GroupQueryAttention).
func countHeads(p *productCounter, n *Node) (float, integer int64, err error) {
	past := 6
	kv := n.IntAttr("num_heads", 0)
	if n.Op == "GroupQueryAttention" {
		past, kv = 3, n.IntAttr("kv_num_heads", 0)
	}
	in, err := p.inputs(n, 0, 1, 2, past)
	if err != nil {
		return 0, 0, err
	}
	q, k, v := in[0], in[1], in[2]
	if k == nil || v == nil {
		return 0, 0, fmt.Errorf("%s: keys and values are packed into its query", label(n))
	}
	b, h, length, size, ok1 := heads(q, n.IntAttr("num_heads", 0))
	_, _, keys, _, ok2 := heads(k, kv)
	_, _, _, vsize, ok3 := heads(v, kv)
	if !ok1 || !ok2 || !ok3 {
		return 0, 0, fmt.Errorf("%s: it attends from %v to %v", label(n), q, k)
	}
	if len(in[3]) == 4 {
		keys += in[3][2]
	}
	float, err = counted(n, times(b, h, length, keys, size), times(b, h, length, keys, vsize))
	return float, 0, err
}

// packedAttention makes Q, K and V itself, by weights of input × (Q, K, V).
func packedAttention(c *call) ([]*value, error) {
	x, w, err := c.two(0, 1)
	if err != nil || len(x) != 3 || len(w) != 2 {
		return nil, orElse(err, "it takes %v with weights %v", x, w)
	}
	width := w[1] / 3
	if s := c.n.IntsAttr("qkv_hidden_sizes"); len(s) == 3 {
		width = s[2]
	}
	return shaped(x[0], x[1], width), nil
}

func countPacked(p *productCounter, n *Node) (float, integer int64, err error) {
	past := 4
	if n.Op == "QAttention" {
		past = 8
	}
	in, err := p.inputs(n, 0, 1, past)
	if err != nil {
		return 0, 0, err
	}
	x, w := in[0], in[1]
	if len(x) != 3 || len(w) != 2 {
		return 0, 0, fmt.Errorf("%s: it takes %v with weights %v", label(n), x, w)
	}
	keyWidth, valueWidth, keys := w[1]/3, w[1]/3, x[1]
	if s := n.IntsAttr("qkv_hidden_sizes"); len(s) == 3 {
		keyWidth, valueWidth = s[1], s[2]
	}
	if len(in[2]) == 5 {
		keys += in[2][3]
	}
	project, err := counted(n, times(x[0], x[1], Elements(w)))
	if err != nil {
		return 0, 0, err
	}
	float, err = counted(n, times(x[0], x[1], keys, keyWidth), times(x[0], x[1], keys, valueWidth))
	if n.Op == "QAttention" {
		return float, project, err
	}
	return float + project, 0, err
}

// nBits multiplies by a matrix of K × N that is packed into a few bits a value.
func nBits(c *call) ([]*value, error) {
	x, err := c.dims(0)
	k, width := c.n.IntAttr("K", 0), c.n.IntAttr("N", 0)
	if err != nil || len(x) == 0 || k < 1 || width < 1 || x[len(x)-1] != k {
		return nil, orElse(err, "it multiplies %v by a matrix of %d × %d", x, k, width)
	}
	out := slices.Clone(x)
	out[len(out)-1] = width
	return shaped(out...), nil
}

func countNBits(p *productCounter, n *Node) (float, integer int64, err error) {
	in, err := p.inputs(n, 0)
	if err != nil {
		return 0, 0, err
	}
	float, err = counted(n, times(Elements(in[0]), n.IntAttr("N", 0)))
	return float, 0, err
}

// fusedMatMul is MatMul of which each side may be transposed.
func fusedMatMul(c *call) ([]*value, error) {
	a, b, err := c.two(0, 1)
	if err != nil {
		return nil, err
	}
	if len(a) < 2 || len(b) < 2 || c.n.IntAttr("transBatchA", 0) != 0 || c.n.IntAttr("transBatchB", 0) != 0 {
		return nil, fmt.Errorf("it multiplies %v by %v", a, b)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	for name, x := range map[string][]int64{"transA": a, "transB": b} {
		if n := len(x); c.n.IntAttr(name, 0) != 0 {
			x[n-1], x[n-2] = x[n-2], x[n-1]
		}
	}
	if a[len(a)-1] != b[len(b)-2] {
		return nil, fmt.Errorf("it multiplies %v by %v", a, b)
	}
	out, err := broadcast(a[:len(a)-2], b[:len(b)-2])
	return shaped(append(out, a[len(a)-2], b[len(b)-1])...), err
}

func countFusedMatMul(p *productCounter, n *Node) (float, integer int64, err error) {
	in, err := p.inputs(n, 0)
	if err != nil {
		return 0, 0, err
	}
	out, err := p.s.Of(n.Outputs[0])
	if err != nil {
		return 0, 0, err
	}
	inner := in[0][len(in[0])-1]
	if n.IntAttr("transA", 0) != 0 {
		inner = in[0][len(in[0])-2]
	}
	float, err = counted(n, times(Elements(out), inner))
	return float, 0, err
}

func topK(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	k, _, err := c.content(1, "k")
	if err != nil || len(k) != 1 {
		return nil, orElse(err, "how many it takes is %v", k)
	}
	a, err := axis(c.n.IntAttr("axis", -1), len(x))
	if err != nil {
		return nil, err
	}
	out := slices.Clone(x)
	out[a] = k[0]
	return []*value{{dims: out}, {dims: out}}, nil
}
