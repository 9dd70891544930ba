//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
)

// measureAccuracy is not timed, so it uses every core.
func measureAccuracy(library string, out *os.File) error {
	var req accuracy.Request
	if err := json.NewDecoder(io.LimitReader(os.Stdin, 1<<20)).Decode(&req); err != nil {
		return fmt.Errorf("the request on stdin: %w", err)
	}
	threads := runtime.NumCPU()
	reply := accuracy.Evaluate(req, threads, func() (accuracy.Engine, error) {
		lib, err := ort.Load(library)
		if err != nil {
			return nil, err
		}
		return lib.Open(req.ModelPath, ort.Options{Provider: req.Provider, Threads: threads, Batch: 1,
			Inputs: req.Inputs})
	})
	return json.NewEncoder(out).Encode(reply)
}
