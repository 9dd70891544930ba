package quant

import (
	"testing"

	"chexp/models/onnx"
)

// seed has an operator of each role.
func seed() *onnx.Model {
	dims := []onnx.Dim{{Size: 1}, {Size: 2}, {Size: 4}, {Size: 4}}
	two := func(name string) *onnx.Tensor { return onnx.FloatTensor(name, []int64{2}, []float32{1, 2}) }
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Name: "g",
		Nodes: []*onnx.Node{
			{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"a"}},
			{Op: "BatchNormalization", Inputs: []string{"a", "s", "s", "s", "s"}, Outputs: []string{"b"}},
			{Op: "Clip", Inputs: []string{"b", "zero"}, Outputs: []string{"c"}},
			{Op: "Conv", Inputs: []string{"c", "v"}, Outputs: []string{"d"}},
			{Op: "Add", Inputs: []string{"c", "d"}, Outputs: []string{"e"}},
			{Op: "Concat", Inputs: []string{"c", "e"}, Outputs: []string{"f"},
				Attributes: []*onnx.Attribute{onnx.Int("axis", 1)}},
			{Op: "GlobalAveragePool", Inputs: []string{"f"}, Outputs: []string{"p"}},
			{Op: "Flatten", Inputs: []string{"p"}, Outputs: []string{"q"}},
			{Op: "Identity", Inputs: []string{"q"}, Outputs: []string{"r"}},
			{Op: "Gemm", Inputs: []string{"r", "m"}, Outputs: []string{"t"},
				Attributes: []*onnx.Attribute{onnx.Int("transB", 1)}},
			{Op: "Sigmoid", Inputs: []string{"t"}, Outputs: []string{"y"}},
		},
		Initializers: []*onnx.Tensor{
			onnx.FloatTensor("w", []int64{2, 2, 1, 1}, []float32{1, -2, 3, -4}),
			onnx.FloatTensor("v", []int64{2, 2, 1, 1}, []float32{1, 2, 3, 4}), two("s"),
			onnx.FloatTensor("zero", nil, []float32{0}),
			onnx.FloatTensor("m", []int64{2, 4}, []float32{1, 2, 3, 4, 5, 6, 7, 8}),
		},
		Inputs:  []*onnx.Value{{Name: "x", Elem: onnx.Float32, Shape: dims}},
		Outputs: []*onnx.Value{{Name: "y", Elem: onnx.Float32, Shape: []onnx.Dim{{Size: 1}, {Size: 2}}}},
	}}
}

// Whatever the float model, quantizing it ends in an error or in a model that
// does not contradict itself.
func FuzzQuantize(f *testing.F) {
	b, err := seed().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Parse(b)
		if err != nil {
			return
		}
		if m, err = Prepare(m); err != nil {
			return
		}
		if x, _, err := HalfModel(m, Options{}); err == nil {
			for _, x := range []*onnx.Model{x, rounded16(x), rounded16(m)} {
				if err := x.Check(); err != nil {
					t.Fatalf("float16: %v", err)
				}
			}
		}
		for _, o := range []Options{{}, {Format: QOperator, PerTensor: true, WeightBits: 7},
			{Exclude: []string{"Conv"}}, {Mode: Dynamic}} {
			var q *onnx.Model
			if o.Mode == Dynamic {
				q, err = DynamicModel(m, o)
			} else {
				q, err = StaticModel(m, someRanges(m, o), o)
			}
			if err != nil {
				continue
			}
			if err := q.Check(); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
		}
	})
}

func TestTheSeedHasEveryRole(t *testing.T) {
	m, err := Prepare(seed())
	if err != nil {
		t.Fatal(err)
	}
	found := map[role]bool{}
	p := newPlan(m, Options{})
	for _, n := range m.Graph.Nodes {
		found[p.roles[n]] = true
	}
	for _, r := range []role{stays, product, between, passes, folded} {
		if !found[r] {
			t.Errorf("no node has role %d: the fuzz test would not see it", r)
		}
	}
}
