package quant

import (
	"fmt"
	"slices"

	"chexp/models/onnx"
)

// emitter writes the new graph node by node. Each value of the float graph has
// up to two representations in it, which are made when they are first needed.
//
// The nodes of the float graph keep their names, by which people look for them
// in profiles and placements. What is new has a short name, since the rest of
// a small model's file is names: a value made by exporters has some forty
// letters and is read in three places, with its scale and its zero point.
// a1, a2, … are activations as integers (a1.f and the like: as float), w1, w2,
// … weights (w1.s: their scales, w1.b: the bias), s1, … scales, z0, z114, …
// zero points. A new node has the name of what it makes.
type emitter struct {
	*plan
	out     *onnx.Graph
	names   map[string]bool
	fixed   map[string]bool             // value: whether it must keep its name
	short   map[string]string           // value: its short name
	pool    map[string]string           // content of a constant that many read: its name
	counts  map[string]int              // first letter: how many short names have it
	float   map[string]string           // value: its name as float
	quant   map[string]string           // value: its name as uint8
	shared  map[string]string           // value: the one whose scale it has
	scales  map[string][2]string        // value: the names of its scale and zero point
	back    map[string]string           // value: its name behind its dequantizer (QDQ)
	tables  map[string]lookedUp         // embedding: how it is written
	ties    map[string]bool             // embeddings that products have as weights too
	tiedTo  map[*onnx.Node]*onnx.Tensor // product: the embedding
	ranges  map[string]Range
	opset   int64
	done    rounding
	around  *emitter                  // of the graph around this one; nil: none
	written map[string]writtenWeights // of a dynamic model
	ms      bool                      // whether a node is of ONNX Runtime's own operators
}

func newEmitter(p *plan, ranges map[string]Range) *emitter {
	e := &emitter{plan: p, names: map[string]bool{}, fixed: map[string]bool{}, short: map[string]string{},
		pool: map[string]string{}, counts: map[string]int{},
		float: map[string]string{}, quant: map[string]string{}, shared: map[string]string{}, ranges: ranges,
		scales: map[string][2]string{}, back: map[string]string{}, tables: map[string]lookedUp{},
		written: map[string]writtenWeights{}, ties: map[string]bool{}, tiedTo: map[*onnx.Node]*onnx.Tensor{}}
	e.out = &onnx.Graph{Name: p.g.Name, Doc: p.g.Doc, Inputs: p.g.Inputs, Outputs: p.g.Outputs, Unknown: p.g.Unknown}
	eachName(p.g, func(name string) { e.names[name] = true })
	for _, v := range p.g.Inputs {
		e.float[v.Name] = v.Name
	}
	for _, t := range p.g.Initializers {
		e.float[t.Name] = t.Name
	}
	for _, v := range p.g.Outputs {
		e.fixed[v.Name] = true
	}
	for _, n := range p.g.Nodes {
		if hasBodies(n) { // a body knows a value by its own name only
			onnx.EachUse(n, func(name string) { e.fixed[name] = true })
		}
	}
	return e
}

// eachName calls f with the names of all values and nodes of a graph and of
// the bodies in it.
func eachName(g *onnx.Graph, f func(string)) {
	for _, v := range slices.Concat(g.Inputs, g.Outputs) {
		f(v.Name)
	}
	for _, t := range g.Initializers {
		f(t.Name)
	}
	for _, n := range g.Nodes {
		f(n.Name)
		for _, o := range n.Outputs {
			f(o)
		}
		for _, a := range n.Attributes {
			if a.Graph != nil {
				eachName(a.Graph, f)
			}
			for _, body := range a.Graphs {
				eachName(body, f)
			}
		}
	}
}

// name returns a new name like this one.
func (e *emitter) name(like string) string {
	name := like
	for i := 2; e.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", like, i)
	}
	e.names[name] = true
	return name
}

// next returns the next short name with that letter.
func (e *emitter) next(letter string) string {
	for {
		e.counts[letter]++
		if name := fmt.Sprint(letter, e.counts[letter]); !e.names[name] {
			e.names[name] = true
			return name
		}
	}
}

// activation is the short name of a value.
func (e *emitter) activation(value string) string {
	if e.short[value] == "" {
		e.short[value] = e.next("a")
	}
	return e.short[value]
}

