//go:build !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr,
		"chexp-trial was built without cgo and cannot load ONNX Runtime; build it with agent/build.sh")
	os.Exit(2)
}
