package inspect

import (
	"fmt"
	"math"
	"strings"

	"chexp/models/onnx"
)

// Quantization is how a model is quantized, as far as its file tells.
type Quantization struct {
	Scheme      string       `json:"scheme"` // "none", "static", "dynamic", "weights only", "mixed"
	Form        string       `json:"form,omitempty"`
	Integer     int          `json:"integer_products"`
	Float       int          `json:"float_products"`
	Half        int          `json:"float16_products,omitempty"` // of the float ones
	Weights     *Weights     `json:"weights,omitempty"`
	Activations *Activations `json:"activations,omitempty"`
	// Narrow counts what is quantized to other types than 8-bit integers, which
	// ONNX Runtime's CPU provider computes on in floats or by kernels of their own.
	Narrow []Count `json:"other_types,omitempty"`
}

// Weights of the products on integers.
type Weights struct {
	Types      []Count `json:"types"`
	PerChannel int     `json:"per_channel"` // tensors with a scale for each channel
	PerTensor  int     `json:"per_tensor"`
	Symmetric  bool    `json:"symmetric"` // the zero point is the middle of the type
	// Bits is 7 where no weight uses the eighth bit's range, 8 else.
	Bits int `json:"bits"`
}

// Activations that are quantized with constant scales.
type Activations struct {
	Types []Count `json:"types"`
	// Bits is 7 if the zero points and scales say so (Evidence), 8 else.
	Bits     int    `json:"bits"`
	Evidence string `json:"evidence,omitempty"`
	// LostBounds counts ReLU6 outputs whose upper bound of 6 saturation does
	// not keep: 255 steps reach beyond it.
	LostBounds int `json:"lost_relu6_bounds"`
}

// quantized product: the inputs with the weights, their scale and zero point.
var integerProducts = map[string]struct{ weights, scale, zero int }{
	"QLinearConv": {3, 4, 5}, "com.microsoft.QLinearConv": {3, 4, 5}, "QLinearMatMul": {3, 4, 5},
	"com.microsoft.QGemm": {3, 4, 5},
	"ConvInteger":         {1, -1, 3}, "MatMulInteger": {1, -1, 3},
	"com.microsoft.MatMulIntegerToFloat": {1, 3, 5}, "com.microsoft.DynamicQuantizeMatMul": {1, 2, 3},
	"com.microsoft.QAttention": {1, 4, 7}, "com.microsoft.DynamicQuantizeLSTM": {1, 8, 9},
}

func (f *facts) quantization() (q Quantization) {
	ops := map[string]int{}
	types := map[string]int{}
	w := &Weights{Symmetric: true, Bits: 7}
	for _, n := range f.m.Graph.Nodes {
		ops[n.Type()]++
		if !n.Multiplies() {
			continue
		}
		weights, scale, zero, integer := f.integerWeights(n)
		if !integer {
			q.Float++
			if f.float16(n) {
				q.Half++
			}
			continue
		}
		q.Integer++
		t := f.constants[weights]
		if t == nil {
			continue
		}
		types[t.Type.String()]++
		if f.perChannel(n, scale) {
			w.PerChannel++
		} else {
			w.PerTensor++
		}
		f.weightBits(w, t, f.constants[zero])
	}
	w.Types = counted(types)
	q.Narrow = f.narrow()
	q.Scheme, q.Form = scheme(ops, q.Integer, len(q.Narrow) > 0)
	if q.Integer > 0 {
		q.Weights = w
	}
	q.Activations = f.activations()
	return q
}

// integerWeights names a product's weights, their scale and their zero point,
// or says that it computes in floats.
func (f *facts) integerWeights(n *onnx.Node) (weights, scale, zero string, integer bool) {
	if p, ok := f.products[n]; ok && !p.Integer {
		return "", "", "", false
	}
	if at, known := integerProducts[n.Type()]; known {
		return n.Input(at.weights), n.Input(max(0, at.scale)), n.Input(at.zero), true
	}
	if dq := f.makers[n.Input(1)]; dq != nil && dq.Op == "DequantizeLinear" && eightBits(f.types[dq.Input(0)]) {
		return dq.Input(0), dq.Input(1), dq.Input(2), true
	}
	return "", "", "", false
}

