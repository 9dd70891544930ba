//go:build cgo

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

func main() {
	if err := dispatch(); err != nil {
		fmt.Fprintln(os.Stderr, "chexp-trial:", err)
		os.Exit(1)
	}
}

func run() error {
	library := flag.String("ort", "", "path of libonnxruntime")
	resultFD := flag.Int("result-fd", 1, "file descriptor that gets the answers, one JSON document a line")
	evaluate := flag.Bool(strings.TrimPrefix(accuracy.Flag, "-"), false, "measure accuracy instead of time")
	describe := flag.Bool("describe", false, "write what the runtime is instead of running a trial")
	flag.Parse()
	out := os.NewFile(uintptr(*resultFD), "result")

	if *describe {
		lib, err := ort.Load(*library)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(lib.Runtime())
	}

	if *evaluate {
		return measureAccuracy(*library, out)
	}

	in := json.NewDecoder(os.Stdin)
	var req session.Request
	if err := in.Decode(&req); err != nil {
		return fmt.Errorf("the request on stdin: %w", err)
	}
	// Loaded before the clock of session creation starts.
	lib, err := ort.Load(*library)
	open := func() (session.Engine, error) {
		if err != nil {
			return nil, err
		}
		return lib.Open(req.ModelPath, ort.Options{Provider: req.Provider, Threads: req.Threads, Batch: req.Batch})
	}
	return session.Serve(req, in, out, open, func(res *trial.Result) {
		if lib != nil {
			res.Runtime = lib.Runtime()
		}
		if res.Outcome == trial.OK {
			res.Harness = lib.Harness()
		}
	})
}
