package quant

import (
	"fmt"

	"chexp/models/onnx"
)

const msDomain = "com.microsoft"

// StaticModel writes the static version of a prepared model. ranges must hold
// every value that Activations names.
func StaticModel(m *onnx.Model, ranges map[string]Range, o Options) (*onnx.Model, error) {
	return staticModel(m, ranges, o, nil)
}

func staticModel(m *onnx.Model, ranges map[string]Range, o Options, done rounding) (*onnx.Model, error) {
	o.Mode = Static
	if o.Format == "" {
		o.Format = QDQ
	}
	need := int64(10) // QLinearConv, QuantizeLinear
	if o.Format == QDQ && !o.PerTensor {
		need = 13 // DequantizeLinear's axis
	}
	float := m
	m, err := raised(float, need)
	if len(o.Exclude) > 0 {
		if higher, err := raised(float, 13); err == nil { // see channelsOf
			m = higher
		}
	}
	if m == nil {
		return nil, err
	}
	p := newPlan(m, o)
	e := newEmitter(p, p.clipped(ranges))
	e.opset, e.done = m.Opset(), done
	for _, n := range p.g.Nodes {
		var err error
		switch p.roles[n] {
		case product:
			err = e.product(n)
		case between:
			err = e.between(n)
		case passes:
			err = e.passes(n)
		case table:
			err = e.lookUp(n)
		case folded:
		default:
			err = e.copyNode(n)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", n.Op, NodeName(n), err)
		}
	}
	if err := e.outputs(); err != nil {
		return nil, err
	}
	return e.finish(m), nil
}

// raised returns the model with at least that operator set.
func raised(m *onnx.Model, opset int64) (*onnx.Model, error) {
	if m.Opset() >= opset {
		return m, nil
	}
	c, err := Prepare(m) // a copy
	if err != nil {
		return nil, err
	}
	if err := c.Upgrade(opset); err != nil {
		return nil, err
	}
	c.IRVersion = max(c.IRVersion, 5)
	return c, nil
}

// clipped keeps the range of what a ReLU makes inside the ReLU's own: only
// then does saturation do its work.
func (p *plan) clipped(ranges map[string]Range) map[string]Range {
	out := make(map[string]Range, len(ranges))
	for name, r := range ranges {
		out[name] = r
	}
	for _, a := range p.fold {
		_, high, _ := p.clipping(a)
		if r, ok := out[a.Outputs[0]]; ok {
			out[a.Outputs[0]] = Range{0, min(max(r.High, 0), high)}
		}
	}
	return out
}

// product writes a convolution or a matrix product.
func (e *emitter) product(n *onnx.Node) error {
	_, in, err := e.scaleOf(n.Inputs[0])
	if err != nil {
		return err
	}
	w, err := e.quantizeWeights(n, in.scale)
	if err != nil {
		return err
	}
	q := e.next("w")
	e.out.Initializers = append(e.out.Initializers, onnx.Int8Tensor(q, w.dims, w.q))
	dims := []int64{int64(len(w.scales))}
	if e.o.PerTensor {
		dims = nil
	}
	scale := e.constant(q+".s", onnx.FloatTensor("", dims, w.scales))
	// As many zero points as scales, as the operators' definition wants it; and
	// each product's its own: with session.x64quantprecision, ONNX Runtime 1.27
	// makes weights unsigned and fails at a zero point that it has met before.
	zero := e.constant(q+".z", onnx.Int8Tensor("", dims, make([]int8, len(w.scales))))
	bias := ""
	if w.bias != nil {
		bias = e.constant(q+".b", onnx.Int32Tensor("", []int64{int64(len(w.bias))}, w.bias))
	}
	if e.o.Format == QOperator {
		return e.productOperator(n, q, scale, zero, bias)
	}
	return e.productQDQ(n, w, q, scale, zero, bias, in.scale)
}

func (e *emitter) productOperator(n *onnx.Node, q, scale, zero, bias string) error {
	x, err := e.asQuantized(n.Inputs[0])
	if err != nil {
		return err
	}
	xs, xz, err := e.scale(n.Inputs[0])
	if err != nil {
		return err
	}
	result := e.result(n)
	inputs := []string{x, xs, xz, q, scale, zero}
	if n.Op != "Conv" {
		// The runtime's product has a float result when it is given no scale
		// for it: logits lose nothing.
		if n.Op == "Gemm" {
			if bias != "" {
				inputs = append(inputs, bias)
			}
			e.node(msDomain, "QGemm", n.Name, inputs, []string{result})
		} else {
			e.node(msDomain, "MatMulIntegerToFloat", n.Name, []string{x, q, xs, scale, xz, zero}, []string{result})
		}
		e.float[result] = result
		return nil
	}
	ys, yz, err := e.scale(result)
	if err != nil {
		return err
	}
	inputs = append(inputs, ys, yz)
	if bias != "" {
		inputs = append(inputs, bias)
	}
	y := e.activation(result)
	e.node("", "QLinearConv", n.Name, inputs, []string{y}, n.Attributes...)
	e.quant[result] = y
	return nil
}

