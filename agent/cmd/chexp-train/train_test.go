//go:build cgo

package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"chexp/agent/internal/ort"
	"chexp/models/mobilenet"
	"chexp/models/plates"
	"chexp/models/train"
)

// cache is where the build keeps what it downloads.
func cache(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("CHEXP_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no cache directory: ", err)
	}
	return filepath.Join(dir, "chexp")
}

// library loads the ONNX Runtime that the build downloads.
func library(t testing.TB) *ort.Library {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(cache(t), "downloads", "onnxruntime-*-linux-"+runtime.GOARCH, "libonnxruntime.so.1"))
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
	lib := library(t)
	for _, c := range []struct {
		name               string
		inner              bool
		relative, absolute float64
	}{
		{"between the corners", true, 0.02, 2e-4},
		{"across the corners", false, 0.15, 2e-3},
	} {
		t.Run(c.name, func(t *testing.T) {
			slopes, err := train.CheckGradients(opener(lib, 1, 1), small, 8, 32, 7, c.inner)
			if err != nil {
				t.Fatal(err)
			}
			if want := 3*len(small.Layers) + 2; len(slopes) != want {
				t.Fatalf("%d parameters were checked, want %d", len(slopes), want)
			}
			for _, s := range slopes {
				// A beta before a normalisation changes nothing: there both are 0.
				if off := math.Abs(s.Gradient - s.Difference); math.IsNaN(off) || off > c.relative*math.Abs(s.Difference)+c.absolute {
					t.Errorf("%s: the gradient says %.5f, the loss %.5f", s.Parameter, s.Gradient, s.Difference)
				}
			}
		})
	}
}

// spy keeps what the last step answered.
type spy struct {
	train.Runner
	logits *[]float32
}

func (s spy) Close() error {
	*s.logits = slices.Clone(s.Output("logits"))
	return s.Runner.Close()
}

// A training is cut off, goes on, and its folded model answers what the
// training graph answers when it sees the same pictures.
func TestTrainResumeFold(t *testing.T) {
	lib, file := library(t), filepath.Join(t.TempDir(), "x.gob")
	var logits []float32
	open := func(model []byte) (train.Runner, error) {
		r, err := opener(lib, 1, 1)(model)
		return spy{r, &logits}, err
	}
	trainer := func() *train.Trainer {
		return &train.Trainer{Net: small, Open: open, Checkpoint: file, Log: t.Logf, Plan: train.Plan{Seed: 1,
			Phases: []train.Phase{{Steps: 4, Size: 32, Batch: 11}, {Steps: 2, Size: 64, Batch: 8}}, Rate: 4e-3, Warmup: 2, Decay: 0.02, Smoothing: 0.05}}
	}
	cut, cancel := context.WithCancel(context.Background())
	cancel()
	if err := trainer().Run(cut); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	tr := trainer()
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	again := trainer()
	if err := again.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if steps, drawn, _ := again.Progress(); steps != 6 || drawn != 4*11+2*8 {
		t.Errorf("after going on: %d steps, %d pictures", steps, drawn)
	}
	other := trainer()
	other.Plan.Seed = 2
	if err := other.Run(context.Background()); err == nil {
		t.Error("a checkpoint of another plan was taken")
	}

	const n = 8
	_, drawn, _ := again.Progress()
	weights, err := again.Finish(1, n)
	if err != nil {
		t.Fatal(err)
	}
	model, err := mobilenet.Build(small, weights, mobilenet.Info{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := model.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := opener(lib, 1, n)(data)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range n {
		pixels, err := plates.Draw(plates.Train, drawn+i, small.Size)
		if err != nil {
			t.Fatal(err)
		}
		plates.Input(r.Input("input")[i*len(pixels):(i+1)*len(pixels)], pixels)
	}
	if err := r.Run(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for k := range small.Classes {
			got, want := r.Output("output")[i*small.Classes+k], logits[k*n+i]
			if math.Abs(float64(got-want)) > 1e-3 {
				t.Fatalf("picture %d, class %d: the folded model says %v, the training graph %v", i, k, got, want)
			}
		}
	}
}
