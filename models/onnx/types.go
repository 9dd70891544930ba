package onnx

import "strings"

// Signature says which of an operator's inputs and outputs have the same
// element type, a letter for each:
//
//	T  the operator's one type, whatever it is
//	N  a type of its own: indices, axes, a condition
//	f  32-bit floats    i  64-bit integers    b  booleans
//
// The last letter repeats where a star follows. It is what ONNX's operator
// definitions say under "type constraints", for the operators of float models.
type Signature struct{ in, out string }

// In is the letter of the i-th input, 0 if nothing is known of it.
func (s Signature) In(i int) byte { return letter(s.in, i) }

// Out is the letter of the i-th output.
func (s Signature) Out(i int) byte { return letter(s.out, i) }

func letter(s string, i int) byte {
	if n := len(s) - 1; n > 0 && s[n] == '*' && i >= n {
		return s[n-1]
	}
	if i < len(s) {
		return s[i]
	}
	return 0
}

var signatures = map[string]Signature{}

func init() {
	for _, line := range []struct{ of, operators string }{
		{"T>T", `Relu LeakyRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Softplus Softsign Softmax LogSoftmax
			Hardmax Tanh ThresholdedRelu Mish Exp Log Sqrt Reciprocal Abs Neg Sign Floor Ceil Round Erf Sin Cos
			Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Shrink Det LRN MeanVarianceNormalization
			LpNormalization GlobalAveragePool GlobalMaxPool GlobalLpPool AveragePool LpPool Identity Flatten
			Transpose DepthToSpace SpaceToDepth Not BitwiseNot`},
		{"TT>T", "Add Sub Mul Div PRelu MatMul Mod MaxRoiPool And Or Xor BitShift BitwiseAnd BitwiseOr BitwiseXor"},
		{"T*>T", "Sum Mean Max Min Concat Einsum"},
		{"TTT>T", "Conv ConvTranspose Gemm InstanceNormalization GroupNormalization Clip Range"},
		{"TTT>Tff", "LayerNormalization"},
		{"TTTTT>T", "BatchNormalization"},
		{"TN>T", `Reshape Squeeze Unsqueeze Expand Tile Trilu CumSum Gather GatherElements GatherND Compress
			ReverseSequence Upsample GridSample Pow ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1
			ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare`},
		{"TN>T*", "Split"},
		{"TNN>T", "MaxUnpool"},
		{"TNNN>T", "Resize"},
		{"TNNNN>T", "Slice"},
		{"TNTN>T", "Pad"},
		{"TNT>T", "ScatterElements ScatterND Scatter"},
		{"TTN>T", "RoiAlign"},
		{"TNN>Tb", "Dropout"},
		{"TN>Ti", "TopK"},
		{"T>Ti", "MaxPool"},
		{"NTT>T", "Where"},
		{"NT>T", "CastLike"},
		{"NTN>T", "DequantizeLinear"},
		{"NNT>T", "OneHot"},
		{"TTTTNTTT>TTT", "LSTM"},
		{"TTTTNT>TT", "GRU RNN"},
		{"TT>b", "Equal Greater Less GreaterOrEqual LessOrEqual"},
		{"T>b", "IsNaN IsInf"},
		{"T>i", "ArgMax ArgMin"},
		{"N>i", "Shape Size NonZero"},
		{"N*>i", "NonMaxSuppression"},
	} {
		in, out, _ := strings.Cut(line.of, ">")
		for _, op := range strings.Fields(line.operators) {
			signatures[op] = Signature{in, out}
		}
	}
}

// SignatureOf returns what is known of the types of a node's operator.
func SignatureOf(n *Node) (s Signature, ok bool) {
	s, ok = signatures[n.Type()]
	return s, ok
}

// ElementTypes returns the element types of a model's values as far as they
// follow from its operators, or the file tells them. Bodies of If, Loop and
// Scan are not looked into.
func (m *Model) ElementTypes() map[string]DataType {
	g, types := m.Graph, map[string]DataType{}
	for _, list := range [][]*Value{g.Values, g.Outputs, g.Inputs} {
		for _, v := range list {
			if v.Other == nil && v.Elem != 0 {
				types[v.Name] = v.Elem
			}
		}
	}
	for _, t := range g.Initializers {
		types[t.Name] = t.Type
	}
	nodes, _ := g.order()
	for _, n := range nodes {
		for i, name := range n.Outputs {
			if t := outputType(n, i, types); t != 0 && name != "" {
				types[name] = t
			}
		}
	}
	return types
}

// outputType follows from a node's attributes or its inputs' types, 0 if it
// does not.
func outputType(n *Node, i int, types map[string]DataType) DataType {
	switch n.Type() {
	case "Cast":
		return DataType(n.IntAttr("to", 0))
	case "Constant":
		return constantType(n)
	case "ConstantOfShape":
		if a := n.Attr("value"); a != nil && a.Tensor != nil {
			return a.Tensor.Type
		}
		return Float32
	case "QuantizeLinear", ms + "QuantizeLinear":
		return quantizedType(n, types)
	case "QLinearConv", ms + "QLinearConv", "QLinearMatMul", ms + "QLinearAdd", ms + "QLinearMul":
		return types[n.Input(7)]
	case ms + "QGemm":
		if n.Input(7) == "" {
			return Float32
		}
		return types[n.Input(8)]
	case ms + "QLinearGlobalAveragePool", ms + "QLinearAveragePool", ms + "QLinearSigmoid", ms + "QLinearLeakyRelu",
		ms + "FusedConv", ms + "FusedMatMul", ms + "FusedGemm", ms + "Gelu", ms + "FastGelu", ms + "BiasGelu",
		ms + "SkipLayerNormalization", ms + "QuickGelu", ms + "MatMulNBits", "Attention", ms + "Attention",
		ms + "MultiHeadAttention", ms + "GroupQueryAttention", "HardSwish":
		if i == 0 {
			return types[n.Input(0)]
		}
		return 0
	case "ConvInteger", "MatMulInteger":
		return Int32
	case ms + "QAttention", ms + "DynamicQuantizeMatMul", ms + "MatMulIntegerToFloat", ms + "DynamicQuantizeLSTM":
		return Float32
	case "DynamicQuantizeLinear":
		return []DataType{Uint8, Float32, Uint8}[min(i, 2)]
	}
	s, ok := SignatureOf(n)
	if !ok {
		return 0
	}
	switch s.Out(i) {
	case 'f':
		return Float32
	case 'i':
		return Int64
	case 'b':
		return Bool
	case 'T':
		for k, name := range n.Inputs {
			if name != "" && s.In(k) == 'T' && types[name] != 0 {
				return types[name]
			}
		}
	}
	return 0
}

// quantizedType is that of the zero point, or what the node says; 8 bits without
// sign where neither does.
func quantizedType(n *Node, types map[string]DataType) DataType {
	if t := types[n.Input(2)]; t != 0 {
		return t
	}
	return DataType(n.IntAttr("output_dtype", int64(Uint8)))
}

func constantType(n *Node) DataType {
	for _, a := range n.Attributes {
		switch {
		case a.Name == "value" && a.Tensor != nil:
			return a.Tensor.Type
		case a.Name == "value_float" || a.Name == "value_floats":
			return Float32
		case a.Name == "value_int" || a.Name == "value_ints":
			return Int64
		case a.Name == "value_string" || a.Name == "value_strings":
			return Text
		}
	}
	return 0
}
