package mobilenet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// FromHalf reads the weights of a file that keeps every weight as an IEEE 754
// binary16 and every bias as a float32, little-endian: layer by layer as in
// Net.Layers, the head last, the weights of each before its biases. Nearly all
// trained weights are small, so the file keeps 11 bits of each.
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

// fromHalf reads a finite binary16; trained weights hold no infinities and no NaN.
func fromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, mantissa := uint32(h>>10&31), uint32(h&1023)
	if exponent == 0 {
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)/(1<<24)))
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}
