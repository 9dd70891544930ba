package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"chexp/experiments/input"
	"chexp/experiments/words"
	"chexp/models/onnx"
)

// AgentRuntime is the version of ONNX Runtime that the agents carry.
const AgentRuntime = "1.30"

// newest is the newest operator set and IR version that a version of ONNX
// Runtime reads, from its compatibility table; those from 1.24 on were tried.
var newest = map[string]struct{ opset, ir int64 }{
	"1.12": {17, 8}, "1.13": {17, 8}, "1.14": {18, 8}, "1.15": {19, 8}, "1.16": {19, 9}, "1.17": {20, 9},
	"1.18": {21, 10}, "1.19": {21, 10}, "1.20": {21, 10}, "1.24": {25, 13},
	"1.26": {26, 13}, "1.27": {26, 13}, "1.29": {26, 13}, "1.30": {26, 13},
}

// Newest returns the newest operator set and IR version that a version of ONNX
// Runtime reads; ok is false where that is not known here.
func Newest(version string) (opset, ir int64, ok bool) {
	short := version
	if parts := strings.SplitN(version, ".", 3); len(parts) > 2 {
		short = parts[0] + "." + parts[1]
	}
	limit, ok := newest[short]
	return limit.opset, limit.ir, ok
}

func (f *facts) warnings(r *Report, o Options) []Warning {
	list := []Warning{}
	add := func(code, next, format string, args ...any) {
		list = append(list, Warning{Code: code, Text: fmt.Sprintf(format, args...), Next: next})
	}
	version := o.Runtime
	if version == "" {
		version = AgentRuntime
	}
	f.tooNew(version, add)
	if a := r.Quantization.Activations; a != nil && a.LostBounds > 0 {
		add("relu6_bound_lost", "quantize the float model again with 8-bit activations: `chexp model quantize`",
			"%d ReLU6 outputs were quantized to 7 bits (scale 6/127), but 8 bits hold up to %.2f: nothing cuts off "+
				"at 6 any more, and answers change", a.LostBounds, 255.0*6/127)
	}
	f.dynamicWarnings(r, add)
	f.float16Warnings(r, add)
	if n := countOps(f.m.Graph, "If", "Loop", "Scan"); n > 0 {
		add("control_flow", "", "%s with graphs of their own (If, Loop, Scan), which are not looked into",
			words.Plural(n, "node"))
	}
	if f.m.Functions > 0 {
		add("functions", "", "it defines functions of its own (%d), which are not looked into: what they do and hold "+
			"is in no count", f.m.Functions)
	}
	f.inputWarnings(add)
	if n, name := f.m.Graph.SharedNames(); n > 0 {
		add("duplicate_names", "give each node a name of its own, or none",
			"%d nodes have a name that another node has too, such as %q: ONNX Runtime refuses such a model", n, name)
	}
	if text := f.uncounted(); text != "" {
		add("not_counted", "", "what these operators do is in no count of multiply-adds and in no share: %s", text)
	}
	inputs := f.m.Graph.RealInputs()
	if len(inputs) != 1 || inputs[0].Elem != onnx.Float32 || len(inputs[0].Shape) != 4 {
		add("no_float_image", "", "it is no model of one float picture: accuracy cannot be measured with pictures")
	} else if !f.fixedShapes() && inputs[0].Shape[1].Known() {
		for _, d := range inputs[0].Shape[1:] {
			if !d.Known() {
				add("open_size", "give them: inputs: in an experiment, --input NAME=… here",
					"its input leaves more than the batch open, and a trial needs every size")
				break
			}
		}
	}
	return list
}

// inputWarnings name the inputs that cannot be filled.
func (f *facts) inputWarnings(add func(code, next, format string, args ...any)) {
	for _, v := range f.m.Graph.RealInputs() {
		switch {
		case v.Other != nil:
			add("input_type", "export it with tensors as inputs", "input %q is no tensor (a sequence, map or optional), and "+
				"nothing here fills it", v.Name)
		case v.Elem == 0:
			add("input_type", "", "input %q has no element type", v.Name)
		case !input.Type(v.Elem.String()).Known():
			add("input_type", "export it with another type", "input %q is of %v, which ONNX Runtime takes from no caller",
				v.Name, v.Elem)
		}
	}
}

