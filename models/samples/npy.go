package samples

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"chexp/models/onnx"
)

// The header of a .npy file is a Python dictionary in one order:
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 224, 224), }
// (numpy/lib/format.py).
var npyHeader = regexp.MustCompile(`^\{'descr': '([<|]?[fiu][1248])', ` +
	`'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? *\}\s*$`)

// array reads a NumPy array of the input's shape, with or without the batch
// of 1 in front. It is given to the model as it is.
func array(b []byte, dims []int64) (*onnx.Tensor, error) {
	kind, shape, data, err := parseNPY(b)
	if err != nil {
		return nil, err
	}
	if len(shape) == len(dims)-1 {
		shape = append([]int64{1}, shape...)
	}
	if fmt.Sprint(shape) != fmt.Sprint(dims) {
		return nil, fmt.Errorf("an array of shape %v, but the model takes %v", shape, dims)
	}
	n := int(onnx.Elements(dims))
	width := int(kind[1] - '0')
	if len(data) != n*width {
		return nil, fmt.Errorf("it holds %d bytes of values, its shape asks for %d", len(data), n*width)
	}
	values := make([]float32, n)
	for i := range values {
		x := data[i*width:]
		switch kind {
		case "f4":
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(x))
		case "f8":
			values[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(x)))
		case "u1":
			values[i] = float32(x[0])
		case "i1":
			values[i] = float32(int8(x[0]))
		case "i4":
			values[i] = float32(int32(binary.LittleEndian.Uint32(x)))
		case "i8":
			values[i] = float32(int64(binary.LittleEndian.Uint64(x)))
		default:
			return nil, fmt.Errorf("an array of %s; float32, float64, uint8, int8, int32 and int64 are read", kind)
		}
	}
	return onnx.FloatTensor("", dims, values), nil
}

func parseNPY(b []byte) (kind string, shape []int64, data []byte, err error) {
	rest, ok := bytes.CutPrefix(b, []byte("\x93NUMPY"))
	if !ok || len(rest) < 4 {
		return "", nil, nil, errors.New("it is no NumPy array")
	}
	length, start := int(binary.LittleEndian.Uint16(rest[2:])), 4
	if rest[0] >= 2 { // version 2 has a longer length
		if len(rest) < 6 {
			return "", nil, nil, errors.New("it is cut short")
		}
		length, start = int(binary.LittleEndian.Uint32(rest[2:])), 6
	}
	if length < 0 || length > len(rest)-start {
		return "", nil, nil, errors.New("it is cut short")
	}
	m := npyHeader.FindStringSubmatch(string(rest[start : start+length]))
	if m == nil {
		return "", nil, nil, errors.New("it is an array of a kind that is not read here (little-endian numbers are)")
	}
	if m[2] == "True" {
		return "", nil, nil, errors.New("it is in Fortran's order; save numpy.ascontiguousarray(x)")
	}
	for _, f := range strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return "", nil, nil, err
		}
		shape = append(shape, n)
	}
	return strings.TrimLeft(m[1], "<|"), shape, rest[start+length:], nil
}
