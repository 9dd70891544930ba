//go:build cgo

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"chexp/agent/internal/ort"
	"chexp/models/mobilenet"
	"chexp/models/train"
)

// library loads the ONNX Runtime that the build downloads.
func library(t testing.TB) *ort.Library {
	t.Helper()
	cache := os.Getenv("CHEXP_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Skip("no cache directory: ", err)
		}
		cache = filepath.Join(dir, "chexp")
	}
	found, _ := filepath.Glob(filepath.Join(cache, "downloads", "onnxruntime-*-linux-"+runtime.GOARCH, "libonnxruntime.so.1"))
	if len(found) == 0 {
		t.Skip("no ONNX Runtime in the cache; `make agents` downloads it")
	}
	lib, err := ort.Load(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lib.Close() })
	return lib
}

// small has every sort of layer: with and without expansion, both strides, a
// sum.
var small = mobilenet.New(32, 8, []mobilenet.Stage{{Expand: 1, Channels: 8, Repeat: 1, Stride: 1},
	{Expand: 3, Channels: 8, Repeat: 3, Stride: 2}}, 24, 11)

func TestGradientsAreTheLosssSlopes(t *testing.T) {
	slopes, err := train.CheckGradients(opener(library(t), 1, 1), small, 4, 32, 7)
	if err != nil {
		t.Fatal(err)
	}
	if want := 3*len(small.Layers) + 2; len(slopes) != want {
		t.Fatalf("%d parameters were checked, want %d", len(slopes), want)
	}
	for _, s := range slopes {
		t.Logf("%-22s %.4f %.4f %.3f", s.Parameter, s.Gradient, s.Difference, s.Gradient/s.Difference)
		if ratio := s.Gradient / s.Difference; s.Gradient == 0 || ratio < 0.95 || ratio > 1.05 {
			t.Errorf("%s: the gradient says %.5f, the loss %.5f", s.Parameter, s.Gradient, s.Difference)
		}
	}
}
