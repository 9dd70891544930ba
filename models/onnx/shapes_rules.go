package onnx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rules are the operators whose outputs' sizes are known, by Node.Type. An
// operator of this table that is not in products does no multiply-adds worth
// counting.
var rules = map[string]rule{}

const ms = "com.microsoft."

func init() {
	each := func(names string, r rule) {
		for _, name := range strings.Fields(names) {
			rules[name] = r
		}
	}
	each(`Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Softplus Softsign Softmax
		LogSoftmax Hardmax Tanh Clip ThresholdedRelu Mish Swish Exp Log Sqrt Reciprocal Abs Neg Sign Floor
		Ceil Round Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Not IsNaN IsInf Shrink
		BitwiseNot CumSum Trilu LRN MeanVarianceNormalization InstanceNormalization LpNormalization
		GroupNormalization BatchNormalization QuantizeLinear DequantizeLinear Dropout LayerNormalization
		RMSNormalization CastLike com.microsoft.Gelu com.microsoft.QuickGelu com.microsoft.QuantizeLinear
		com.microsoft.DequantizeLinear com.microsoft.QLinearSigmoid com.microsoft.QLinearLeakyRelu
		com.microsoft.QLinearSoftmax`, likeFirst)
	each("Identity Cast", func(c *call) ([]*value, error) {
		v, err := c.in(0)
		return []*value{v}, err
	})
	each("Add Sub Mul Div", arithmetic)
	each(`Pow Mod And Or Xor Equal Greater Less GreaterOrEqual LessOrEqual BitShift BitwiseAnd BitwiseOr BitwiseXor
		Max Min Sum Mean Where`, broadcastAll)
	for _, name := range []string{"QLinearAdd", "QLinearMul"} {
		rules[ms+name] = func(c *call) ([]*value, error) { return c.broadcastOf(0, 3) }
	}
	rules["DynamicQuantizeLinear"] = func(c *call) ([]*value, error) {
		x, err := c.dims(0)
		return []*value{{dims: x}, {dims: []int64{}}, {dims: []int64{}}}, err
	}

	each("Conv ConvInteger com.microsoft.FusedConv com.microsoft.NhwcFusedConv", conv(0, 1))
	each("QLinearConv com.microsoft.QLinearConv", conv(0, 3))
	rules["ConvTranspose"] = convTranspose
	each("MaxPool AveragePool LpPool com.microsoft.QLinearAveragePool com.microsoft.NhwcMaxPool", pool)
	each("GlobalAveragePool GlobalMaxPool GlobalLpPool com.microsoft.QLinearGlobalAveragePool", globalPool)
	each("Gemm com.microsoft.FusedGemm", gemm(1))
	rules[ms+"QGemm"] = gemm(3)
	each("MatMul MatMulInteger com.microsoft.MatMulIntegerToFloat com.microsoft.DynamicQuantizeMatMul", matMul(1))
	each("QLinearMatMul", matMul(3))

	maps.Copy(rules, moving)
	each("ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "+
		"ReduceSumSquare", reduce)
	each("ArgMax ArgMin", argument)
	each("Resize Upsample", resize)
}

// products are the operators that multiply and add, with the inputs that hold
// the two factors. integer: on 8-bit values.
var products = map[string]struct {
	data, weights int
	kind          productKind
	integer       bool
}{
	"Conv": {0, 1, convolution, false}, ms + "FusedConv": {0, 1, convolution, false},
	ms + "NhwcFusedConv": {0, 1, convolution, false},
	"ConvInteger":        {0, 1, convolution, true}, "QLinearConv": {0, 3, convolution, true},
	ms + "QLinearConv": {0, 3, convolution, true},
	"ConvTranspose":    {0, 1, spreading, false},
	"Gemm":             {0, 1, matrix, false}, ms + "FusedGemm": {0, 1, matrix, false},
	ms + "QGemm": {0, 3, matrix, true},
	"MatMul":     {0, 1, matrix, false}, "MatMulInteger": {0, 1, matrix, true}, "QLinearMatMul": {0, 3, matrix, true},
	ms + "MatMulIntegerToFloat": {0, 1, matrix, true}, ms + "DynamicQuantizeMatMul": {0, 1, matrix, true},
}

// productKind says how the multiply-adds follow from the shapes.
type productKind int

