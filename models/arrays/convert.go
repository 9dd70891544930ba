package arrays

import (
	"encoding/binary"
	"fmt"
	"math"

	"chexp/experiments/input"
)

// To returns the array with values of another type. Floats are rounded to floats;
// of everything else each value must be kept as it is.
func (a *Array) To(t input.Type) (*Array, error) {
	if a.Type == t {
		return a, nil
	}
	if a.Type == input.Text || t == input.Text {
		return nil, fmt.Errorf("it holds values of %s, and %s is wanted", a.Type, t)
	}
	out := &Array{Type: t, Shape: a.Shape, Data: make([]byte, 0, int(a.Elements())*t.Bytes())}
	width := a.Type.Bytes()
	for i := range int(a.Elements()) {
		v := number(a.Type, a.Data[i*width:])
		if !t.IsFloat() {
			low, high := 0.0, 1.0
			if t != input.Bool {
				low, high = t.Range()
			}
			if v < low || v > high || v != math.Trunc(v) {
				return nil, fmt.Errorf("it holds %g, which is no value of %s", v, t)
			}
		}
		out.Data = input.Append(out.Data, t, v)
	}
	return out, nil
}

// number is a value as a float. Whole numbers beyond 2^53 lose their last digits.
func number(t input.Type, b []byte) float64 {
	switch t {
	case input.Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case input.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case input.Float16:
		return half(binary.LittleEndian.Uint16(b))
	case input.Uint8, input.Bool:
		return float64(b[0])
	case "int8":
		return float64(int8(b[0]))
	case "uint16":
		return float64(binary.LittleEndian.Uint16(b))
	case "int16":
		return float64(int16(binary.LittleEndian.Uint16(b)))
	case "uint32":
		return float64(binary.LittleEndian.Uint32(b))
	case "int32":
		return float64(int32(binary.LittleEndian.Uint32(b)))
	case "uint64":
		return float64(binary.LittleEndian.Uint64(b))
	}
	return float64(int64(binary.LittleEndian.Uint64(b)))
}

// half is IEEE's binary16 as a float.
func half(h uint16) float64 {
	e, m := int(h>>10&31), float64(h&1023)
	v := math.Ldexp(m, -24)
	switch {
	case e == 31 && m == 0:
		v = math.Inf(1)
	case e == 31:
		v = math.NaN()
	case e > 0:
		v = math.Ldexp(1024+m, e-25)
	}
	if h>>15 != 0 {
		return -v
	}
	return v
}

// Pack is the values as they travel with a plan (input.Values).
func (a *Array) Pack() []byte {
	if a.Type == input.Text {
		return input.PackTexts(a.Texts)
	}
	return a.Data
}
