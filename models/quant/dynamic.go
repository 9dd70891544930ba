package quant

import (
	"fmt"
	"slices"

	"chexp/models/onnx"
)

// DynamicModel writes the dynamic version of a prepared model: weights in 8
// bits, activations scaled by what they are in each run.
//
// ONNX Runtime's ConvInteger is written for unsigned weights (with signed ones
// it is 3.5 times slower in 1.27, and refused by older versions), so weights
// are uint8 around 128. A scale for each channel costs nothing: it goes into
// the multiplication that follows anyway.
func DynamicModel(m *onnx.Model, o Options) (*onnx.Model, error) { return dynamicModel(m, o, nil) }

func dynamicModel(m *onnx.Model, o Options, done rounding) (*onnx.Model, error) {
	o.Mode = Dynamic
	m, err := raised(m, 11) // DynamicQuantizeLinear
	if err != nil {
		return nil, err
	}
	e := dynamicEmitter{newEmitter(newPlan(m, o), nil)}
	e.opset, e.done = m.Opset(), done
	if err := e.dynamicNodes(); err != nil {
		return nil, err
	}
	return e.finish(m), nil
}

// dynamicEmitter writes the graphs of a dynamic model.
type dynamicEmitter struct{ *emitter }

// dynamicNodes writes all nodes of the emitter's graph.
func (e dynamicEmitter) dynamicNodes() error {
	e.tie()
	for _, n := range e.g.Nodes {
		var err error
		switch e.roles[n] {
		case product:
			err = e.dynamic(n)
		case table:
			err = e.lookUp(n)
		case recurrent:
			err = e.recurrent(n)
		default:
			var c *onnx.Node
			if c, err = e.bodies(n); err == nil {
				err = e.copyNode(c)
			}
		}
		if err != nil {
			return fmt.Errorf("%s %q: %w", n.Op, NodeName(n), err)
		}
	}
	return nil
}

func (e dynamicEmitter) dynamic(n *onnx.Node) error {
	w, err := e.dynamicWeights(n)
	if err != nil {
		return err
	}
	x := n.Inputs[0]
	if e.quant[x] == "" { // once for all that read the value
		a := e.activation(x)
		e.quant[x], e.scales[x] = a, [2]string{e.name(a + ".s"), e.name(a + ".z")}
		e.node("", "DynamicQuantizeLinear", a, []string{x}, []string{a, e.scales[x][0], e.scales[x][1]})
	}
	result := n.Outputs[0]
	op, attributes := "MatMulInteger", []*onnx.Attribute(nil)
	if n.Op == "Conv" {
		op, attributes = "ConvInteger", n.Attributes
	}
	q := w.q
	step, sum, float := e.name(q+".t"), e.name(q+".i"), e.name(q+".f")
	e.node("", "Mul", step, []string{e.scales[x][0], w.scale}, []string{step})
	e.node("", op, n.Name, []string{e.quant[x], q, e.scales[x][1], w.zero}, []string{sum}, attributes...)
	e.node("", "Cast", float, []string{sum}, []string{float}, onnx.Int("to", int64(onnx.Float32)))
	scaled := e.name(q + ".m")
	if bias := n.Input(2); bias == "" {
		e.node("", "Mul", scaled, []string{float, step}, []string{result})
	} else {
		e.node("", "Mul", scaled, []string{float, step}, []string{scaled})
		if n.Op == "Conv" {
			t := *e.constants[bias]
			t.Dims = append([]int64{t.Dims[0]}, ones(w.rank-2)...)
			bias = e.constant(q+".b", &t)
		}
		e.node("", "Add", e.name(q+".a"), []string{scaled, bias}, []string{result})
	}
	e.float[result] = result
	return nil
}

// writtenWeights are a dynamic product's weights in the new graph.
type writtenWeights struct {
	q, scale, zero string // names
	rank           int
}

// dynamicWeights writes a product's weights once for all that multiply with them in
// the same way, into the graph that has the floats: those in the body of a Loop are
// often those around it.
func (e dynamicEmitter) dynamicWeights(n *onnx.Node) (w writtenWeights, err error) {
	name := n.Input(weight)
	owner := e.emitter
	for owner.around != nil && owner.g.Initializer(name) == nil {
		owner = owner.around
	}
	key := fmt.Sprint(n.Op == "Conv", n.Op == "Gemm" && n.IntAttr("transB", 0) != 0, " ", name)
	if w, ok := owner.written[key]; ok {
		return w, nil
	}
	if t := e.tiedTo[n]; t != nil && owner == e.emitter {
		shared, err := e.tableOf(t, 0)
		if err != nil {
			return w, err
		}
		w = writtenWeights{q: e.next("w"), scale: shared.scale, zero: shared.zero, rank: 2}
		e.node("", "Transpose", w.q, []string{shared.q}, []string{w.q}, onnx.Ints("perm", 1, 0))
		e.written[key] = w
		return w, nil
	}
	u, err := e.round(n, e.done)
	if err != nil {
		return w, err
	}
	w = writtenWeights{q: owner.next("w"), rank: len(u.dims)}
	owner.out.Initializers = append(owner.out.Initializers, onnx.Uint8Tensor(w.q, u.dims, unsigned(u.q)))
	w.zero = owner.zeroConstant(onnx.Uint8Tensor("", nil, []uint8{128}))
	perChannel := []int64{int64(len(u.scales))} // beside the product's last dimension
	if n.Op == "Conv" {
		perChannel = append(perChannel, ones(w.rank-2)...)
	}
	if e.o.PerTensor {
		perChannel = nil
	}
	w.scale = owner.constant(w.q+".s", onnx.FloatTensor("", perChannel, u.scales))
	owner.written[key] = w
	return w, nil
}

// unsigned are weights around 128 instead of 0.
func unsigned(q []int8) []uint8 {
	bytes := make([]uint8, len(q))
	for i, v := range q {
		bytes[i] = uint8(int(v) + 128)
	}
	return bytes
}

// ones are dimensions of 1 behind the channels, one for each of a window's.
func ones(n int) []int64 { return slices.Repeat([]int64{1}, n) }
