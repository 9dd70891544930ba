package quant

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"chexp/models/onnx"
)

// lookUp writes an embedding: rows of bytes are looked up, and those alone become
// floats. Each column has a scale of its own where the operator set knows such.
func (e *emitter) lookUp(n *onnx.Node) error {
	w, err := e.tableOf(e.constants[n.Inputs[0]], n.IntAttr("axis", 0))
	if err != nil {
		return err
	}
	index := n.Inputs[1] // no float, so its name stays its own
	rows := e.next("a")
	e.node("", "Gather", n.Name, []string{w.q, index}, []string{rows}, n.Attributes...)
	e.node("", "DequantizeLinear", e.name(rows+".f"), []string{rows, w.scale, w.zero}, n.Outputs, w.axis...)
	e.float[n.Outputs[0]] = n.Outputs[0]
	return nil
}

// lookedUp is a table that is written: names of its bytes, its scale and its zero.
// The zero is written although 0 is what a node without one means: ONNX Runtime
// (1.27, optimizer/qdq_transformer/qdq_propagation.cc) copies such a node behind the
// next Transpose or Reshape as a pair whose bytes it takes for unsigned, and every
// number below 0 is lost.
type lookedUp struct {
	q, scale, zero string
	axis           []*onnx.Attribute
}

// tableOf writes a table once for all that look up in it in the same way, and for the
// products that it is tied to.
func (e *emitter) tableOf(t *onnx.Tensor, axis int64) (lookedUp, error) {
	last := int64(len(t.Dims) - 1)
	tied := e.ties[t.Name]
	columns := !e.o.PerTensor && e.opset >= 13 && last > 0 && axis != last && axis != -1 && !tied
	key := fmt.Sprint(columns, " ", t.Name)
	if w, ok := e.tables[key]; ok {
		return w, nil
	}
	values, err := t.Float32s()
	if err != nil {
		return lookedUp{}, err
	}
	q, scales := perGroup(values, layout{int(t.Dims[last]), 1}, layout{1, len(values)}, !columns)
	byColumn := len(scales) > 1
	w := lookedUp{q: e.next("w")}
	if tied {
		e.out.Initializers = append(e.out.Initializers, onnx.Uint8Tensor(w.q, t.Dims, unsigned(q)))
		w.scale = e.constant(w.q+".s", onnx.FloatTensor("", nil, scales))
		w.zero = e.zeroConstant(onnx.Uint8Tensor("", nil, []uint8{128}))
		e.tables[key] = w
		return w, nil
	}
	e.out.Initializers = append(e.out.Initializers, onnx.Int8Tensor(w.q, t.Dims, q))
	var dims []int64
	if byColumn {
		dims, w.axis = []int64{int64(len(scales))}, []*onnx.Attribute{onnx.Int("axis", -1)}
	}
	w.scale = e.constant(w.q+".s", onnx.FloatTensor("", dims, scales))
	w.zero = e.zeroConstant(onnx.Int8Tensor("", dims, make([]int8, len(scales))))
	e.tables[key] = w
	return w, nil
}

// tie finds the products of a dynamic model whose weights are an embedding, or one that
// is turned, as a language model's last product often is: they share its bytes, with one
// scale and 128 as zero, as such a product's weights have them.
func (e *emitter) tie() {
	tables := map[string]*onnx.Tensor{}
	for _, n := range e.g.Nodes {
		if t := e.constants[n.Input(0)]; e.roles[n] == table && len(t.Dims) == 2 && n.IntAttr("axis", 0) == 0 {
			tables[t.Name] = t
		}
	}
	for _, n := range e.g.Nodes {
		w := e.constants[n.Input(weight)]
		if e.roles[n] != product || n.Op == "Conv" || len(w.Dims) != 2 {
			continue
		}
		asItIs := n.IntAttr("transB", 0) != 0
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			t := tables[name]
			same := slices.Equal(w.Dims, t.Dims) && bytes.Equal(w.Raw, t.Raw)
			if asItIs && !same || !asItIs && !isTurned(w, t) {
				continue
			}
			e.ties[name], e.tiedTo[n] = true, t
			break
		}
	}
}

