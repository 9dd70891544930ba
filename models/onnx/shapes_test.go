package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// ONNX's own test models say what their outputs' shapes are; what is inferred
// must be the same wherever something is inferred.
func TestInferredShapesAreTheDeclaredOnes(t *testing.T) {
	right, none := 0, 0
	everyModel(t, func(path string, b []byte) {
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		addContents(t, path, m)
		for _, v := range m.Graph.RealInputs() { // sizes that the file leaves open get 1
			for i, d := range v.Shape {
				if i > 0 && !d.Known() {
					return
				}
			}
		}
		s, err := Infer(m, 1, nil)
		if err != nil {
			return
		}
		for _, v := range m.Graph.Outputs {
			got, err := s.Of(v.Name)
			if err != nil {
				none++
				continue
			}
			if v.Shape == nil {
				continue
			}
			var want []int64
			for i, d := range v.Shape {
				switch {
				case d.Known():
					want = append(want, d.Size)
				case i < len(got):
					want = append(want, got[i])
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: output %q is %v, the file says %v", path, v.Name, got, want)
			}
			right++
		}
	})
	t.Logf("%d outputs as declared; nothing is inferred for %d", right, none)
	if right < 800 {
		t.Errorf("only %d outputs were inferred", right)
	}
}

// addContents makes the integers that come with a test model constants of it:
// sizes and axes that decide the output's shape.
func addContents(t *testing.T, path string, m *Model) {
	for i, v := range m.Graph.RealInputs() {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "test_data_set_0", fmt.Sprintf("input_%d.pb", i)))
		if err != nil {
			continue
		}
		x, err := ParseTensor(b)
		if err != nil {
			continue // a sequence or an optional
		}
		if x.Type == Int64 || x.Type == Int32 || x.Type == Float32 && len(x.Dims) == 1 && x.Dims[0] <= 16 {
			x.Name = v.Name
			m.Graph.Initializers = append(m.Graph.Initializers, x)
		}
	}
}
