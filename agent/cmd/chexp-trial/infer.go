//go:build cgo

package main

import (
	"flag"
	"os"
	"slices"

	"chexp/agent/internal/ort"
	"chexp/models/infer"
)

// dispatch runs a trial or, with -infer, models on inputs from standard input
// (see package infer): not a trial, nothing is measured.
func dispatch() error {
	if !slices.Contains(os.Args[1:], "-infer") {
		return run()
	}
	library := flag.String("ort", "", "path of libonnxruntime")
	flag.Bool("infer", true, "run models on inputs from standard input")
	flag.Parse()
	lib, err := ort.Load(*library)
	if err != nil {
		return err
	}
	return infer.Serve(os.Stdin, os.Stdout, ort.Inference{Library: lib})
}
