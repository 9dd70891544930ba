package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DataType is TensorProto.DataType.
type DataType int32

// The element types of onnx.proto.
const (
	Float32    DataType = 1
	Uint8      DataType = 2
	Int8       DataType = 3
	Uint16     DataType = 4
	Int16      DataType = 5
	Int32      DataType = 6
	Int64      DataType = 7
	Text       DataType = 8
	Bool       DataType = 9
	Float16    DataType = 10
	Float64    DataType = 11
	Uint32     DataType = 12
	Uint64     DataType = 13
	Complex64  DataType = 14
	Complex128 DataType = 15
	BFloat16   DataType = 16
)

// types holds the name and the width in bits of each element type; 17 to 20
// are the four 8-bit floats, 21 to 26 the types of less than 8 bits and the exponents
// of their blocks.
var types = map[DataType]struct {
	name string
	bits int64
}{
	Float32: {"float32", 32}, Uint8: {"uint8", 8}, Int8: {"int8", 8}, Uint16: {"uint16", 16}, Int16: {"int16", 16},
	Int32: {"int32", 32}, Int64: {"int64", 64}, Text: {"string", 0}, Bool: {"bool", 8}, Float16: {"float16", 16},
	Float64: {"float64", 64}, Uint32: {"uint32", 32}, Uint64: {"uint64", 64}, Complex64: {"complex64", 64},
	Complex128: {"complex128", 128}, BFloat16: {"bfloat16", 16},
	17: {"float8e4m3fn", 8}, 18: {"float8e4m3fnuz", 8}, 19: {"float8e5m2", 8}, 20: {"float8e5m2fnuz", 8},
	21: {"uint4", 4}, 22: {"int4", 4}, 23: {"float4e2m1", 4}, 24: {"float8e8m0", 8}, 25: {"uint2", 2}, 26: {"int2", 2},
}

func (t DataType) String() string {
	if x, ok := types[t]; ok {
		return x.name
	}
	if t == 0 {
		return "unknown"
	}
	return fmt.Sprintf("type %d", int32(t))
}

// bytes is the size of n elements, -1 where the type has no fixed width or the
// size is beyond counting.
func (t DataType) bytes(n int64) int64 {
	x, ok := types[t]
	if !ok || x.bits == 0 || n < 0 || n > math.MaxInt64/128 {
		return -1
	}
	return (n*x.bits + 7) / 8
}

// IsFloat says whether the type is one of the floating-point types.
func (t DataType) IsFloat() bool {
	return t == Float32 || t == Float64 || t == Float16 || t == BFloat16 || t >= 17 && t <= 20 || t == 23 || t == 24
}

// Tensor is a TensorProto. Whatever field the file holds its values in, here
// they are in Raw, little endian, packed, as ONNX's raw_data is; strings are
// in Strings.
type Tensor struct {
	Name    string
	Dims    []int64 // none: a scalar
	Type    DataType
	Raw     []byte
	Strings [][]byte
	// External says where the values are when they are not in the file: keys
	// location, offset, length. Raw is nil until LoadExternal.
	External []Property
	Outside  bool // data_location is EXTERNAL
	Doc      string
	Unknown  []byte
}

// maxRank bounds the number of dimensions; runtimes stop far earlier.
const maxRank = 64

// maxElements bounds what a shape may multiply to: beyond it a product could
// overflow, and no runtime could hold it.
const maxElements = 1 << 40

// Elements is the product of the dimensions, -1 where one is negative or the
// product is beyond any memory.
func Elements(dims []int64) int64 {
	if len(dims) > maxRank {
		return -1
	}
	n, empty := int64(1), false
	for _, d := range dims {
		switch {
		case d < 0:
			return -1
		case d == 0:
			empty = true
		case n > maxElements/d:
			return -1
		default:
			n *= d
		}
	}
	if empty {
		return 0
	}
	return n
}

// Elements is how many values the tensor has.
func (t *Tensor) Elements() int64 { return Elements(t.Dims) }

// Bytes is how much its values take, wherever they are; -1 for strings.
func (t *Tensor) Bytes() int64 { return t.Type.bytes(t.Elements()) }