// perChannel says whether a product's weights have a scale for each channel.
func (f *facts) perChannel(n *onnx.Node, scale string) bool {
	if at, known := integerProducts[n.Type()]; known && at.scale < 0 {
		return f.scaledPerChannel(n)
	}
	s := f.constants[scale]
	return s != nil && s.Elements() > 1
}

// narrow counts the weights and activations of 4 and 16 bits and of 8-bit floats.
func (f *facts) narrow() []Count {
	found := map[string]int{}
	blocks := func(n *onnx.Node) string {
		if size := n.IntAttr("block_size", 0); size > 0 {
			return fmt.Sprintf(", blocks of %d", size)
		}
		return ""
	}
	for _, n := range f.m.Graph.Nodes {
		switch n.Op {
		case "DequantizeLinear":
			if t := f.types[n.Input(0)]; f.constant[n.Input(0)] && t != 0 && !eightBits(t) && t != onnx.Int32 {
				found[t.String()+" weights"+blocks(n)]++
			}
		case "QuantizeLinear":
			if t := f.types[n.Outputs[0]]; t != 0 && !eightBits(t) {
				found[t.String()+" activations"+blocks(n)]++
			}
		case "MatMulNBits", "GatherBlockQuantized":
			found[fmt.Sprintf("%d-bit weights of %s%s", n.IntAttr("bits", 4), n.Op, blocks(n))]++
		case "MatMulBnb4":
			kind := map[int64]string{0: "FP4", 1: "NF4"}[n.IntAttr("quant_type", 1)]
			found[fmt.Sprintf("4-bit weights (%s) of MatMulBnb4%s", kind, blocks(n))]++
		case "GemmFloat8":
			found["float8 products"]++
		}
	}
	if len(found) == 0 {
		return nil
	}
	return counted(found)
}

// scheme says how a model is quantized, from its operators and how many of its
// products are in integers.
func scheme(ops map[string]int, integer int, narrow bool) (scheme, form string) {
	static := ops["QLinearConv"] + ops["QLinearMatMul"] + ops["com.microsoft.QGemm"]
	dynamic := ops["ConvInteger"] + ops["MatMulInteger"] + ops["com.microsoft.DynamicQuantizeMatMul"] +
		ops["com.microsoft.DynamicQuantizeLSTM"] + ops["com.microsoft.MatMulIntegerToFloat"]
	if ops["DynamicQuantizeLinear"] > 0 {
		dynamic += ops["com.microsoft.QAttention"]
	} else {
		static += ops["com.microsoft.QAttention"]
	}
	switch {
	case integer == 0 && ops["QuantizeLinear"] > 0 && ops["DequantizeLinear"] > 0:
		return "static", "QDQ"
	case integer == 0 && (ops["DequantizeLinear"] > 0 || narrow):
		return "weights only", ""
	case integer == 0:
		return "none", ""
	case dynamic > 0 && integer > dynamic, narrow:
		return "mixed", ""
	case dynamic > 0:
		return "dynamic", ""
	case static > 0:
		return "static", "QOperator"
	}
	return "static", "QDQ"
}

// scaledPerChannel: the result of a ConvInteger is multiplied by the scales
// later on; a constant of several values that is no bias is one per channel.
func (f *facts) scaledPerChannel(n *onnx.Node) bool {
	seen := map[string]bool{}
	name := n.Outputs[0]
	for range 4 { // Cast, Mul by both scales or by one after the other
		if seen[name] || len(f.users[name]) == 0 {
			return false
		}
		seen[name] = true
		next := f.users[name][0]
		if next.Op == "Mul" {
			for _, i := range next.Inputs {
				if f.manyValued(i, 2) {
					return true
				}
			}
		} else if next.Op != "Cast" {
			return false
		}
		name = next.Outputs[0]
	}
	return false
}

