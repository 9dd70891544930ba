//go:build cgo

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
	"chexp/agent/internal/session"
)

func main() {
	if err := dispatch(); err != nil {
		fmt.Fprintln(os.Stderr, "chexp-trial:", err)
		os.Exit(1)
	}
}

// run writes the result only when everything is over, so that nothing but the
// inferences happens while they are timed.
func run() error {
	library := flag.String("ort", "", "path of libonnxruntime")
	resultFD := flag.Int("result-fd", 1, "file descriptor that gets the result, one JSON document")
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

	var req session.Request
	if err := json.NewDecoder(io.LimitReader(os.Stdin, 1<<20)).Decode(&req); err != nil {
		return fmt.Errorf("the request on stdin: %w", err)
	}
	// Loaded before the clock of session creation starts.
	lib, err := ort.Load(*library)
	res := session.Measure(req, func() (session.Engine, error) {
		if err != nil {
			return nil, err
		}
		return lib.Open(req.ModelPath, ort.Options{Provider: req.Provider, Threads: req.Threads, Batch: req.Batch})
	})
	if lib != nil {
		res.Runtime = lib.Runtime()
	}
	return json.NewEncoder(out).Encode(res)
}
