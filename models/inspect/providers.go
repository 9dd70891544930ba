package inspect

import (
	"fmt"
	"slices"

	"chexp/experiments/provider"
	"chexp/models/onnx"
)

// Provider is what an execution provider is known to take of a model, by its
// source and by runs; the count of a real run is in a trial's result.
type Provider struct {
	Name   string  `json:"name"`
	About  string  `json:"about"`
	Takes  []Count `json:"takes"`
	Leaves []Left  `json:"leaves"`
	// Share is the share of multiply-adds that it takes; -1 if unknown.
	Share float64 `json:"multiply_add_share"`
}

// Left is an operator that is left to the CPU provider, with the reason of
// most of its nodes.
type Left struct {
	Count
	Why string `json:"why"`
}

// take says whether a provider takes a node, and why not.
type take func(f *facts, n *onnx.Node) (why string)

const takes = ""

// takers say what each provider whose row has something Known takes.
var takers = map[string]take{
	provider.CPU: takeAll, provider.ACL: takePlugin, provider.ACLORT: takeACL, "xnnpack": takeXNNPACK,
}

func (f *facts) providers() (list []Provider) {
	for _, p := range provider.All {
		if t := takers[p.Name]; t != nil {
			list = append(list, f.provider(p, t))
		}
	}
	return list
}

func (f *facts) provider(row provider.Provider, t take) Provider {
	p := Provider{Name: row.Title, About: row.Known, Share: -1, Takes: []Count{}, Leaves: []Left{}}
	taken, left, reasons := map[string]int{}, map[string]int{}, map[string]map[string]int{}
	var all, share int64
	for _, n := range f.m.Graph.Nodes {
		if f.folded[n] {
			continue // gone when a session is made
		}
		all += f.products[n].Count
		why := t(f, n)
		if why == takes {
			taken[n.Type()]++
			share += f.products[n].Count
			continue
		}
		left[n.Type()]++
		if reasons[n.Type()] == nil {
			reasons[n.Type()] = map[string]int{}
		}
		reasons[n.Type()][why]++
	}
	if _, counted := f.work.Get(); all > 0 && counted { // of a part that is counted a share says nothing
		p.Share = float64(share) / float64(all)
	}
	p.Takes = counted(taken)
	for _, c := range counted(left) {
		p.Leaves = append(p.Leaves, Left{c, counted(reasons[c.Name])[0].Name})
	}
	return p
}

// float16 says whether a node computes in float16. A convolution's weights say
// it too, where the type of what it reads is not known.
func (f *facts) float16(n *onnx.Node) bool {
	return f.types[n.Input(0)] == onnx.Float16 || n.Multiplies() && f.types[n.Input(1)] == onnx.Float16
}

const notTried = "whether it takes float16 was not tried"

func takeAll(*facts, *onnx.Node) string { return takes }

const notImplemented = "it has no such operator"

// pictureConv holds what the Arm Compute Library and XNNPACK have in common:
// two dimensions, constant weights, one group or one per channel.
func (f *facts) pictureConv(n *onnx.Node, weights int) string {
	w := f.constantThrough(n.Input(weights))
	if w == nil {
		return "the weights are no constant"
	}
	if len(w.Dims) != 4 {
		return "it is no convolution of two dimensions"
	}
	if group := n.IntAttr("group", 1); group != 1 && (w.Dims[1] != 1 || w.Dims[0]%group != 0) {
		return "its groups are not one channel each"
	}
	return takes
}

// takePlugin follows what agent/acl claims.
func takePlugin(f *facts, n *onnx.Node) string {
	if f.plugin == nil {
		f.plugin = f.pluginTakes()
	}
	return f.plugin[n]
}

// takeACL: kernels are registered for exact versions of operators, and every
// shape must be fixed (core/providers/acl of ONNX Runtime 1.21).
func takeACL(f *facts, n *onnx.Node) string {
	if f.float16(n) {
		return notTried
	}
	opset := f.m.Opset()
	until := func(last int64) string {
		if opset > last {
			return fmt.Sprintf("its kernel is for operator sets up to %d", last)
		}
		return takes
	}
	switch n.Type() {
	case "Conv", "QLinearConv", "com.microsoft.FusedConv":
		weights := 1
		if n.Op == "QLinearConv" {
			weights = 3
			if s := f.constants[n.Input(4)]; s == nil || s.Elements() != 1 {
				return "it does not support per-channel quantization"
			}
			w, x := f.constants[n.Input(3)], f.constants[n.Input(2)]
			if n.IntAttr("group", 1) > 1 && (w == nil || x == nil || w.Type != x.Type) {
				return "a depthwise convolution needs weights of its input's type"
			}
		}
		if f.fixedShapes() {
			return f.pictureConv(n, weights)
		}
		return "it does not support unknown tensor shapes: fix the batch"
	case "GlobalAveragePool", "GlobalMaxPool", "MatMul", "com.microsoft.FusedMatMul",
		"com.microsoft.MatMulIntegerToFloat":
		return takes
	case "Gemm", "Relu", "Concat":
		return until(12)
	case "AveragePool", "MaxPool":
		return until(9)
	case "BatchNormalization":
		return until(8)
	}
	return notImplemented
}

func (f *facts) fixedShapes() bool {
	return !slices.ContainsFunc(f.m.Graph.RealInputs(), func(v *onnx.Value) bool {
		return v.Shape == nil || slices.ContainsFunc(v.Shape, func(d onnx.Dim) bool { return !d.Known() })
	})
}

// takeXNNPACK: of a float MobileNetV2 it took all convolutions with their
// Clips and the product; of the tutorial's static INT8 model nothing.
func takeXNNPACK(f *facts, n *onnx.Node) string {
	if f.float16(n) {
		return notTried
	}
	switch n.Type() {
	case "Conv":
		if f.constants[n.Input(1)] == nil {
			return "the weights are no float constant"
		}
		return f.pictureConv(n, 1)
	case "QLinearConv":
		w, s := f.constants[n.Input(3)], f.constants[n.Input(4)]
		x := f.constants[n.Input(2)]
		switch {
		case w == nil || s == nil || x == nil:
			return "scales or weights are no constants"
		case x.Type == onnx.Uint8 && (w.Type != onnx.Uint8 || s.Elements() > 1):
			return "unsigned activations need unsigned weights with one scale"
		}
		return f.pictureConv(n, 3)
	case "Relu", "Clip":
		if from := f.makers[n.Input(0)]; from != nil && from.Op == "Conv" {
			return takes // into the convolution
		}
		return notImplemented
	case "Gemm", "MatMul":
		if w := f.constants[n.Input(1)]; w == nil || len(w.Dims) != 2 {
			return "the second matrix is no constant of two dimensions"
		}
		return takes
	case "MaxPool", "AveragePool", "Softmax":
		return takes
	}
	return notImplemented
}
