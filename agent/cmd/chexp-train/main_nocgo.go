//go:build !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "chexp-train was built without cgo and cannot load ONNX Runtime; build it with CGO_ENABLED=1")
	os.Exit(2)
}
