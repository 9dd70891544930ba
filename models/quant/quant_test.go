package quant

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"chexp/models/builtin/untrained"
	"chexp/models/onnx"
)

// tiny is the builtin three-layer network, prepared.
func tiny(t *testing.T) *onnx.Model {
	t.Helper()
	b, err := untrained.Generate("tiny-cnn")
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Prepare(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// someRanges gives every activation a range that depends on its place only.
func someRanges(m *onnx.Model, o Options) map[string]Range {
	ranges := map[string]Range{}
	for i, name := range Activations(m, o) {
		ranges[name] = Range{-0.5 - float32(i)/7, 3 + float32(i)/3}
	}
	return ranges
}

func operators(m *onnx.Model) map[string]int {
	count := map[string]int{}
	for _, n := range m.Graph.Nodes {
		count[n.Type()]++
	}
	return count
}

// The sums are the same on every platform: TestEmissionOnArm64 runs this test
// there.
func TestEmissionIsPinned(t *testing.T) {
	m := tiny(t)
	for name, x := range map[string]struct {
		o   Options
		ops map[string]int
		sum string
	}{
		"qdq": {Options{}, map[string]int{"Conv": 3, "Gemm": 1, "QuantizeLinear": 6,
			"DequantizeLinear": 14, "GlobalAveragePool": 1, "Flatten": 1}, "580d9b1b7b210998"},
		"qdq per tensor": {Options{PerTensor: true}, nil, "0ce68ce6adb9b9c5"},
		"qoperator": {Options{Format: QOperator},
			map[string]int{"QLinearConv": 3, "com.microsoft.QGemm": 1, "com.microsoft.QLinearGlobalAveragePool": 1,
				"Flatten": 1, "QuantizeLinear": 1}, "c6e8a184a52d1274"},
		"qoperator, 7 bits": {Options{Format: QOperator, WeightBits: 7}, nil, "58007bdf880fb566"},
		"dynamic": {Options{Mode: Dynamic}, map[string]int{"ConvInteger": 3, "MatMulInteger": 1,
			"DynamicQuantizeLinear": 4, "Cast": 4, "Mul": 8, "Add": 4, "Clip": 3, "GlobalAveragePool": 1, "Flatten": 1},
			"53806f5a5d9495ed"},
		"dynamic per tensor": {Options{Mode: Dynamic, PerTensor: true}, nil, "459232d9d7ec236d"},
	} {
		var q *onnx.Model
		var err error
		if x.o.Mode == Dynamic {
			q, err = DynamicModel(m, x.o)
		} else {
			q, err = StaticModel(m, someRanges(m, x.o), x.o)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := q.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w, err := onnx.Work(q, 1)
		if err != nil || w.Float != 0 || w.Integer == 0 {
			t.Errorf("%s: work %+v, %v: not all on integers", name, w, err)
		}
		b, err := q.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if got := hex.EncodeToString(sum[:8]); got != x.sum {
			t.Errorf("%s: sha256 begins with %s, want %s", name, got, x.sum)
		}
		for op, n := range x.ops {
			if got := operators(q)[op]; got != n {
				t.Errorf("%s: %d %s, want %d (%v)", name, got, op, n, operators(q))
			}
		}
	}
}

// People look for the float model's nodes in profiles: they are still called
// what they were, and names are unique even where the float model has short ones.
func TestNamesOfTheFloatModelStay(t *testing.T) {
	m := tiny(t)
	for i, name := range []string{"a1", "w1", "s1"} { // as new values and nodes would be called
		old := m.Graph.Nodes[i].Outputs[0]
		for _, n := range m.Graph.Nodes {
			for k := range n.Inputs {
				if n.Inputs[k] == old {
					n.Inputs[k] = name
				}
			}
		}
		m.Graph.Nodes[i].Outputs[0], m.Graph.Nodes[i].Name = name, name+".f"
	}
	for _, o := range []Options{{}, {Format: QOperator}, {Exclude: []string{"a1.f"}}, {Mode: Dynamic}} {
		q, err := DynamicModel(m, o)
		if o.Mode != Dynamic {
			q, err = StaticModel(m, someRanges(m, o), o)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		made, nodes := map[string]bool{}, map[string]bool{}
		for _, t := range q.Graph.Initializers {
			made[t.Name] = true
		}
		for _, n := range q.Graph.Nodes {
			if nodes[n.Name] || n.Name == "" {
				t.Errorf("%+v: two nodes are called %q, or one nothing", o, n.Name)
			}
			nodes[n.Name] = true
			for _, v := range n.Outputs {
				if made[v] {
					t.Errorf("%+v: two values are called %q", o, v)
				}
				made[v] = true
			}
		}
		for _, n := range Products(m, Options{}) {
			if !nodes[n.Name] {
				t.Errorf("%+v: there is no node %q any more", o, n.Name)
			}
		}
	}
}

func TestExcludedNodesStayInFloat(t *testing.T) {
	m := tiny(t)
	for _, exclude := range []string{"conv2", "Conv", "Gemm"} {
		for _, o := range []Options{{Exclude: []string{exclude}}, {Format: QOperator, Exclude: []string{exclude}},
			{Mode: Dynamic, Exclude: []string{exclude}}} {
			var q *onnx.Model
			var err error
			if o.Mode == Dynamic {
				q, err = DynamicModel(m, o)
			} else {
				q, err = StaticModel(m, someRanges(m, o), o)
			}
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			if err := q.Check(); err != nil {
				t.Errorf("%+v: %v", o, err)
			}
			for _, n := range q.Graph.Nodes {
				if (n.Name == exclude || n.Op == exclude) && q.Graph.Initializer(n.Input(1)) == nil {
					t.Errorf("%+v: %s has weights that are no float constant", o, n.Name)
				}
			}
			if w, err := onnx.Work(q, 1); err != nil || w.Float == 0 {
				t.Errorf("%+v: work %+v, %v", o, w, err)
			}
		}
	}
	if _, err := StaticModel(m, nil, Options{}); err == nil || !strings.Contains(err.Error(), "range") {
		t.Errorf("without ranges: %v", err)
	}
}

func TestPrepareRefusesAQuantizedModel(t *testing.T) {
	q, err := DynamicModel(tiny(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(q); err == nil || !strings.Contains(err.Error(), "quantized already") {
		t.Errorf("error is %v", err)
	}
}

func TestBatchNormalisationsAreFolded(t *testing.T) {
	dims := []onnx.Dim{{Size: 1}, {Size: 1}, {Size: 2}, {Size: 2}}
	vector := func(name string, v float32) *onnx.Tensor { return onnx.FloatTensor(name, []int64{1}, []float32{v}) }
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Name: "g",
		Nodes: []*onnx.Node{
			{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"a"}},
			{Op: "BatchNormalization", Inputs: []string{"a", "scale", "bias", "mean", "var"}, Outputs: []string{"b"},
				Attributes: []*onnx.Attribute{onnx.Float("epsilon", 0)}},
			{Op: "Identity", Inputs: []string{"b"}, Outputs: []string{"i"}},
			{Op: "Relu", Inputs: []string{"i"}, Outputs: []string{"y"}},
		},
		Initializers: []*onnx.Tensor{onnx.FloatTensor("w", []int64{1, 1, 1, 1}, []float32{3}), vector("scale", 2),
			vector("bias", 5), vector("mean", 7), vector("var", 4)},
		Inputs:  []*onnx.Value{{Name: "x", Elem: onnx.Float32, Shape: dims}},
		Outputs: []*onnx.Value{{Name: "y", Elem: onnx.Float32, Shape: dims}},
	}}
	p, err := Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Graph.Nodes) != 2 || len(p.Graph.Initializers) != 2 {
		t.Fatalf("%d nodes, %d initializers remain", len(p.Graph.Nodes), len(p.Graph.Initializers))
	}
	conv := p.Graph.Nodes[0]
	w, _ := p.Graph.Initializer(conv.Inputs[1]).Float32s()
	b, _ := p.Graph.Initializer(conv.Inputs[2]).Float32s()
	// (3x − 7)·2/√4 + 5
	if w[0] != 3 || b[0] != -2 {
		t.Errorf("weight %v and bias %v, want 3 and -2", w, b)
	}
	if p.Graph.Nodes[1].Inputs[0] != conv.Outputs[0] {
		t.Error("the ReLU does not read the convolution")
	}
	if v, _ := m.Graph.Initializer("w").Float32s(); v[0] != 3 || len(m.Graph.Nodes) != 4 {
		t.Error("the given model was changed")
	}
}

func TestWeightsComeBackWithinHalfAStep(t *testing.T) {
	values := make([]float32, 2*3*4)
	for i := range values {
		values[i] = float32(i%7-3) * float32(1+i/12*9)
	}
	for _, perTensor := range []bool{false, true} {
		for _, levels := range []int{64, 127} {
			q, scales := channels(values, layout{2, 12}, levels, perTensor)
			if len(scales) != 2 && !perTensor || len(scales) != 1 && perTensor {
				t.Fatalf("%d scales", len(scales))
			}
			for i, v := range values {
				s := scales[(i/12)%len(scales)]
				if d := math.Abs(float64(v) - float64(q[i])*float64(s)); d > float64(s)*0.5001 || int(q[i]) > levels ||
					int(q[i]) < -levels {
					t.Fatalf("weight %v became %d·%v", v, q[i], s)
				}
			}
		}
	}
	if _, s := channels(make([]float32, 4), layout{2, 2}, 127, false); s[0] <= 0 {
		t.Error("a dead channel has no scale")
	}
}

func TestZeroIsAlwaysAStep(t *testing.T) {
	for _, r := range []Range{{0, 6}, {-1, 1}, {-2.118, 2.64}, {2, 5}, {-5, -2}, {0, 0}, {-1e-38, 1e-38}} {
		a := affineOf(r)
		if low := -float64(a.zero) * float64(a.scale); low > math.Min(float64(r.Low), 0)+float64(a.scale)/2+1e-30 &&
			a.scale != 1 {
			t.Errorf("%v: begins at %v", r, low)
		}
		if !(a.scale > 0) {
			t.Errorf("%v: scale %v", r, a.scale)
		}
	}
	if a := affineOf(Range{0, 6}); a.zero != 0 || math.Abs(float64(a.scale)-6.0/255) > 1e-9 {
		t.Errorf("ReLU6 has %+v", a)
	}
}

func TestHistogramMethods(t *testing.T) {
	h := &histogram{}
	sample := make([]float32, 100_000)
	for i := range sample {
		sample[i] = float32(i%1000)/1000 - 0.25 // evenly from −0.25 to 0.749
	}
	h.add(&glance{numbers: onnx.FloatTensor("", nil, sample).Raw})
	outlier := append([]float32(nil), sample...)
	outlier[7] = 40
	h.add(&glance{numbers: onnx.FloatTensor("", nil, outlier).Raw})
	if r := h.choose(MinMax); r != (Range{-0.25, 40}) {
		t.Errorf("min-max %v", r)
	}
	if r := h.choose(Mean); math.Abs(float64(r.High)-(0.749+40)/2) > 1e-3 || r.Low != -0.25 {
		t.Errorf("mean %v", r)
	}
	if r := h.choose(Percentile9K); r.High > 1 || r.High < 0.7 || r.Low > -0.24 {
		t.Errorf("percentile %v", r)
	}
	if r, all := h.choose(SquaredError), h.choose(MinMax); h.squaredError(r) >= h.squaredError(all) {
		t.Errorf("%v has no smaller squared error than %v", r, all)
	}
	total := int64(0)
	for _, n := range h.bins {
		total += n
	}
	if total != 200_000 {
		t.Errorf("%d numbers are in the bins, want 200000", total)
	}
	h.add(&glance{numbers: onnx.FloatTensor("", nil, []float32{1, float32(math.NaN())}).Raw})
	if h.notNumbers != 1 {
		t.Error("no number was counted as one")
	}
}
