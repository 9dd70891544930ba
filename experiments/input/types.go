package input

import "strings"

// Type is an element type, by ONNX's name for it.
type Type string

// Element types that code asks for.
const (
	Float32  Type = "float32"
	Float64  Type = "float64"
	Float16  Type = "float16"
	BFloat16 Type = "bfloat16"
	Uint8    Type = "uint8"
	Bool     Type = "bool"
	Text     Type = "string"
)

// types are those that ONNX Runtime takes as inputs from a caller: number is
// ONNX's (TensorProto.DataType, which is ONNX Runtime's too), bytes the width of one value.
var types = map[Type]struct {
	number int32
	bytes  int
}{
	Float32: {1, 4}, Uint8: {2, 1}, "int8": {3, 1}, "uint16": {4, 2}, "int16": {5, 2}, "int32": {6, 4},
	"int64": {7, 8}, Text: {8, 0}, Bool: {9, 1}, Float16: {10, 2}, Float64: {11, 8}, "uint32": {12, 4},
	"uint64": {13, 8}, BFloat16: {16, 2},
	"float8e4m3fn": {17, 1}, "float8e4m3fnuz": {18, 1}, "float8e5m2": {19, 1}, "float8e5m2fnuz": {20, 1},
}

// notTaken says why no values of a type can be given (tried with ONNX Runtime 1.30).
func notTaken(t Type) string {
	switch t {
	case "int4", "uint4", "int2", "uint2", "float4e2m1", "float8e8m0":
		return "which ONNX Runtime takes as an input and chexp does not fill: several values share a byte, or it is an " +
			"exponent"
	case "complex64", "complex128":
		return "and ONNX Runtime takes no complex numbers"
	}
	return "which is no type of ONNX that ONNX Runtime knows"
}

// Known reports whether values of the type can be given to a model.
func (t Type) Known() bool { return types[t].number != 0 }

// Bytes is the width of one value; 0 for strings.
func (t Type) Bytes() int { return types[t].bytes }

// Number is the type in ONNX's and ONNX Runtime's own numbers; 0: not known.
func (t Type) Number() int32 { return types[t].number }

// TypeOf is the type with ONNX's number, "" where it is not known here.
func TypeOf(number int32) Type {
	for t, x := range types {
		if x.number == number {
			return t
		}
	}
	return ""
}

// IsFloat reports whether the type is one of the floating-point types.
func (t Type) IsFloat() bool { return strings.Contains(string(t), "float") }

// IsInteger reports whether the type is one of the integer types.
func (t Type) IsInteger() bool { return strings.Contains(string(t), "int") }

// Range are the least and the greatest integer of a type.
func (t Type) Range() (low, high float64) {
	bits := 8 * t.Bytes()
	if strings.HasPrefix(string(t), "u") {
		return 0, float64(uint64(1)<<(bits-1))*2 - 1
	}
	return -float64(uint64(1) << (bits - 1)), float64(uint64(1)<<(bits-1)) - 1
}
