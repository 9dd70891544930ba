package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"chexp/models/onnx"
)

// maxFloat16 is the largest finite number of float16.
const maxFloat16 = 65504

// float16Of rounds to float16, half to even; what is 65520 or more becomes
// infinite.
func float16Of(f float32) uint16 {
	b := math.Float32bits(f)
	sign, exp, frac := uint16(b>>16)&0x8000, int(b>>23&0xff)-127+15, b&0x7fffff
	switch {
	case exp == 255-127+15:
		if frac == 0 {
			return sign | 0x7c00
		}
		return sign | 0x7e00 | uint16(frac>>13) // no number
	case exp >= 31:
		return sign | 0x7c00
	case exp < -10: // less than half of the smallest subnormal
		return sign
	}
	drop := uint(13) // of the 24 bits, how many go
	if exp <= 0 {
		frac |= 1 << 23
		drop, exp = uint(14-exp), 0
	}
	kept, rest, half := frac>>drop, frac&(1<<drop-1), uint32(1)<<(drop-1)
	bits := uint32(exp)<<10 + kept
	if rest > half || rest == half && kept&1 == 1 {
		bits++ // may carry into the exponent, up to infinity: both are right
	}
	return sign | uint16(bits)
}

// float32Of is exact.
func float32Of(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 0:
		v := float32(frac) / (1 << 24)
		if sign != 0 {
			v = -v
		}
		return v
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// halved is a constant in float16, and what is lost of it.
type halved struct {
	raw []byte
	// high and low are the largest and the smallest finite number that becomes
	// infinite, 0 if none does.
	high, low float32
	gone      float32 // a number that becomes 0, 0 if none does
	largest   float32
	rough     bool // the rest loses a hundredth or more, by its root mean square
}

func halve(t *onnx.Tensor) (*halved, error) {
	values, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	h := &halved{raw: make([]byte, 0, 2*len(values))}
	signal, noise := 0.0, 0.0
	for _, v := range values {
		bits := float16Of(v)
		h.raw = binary.LittleEndian.AppendUint16(h.raw, bits)
		if v != v || v == infinity || v == -infinity {
			continue
		}
		back := float32Of(bits)
		h.largest = max(h.largest, v, -v)
		switch {
		case back == infinity:
			h.high = max(h.high, v)
			continue
		case back == -infinity:
			h.low = min(h.low, v)
			continue
		case back == 0 && v != 0 && h.gone == 0:
			h.gone = v
		}
		x, d := float64(v), float64(v)-float64(back)
		signal += float64(x * x) // rounded: never fused with the addition
		noise += float64(d * d)
	}
	// Rounding normal numbers costs 1 in 2,000 at most, so this is of subnormals.
	// No logarithm: its last bit may differ between processors.
	h.rough = noise > signal/1e4
	return h, nil
}

// lossIn says what a node would lose with the i-th input in float16, "" if
// nothing that counts.
func (h *halved) lossIn(n *onnx.Node, i int) string {
	high, low := h.high, h.low
	if n.Op == "Clip" { // a bound beyond float16 bounds nothing there: infinity says the same
		switch i {
		case 1:
			low = 0
		case 2:
			high = 0
		}
	}
	divisor := n.Op == "Div" && i == 1 || n.Op == "BatchNormalization" && i == 4
	switch {
	case high > 0:
		return fmt.Sprintf("holds %g, and float16 ends at %d", high, maxFloat16)
	case low < 0:
		return fmt.Sprintf("holds %g, and float16 ends at -%d", low, maxFloat16)
	case divisor && h.gone != 0:
		return fmt.Sprintf("holds %g, which would be a divisor of 0 in float16", h.gone)
	case h.rough:
		return fmt.Sprintf("has no number larger than %.3g, which float16 rounds too roughly (below 6e-05 it loses "+
			"bits, below 3e-08 all)", h.largest)
	}
	return ""
}