func (e *emitter) constant(like string, t *onnx.Tensor) string {
	t.Name = e.name(like)
	e.out.Initializers = append(e.out.Initializers, t)
	return t.Name
}

// pooled is a constant that may be there already: activations' scales and zero
// points are alike in many places.
func (e *emitter) pooled(t *onnx.Tensor, name func() string) string {
	content := fmt.Sprint(t.Type, t.Dims, " ") + string(t.Raw)
	if e.pool[content] == "" {
		t.Name = name()
		e.out.Initializers = append(e.out.Initializers, t)
		e.pool[content] = t.Name
	}
	return e.pool[content]
}

// scaleConstant is an activation's scale.
func (e *emitter) scaleConstant(dims []int64, scales []float32) string {
	return e.pooled(onnx.FloatTensor("", dims, scales), func() string { return e.next("s") })
}

// zeroConstant is a zero point of 8 bits.
func (e *emitter) zeroConstant(t *onnx.Tensor) string {
	return e.pooled(t, func() string {
		like := fmt.Sprint("z", t.Raw[0])
		if len(t.Dims) > 0 {
			like = fmt.Sprint(like, "x", len(t.Raw))
		}
		return e.name(like)
	})
}

func (e *emitter) node(domain, op, name string, inputs, outputs []string, attributes ...*onnx.Attribute) {
	e.out.Nodes = append(e.out.Nodes, &onnx.Node{Op: op, Domain: domain, Name: name, Inputs: inputs, Outputs: outputs,
		Attributes: attributes})
}

// tidy keeps the constants that the new nodes still read, in front, and shortens
// names.
func (e *emitter) tidy() {
	used := map[string]bool{}
	for _, n := range e.out.Nodes {
		onnx.EachUse(n, func(name string) { used[name] = true })
		e.ms = e.ms || n.Domain == msDomain
	}
	var kept []*onnx.Tensor
	for _, t := range e.g.Initializers {
		if used[t.Name] || isOutput(e.g, t.Name) {
			kept = append(kept, t)
		}
	}
	e.out.Initializers = append(kept, e.out.Initializers...)
	compact(e.out, func() string { return e.next("v") })
}

// finish is the model with the new graph.
func (e *emitter) finish(m *onnx.Model) *onnx.Model {
	e.tidy()
	n := *m
	n.Graph = e.out
	n.Opsets = append([]onnx.Opset(nil), m.Opsets...)
	if e.ms && n.OpsetOf(msDomain) == 0 {
		n.Opsets = append(n.Opsets, onnx.Opset{Domain: msDomain, Version: 1})
	}
	n.Producer, n.ProducerVersion = "chexp", ""
	return &n
}

// scaleOf follows the values that share a scale.
func (e *emitter) scaleOf(value string) (owner string, a affine, err error) {
	for e.shared[value] != "" {
		value = e.shared[value]
	}
	r, ok := e.ranges[value]
	if !ok {
		return value, a, fmt.Errorf("nothing is known of the range of %q", value)
	}
	return value, affineOf(r), nil
}

// scale returns the names of a value's scale and zero point.
func (e *emitter) scale(value string) (scale, zero string, err error) {
	owner, a, err := e.scaleOf(value)
	if err != nil {
		return "", "", err
	}
	if s, ok := e.scales[owner]; ok {
		return s[0], s[1], nil
	}
	scale = e.scaleConstant(nil, []float32{a.scale})
	zero = e.zeroConstant(onnx.Uint8Tensor("", nil, []uint8{a.zero}))
	e.scales[owner] = [2]string{scale, zero}
	return scale, zero, nil
}

// asFloat returns the value's name as float; a graph's output has its own.
func (e *emitter) asFloat(value string) (string, error) {
	if name := e.float[value]; name != "" {
		return name, nil
	}
	scale, zero, err := e.scale(value)
	if err != nil {
		return "", err
	}
	name, node := value, "" // no node of the float graph makes it any more
	if e.fixed[value] {
		node = e.name(e.activation(value) + ".f")
	} else {
		name = e.name(e.activation(value) + ".f")
		node = name
	}
	e.node("", "DequantizeLinear", node, []string{e.quant[value], scale, zero}, []string{name})
	e.float[value] = name
	return name, nil
}

