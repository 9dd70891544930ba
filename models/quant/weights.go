package quant

import (
	"math"

	"chexp/models/onnx"
)

var infinity = float32(math.Inf(1))

// Range is what a value's numbers are mapped from.
type Range struct {
	Low  float32 `json:"low"`
	High float32 `json:"high"`
}

// affine is a scale and a zero point of uint8.
type affine struct {
	scale float32
	zero  uint8
}

// affineOf covers the range with 256 steps so that 0 is one of them: padding
// and ReLU make exact zeros.
func affineOf(r Range) affine {
	low, high := math.Min(float64(r.Low), 0), math.Max(float64(r.High), 0)
	scale := float32((high - low) / 255)
	if !(scale > 1e-30) || math.IsInf(float64(scale), 0) { // nothing but zeros, or nonsense
		return affine{scale: 1}
	}
	zero := math.RoundToEven(-low / float64(scale))
	return affine{scale, uint8(math.Min(math.Max(zero, 0), 255))}
}

// channels quantizes weights symmetrically, one scale for each channel or one
// for all. values is laid out as outer × channel × inner.
func channels(values []float32, count, inner, levels int, perTensor bool) (q []int8, scales []float32) {
	n := count
	if perTensor {
		n = 1
	}
	scales = make([]float32, n)
	largest := make([]float32, n)
	channel := func(i int) int {
		if perTensor {
			return 0
		}
		return i / inner % count
	}
	for i, v := range values {
		if a := float32(math.Abs(float64(v))); a > largest[channel(i)] && !math.IsInf(float64(a), 0) {
			largest[channel(i)] = a
		}
	}
	for c := range scales {
		scales[c] = float32(float64(largest[c]) / float64(levels))
		if !(scales[c] > 1e-30) {
			scales[c] = 1e-8 // a dead channel; the bias must still be expressible
		}
	}
	return rounded(values, scales, channel, levels), scales
}

func rounded(values []float32, scales []float32, channel func(int) int, levels int) []int8 {
	q := make([]int8, len(values))
	for i, v := range values {
		x := math.RoundToEven(float64(v) / float64(scales[channel(i)]))
		q[i] = int8(math.Min(math.Max(x, -float64(levels)), float64(levels))) // NaN becomes what int8 makes of it
	}
	return q
}

// maxBias keeps a bias well inside int32, whatever is accumulated on it.
const maxBias = 1 << 29

// weights are a product's, ready to be written.
type weights struct {
	q      []int8
	scales []float32
	bias   []int32 // nil where the product has none
	// count channels, each inner values apart (see channels)
	dims []int64
	axis int64
}

// quantizeWeights prepares the weights of a product for an input of that
// scale. The bias has the scale of input × weight; where it would leave int32
// (channels that are nearly dead), the weights' scale is raised.
func (p *plan) quantizeWeights(n *onnx.Node, inputScale float32) (*weights, error) {
	t := p.constants[n.Input(weight)]
	values, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	w := &weights{dims: t.Dims}
	count, inner := int(t.Dims[0]), len(values)/int(t.Dims[0])
	if n.Op != "Conv" {
		if n.IntAttr("transB", 0) != 0 {
			values, w.dims = transposed(values, t.Dims), []int64{t.Dims[1], t.Dims[0]}
		}
		w.axis, count, inner = 1, int(w.dims[1]), 1
	}
	w.q, w.scales = channels(values, count, inner, p.o.levels(), p.o.PerTensor)
	b := p.constants[n.Input(2)]
	if b == nil {
		return w, nil
	}
	bias, err := b.Float32s()
	if err != nil {
		return nil, err
	}
	raised := false
	for c, v := range bias {
		s := &w.scales[c%len(w.scales)]
		if least := float32(math.Abs(float64(v)) / (maxBias * float64(inputScale))); *s < least {
			*s, raised = least, true
		}
	}
	if raised {
		w.q = rounded(values, w.scales, func(i int) int { return i / inner % count % len(w.scales) }, p.o.levels())
	}
	w.bias = make([]int32, len(bias))
	for c, v := range bias {
		step := float64(inputScale) * float64(w.scales[c%len(w.scales)])
		w.bias[c] = int32(math.Min(math.Max(math.RoundToEven(float64(v)/step), -math.MaxInt32), math.MaxInt32))
	}
	return w, nil
}

func transposed(values []float32, dims []int64) []float32 {
	rows, columns := int(dims[0]), int(dims[1])
	out := make([]float32, len(values))
	for r := range rows {
		for c := range columns {
			out[c*rows+r] = values[r*columns+c]
		}
	}
	return out
}
