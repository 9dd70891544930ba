package input

import (
	"encoding/binary"
	"math"
)

// appendInteger appends the low bytes of a whole number.
func appendInteger(b []byte, t Type, v uint64) []byte {
	switch t.Bytes() {
	case 1:
		return append(b, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(b, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// appendFloat appends a number in one of the floating-point types, rounded to
// nearest, ties to even.
func appendFloat(b []byte, t Type, v float64) []byte {
	switch t {
	case Float32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	case Float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case BFloat16:
		return binary.LittleEndian.AppendUint16(b, uint16(small(v, 8, 127, 16)))
	case Float16:
		return binary.LittleEndian.AppendUint16(b, uint16(small(v, 5, 15, 16)))
	case "float8e5m2":
		return append(b, byte(small(v, 5, 15, 8)))
	case "float8e5m2fnuz":
		return append(b, byte(small(v, 5, 16, 8)))
	case "float8e4m3fnuz":
		return append(b, byte(small(v, 4, 8, 8)))
	}
	return append(b, byte(small(v, 4, 7, 8))) // float8e4m3fn
}

// small rounds v to a format of so many bits with so many for the exponent and
// its bias. What is beyond its largest number becomes that, and no number 0: the
// values are inputs, not results.
func small(v float64, exponents, bias, bits int) uint64 {
	mantissa := bits - 1 - exponents
	sign := uint64(0)
	if math.Signbit(v) && v != 0 {
		sign, v = 1<<(bits-1), -v
	}
	if math.IsNaN(v) || v == 0 {
		return 0
	}
	_, e := math.Frexp(v) // v = m·2^e, 0.5 ≤ m < 1
	e = max(e-1, 1-bias)  // of the last binary place that counts
	n := math.RoundToEven(math.Ldexp(v, mantissa-e))
	if n >= math.Ldexp(1, mantissa+1) {
		e, n = e+1, n/2
	}
	// The topmost exponent is infinity's in some formats, and is left out in all.
	if e > (1<<exponents)-2-bias || math.IsInf(v, 0) {
		return sign | uint64((1<<exponents)-2)<<mantissa | (1<<mantissa - 1)
	}
	if n < math.Ldexp(1, mantissa) { // subnormal
		if n == 0 {
			return 0 // -0 is no number in some formats
		}
		return sign | uint64(n)
	}
	return sign | uint64(e+bias)<<mantissa | uint64(n)&(1<<mantissa-1)
}

// Append appends a number as a value of the type, which must hold it.
func Append(b []byte, t Type, v float64) []byte {
	switch {
	case t.IsFloat():
		return appendFloat(b, t, v)
	case v < 0:
		return appendInteger(b, t, uint64(int64(v)))
	}
	return appendInteger(b, t, uint64(v))
}
