package quant

import (
	"fmt"

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
	e := newEmitter(newPlan(m, o), nil)
	e.done = done
	for _, n := range e.g.Nodes {
		if e.roles[n] == product {
			err = e.dynamic(n)
		} else {
			err = e.copyNode(n)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", n.Op, NodeName(n), err)
		}
	}
	return e.finish(m), nil
}

func (e *emitter) dynamic(n *onnx.Node) error {
	w, err := e.quantizeWeights(n, 1)
	if err != nil {
		return err
	}
	bytes := make([]uint8, len(w.q))
	for i, v := range w.q {
		bytes[i] = uint8(int(v) + 128)
	}
	q := e.next("w")
	e.out.Initializers = append(e.out.Initializers, onnx.Uint8Tensor(q, w.dims, bytes))
	zero := e.zeroConstant(onnx.Uint8Tensor("", nil, []uint8{128}))
	perChannel := []int64{int64(len(w.scales))} // beside the product's last dimension
	if n.Op == "Conv" {
		perChannel = append(perChannel, 1, 1)
	}
	if e.o.PerTensor {
		perChannel = nil
	}
	scale := e.constant(q+".s", onnx.FloatTensor("", perChannel, w.scales))

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
	step, sum, float := e.name(q+".t"), e.name(q+".i"), e.name(q+".f")
	e.node("", "Mul", step, []string{e.scales[x][0], scale}, []string{step})
	e.node("", op, n.Name, []string{e.quant[x], q, e.scales[x][1], zero}, []string{sum}, attributes...)
	e.node("", "Cast", float, []string{sum}, []string{float}, onnx.Int("to", int64(onnx.Float32)))
	scaled := e.name(q + ".m")
	if bias := n.Input(2); bias == "" {
		e.node("", "Mul", scaled, []string{float, step}, []string{result})
	} else {
		e.node("", "Mul", scaled, []string{float, step}, []string{scaled})
		if n.Op == "Conv" {
			t := *e.constants[bias]
			t.Dims = []int64{t.Dims[0], 1, 1}
			bias = e.constant(q+".b", &t)
		}
		e.node("", "Add", e.name(q+".a"), []string{scaled, bias}, []string{result})
	}
	e.float[result] = result
	return nil
}
