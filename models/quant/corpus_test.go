package quant

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// ONNX's own models of convolutions, linear layers and what goes with them, in
// every form, against their float answers.
func TestTheTestModelsOfONNXQuantize(t *testing.T) {
	const dir = "/usr/share/libonnx-testdata/data"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("apt-get install libonnx-testdata")
	}
	r := runner(t)
	paths, err := filepath.Glob(dir + "/pytorch-*/*/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	quantized := 0
	for _, path := range paths {
		m, err := onnx.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if m, err = Prepare(m); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		// They are of operator set 6; what they use means the same in 9, where
		// Gemm broadcasts without being told.
		m.Opsets[0].Version = 9
		for _, n := range m.Graph.Nodes {
			n.Attributes = slices.DeleteFunc(n.Attributes,
				func(a *onnx.Attribute) bool { return a.Name == "broadcast" })
		}
		var sample Sample
		for i, v := range m.Graph.RealInputs() {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "test_data_set_0",
				"input_"+string(rune('0'+i))+".pb"))
			if err != nil {
				t.Fatal(err)
			}
			x, err := onnx.ParseTensor(b)
			if err != nil {
				t.Fatal(err)
			}
			x.Name = v.Name
			sample = append(sample, x)
		}
		if len(Products(m, Options{})) > 0 {
			quantized += forms(t, r, filepath.Base(filepath.Dir(path)), m, []Sample{sample})
		}
	}
	if quantized < 50 {
		t.Errorf("only %d models in some form ran", quantized)
	}
	t.Logf("%d models in some form agree with their float answers", quantized)
}

func forms(t *testing.T, r infer.Runner, name string, m *onnx.Model, samples []Sample) (ran int) {
	t.Helper()
	ctx := context.Background()
	ref, err := NewReference(ctx, r, infer.Options{Config: infer.Exact()}, m, samples, nil)
	if err != nil {
		t.Logf("%s: not run by ONNX Runtime: %v", name, err)
		return 0
	}
	c, err := Calibrate(ctx, r, m, Options{}, samples)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return 0
	}
	for form, o := range map[string]Options{"qdq": {}, "qdq per tensor": {PerTensor: true},
		"qoperator": {Format: QOperator}, "dynamic": {Mode: Dynamic}} {
		q, err := DynamicModel(m, o)
		if o.Mode != Dynamic {
			q, err = StaticModel(m, c.Ranges(MinMax), o)
		}
		if err != nil {
			t.Errorf("%s, %s: %v", name, form, err)
			continue
		}
		if err := q.Check(); err != nil {
			t.Errorf("%s, %s: %v", name, form, err)
		}
		j, err := ref.Judge(ctx, q)
		if err != nil {
			t.Errorf("%s, %s: %v", name, form, err)
			continue
		}
		if j.SQNR < 20 {
			t.Errorf("%s, %s: %.1f dB", name, form, j.SQNR)
		}
		ran++
	}
	return ran
}