// FloatTensor makes a tensor of 32-bit floats.
func FloatTensor(name string, dims []int64, values []float32) *Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return &Tensor{Name: name, Dims: dims, Type: Float32, Raw: raw}
}

// Int8Tensor makes a tensor of signed bytes.
func Int8Tensor(name string, dims []int64, values []int8) *Tensor {
	raw := make([]byte, len(values))
	for i, v := range values {
		raw[i] = byte(v)
	}
	return &Tensor{Name: name, Dims: dims, Type: Int8, Raw: raw}
}

// Uint8Tensor makes a tensor of bytes.
func Uint8Tensor(name string, dims []int64, values []uint8) *Tensor {
	return &Tensor{Name: name, Dims: dims, Type: Uint8, Raw: values}
}

// Int32Tensor makes a tensor of 32-bit integers.
func Int32Tensor(name string, dims []int64, values []int32) *Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return &Tensor{Name: name, Dims: dims, Type: Int32, Raw: raw}
}

// Int64Tensor makes a tensor of 64-bit integers.
func Int64Tensor(name string, dims []int64, values []int64) *Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return &Tensor{Name: name, Dims: dims, Type: Int64, Raw: raw}
}

// Float32s returns the values of a float32 tensor.
func (t *Tensor) Float32s() ([]float32, error) {
	if err := t.want(Float32); err != nil {
		return nil, err
	}
	out := make([]float32, len(t.Raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*i:]))
	}
	return out, nil
}

// Float64s returns the values of a float64 tensor.
func (t *Tensor) Float64s() ([]float64, error) {
	if err := t.want(Float64); err != nil {
		return nil, err
	}
	out := make([]float64, len(t.Raw)/8)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.Raw[8*i:]))
	}
	return out, nil
}

// Integers returns the values of an integer tensor of any width but 4 bits.
func (t *Tensor) Integers() ([]int64, error) {
	if err := t.complete(); err != nil {
		return nil, err
	}
	n := int(t.Elements())
	out := make([]int64, n)
	for i := range out {
		switch t.Type {
		case Int8:
			out[i] = int64(int8(t.Raw[i]))
		case Uint8, Bool:
			out[i] = int64(t.Raw[i])
		case Int16:
			out[i] = int64(int16(binary.LittleEndian.Uint16(t.Raw[2*i:])))
		case Uint16:
			out[i] = int64(binary.LittleEndian.Uint16(t.Raw[2*i:]))
		case Int32:
			out[i] = int64(int32(binary.LittleEndian.Uint32(t.Raw[4*i:])))
		case Uint32:
			out[i] = int64(binary.LittleEndian.Uint32(t.Raw[4*i:]))
		case Int64:
			out[i] = int64(binary.LittleEndian.Uint64(t.Raw[8*i:]))
		default:
			return nil, fmt.Errorf("tensor %q holds %v, not integers", t.Name, t.Type)
		}
	}
	return out, nil
}

func (t *Tensor) want(typ DataType) error {
	if t.Type != typ {
		return fmt.Errorf("tensor %q holds %v, not %v", t.Name, t.Type, typ)
	}
	return t.complete()
}

// complete says why the values are not all here.
func (t *Tensor) complete() error {
	want := t.Bytes()
	switch {
	case t.Type == Text:
		if int64(len(t.Strings)) != t.Elements() {
			return fmt.Errorf("tensor %q holds %d strings, its dimensions %v ask for another number", t.Name,
				len(t.Strings), t.Dims)
		}
		return nil
	case want < 0:
		return fmt.Errorf("tensor %q of %v with dimensions %v has no size that could be counted", t.Name, t.Type,
			t.Dims)
	case t.Outside && t.Raw == nil:
		return fmt.Errorf("the values of tensor %q are in another file, which was not read", t.Name)
	case int64(len(t.Raw)) != want:
		return fmt.Errorf("tensor %q holds %d bytes, its dimensions %v of %v ask for %d", t.Name, len(t.Raw), t.Dims,
			t.Type, want)
	}
	return nil
}
