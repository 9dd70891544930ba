package mobilenet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Half writes weights in half the space: every weight as an IEEE 754 binary16,
// every bias as it is. Nearly all trained weights are small, so the file keeps
// 11 bits of each; that is far below what the weights themselves are sure of.
func (n Net) Half(w *Weights) ([]byte, error) {
	if err := n.Check(w); err != nil {
		return nil, err
	}
	var out []byte
	for _, a := range append(append([]Affine(nil), w.Layers...), w.Head) {
		for _, v := range a.Weight {
			h, err := toHalf(v)
			if err != nil {
				return nil, err
			}
			out = binary.LittleEndian.AppendUint16(out, h)
		}
		for _, v := range a.Bias {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out, nil
}

// FromHalf reads what Half wrote.
func (n Net) FromHalf(data []byte) (*Weights, error) {
	w := &Weights{}
	take := func(weights, biases int) (a Affine, err error) {
		if len(data) < 2*weights+4*biases {
			return a, errors.New("the weights end too early")
		}
		a = Affine{make([]float32, weights), make([]float32, biases)}
		for i := range a.Weight {
			a.Weight[i] = fromHalf(binary.LittleEndian.Uint16(data[2*i:]))
		}
		data = data[2*weights:]
		for i := range a.Bias {
			a.Bias[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		data = data[4*biases:]
		return a, nil
	}
	for _, l := range n.Layers {
		a, err := take(l.Weights(), l.Out)
		if err != nil {
			return nil, err
		}
		w.Layers = append(w.Layers, a)
	}
	var err error
	if w.Head, err = take(n.Classes*n.Features(), n.Classes); err == nil && len(data) > 0 {
		err = fmt.Errorf("%d bytes follow the weights", len(data))
	}
	return w, err
}

// toHalf rounds to the nearest binary16, to even where two are as near.
func toHalf(v float32) (uint16, error) {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 16 & 0x8000)
	a := float32(math.Abs(float64(v)))
	switch {
	case v != v || a >= 65520: // would round to infinity
		return 0, fmt.Errorf("a weight of %v has no 16-bit form", v)
	case a < 1.0/(1<<14): // subnormal: multiples of 2^-24
		return sign | uint16(math.RoundToEven(float64(a)*(1<<24))), nil
	}
	// The exponent's bias changes from 127 to 15; what carries out of the
	// mantissa goes into the exponent, as it must.
	rest := bits & 0x7fffffff
	rest += 0xfff + rest>>13&1
	return sign | uint16(rest>>13-(127-15)<<10), nil
}

func fromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, mantissa := uint32(h>>10&31), uint32(h&1023)
	if exponent == 0 {
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)/(1<<24)))
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}
