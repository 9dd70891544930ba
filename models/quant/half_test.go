package quant

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"chexp/models/builtin/untrained"
	"chexp/models/infer"
	"chexp/models/modeltest"
	"chexp/models/onnx"
)

// Every float16 comes back from the float32 that it is, and what lies between
// two goes to the nearer one, the middle to the even one.
func TestRoundingToFloat16(t *testing.T) {
	for h := range 0x7c00 {
		low, high := float32Of(uint16(h)), float32Of(uint16(h+1))
		if h+1 == 0x7c00 {
			high = 65536 // where the next one would be
		}
		for sign, bit := range map[float32]uint16{1: 0, -1: 0x8000} {
			if got := float16Of(sign * low); got != uint16(h)|bit {
				t.Fatalf("%v becomes %#04x, want %#04x", sign*low, got, uint16(h)|bit)
			}
			middle := (low + high) / 2 // exact: twelve bits
			even := uint16(h + h&1)
			for v, want := range map[float32]uint16{middle: even, math.Nextafter32(middle, 0): uint16(h),
				math.Nextafter32(middle, infinity): uint16(h + 1)} {
				if got := float16Of(sign * v); got != want|bit {
					t.Fatalf("%v, between %v and %v, becomes %#04x, want %#04x", sign*v, low, high, got, want|bit)
				}
			}
		}
	}
	for v, want := range map[float32]uint16{infinity: 0x7c00, -infinity: 0xfc00, math.MaxFloat32: 0x7c00,
		math.SmallestNonzeroFloat32: 0, 1: 0x3c00, 65519.99: 0x7bff} {
		if got := float16Of(v); got != want {
			t.Errorf("%v becomes %#04x, want %#04x", v, got, want)
		}
	}
	if v := float32Of(float16Of(float32(math.NaN()))); v == v {
		t.Errorf("no number becomes %v", v)
	}
}

// halfOf converts, and looks at what every such model must keep.
func halfOf(t *testing.T, m *onnx.Model, o Options) (*onnx.Model, *Halves) {
	t.Helper()
	before, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	x, report, err := HalfModel(m, o)
	if err != nil {
		t.Fatal(err)
	}
	first, err := x.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := HalfModel(m, o)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := again.Marshal(); !bytes.Equal(first, second) {
		t.Error("the same model gave other bytes")
	}
	if after, _ := m.Marshal(); !bytes.Equal(before, after) {
		t.Error("the given model was changed")
	}
	p, err := onnx.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	if nodes, err := p.Graph.Sorted(); err != nil || !slices.Equal(nodes, p.Graph.Nodes) {
		t.Errorf("the nodes are in no order to run in: %v", err)
	}
	for i, v := range slices.Concat(p.Graph.Inputs, p.Graph.Outputs) {
		if was := slices.Concat(m.Graph.Inputs, m.Graph.Outputs)[i]; v.Name != was.Name || v.Elem != was.Elem {
			t.Errorf("%q of %v has become %q of %v", was.Name, was.Elem, v.Name, v.Elem)
		}
	}
	types := p.ElementTypes()
	for _, n := range p.Graph.Nodes {
		s, _ := onnx.SignatureOf(n)
		one := onnx.DataType(0)
		for i, name := range n.Inputs {
			if name == "" || s.In(i) != 'T' {
				continue
			}
			if one != 0 && types[name] != one {
				t.Errorf("%s %q reads %v and %v", n.Op, NodeName(n), one, types[name])
			}
			one = types[name]
		}
	}
	return p, report
}

func TestTheHalfModelIsPinned(t *testing.T) {
	x, report := halfOf(t, tiny(t), Options{})
	if len(report.Kept) != 0 || report.Half != 9 || report.Casts != 2 {
		t.Errorf("%+v", report)
	}
	for _, i := range x.Graph.Initializers {
		if i.Type != onnx.Float16 {
			t.Errorf("%q is of %v", i.Name, i.Type)
		}
	}
	sum := sha256.Sum256(marshal(t, x)) // on arm64 too: TestEmissionOnArm64
	if got := hex.EncodeToString(sum[:8]); got != "92b6938553bbda69" {
		t.Errorf("sha256 begins with %s", got)
	}
	float, half := weightBytes(t, tiny(t)), weightBytes(t, x)
	if 2*half != float {
		t.Errorf("%d bytes of weights became %d", float, half)
	}
	first, last := x.Graph.Nodes[0], x.Graph.Nodes[len(x.Graph.Nodes)-1]
	if first.Op != "Cast" || first.IntAttr("to", 0) != int64(onnx.Float16) || last.Op != "Cast" ||
		last.IntAttr("to", 0) != int64(onnx.Float32) {
		t.Errorf("it begins with %s and ends with %s", first.Op, last.Op)
	}
}

