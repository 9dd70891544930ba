// Package symbols reads the names of symbolic dimensions out of an ONNX file.
// ONNX Runtime can be told the size of a symbolic dimension, but only by its
// name and before it has read the model. Only the descriptions of the graph's
// inputs are read; the rest, which may be gigabytes of weights, is stepped over.
// The field numbers come from onnx.proto.
package symbols

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"chexp/experiments/files"
)

// Bounds: a model has a handful of inputs, each described by some 100 bytes.
const (
	maxInput  = 64 << 10
	maxFields = 5_000_000 // of the graph: nodes and weights
	maxFound  = 100
)

// Inputs are the symbols of the graph's inputs by axis, "" where a dimension has
// none: one without a name cannot be addressed.
type Inputs map[string][]string

// Dimensions reads them.
func Dimensions(path string) (Inputs, error) {
	f, err := files.Open(path, files.NoLimit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	found := Inputs{}
	model := span{f, 0, info.Size()}
	err = model.each(7, func(graph span) error { // ModelProto.graph
		return graph.each(11, func(input span) error { // GraphProto.input
			name, dims, err := dimensions(input)
			if err == nil && len(found) < maxFound && slices.ContainsFunc(dims, func(s string) bool { return s != "" }) {
				found[name] = dims
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

// span is a message inside a file.
type span struct {
	f         io.ReaderAt
	start, to int64
}

// each calls do for every field of bytes with that number, and steps over all
// others.
func (s span) each(number protowire.Number, do func(span) error) error {
	at := s.start
	for range maxFields {
		if at == s.to {
			return nil
		}
		head := make([]byte, min(2*binary.MaxVarintLen64, s.to-at))
		if _, err := s.f.ReadAt(head, at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		n, kind, size := protowire.ConsumeTag(head)
		if size < 0 {
			return protowire.ParseError(size)
		}
		head, at = head[size:], at+int64(size)
		var length int64
		switch kind {
		case protowire.VarintType:
			_, size = protowire.ConsumeVarint(head)
			length = 0
		case protowire.Fixed32Type:
			size, length = 0, 4
		case protowire.Fixed64Type:
			size, length = 0, 8
		case protowire.BytesType:
			var v uint64
			v, size = protowire.ConsumeVarint(head)
			length = int64(min(v, 1<<62))
		default:
			return errors.New("no ONNX model: a group")
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		at += int64(size)
		if length > s.to-at {
			return errors.New("no ONNX model: a field goes beyond its message")
		}
		if kind == protowire.BytesType && n == number {
			if err := do(span{s.f, at, at + length}); err != nil {
				return err
			}
		}
		at += length
	}
	return fmt.Errorf("more than %d fields", maxFields)
}

// dimensions are ValueInfoProto.name and .type.tensor_type.shape.dim[].dim_param.
func dimensions(input span) (name string, dims []string, err error) {
	if input.to-input.start > maxInput {
		return "", nil, fmt.Errorf("an input's description has more than %d bytes", maxInput)
	}
	raw := make([]byte, input.to-input.start)
	if _, err := input.f.ReadAt(raw, input.start); err != nil && !errors.Is(err, io.EOF) {
		return "", nil, err
	}
	text, _ := field(raw, 1)
	for _, number := range []protowire.Number{2, 1, 2} {
		var ok bool
		if raw, ok = field(raw, number); !ok {
			return string(text), nil, nil
		}
	}
	for len(raw) > 0 {
		n, kind, size := protowire.ConsumeTag(raw)
		if size < 0 {
			break
		}
		value := protowire.ConsumeFieldValue(n, kind, raw[size:])
		if value < 0 {
			break
		}
		if n == 1 && kind == protowire.BytesType { // TensorShapeProto.dim
			dim, _ := protowire.ConsumeBytes(raw[size:])
			symbol, _ := field(dim, 2)
			dims = append(dims, string(symbol))
		}
		raw = raw[size+value:]
	}
	return string(text), dims, nil
}

// field is the first field of bytes with that number.
func field(raw []byte, number protowire.Number) ([]byte, bool) {
	for len(raw) > 0 {
		n, kind, size := protowire.ConsumeTag(raw)
		if size < 0 {
			return nil, false
		}
		raw = raw[size:]
		if n == number && kind == protowire.BytesType {
			v, size := protowire.ConsumeBytes(raw)
			return v, size >= 0
		}
		if size = protowire.ConsumeFieldValue(n, kind, raw); size < 0 {
			return nil, false
		}
		raw = raw[size:]
	}
	return nil, false
}
