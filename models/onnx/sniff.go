package onnx

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxFields bounds how many top-level fields Sniff looks at. A ModelProto has
// a handful, and one more for each metadata entry and local function.
const maxFields = 100000

// Sniff says why a file cannot be an ONNX model, nil if it may be one. It
// steps over the top-level fields of a ModelProto without reading what is in
// them, so that a large file costs little: the file must be well-formed to its
// end and hold an IR version and a graph. Whether a runtime accepts the graph
// is for the runtime to say.
func Sniff(f io.ReaderAt, size int64) error {
	var version, graph bool
	header := make([]byte, 20) // the longest tag and length, 10 bytes each
	at := int64(0)
	for count := 0; at < size; count++ {
		if count == maxFields {
			return errors.New("not an ONNX model: too many top-level fields")
		}
		n, err := f.ReadAt(header[:min(20, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		number, kind, length := skim(header[:n])
		if length < 0 || length > size-at {
			return fmt.Errorf("not an ONNX model, or cut short: its bytes make no sense from offset %d of %d", at, size)
		}
		at += length
		version = version || number == modelIRVersion && kind == protowire.VarintType
		graph = graph || number == modelGraph && kind == protowire.BytesType
	}
	switch {
	case !version:
		return errors.New("not an ONNX model: it has no IR version")
	case !graph:
		return errors.New("not an ONNX model: it has no graph")
	}
	return nil
}

// skim reads the tag at the start of b and returns the length of the whole
// field, -1 if it is not well formed.
func skim(b []byte) (number protowire.Number, kind protowire.Type, length int64) {
	number, kind, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return 0, 0, -1
	}
	switch kind {
	case protowire.VarintType:
		_, n := protowire.ConsumeVarint(b[tag:])
		if n < 0 {
			return 0, 0, -1
		}
		return number, kind, int64(tag + n)
	case protowire.Fixed32Type:
		return number, kind, int64(tag + 4)
	case protowire.Fixed64Type:
		return number, kind, int64(tag + 8)
	case protowire.BytesType:
		v, n := protowire.ConsumeVarint(b[tag:])
		if n < 0 || v > 1<<40 {
			return 0, 0, -1
		}
		return number, kind, int64(tag+n) + int64(v)
	}
	return 0, 0, -1 // groups: ONNX has none
}