func weightBytes(t *testing.T, m *onnx.Model) int64 {
	t.Helper()
	w, err := onnx.Work(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	return w.WeightBytes
}

func TestExcludedNodesStayInFloat32(t *testing.T) {
	for exclude, casts := range map[string]int{"conv2": 4, "Gemm": 2, "Conv": 8} {
		x, report := halfOf(t, tiny(t), Options{Exclude: []string{exclude}})
		if report.Casts > casts {
			t.Errorf("without %s there are %d casts, at most %d are needed", exclude, report.Casts, casts)
		}
		for _, n := range x.Graph.Nodes {
			if w := x.Graph.Initializer(n.Input(1)); (n.Name == exclude ||
				n.Op == exclude) != (w != nil && w.Type == onnx.Float32) && n.Multiplies() {
				t.Errorf("without %s: %s has weights of %v", exclude, NodeName(n), w.Type)
			}
		}
		for _, k := range report.Kept {
			if k.Why != "it is excluded" || k.Loss {
				t.Errorf("%+v", k)
			}
		}
	}
	if _, _, err := HalfModel(tiny(t), Options{Exclude: []string{"Conv", "Gemm", "Clip",
		"GlobalAveragePool"}}); err == nil || !strings.Contains(err.Error(), "nothing to write in float16") {
		t.Errorf("with all excluded: %v", err)
	}
}

// of makes a model of some nodes, whose input is "x" and whose output "y".
func of(nodes []*onnx.Node, constants ...*onnx.Tensor) *onnx.Model {
	dims := []onnx.Dim{{Size: 1}, {Size: 4}}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{Name: "g", Nodes: nodes, Initializers: constants,
			Inputs:  []*onnx.Value{{Name: "x", Elem: onnx.Float32, Shape: dims}},
			Outputs: []*onnx.Value{{Name: "y", Elem: onnx.Float32, Shape: dims}}}}
}

func number(name string, v ...float32) *onnx.Tensor {
	if len(v) == 1 {
		return onnx.FloatTensor(name, nil, v)
	}
	return onnx.FloatTensor(name, []int64{int64(len(v))}, v)
}

func op(name, out string, in ...string) *onnx.Node {
	return &onnx.Node{Op: name, Name: out, Inputs: in, Outputs: []string{out}}
}

// A constant that does not fit keeps its node in float32, by name; the same
// constant is float16 for those that it fits.
func TestWhatDoesNotFitStays(t *testing.T) {
	for _, x := range []struct {
		name     string
		constant *onnx.Tensor
		op, why  string
	}{
		{"too large", number("c", 1, 2, 70000, 3), "Mul", "70000"},
		{"too low", number("c", 1, -65520, 2, 3), "Add", "-65520"},
		{"nearly too large", number("c", 65519), "Mul", ""},
		{"infinite already", number("c", 1, infinity, 2, 3), "Max", ""},
		{"an epsilon", number("c", 1e-12), "Add", "1e-12"},
		{"a rough epsilon", number("c", 1e-7), "Add", "1e-07"},
		{"a fair epsilon", number("c", 1e-5), "Add", ""},
		{"a small one among others", number("c", 1, 1e-9, 1, 1), "Mul", ""},
		{"a divisor of nothing", number("c", 1, 1e-9, 1, 1), "Div", "1e-09"},
		{"zeros", number("c", 0, 0, 0, 0), "Mul", ""},
	} {
		m := of([]*onnx.Node{op("Relu", "a", "x"), op(x.op, "b", "a", "c"), op("Relu", "y", "b")}, x.constant)
		got, report := halfOf(t, m, Options{})
		want := onnx.Float16
		if x.why != "" {
			want = onnx.Float32
		}
		if c := got.Graph.Initializer("c"); c == nil || c.Type != want {
			t.Errorf("%s: the constant is %+v, want %v", x.name, c, want)
		}
		switch {
		case x.why == "" && len(report.Kept) != 0, x.why != "" &&
			(len(report.Kept) != 1 || !report.Kept[0].Loss || report.Kept[0].Node != "b" ||
				!strings.Contains(report.Kept[0].Why, x.why)):
			t.Errorf("%s: %+v", x.name, report.Kept)
		}
	}
	shared := of([]*onnx.Node{op("Mul", "a", "x", "c"), op("Div", "y", "a", "c")}, number("c", 1, 1e-9, 1, 1))
	got, report := halfOf(t, shared, Options{})
	if len(got.Graph.Initializers) != 2 || report.Half != 1 {
		t.Errorf("%d initializers, %+v", len(got.Graph.Initializers), report)
	}
}