// recurrent writes an LSTM with ONNX Runtime's own operator, on integers. GRU and
// RNN have no such: theirs are kept in bytes and become floats when the model is
// loaded, since nothing but constants goes into them.
func (e dynamicEmitter) recurrent(n *onnx.Node) error {
	c := *n
	c.Inputs = append([]string(nil), n.Inputs...)
	var scales [3]string
	var zeroShape []int64 // of both zero points: ONNX Runtime reads as many of the second as the first has
	for i := range c.Inputs {
		if i != 1 && i != 2 {
			continue
		}
		t := e.constants[n.Inputs[i]]
		values, err := t.Float32s()
		if err != nil {
			return err
		}
		across, along := t.Dims[1], t.Dims[2] // numbers that are made, numbers of which each is made
		q, s := perGroup(values, layout{int(t.Dims[0] * across), int(along)}, layout{int(t.Dims[0]), int(across * along)},
			e.o.PerTensor)
		shape := []int64{t.Dims[0]}
		if int64(len(s)) > t.Dims[0] {
			shape = append(shape, across)
		}
		name := e.next("w")
		if n.Op != "LSTM" {
			e.out.Initializers = append(e.out.Initializers, onnx.Int8Tensor(name, t.Dims, q))
			scale := e.constant(name+".s", onnx.FloatTensor("", append(shape, ones(3-len(shape))...), s))
			cast, float := e.name(name+".i"), e.name(name+".f")
			e.node("", "Cast", cast, []string{name}, []string{cast}, onnx.Int("to", int64(onnx.Float32)))
			e.node("", "Mul", float, []string{cast, scale}, []string{float})
			c.Inputs[i] = float
			continue
		}
		e.out.Initializers = append(e.out.Initializers,
			onnx.Uint8Tensor(name, []int64{t.Dims[0], along, across}, turned(unsigned(q), int(across), int(along))))
		scales[i] = e.constant(name+".s", onnx.FloatTensor("", shape, s))
		if len(shape) > len(zeroShape) {
			zeroShape = shape
		}
		c.Inputs[i] = name
	}
	if n.Op == "LSTM" {
		for len(c.Inputs) < 8 {
			c.Inputs = append(c.Inputs, "")
		}
		c.Domain, c.Op, c.Attributes = msDomain, "DynamicQuantizeLSTM", nil
		zero := e.zeroConstant(onnx.Uint8Tensor("", zeroShape, bytes.Repeat([]byte{128}, int(onnx.Elements(zeroShape)))))
		c.Inputs = append(c.Inputs, scales[1], zero, scales[2], zero)
		for _, a := range n.Attributes {
			if a.Name != "layout" { // 0, which is its only one
				c.Attributes = append(c.Attributes, a)
			}
		}
	}
	e.out.Nodes = append(e.out.Nodes, &c)
	for _, o := range n.Outputs {
		e.float[o] = o
	}
	return nil
}

// turned transposes each of several matrices of bytes with these rows and columns.
func turned(b []uint8, rows, columns int) []uint8 {
	out := make([]uint8, len(b))
	for at := 0; at+rows*columns <= len(b); at += rows * columns {
		for r := range rows {
			for c := range columns {
				out[at+c*rows+r] = b[at+r*columns+c]
			}
		}
	}
	return out
}

// finer is by how much the power of the error must fall (9 dB, one and a half bits)
// before each column of a table, or each number that an LSTM makes, has a scale of
// its own, which takes as much of the file as four weights.
const finer = 8

// perGroup quantizes with a scale for each small group of values where that pays,
// else, or where it must be coarse, with one for each large group.
func perGroup(values []float32, small, large layout, coarse bool) (q []int8, scales []float32) {
	q, scales = channels(values, large, 127, false)
	if coarse {
		return q, scales
	}
	fine, each := channels(values, small, 127, false)
	if finer*noise(values, fine, each, small) > noise(values, q, scales, large) {
		return q, scales
	}
	return fine, each
}

// noise is the power of what quantizing loses.
func noise(values []float32, q []int8, scales []float32, l layout) (sum float64) {
	l.each(len(values), func(c, from, to int) {
		scale := float64(scales[c])
		for i := from; i < to; i++ {
			d := float64(values[i]) - float64(float64(q[i])*scale) // rounded: never fused with the subtraction
			sum += float64(d * d)
		}
	})
	return sum
}
