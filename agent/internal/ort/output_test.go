//go:build cgo

package ort

import (
	"slices"
	"testing"

	"chexp/agent/internal/testmodel"
	"chexp/models/onnx"
)

// The output is read whether its shape is known in advance or only after an
// inference.
func TestFirstOutput(t *testing.T) {
	l := library(t)
	dims := func(batch string) []onnx.Dim { return []onnx.Dim{{Param: batch}, {Size: 3}} }
	for name, symbol := range map[string]string{"the batch": "n", "another symbol": "unk__1", "no symbol": ""} {
		out := dims(symbol)
		if symbol == "" {
			out = []onnx.Dim{{Param: "?"}, {Param: "!"}}
		}
		m := onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g",
			Nodes:   []*onnx.Node{{Op: "Neg", Name: "neg", Inputs: []string{"x"}, Outputs: []string{"y"}}},
			Inputs:  []*onnx.Value{onnx.FloatValue("x", dims("n")...)},
			Outputs: []*onnx.Value{onnx.FloatValue("y", out...)}}}
		file, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Open(model(t, file), cpu)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			want := []float32{float32(-round), -2, -3}
			copy(s.Inputs()[0].Float32, []float32{float32(round), 2, 3})
			if err := s.Prepare(); err != nil {
				t.Fatal(err)
			}
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			got, err := s.FirstOutput()
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, round %d: %v, %v; want %v", name, round, got, err, want)
			}
		}
		if shape := s.Inputs()[0].Shape; !slices.Equal(shape, []int64{1, 3}) {
			t.Errorf("the input's shape is %v", shape)
		}
		s.Close()
	}
	s, err := l.Open(model(t, testmodel.NonZero(testmodel.Dim{Symbol: "n"}, testmodel.Dim{Size: 4})), cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.FirstOutput(); err == nil {
		t.Errorf("an output of integers was read as %v", got)
	}
}
