package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chexp/experiments/trial"
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

func load(t *testing.T, name string) *Model {
	t.Helper()
	path := filepath.Join(food11(), name)
	if _, err := os.Stat(path); err != nil {
		t.Skip("the tutorial's models are not in a folder shared/ beside the clone")
	}
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// MobileNetV2 1.0 at 224: 300 M multiply-adds in its paper (Sandler et al.
// 2018, table 4), here with 11 classes instead of 1000.
func TestWorkOfTheTutorialsModels(t *testing.T) {
	for name, want := range map[string]trial.Work{
		"food11_fp32_rebuilt.onnx":         {Float: mobileNetConvolutions() + 11*1280},
		"food11_quantized_aggressive.onnx": {Integer: mobileNetConvolutions() + 11*1280},
		"food11_quantized_dynamic.onnx":    {Integer: mobileNetConvolutions() + 11*1280},
	} {
		w, err := Work(load(t, name), 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %+v", name, w)
		if w.Float != want.Float || w.Integer != want.Integer {
			t.Errorf("%s: %d float and %d integer multiply-adds, want %d and %d", name, w.Float, w.Integer, want.Float, want.Integer)
		}
		if w.ActivationBytes != 4*(3*224*224+11) || w.WeightBytes < 2_200_000 {
			t.Errorf("%s: %+v", name, w)
		}
		three, err := Work(load(t, name), 3)
		if err != nil || three.Float != 3*w.Float || three.Integer != 3*w.Integer || three.WeightBytes != w.WeightBytes {
			t.Errorf("%s, batch 3: %+v, %v", name, three, err)
		}
	}
}

// mobileNetConvolutions walks table 2 of the paper.
func mobileNetConvolutions() (sum int64) {
	side, channels := int64(112), int64(32)
	sum = side * side * 32 * 3 * 9
	for _, stage := range [][4]int64{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		stride := stage[3]
		for range stage[2] {
			wide := channels * stage[0]
			if stage[0] > 1 {
				sum += side * side * channels * wide
			}
			side /= stride
			sum += side*side*wide*9 + side*side*wide*stage[1]
			channels, stride = stage[1], 1
		}
	}
	return sum + side*side*320*1280
}