func (e *emitter) productQDQ(n *onnx.Node, w *weights, q, scale, zero, bias string, inScale float32) error {
	x, err := e.dequantized(n.Inputs[0])
	if err != nil {
		return err
	}
	var axis []*onnx.Attribute
	if !e.o.PerTensor {
		axis = []*onnx.Attribute{onnx.Int("axis", w.axis)}
	}
	wd := e.name(q + ".f")
	e.node("", "DequantizeLinear", wd, []string{q, scale, zero}, []string{wd}, axis...)
	inputs := []string{x, wd}
	if bias != "" {
		// Its scale is the product of the other two. int32 has no zero point.
		steps := make([]float32, len(w.scales))
		for i, s := range w.scales {
			steps[i] = float32(float64(inScale) * float64(s))
		}
		dims, axis := []int64{int64(len(steps))}, []*onnx.Attribute{onnx.Int("axis", 0)}
		if e.o.PerTensor {
			dims, axis = nil, nil
		}
		step := e.constant(q+".bs", onnx.FloatTensor("", dims, steps))
		bd := e.name(q + ".bf")
		e.node("", "DequantizeLinear", bd, []string{bias, step}, []string{bd}, axis...)
		inputs = append(inputs, bd)
	}
	result := e.result(n)
	attributes := n.Attributes
	if n.Op == "Gemm" {
		attributes = nil // the weights are transposed already
	}
	if n.Op != "Conv" {
		e.node("", n.Op, n.Name, inputs, []string{result}, attributes...)
		e.float[result] = result
		return nil
	}
	return e.thenQuantize(result, func(raw string) { e.node("", n.Op, n.Name, inputs, []string{raw}, attributes...) })
}

// dequantized is QDQ's form of an input: quantized and back, so that the
// runtime sees on which integers the operator may work.
func (e *emitter) dequantized(value string) (string, error) {
	if name := e.back[value]; name != "" {
		return name, nil
	}
	q, err := e.asQuantized(value)
	if err != nil {
		return "", err
	}
	scale, zero, err := e.scale(value)
	if err != nil {
		return "", err
	}
	name := e.float[value]
	if name == "" { // made on integers: everyone reads this one
		if name, err = e.asFloat(value); err != nil {
			return "", err
		}
	} else {
		name = e.name(e.activation(value) + ".d")
		e.node("", "DequantizeLinear", name, []string{q, scale, zero}, []string{name})
	}
	e.back[value] = name
	return name, nil
}

// thenQuantize lets write make a float value and quantizes it; everyone reads
// it through the quantizer.
func (e *emitter) thenQuantize(value string, write func(raw string)) error {
	// The value's own name belongs to what comes after the quantizer.
	raw := e.name(e.activation(value) + ".r")
	write(raw)
	_, err := e.quantize(value, raw)
	return err
}

// between writes an operator on integers whose output has a scale of its own.
func (e *emitter) between(n *onnx.Node) error {
	result := e.result(n)
	if e.o.Format == QDQ {
		var inputs []string
		for _, i := range n.Inputs {
			name, err := e.dequantized(i)
			if err != nil {
				return err
			}
			inputs = append(inputs, name)
		}
		return e.thenQuantize(result, func(raw string) {
			e.node("", n.Op, n.Name, inputs, []string{raw},
				n.Attributes...)
		})
	}
	var inputs []string
	for _, i := range n.Inputs {
		q, err := e.asQuantized(i)
		if err != nil {
			return err
		}
		scale, zero, err := e.scale(i)
		if err != nil {
			return err
		}
		inputs = append(inputs, q, scale, zero)
	}
	scale, zero, err := e.scale(result)
	if err != nil {
		return err
	}
	y := e.activation(result)
	attributes := n.Attributes
	op := "QLinear" + n.Op
	switch n.Op {
	case "Concat":
		inputs = append([]string{scale, zero}, inputs...)
	case "GlobalAveragePool":
		attributes = []*onnx.Attribute{onnx.Int("channels_last", 0)}
		fallthrough
	default:
		inputs = append(inputs, scale, zero)
	}
	e.node(msDomain, op, n.Name, inputs, []string{y}, attributes...)
	e.quant[result] = y
	return nil
}

// passes writes an operator that moves integers about.
func (e *emitter) passes(n *onnx.Node) error {
	result := n.Outputs[0]
	e.shared[result] = n.Inputs[0]
	inputs := append([]string(nil), n.Inputs...)
	var err error
	if e.o.Format == QDQ {
		if inputs[0], err = e.dequantized(n.Inputs[0]); err != nil {
			return err
		}
		return e.thenQuantize(result, func(raw string) {
			e.node(n.Domain, n.Op, n.Name, inputs, []string{raw},
				n.Attributes...)
		})
	}
	if inputs[0], err = e.asQuantized(n.Inputs[0]); err != nil {
		return err
	}
	y := e.activation(result)
	e.node(n.Domain, n.Op, n.Name, inputs, []string{y}, n.Attributes...)
	e.quant[result] = y
	return nil
}