// The bounds that exporters write for "none" are beyond float16.
func TestBoundsOfClipBecomeInfinite(t *testing.T) {
	m := of([]*onnx.Node{op("Clip", "y", "x", "low", "high")}, number("low", -math.MaxFloat32),
		number("high", math.MaxFloat32))
	got, report := halfOf(t, m, Options{})
	low, high := got.Graph.Initializer("low"), got.Graph.Initializer("high")
	if len(report.Kept) != 0 || binary.LittleEndian.Uint16(low.Raw) != 0xfc00 ||
		binary.LittleEndian.Uint16(high.Raw) != 0x7c00 {
		t.Errorf("%+v, from %x to %x", report, low.Raw, high.Raw)
	}
	m = of([]*onnx.Node{op("Relu", "a", "x"), op("Clip", "y", "a", "low")}, number("low", 1e6))
	if _, report := halfOf(t, m, Options{}); len(report.Kept) != 1 || !report.Kept[0].Loss {
		t.Errorf("a lower bound of a million: %+v", report)
	}
}

func TestConstantNodesBecomeFloat16(t *testing.T) {
	m := of([]*onnx.Node{
		{Op: "Constant", Outputs: []string{"c"}, Attributes: []*onnx.Attribute{onnx.Float("value_float", 3)}},
		{Op: "Constant", Outputs: []string{"d"}, Attributes: []*onnx.Attribute{{Name: "value",
			Kind: onnx.TensorAttribute, Tensor: number("", 2)}}},
		op("Mul", "a", "x", "c"), op("Mul", "y", "a", "d"),
	})
	p, err := Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := halfOf(t, p, Options{})
	for _, name := range []string{"c", "d"} {
		if c := got.Graph.Initializer(name); c == nil || c.Type != onnx.Float16 {
			t.Errorf("%s is %+v", name, c)
		}
	}
	if len(operators(got)) != 2 || operators(got)["Cast"] != 2 {
		t.Errorf("%v", operators(got))
	}
}

// What only moves numbers does not go to float16 and back.
func TestMoversFollow(t *testing.T) {
	for name, x := range map[string]struct {
		nodes       []*onnx.Node
		half, casts int
	}{
		"input to float32 to half": {[]*onnx.Node{op("Transpose", "a", "x"), op("Exp", "b", "a"),
			op("Flatten", "c", "b"), op("Relu", "y", "c")}, 1, 2},
		"input to half": {[]*onnx.Node{op("Transpose", "a", "x"), op("Flatten", "b", "a"),
			op("Relu", "y", "b")}, 3, 2},
		"half to output": {[]*onnx.Node{op("Relu", "a", "x"), op("Transpose", "b", "a"),
			op("Flatten", "y", "b")}, 3, 2},
		"between": {[]*onnx.Node{op("Relu", "a", "x"), op("Exp", "b", "a"), op("Transpose", "c", "b"),
			op("Exp", "y", "c")}, 1, 2},
	} {
		if _, report := halfOf(t, of(x.nodes), Options{}); report.Half != x.half || report.Casts != x.casts {
			t.Errorf("%s: %+v, want %d nodes in float16 and %d casts", name, report, x.half, x.casts)
		}
	}
	if _, _, err := HalfModel(of([]*onnx.Node{op("Transpose", "y", "x")}), Options{}); err == nil {
		t.Error("a model that moves numbers only was converted")
	}
}

