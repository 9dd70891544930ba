// Package modeltest gives tests a MobileNetV2 with eleven classes: chexp's own,
// which is always there, and the tutorial's (serve-edge-chi), which has the same
// shape and another maker, where CHEXP_MODEL_PATH names a folder that has it.
package modeltest

import (
	"os"
	"path/filepath"
	"testing"
)

// Form is how a model's numbers are kept.
type Form string

// The forms, by the end of the built-in models' names.
const (
	Float   Form = "fp32"
	Static  Form = "int8-static"
	Dynamic Form = "int8-dynamic"
)

// tutorial are the names of the tutorial's files. The float model was rebuilt from
// its own, which is kept in PyTorch's format.
var tutorial = map[Form]string{
	Float:   "food11_fp32_rebuilt.onnx",
	Static:  "food11_quantized_aggressive.onnx",
	Dynamic: "food11_quantized_dynamic.onnx",
}

// Tutorial is the content of the tutorial's file; ok is false where there is none.
func Tutorial(t testing.TB, f Form) (model []byte, ok bool) {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("CHEXP_MODEL_PATH")) {
		model, err := os.ReadFile(filepath.Join(dir, tutorial[f]))
		if err == nil {
			return model, true
		}
		if !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return nil, false
}

// Each runs a test on every model of this form that is there. generate makes
// chexp's own, by name: [chexp/models/builtin.Generate], which this package must not
// import, so that the tests of what builtin is made with can use it too.
func Each(t *testing.T, f Form, generate func(name string) ([]byte, error), test func(t *testing.T, model []byte)) {
	t.Helper()
	model, err := generate("plates11-" + string(f))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("builtin", func(t *testing.T) { test(t, model) })
	if model, ok := Tutorial(t, f); ok {
		t.Run("tutorial", func(t *testing.T) { test(t, model) })
	}
}
