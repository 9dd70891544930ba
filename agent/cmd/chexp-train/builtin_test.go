//go:build cgo

package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/infer"
)

// evaluated answers the first held-out pictures with a builtin model.
func evaluated(t *testing.T, lib *ort.Library, name string, pictures int) *accuracy.Reply {
	t.Helper()
	data, err := builtin.Generate(name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	o := ort.Options{Provider: trial.Provider{Name: "cpu", Options: infer.Exact()}, Threads: 1, Batch: 1}
	r := accuracy.Evaluate(accuracy.Request{Pictures: pictures}, 1, func() (accuracy.Engine, error) { return lib.Open(path, o) })
	if r.Reason != nil {
		t.Fatalf("%s: %s", name, r.Reason.Text)
	}
	return r
}

// same counts the pictures that two models put into the same class.
func same(a, b *accuracy.Reply) (n int) {
	for i := range a.Labels {
		best := func(r *accuracy.Reply) (k int) {
			at := func(k int) float32 {
				return math.Float32frombits(binary.LittleEndian.Uint32(r.Outputs[4*(i*r.Classes+k):]))
			}
			for c := range r.Classes {
				if at(c) > at(k) {
					k = c
				}
			}
			return k
		}
		if best(a) == best(b) {
			n++
		}
	}
	return n
}

// The models that chexp carries are what MODEL.md says of them. Of 1,000
// pictures it tells; the first 44 must not be far from that, and the INT8
// models must answer nearly always what the float one does.
func TestBuiltinsAreAccurate(t *testing.T) {
	lib := library(t)
	const n = 44
	float := evaluated(t, lib, "plates11-fp32", n)
	if right := float.Right(); right < 37 {
		t.Errorf("plates11-fp32: %d of %d right", right, n)
	}
	for _, name := range []string{"plates11-int8-static", "plates11-int8-dynamic"} {
		r := evaluated(t, lib, name, n)
		if bytes.Equal(r.Outputs, float.Outputs) {
			t.Errorf("%s answers to the last bit what plates11-fp32 does: is it that?", name)
		}
		if s := same(r, float); r.Right() < 37 || s < n-3 {
			t.Errorf("%s: %d of %d right, %d as plates11-fp32", name, r.Right(), n, s)
		}
	}
}
