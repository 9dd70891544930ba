package symbols

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"chexp/agent/internal/testmodel"
)

func file(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDimensions(t *testing.T) {
	named := testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "batch_size"}, testmodel.Dim{Symbol: "length"})
	for name, tc := range map[string]struct {
		model []byte
		want  Inputs
	}{
		"named": {named, Inputs{"x": {"batch_size", "length"}}},
		"fixed": {testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1}, testmodel.Dim{Symbol: "length"}),
			Inputs{"x": {"", "length"}}},
		"scalar":    {testmodel.Add(testmodel.Float), Inputs{}},
		"empty":     {nil, Inputs{}},
		"no model":  {[]byte("\x08\x08"), Inputs{}},
		"two equal": {append(append([]byte{}, named...), named...), Inputs{"x": {"batch_size", "length"}}},
	} {
		got, err := Dimensions(file(t, tc.model))
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tc.want)
		}
	}
	for name, bad := range map[string][]byte{"cut": named[:len(named)-9], "html": []byte("<html></html>"),
		"beyond": {0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}} {
		if got, err := Dimensions(file(t, bad)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := Dimensions("/nonexistent"); err == nil {
		t.Error("a missing file went unnoticed")
	}
}

func FuzzDimensions(f *testing.F) {
	f.Add(testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "n"}))
	f.Fuzz(func(t *testing.T, content []byte) { Dimensions(file(t, content)) })
}
