// Package testmodel writes tiny ONNX models, byte by byte: for the agent's tests,
// and to measure what a call costs that has nothing to do. So no model file has to
// be shipped or downloaded. The field numbers come from onnx.proto.
package testmodel

import "encoding/binary"

// Element types of onnx.proto's TensorProto.
const (
	Float = 1
	Uint8 = 2
	Int64 = 7
	Bool  = 9
)

// Dim is a dimension: a size, or a symbol.
type Dim struct {
	Size   int64
	Symbol string
}

// Add is the model y = x + x with x of the given type and shape (opset 14). The
// output has x's shape.
func Add(elem int, dims ...Dim) []byte {
	node := cat(str(1, "x"), str(1, "x"), str(2, "y"), str(3, "double"), str(4, "Add"))
	graph := cat(msg(1, node), str(2, "g"), msg(11, valueInfo("x", elem, dims)), msg(12, valueInfo("y", elem, dims)))
	return model(graph)
}

// NonZero is a model whose output's shape only an inference tells: the indexes
// of the values of x that are not zero.
func NonZero(dims ...Dim) []byte {
	node := cat(str(1, "x"), str(2, "y"), str(3, "nz"), str(4, "NonZero"))
	graph := cat(msg(1, node), str(2, "g"), msg(11, valueInfo("x", Float, dims)),
		msg(12, valueInfo("y", Int64, []Dim{{Size: int64(len(dims))}, {Symbol: "found"}})))
	return model(graph)
}

func model(graph []byte) []byte {
	return cat(num(1, 8), str(2, "chexp test"), msg(7, graph), msg(8, num(2, 14)))
}

func valueInfo(name string, elem int, dims []Dim) []byte {
	var shape []byte
	for _, d := range dims {
		if d.Symbol != "" {
			shape = append(shape, msg(1, str(2, d.Symbol))...)
		} else {
			shape = append(shape, msg(1, num(1, uint64(d.Size)))...)
		}
	}
	tensor := cat(num(1, uint64(elem)), msg(2, shape))
	return cat(str(1, name), msg(2, msg(1, tensor)))
}

func num(field int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), v)
}

func msg(field int, body []byte) []byte {
	head := binary.AppendUvarint(nil, uint64(field)<<3|2)
	return append(binary.AppendUvarint(head, uint64(len(body))), body...)
}

func str(field int, s string) []byte { return msg(field, []byte(s)) }

func cat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