const (
	convolution productKind = iota // output × weights of one output channel
	spreading                      // input × weights of one input channel
	matrix                         // output × the inner dimension
)

func likeFirst(c *call) ([]*value, error) {
	x, err := c.dims(0)
	return shaped(x...), err
}

func (c *call) broadcastOf(inputs ...int) ([]*value, error) {
	var out []int64
	for k, i := range inputs {
		x, err := c.dims(i)
		if err == nil && k > 0 {
			out, err = broadcast(out, x)
		} else {
			out = x
		}
		if err != nil {
			return nil, err
		}
	}
	return shaped(out...), nil
}

func broadcastAll(c *call) ([]*value, error) {
	if c.opset > 0 && c.opset < 7 { // the second is stretched along an axis of the first
		return c.broadcastOf(0)
	}
	var all []int
	for i := range c.n.Inputs {
		all = append(all, i)
	}
	return c.broadcastOf(all...)
}

// arithmetic follows the integers that exporters compute shapes with.
func arithmetic(c *call) ([]*value, error) {
	out, err := broadcastAll(c)
	if err != nil || len(c.n.Inputs) != 2 {
		return out, err
	}
	a, _ := c.in(0)
	b, _ := c.in(1)
	if a == nil || b == nil || a.ints == nil || b.ints == nil {
		return out, nil
	}
	n := len(a.ints)
	if len(b.ints) > n {
		n = len(b.ints)
	}
	if len(a.ints) != n && len(a.ints) != 1 || len(b.ints) != n && len(b.ints) != 1 {
		return out, nil
	}
	ints := make([]int64, n)
	for i := range ints {
		x, y := a.ints[i%len(a.ints)], b.ints[i%len(b.ints)]
		switch c.n.Op {
		case "Add":
			ints[i] = x + y
		case "Sub":
			ints[i] = x - y
		case "Mul":
			ints[i] = x * y
		case "Div":
			if y == 0 {
				return out, nil
			}
			ints[i] = x / y
		}
	}
	out[0].ints = ints
	return out, nil
}

func reduce(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	axes, absent, err := c.content(1, "axes")
	if err != nil {
		return nil, err
	}
	if absent || len(axes) == 0 {
		if c.n.IntAttr("noop_with_empty_axes", 0) != 0 {
			return shaped(x...), nil
		}
		axes = nil
		for i := range x {
			axes = append(axes, int64(i))
		}
	}
	return drop(x, axes, c.n.IntAttr("keepdims", 1) != 0)
}

// drop removes axes, or makes them 1.
func drop(x, axes []int64, keep bool) ([]*value, error) {
	gone := make([]bool, len(x))
	for _, a := range axes {
		i, err := axis(a, len(x))
		if err != nil {
			return nil, err
		}
		gone[i] = true
	}
	out := []int64{}
	for i, d := range x {
		if !gone[i] {
			out = append(out, d)
		} else if keep {
			out = append(out, 1)
		}
	}
	return shaped(out...), nil
}

func argument(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	return drop(x, []int64{c.n.IntAttr("axis", 0)}, c.n.IntAttr("keepdims", 1) != 0)
}

// resize takes sizes where they are constant, else the scales.
func resize(c *call) ([]*value, error) {
	x, err := c.dims(0)
	if err != nil {
		return nil, err
	}
	if sizes, absent, err := c.content(3, ""); !absent && err == nil && len(sizes) == len(x) &&
		c.n.Attr("axes") == nil &&
		c.n.TextAttr("keep_aspect_ratio_policy", "stretch") == "stretch" {
		return shaped(slices.Clone(sizes)...), nil
	}
	a := c.n.Attr("scales")
	var scales []float32
	if a != nil {
		scales = a.Floats
	} else {
		i := 2
		if c.n.Op == "Upsample" || c.opset == 10 {
			i = 1
		}
		scales = c.s.floats[c.n.Input(i)]
	}
	if len(scales) != len(x) {
		return nil, fmt.Errorf("it depends on sizes that are not constants")
	}
	out := make([]int64, len(x))
	for i, d := range x {
		if v := float64(d) * float64(scales[i]); v >= 0 && v < maxElements {
			out[i] = int64(v)
		} else {
			return nil, fmt.Errorf("it scales by %v", scales)
		}
	}
	return shaped(out...), nil
}