// uncounted names the operators whose work is not known here, with how many there
// are.
func (f *facts) uncounted() string {
	found := map[string]int{}
	for _, n := range f.m.Graph.Nodes {
		if !n.Known() && !f.folded[n] {
			found[n.Type()]++
		}
	}
	var parts []string
	for i, c := range counted(found) {
		if i == 8 {
			parts = append(parts, fmt.Sprintf("%d kinds more", len(found)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", c.Name, c.Count))
	}
	return strings.Join(parts, ", ")
}

func (f *facts) tooNew(version string, add func(code, next, format string, args ...any)) {
	newestOpset, newestIR, ok := Newest(version)
	if !ok {
		add("runtime_unknown", "", "what ONNX Runtime %s reads is not known here", version)
		return
	}
	opset := f.m.Opset()
	if opset > newestOpset {
		add("opset_too_new", "export it with operator set "+strconv.FormatInt(newestOpset, 10)+" or older",
			"it needs operator set %d; ONNX Runtime %s reads up to %d", opset, version, newestOpset)
	}
	if f.m.IRVersion > newestIR {
		add("ir_too_new", "export it with an older onnx package, or set model.ir_version",
			"it has IR version %d; ONNX Runtime %s reads up to %d", f.m.IRVersion, version, newestIR)
	}
	if opset > 0 && opset < 7 {
		add("opset_old", "export it again, or convert it with onnx.version_converter",
			"operator set %d is older than what ONNX Runtime promises to run (7)", opset)
	}
}

func (f *facts) dynamicWarnings(r *Report, add func(code, next, format string, args ...any)) {
	q := r.Quantization
	if q.Scheme == "dynamic" && q.Integer*4 < r.Nodes {
		add("dynamic_overhead",
			"static quantization needs sample inputs, and none of these nodes: `chexp model quantize`",
			"of %d nodes %d do integer work; the others find scales, cast and multiply in every inference", r.Nodes,
			q.Integer)
	}
	signed := 0
	for _, n := range f.m.Graph.Nodes {
		if t := f.constants[n.Input(1)]; n.Type() == "ConvInteger" && t != nil && t.Type == onnx.Int8 {
			signed++
		}
	}
	if signed > 0 {
		add("convinteger_int8", "store the weights as uint8 with zero point 128",
			"%d ConvInteger have int8 weights: ONNX Runtime runs them 3.5 times slower than uint8 ones, and older "+
				"versions refuse them (NOT_IMPLEMENTED)", signed)
	}
	if w := q.Weights; w != nil && q.Scheme == "static" && w.Bits == 8 {
		if len(w.Types) > 0 && w.Types[0].Name == "int8" {
			add("x86_saturates",
				"on such a processor use 7-bit weights, or session.x64quantprecision=1 to compute exactly",
				"8-bit signed weights: x86-64 without VNNI saturates and loses accuracy; Arm and VNNI do not")
		}
	}
}

// float16Warnings: measured with ONNX Runtime 1.27, whose answers in float16
// were compared with those to the same numbers in float32.
func (f *facts) float16Warnings(r *Report, add func(code, next, format string, args ...any)) {
	for _, v := range append(f.m.Graph.RealInputs(), f.m.Graph.Outputs...) {
		if v.Elem == onnx.Float16 {
			add("float16_edges", "write it again from the float32 model: `chexp model quantize --mode float16`",
				"%q is float16: it is measured so, but accuracy and calibration on pictures need float32 there", v.Name)
			break
		}
	}
	half := r.Quantization.Half
	if half == 0 {
		return
	}
	depthwise := 0
	for _, n := range f.m.Graph.Nodes {
		if n.Type() == "Conv" && n.IntAttr("group", 1) > 1 && f.float16(n) {
			depthwise++
		}
	}
	text := "%d of %d convolutions and products are in float16: ONNX Runtime's `cpu` computes them in float32 " +
		"between casts on x86-64, and on arm64 has kernels for some"
	args := []any{half, r.Quantization.Integer + r.Quantization.Float}
	if depthwise > 0 {
		text += "; its depthwise convolution there was wrong in 11 of 134 random cases (this model has %d), so what " +
			"`cpu` answers may be wrong"
		args = append(args, depthwise)
	}
	add("float16_cpu", "measure the accuracy on the device (accuracy in the experiment), or run it with acl", text,
		args...)
	add("float16_acl", "",
		"acl takes float16 where the processor computes in it: a Cortex-A76 (Raspberry Pi 5) does, a Cortex-A72 "+
			"(Raspberry Pi 4) does not")
}

func countOps(g *onnx.Graph, names ...string) (n int) {
	for _, node := range g.Nodes {
		for _, name := range names {
			if node.Type() == name {
				n++
			}
		}
	}
	return n
}