// asQuantized returns the value's name as uint8.
func (e *emitter) asQuantized(value string) (string, error) {
	if name := e.quant[value]; name != "" {
		return name, nil
	}
	from := e.float[value]
	if from == "" {
		return "", fmt.Errorf("nothing makes %q", value)
	}
	return e.quantize(value, from)
}

func (e *emitter) quantize(value, from string) (string, error) {
	scale, zero, err := e.scale(value)
	if err != nil {
		return "", err
	}
	name := e.activation(value)
	e.node("", "QuantizeLinear", name, []string{from, scale, zero}, []string{name})
	e.quant[value] = name
	return name, nil
}

// copyNode writes a node of the float graph as it is, on float values.
func (e *emitter) copyNode(n *onnx.Node) error {
	c := *n
	c.Inputs = append([]string(nil), n.Inputs...)
	for i, name := range c.Inputs {
		if name == "" {
			continue
		}
		if e.quant[name] == "" && e.float[name] == "" {
			continue // of a graph around this one
		}
		var err error
		if i == 0 && e.onIntegers(name) && e.channelsOf(n) > 0 {
			c.Inputs[i], err = e.asFloatByChannel(name, e.channelsOf(n))
		} else {
			c.Inputs[i], err = e.asFloat(name)
		}
		if err != nil {
			return err
		}
	}
	var err error
	onnx.EachUse(n, func(name string) { // those of the bodies of If, Loop and Scan
		if err == nil && e.quant[name] != "" && e.fixed[name] {
			_, err = e.asFloat(name)
		}
	})
	if err != nil {
		return err
	}
	e.out.Nodes = append(e.out.Nodes, &c)
	for _, o := range n.Outputs {
		e.float[o] = o
	}
	return nil
}

// channelsOf is how many channels a float convolution or product takes that
// the runtime would otherwise quantize on its own, 0 for any other node: where
// its input comes from a DequantizeLinear with one scale, ONNX Runtime (since
// 1.20, core/optimizer/qdq_transformer/weight_bias_quantization.cc) gives a Conv,
// ConvTranspose or Gemm int8 weights with one scale, and a node that was left
// in float for its accuracy comes out worse than a quantized one.
func (e *emitter) channelsOf(n *onnx.Node) int64 {
	w := e.constants[n.Input(weight)]
	if w == nil || n.Domain != "" || e.opset < 13 {
		return 0
	}
	switch {
	case n.Op == "Conv" && len(w.Dims) > 2:
		return w.Dims[1] * n.IntAttr("group", 1)
	case n.Op == "ConvTranspose" && len(w.Dims) > 2:
		return w.Dims[0]
	case n.Op == "Gemm" && len(w.Dims) == 2 && n.IntAttr("transA", 0) == 0:
		return w.Elements() / gemmColumns(n, w)
	}
	return 0
}

// asFloatByChannel is asFloat with the one scale written once for each
// channel, which computes the same and which the runtime leaves alone.
func (e *emitter) asFloatByChannel(value string, channels int64) (string, error) {
	if channels > 1<<20 {
		return "", fmt.Errorf("it has %d channels", channels)
	}
	q, err := e.asQuantized(value)
	if err != nil {
		return "", err
	}
	_, a, err := e.scaleOf(value)
	if err != nil {
		return "", err
	}
	scales, zeros := slices.Repeat([]float32{a.scale}, int(channels)), slices.Repeat([]uint8{a.zero}, int(channels))
	scale := e.scaleConstant([]int64{channels}, scales)
	zero := e.zeroConstant(onnx.Uint8Tensor("", []int64{channels}, zeros))
	name := e.name(e.activation(value) + ".c")
	e.node("", "DequantizeLinear", name, []string{q, scale, zero}, []string{name}, onnx.Int("axis", 1))
	return name, nil
}

// outputs makes sure that every output of the graph exists as float under its
// name.
func (e *emitter) outputs() error {
	for _, v := range e.g.Outputs {
		name, err := e.asFloat(v.Name)
		if err != nil {
			return err
		}
		if name != v.Name {
			return fmt.Errorf("the output %q would be called %q", v.Name, name)
		}
	}
	return nil
}
