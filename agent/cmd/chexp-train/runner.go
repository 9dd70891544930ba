//go:build cgo

package main

import (
	"os"
	"path/filepath"

	"chexp/agent/internal/ort"
	"chexp/experiments/trial"
	"chexp/models/train"
)

// runner is a graph that ONNX Runtime runs.
type runner struct {
	*ort.Session
	in, out map[string][]float32
}

func (r *runner) Input(name string) []float32  { return r.in[name] }
func (r *runner) Output(name string) []float32 { return r.out[name] }

// opener loads graphs into a library, with a number of threads.
func opener(lib *ort.Library, threads, batch int) train.Open {
	return func(model []byte) (train.Runner, error) {
		dir, err := os.MkdirTemp("", "chexp-train-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "graph.onnx")
		if err := os.WriteFile(path, model, 0o600); err != nil {
			return nil, err
		}
		s, err := lib.Open(path, ort.Options{Provider: trial.Provider{Name: "cpu", Options: map[string]string{
			// The machine may have other work for a core that waits.
			"session.intra_op.allow_spinning": "0",
		}}, Threads: threads, Batch: batch})
		if err != nil {
			return nil, err
		}
		r := &runner{Session: s, in: map[string][]float32{}, out: map[string][]float32{}}
		for _, b := range s.Inputs() {
			r.in[b.Name] = b.Float32
		}
		for _, b := range s.Outputs() {
			r.out[b.Name] = b.Float32
		}
		return r, nil
	}
}
