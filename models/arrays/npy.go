package arrays

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/input"
)

// The header of a .npy file is a Python dictionary in one order:
// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 224, 224), }
// (numpy/lib/format.py).
var header = regexp.MustCompile(`^\{'descr': '([<>|=]?)([a-zA-Z])([0-9]{1,7})', ` +
	`'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? *\}\s*$`)

// kinds are NumPy's kinds and widths of numbers.
var kinds = map[string]input.Type{
	"f2": input.Float16, "f4": input.Float32, "f8": input.Float64, "b1": input.Bool,
	"i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
	"u1": input.Uint8, "u2": "uint16", "u4": "uint32", "u8": "uint64",
}

// Parse reads a .npy file.
func Parse(b []byte) (*Array, error) {
	rest, ok := bytes.CutPrefix(b, []byte("\x93NUMPY"))
	if !ok || len(rest) < 4 {
		return nil, errors.New("it is no NumPy array")
	}
	length, start := int(binary.LittleEndian.Uint16(rest[2:])), 4
	if rest[0] >= 2 { // version 2 has a longer length
		if len(rest) < 6 {
			return nil, errors.New("it is cut short")
		}
		length, start = int(binary.LittleEndian.Uint32(rest[2:])), 6
	}
	if length < 0 || length > len(rest)-start {
		return nil, errors.New("it is cut short")
	}
	m := header.FindStringSubmatch(string(rest[start : start+length]))
	if m == nil {
		return nil, errors.New("it is an array of a kind that is not read here: numbers, truth values and texts are")
	}
	a := &Array{Shape: []int64{}}
	for _, f := range strings.FieldsFunc(m[5], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || n > MaxBytes || n > 0 && a.Elements() > MaxBytes/n {
			return nil, fmt.Errorf("its shape (%s) is too large", m[5])
		}
		a.Shape = append(a.Shape, n)
	}
	width, _ := strconv.Atoi(m[3])
	if m[2] == "U" { // UCS-4
		width *= 4
	}
	data := rest[start+length:]
	if n := a.Elements() * int64(width); int64(len(data)) != n {
		return nil, fmt.Errorf("it holds %d bytes of values, its shape asks for %d", len(data), n)
	}
	if m[4] == "True" && len(a.Shape) > 1 {
		data = rowMajor(data, a.Shape, width)
	}
	return a, a.fill(m[1], m[2], m[3], width, data)
}

// fill takes the values, in the order of rows.
func (a *Array) fill(order, kind, digits string, width int, data []byte) error {
	switch kind {
	case "U", "S":
		a.Type = input.Text
		for i := range a.Elements() {
			a.Texts = append(a.Texts, text(kind, order == ">", data[int(i)*width:(int(i)+1)*width]))
		}
		return nil
	}
	t, ok := kinds[kind+digits]
	if !ok {
		return fmt.Errorf("it is an array of %s%s; float16, float32, float64, bool, integers of 8 to 64 bits and texts are "+
			"read (of Python objects never: save the texts as numpy.array(list_of_str))", kind, digits)
	}
	if a.Type, a.Data = t, data; order == ">" {
		a.Data = bytes.Clone(data)
		for i := 0; i < len(a.Data); i += width {
			slices.Reverse(a.Data[i : i+width])
		}
	}
	return nil
}

// text is one text of fixed width, filled up with zeros.
func text(kind string, big bool, b []byte) string {
	if kind == "S" {
		return string(bytes.TrimRight(b, "\x00"))
	}
	var s strings.Builder
	for i := 0; i < len(b); i += 4 {
		c := binary.LittleEndian.Uint32(b[i:])
		if big {
			c = binary.BigEndian.Uint32(b[i:])
		}
		s.WriteRune(rune(c & 0x1fffff))
	}
	return strings.TrimRight(s.String(), "\x00")
}

// rowMajor turns Fortran's order, in which the first index runs fastest, into
// rows.
func rowMajor(data []byte, shape []int64, width int) []byte {
	out := make([]byte, 0, len(data))
	index := make([]int64, len(shape))
	for range len(data) / max(1, width) {
		at, stride := int64(0), int64(1)
		for i, n := range shape {
			at += index[i] * stride
			stride *= n
		}
		out = append(out, data[int(at)*width:(int(at)+1)*width]...)
		for i := len(shape) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
	return out
}