// A body knows values of the graph around it by their names, as float32.
func TestBodiesStayAsTheyAre(t *testing.T) {
	body := func(n *onnx.Node) *onnx.Graph {
		return &onnx.Graph{Name: "body", Nodes: []*onnx.Node{n}, Outputs: []*onnx.Value{onnx.FloatValue(n.Outputs[0])}}
	}
	m := of([]*onnx.Node{
		op("Mul", "a", "x", "c"),
		{Op: "If", Name: "if", Inputs: []string{"yes"}, Outputs: []string{"b"}, Attributes: []*onnx.Attribute{
			{Name: "then_branch", Kind: onnx.GraphAttribute, Graph: body(op("Mul", "t", "a", "c"))},
			{Name: "else_branch", Kind: onnx.GraphAttribute, Graph: body(op("Relu", "e", "a"))}}},
		op("Identity", "z", "b"), op("Add", "y", "a", "c"),
	}, number("c", 1, 2, 3, 4), &onnx.Tensor{Name: "yes", Type: onnx.Bool, Dims: []int64{}, Raw: []byte{1}})
	m.Graph.Outputs = append(m.Graph.Outputs, &onnx.Value{Name: "z", Elem: onnx.Float32,
		Shape: m.Graph.Outputs[0].Shape})
	got, report := halfOf(t, m, Options{})
	if got.Graph.Initializer("c").Type != onnx.Float32 || report.Half != 2 {
		t.Errorf("%+v", report)
	}
	s, err := runner(t).Open(context.Background(), marshal(t, got), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, _, err := s.Run(context.Background(), Sample{onnx.FloatTensor("x", []int64{1, 4}, []float32{1, 1, 1, 1})})
	if err != nil {
		t.Fatal(err)
	}
	y, _ := out[0].Float32s()
	z, _ := out[1].Float32s()
	if !slices.Equal(y, []float32{2, 4, 6, 8}) || !slices.Equal(z, []float32{1, 4, 9, 16}) {
		t.Errorf("%v and %v", y, z)
	}
}

func marshal(t *testing.T, m *onnx.Model) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eachMobileNet runs a test on the float MobileNetV2 with eleven classes, prepared:
// chexp's own, whose random weights serve here as well as the trained ones, and the
// tutorial's.
func eachMobileNet(t *testing.T, test func(t *testing.T, m *onnx.Model)) {
	t.Helper()
	generate := func(string) ([]byte, error) { return untrained.Generate("mobilenetv2-11") }
	modeltest.Each(t, modeltest.Float, generate, func(t *testing.T, model []byte) {
		m, err := onnx.Parse(model)
		if err == nil {
			m, err = Prepare(m)
		}
		if err != nil {
			t.Fatal(err)
		}
		test(t, m)
	})
}

func TestMobileNetInFloat16(t *testing.T) {
	eachMobileNet(t, func(t *testing.T, m *onnx.Model) {
		x, report := halfOf(t, m, Options{})
		if size := len(marshal(t, x)); size > 4_600_000 || report.Half != 100 || report.Casts != 2 {
			t.Errorf("%d bytes, %+v", size, report)
		}
		m.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
		q := Request{Float: m, Options: Options{Mode: Half}, Runner: runner(t), Samples: waves(t, m, 8), MaxDrop: -1}
		res, err := q.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if j := res.Judgement; j.Agreement != 1 || j.SQNR < 40 || j.SQNR > 80 || j.Inputs != 8 {
			t.Errorf("%+v", j)
		}
		if len(res.Halves.Kept) != 0 {
			t.Errorf("%+v", res.Halves.Kept)
		}
		t.Logf("%+v", res.Judgement)
	})
}

// Nodes whose values leave float16 on the samples stay in float32; without
// samples nobody knows, and the answers are infinite.
func TestValuesBeyondFloat16KeepTheirNodes(t *testing.T) {
	m := of([]*onnx.Node{op("Mul", "a", "x", "c"), op("Relu", "b", "a"), op("Div", "d", "b", "c"),
		op("Relu", "y", "d")}, number("c", 4000))
	sample := func(v float32) []Sample {
		return []Sample{{onnx.FloatTensor("x", []int64{1, 4}, []float32{1, 2, 3, v})}}
	}
	for _, x := range []struct {
		v    float32
		half int
	}{{4, 4}, {9, 1}, {5000, 1}} { // 16000, 36000 and 20,000,000 in between
		res, err := Request{Float: m, Options: Options{Mode: Half}, Runner: runner(t),
			Samples: sample(x.v)}.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if res.Halves.Half != x.half || res.Judgement.SQNR < 60 {
			t.Errorf("with %v: %+v, %+v", x.v, res.Halves, res.Judgement)
		}
		for _, k := range res.Halves.Kept {
			if !k.Loss || !strings.Contains(k.Why, "on the samples") {
				t.Errorf("%+v", k)
			}
		}
	}
	_, err := Request{Float: m, Options: Options{Mode: Half}, Runner: runner(t), Samples: sample(1),
		Evaluation: sample(5000)}.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "infinities") {
		t.Errorf("with larger values than were watched: %v", err)
	}
}
