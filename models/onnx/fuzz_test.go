package onnx

import (
	"bytes"
	"testing"
)

// Whatever the bytes, reading them ends, refuses or gives a model that can be
// checked, counted and written again.
func FuzzParse(f *testing.F) {
	f.Add(marshal(f, small()))
	f.Add(marshal(f, convNet()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		if m.Check() == nil {
			_, _ = Work(m, 1)
		}
		first, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("written and read: %v", err)
		}
		if second, err := again.Marshal(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("not stable on the second pass: %v", err)
		}
	})
}

// convNet uses what small leaves out.
func convNet() *Model {
	in := []Dim{{Param: "n", Size: -1}, {Size: 1}, {Size: 4}, {Size: 4}}
	return &Model{
		IRVersion: 8, Opsets: []Opset{{Version: 13}, {Domain: "com.microsoft", Version: 1}}, Version: 3, Domain: "d",
		Doc: "doc",
		Graph: &Graph{
			Name: "g",
			Nodes: []*Node{
				{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"a"},
					Attributes: []*Attribute{Ints("pads", 1, 1, 1, 1), Ints("strides", 2, 2)}},
				{Op: "Shape", Inputs: []string{"a"}, Outputs: []string{"s"}},
				{Op: "Slice", Inputs: []string{"s", "zero", "one"}, Outputs: []string{"first"}},
				{Op: "Concat", Inputs: []string{"first", "minus"}, Outputs: []string{"to"},
					Attributes: []*Attribute{Int("axis", 0)}},
				{Op: "Reshape", Inputs: []string{"a", "to"}, Outputs: []string{"flat"}},
				{Op: "LeakyRelu", Inputs: []string{"flat"}, Outputs: []string{"r"},
					Attributes: []*Attribute{Float("alpha", 0.1)}},
				{Op: "MatMul", Inputs: []string{"r", "m"}, Outputs: []string{"y"}},
			},
			Initializers: []*Tensor{
				FloatTensor("w", []int64{2, 1, 3, 3}, make([]float32, 18)), Int64Tensor("zero", []int64{1}, []int64{0}),
				Int64Tensor("one", []int64{1}, []int64{1}),
				Int64Tensor("minus", []int64{1}, []int64{-1}), FloatTensor("m", []int64{8, 2}, make([]float32, 16)),
				{Name: "text", Dims: []int64{1}, Type: Text, Strings: [][]byte{[]byte("s")}},
			},
			Inputs:  []*Value{{Name: "x", Elem: Float32, Shape: in}},
			Outputs: []*Value{{Name: "y", Elem: Float32, Shape: []Dim{{Param: "n", Size: -1}, {Size: 2}}}},
		},
	}
}

func TestSizesThatTheGraphComputesAreFollowed(t *testing.T) {
	m := convNet()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	w, err := Work(m, 5)
	if want := int64(5 * (2*2*2*9 + 8*2)); err != nil || w.Float != want {
		t.Errorf("work %+v (%v), want %d multiply-adds", w, err, want)
	}
	m.Graph.Nodes[5].Op = "Nope"
	if _, err := Work(m, 1); err == nil {
		t.Error("an operator that nobody knows is counted")
	}
}