// manyValued says whether a constant of several values goes into the name.
func (f *facts) manyValued(name string, depth int) bool {
	if t := f.constants[name]; t != nil {
		return t.Type == onnx.Float32 && t.Elements() > 1
	}
	n := f.makers[name]
	if n == nil || depth == 0 || n.Op != "Mul" && n.Op != "Reshape" && n.Op != "Unsqueeze" {
		return false
	}
	for _, i := range n.Inputs {
		if f.manyValued(i, depth-1) {
			return true
		}
	}
	return false
}

// weightBits looks at every weight: 8-bit ones that never leave half of their
// range have 7.
func (f *facts) weightBits(w *Weights, t *onnx.Tensor, zero *onnx.Tensor) {
	if t.Outside && t.Raw == nil {
		w.Bits = 8 // they are not looked at
		return
	}
	middle := int64(0)
	if t.Type == onnx.Uint8 {
		middle = 128
	}
	if zero != nil {
		zeros, err := zero.Integers()
		for _, z := range zeros {
			w.Symmetric = w.Symmetric && z == middle
		}
		if err == nil && len(zeros) > 0 && t.Type == onnx.Uint8 && zeros[0] != 128 {
			middle = 0 // asymmetric: 7 bits are 0 to 127
		}
	} else if t.Type == onnx.Uint8 {
		middle, w.Symmetric = 0, false
	}
	low, high := middle-64, middle+64
	if t.Type == onnx.Uint8 && middle == 0 {
		low, high = 0, 127
	}
	for _, b := range t.Raw {
		v := int64(b)
		if t.Type == onnx.Int8 {
			v = int64(int8(b))
		}
		if v < low || v > high {
			w.Bits = 8
			return
		}
	}
}

// quantizers are the operators that give their result a constant scale, with
// the inputs that hold it and the zero point.
var quantizers = map[string][2]int{
	"QLinearConv": {6, 7}, "com.microsoft.QLinearConv": {6, 7}, "QLinearMatMul": {6, 7},
	"com.microsoft.QLinearAdd": {6, 7}, "com.microsoft.QLinearMul": {6, 7},
	"QuantizeLinear": {1, 2}, "com.microsoft.QuantizeLinear": {1, 2}, "com.microsoft.QLinearGlobalAveragePool": {3, 4},
	"com.microsoft.QLinearAveragePool": {3, 4},
	"com.microsoft.QLinearConcat":      {0, 1},
}

func (f *facts) activations() *Activations {
	a := &Activations{Bits: 8}
	types := map[string]int{}
	var zeros []int64
	sixths := 0 // outputs whose 127th step is ReLU6's bound
	for _, n := range f.m.Graph.Nodes {
		at, ok := quantizers[n.Type()]
		if !ok {
			continue
		}
		scale, zero := f.constants[n.Input(at[0])], f.constants[n.Input(at[1])]
		if scale == nil || zero == nil || scale.Elements() != 1 || zero.Elements() != 1 {
			continue
		}
		s, err1 := scale.Float32s()
		z, err2 := zero.Integers()
		if err1 != nil || err2 != nil {
			continue
		}
		types[zero.Type.String()]++
		if zero.Type == onnx.Uint8 && z[0] != 0 {
			zeros = append(zeros, z[0])
		}
		if zero.Type == onnx.Uint8 && z[0] == 0 && strings.Contains(n.Op, "Conv") &&
			math.Abs(float64(s[0])*127/6-1) < 0.01 {
			sixths++
		}
	}
	if len(types) == 0 {
		return nil
	}
	a.Types, a.LostBounds = counted(types), sixths
	highest := int64(0)
	for _, z := range zeros {
		highest = max(highest, z)
	}
	var evidence []string
	if sixths > 0 {
		evidence = append(evidence, fmt.Sprintf("%d convolutions end in a scale of 6/127", sixths))
	}
	// With 8 bits the zero point of a value of both signs is near 128.
	if len(zeros) >= 4 && highest <= 127 {
		evidence = append(evidence, fmt.Sprintf("none of %d zero points is above 127 (the highest is %d)", len(zeros),
			highest))
	}
	if len(evidence) == 2 || sixths >= 4 {
		a.Bits, a.Evidence = 7, strings.Join(evidence, ", and ")
	}
	return a
}
