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
func DynamicModel(m *onnx.Model, o Options) (*onnx.Model, error) {
	o.Mode = Dynamic
	m, err := raised(m, 11) // DynamicQuantizeLinear
	if err != nil {
		return nil, err
	}
	e := newEmitter(newPlan(m, o), nil)
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
	base := n.Input(weight)
	bytes := make([]uint8, len(w.q))
	for i, v := range w.q {
		bytes[i] = uint8(int(v) + 128)
	}
	q := e.constant(base+"_quantized", onnx.Uint8Tensor("", w.dims, bytes))
	zero := e.constant(base+"_zero_point", onnx.Uint8Tensor("", nil, []uint8{128}))
	perChannel := []int64{int64(len(w.scales))} // beside the product's last dimension
	if n.Op == "Conv" {
		perChannel = append(perChannel, 1, 1)
	}
	if e.o.PerTensor {
		perChannel = nil
	}
	scale := e.constant(base+"_scale", onnx.FloatTensor("", perChannel, w.scales))

	x := n.Inputs[0]
	if e.quant[x] == "" { // once for all that read the value
		e.quant[x] = e.name(x + "_quantized")
		e.scales[x] = [2]string{e.name(x + "_scale"), e.name(x + "_zero_point")}
		e.node("", "DynamicQuantizeLinear", e.name(x+"_quantize"), []string{x}, []string{e.quant[x], e.scales[x][0], e.scales[x][1]})
	}
	result, name := n.Outputs[0], NodeName(n)
	op, attributes := "MatMulInteger", []*onnx.Attribute(nil)
	if n.Op == "Conv" {
		op, attributes = "ConvInteger", n.Attributes
	}
	sum, float := e.name(result+"_sum"), e.name(result+"_float")
	e.node("", op, n.Name, []string{e.quant[x], q, e.scales[x][1], zero}, []string{sum}, attributes...)
	e.node("", "Cast", e.name(name+"_cast"), []string{sum}, []string{float}, onnx.Int("to", int64(onnx.Float32)))
	step := e.name(result + "_step")
	e.node("", "Mul", e.name(name+"_steps"), []string{e.scales[x][0], scale}, []string{step})
	scaled := result
	if n.Input(2) != "" {
		scaled = e.name(result + "_scaled")
	}
	e.node("", "Mul", e.name(name+"_scale"), []string{float, step}, []string{scaled})
	if n.Input(2) != "" {
		bias := n.Input(2)
		if n.Op == "Conv" {
			t := *e.constants[bias]
			t.Dims = []int64{t.Dims[0], 1, 1}
			bias = e.constant(bias+"_broadcast", &t)
		}
		e.node("", "Add", e.name(name+"_bias"), []string{scaled, bias}, []string{result})
	}
	e.float[result] = result
	return nil
}
