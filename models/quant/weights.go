package quant

import (
	"math"
	"slices"

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

// layout says where a channel's values are: outer × channel × inner.
type layout struct{ count, inner int }

// each calls f with every channel's stretches of values.
func (l layout) each(n int, f func(channel, from, to int)) {
	for i, c := 0, 0; i < n; i, c = i+l.inner, c+1 {
		if c == l.count {
			c = 0
		}
		f(c, i, i+l.inner)
	}
}

// channels quantizes weights symmetrically, one scale for each channel or one
// for all.
func channels(values []float32, l layout, levels int, perTensor bool) (q []int8, scales []float32) {
	largest := make([]float32, l.count)
	l.each(len(values), func(c, from, to int) {
		m := largest[c]
		for _, v := range values[from:to] {
			if v < 0 {
				v = -v
			}
			if v > m && v < infinity {
				m = v
			}
		}
		largest[c] = m
	})
	if perTensor {
		largest = []float32{slices.Max(largest)}
	}
	scales = largest
	for c := range scales {
		scales[c] = float32(float64(largest[c]) / float64(levels))
		if !(scales[c] > 1e-30) {
			scales[c] = 1e-8 // a dead channel; the bias must still be expressible
		}
	}
	return rounded(values, l, scales, levels), scales
}

func rounded(values []float32, l layout, scales []float32, levels int) []int8 {
	q := make([]int8, len(values))
	most := float64(levels)
	l.each(len(values), func(c, from, to int) {
		scale := float64(scales[c%len(scales)])
		for i := from; i < to; i++ {
			// NaN becomes what int8 makes of it
			q[i] = int8(min(max(math.RoundToEven(float64(values[i])/scale), -most), most))
		}
	})
	return q
}

// maxBias keeps a bias well inside int32, whatever is accumulated on it.
const maxBias = 1 << 29

// weights are a product's, ready to be written.
type weights struct {
	q      []int8
	scales []float32
	bias   []int32 // nil where the product has none
	dims   []int64
	axis   int64
}

// rounding keeps what does not depend on ranges, by the product's output: the
// models that are tried one after the other differ in their activations' scales
// only. nil keeps nothing.
type rounding map[string]*unscaled

type unscaled struct {
	values []float32
	layout layout
	weights
}

// round prepares a product's weights as far as the activations do not matter.
func (p *plan) round(n *onnx.Node, done rounding) (*unscaled, error) {
	if u := done[n.Outputs[0]]; u != nil {
		return u, nil
	}
	t := p.constants[n.Input(weight)]
	values, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	u := &unscaled{values: values, layout: layout{int(t.Dims[0]), len(values) / int(t.Dims[0])},
		weights: weights{dims: t.Dims}}
	if n.Op != "Conv" {
		if n.IntAttr("transB", 0) != 0 {
			u.values, u.dims = transposed(values, t.Dims), []int64{t.Dims[1], t.Dims[0]}
		}
		columns := u.dims[len(u.dims)-1]
		u.axis, u.layout = int64(len(u.dims)-1), layout{int(columns), 1}
	}
	u.q, u.scales = channels(u.values, u.layout, p.o.levels(), p.o.PerTensor)
	if done != nil {
		done[n.Outputs[0]] = u
	}
	return u, nil
}

// roundAll rounds the weights of all products.
func roundAll(m *onnx.Model, o Options) (rounding, error) {
	p, done := newPlan(m, o), rounding{}
	for _, n := range p.g.Nodes {
		if p.roles[n] == product {
			if _, err := p.round(n, done); err != nil {
				return nil, err
			}
		}
	}
	return done, nil
}

// quantizeWeights prepares the weights of a product for an input of that
// scale. The bias has the scale of input × weight; where it would leave int32
// (channels that are nearly dead), the weights' scale is raised.
func (e *emitter) quantizeWeights(n *onnx.Node, inputScale float32) (*weights, error) {
	u, err := e.round(n, e.done)
	if err != nil {
		return nil, err
	}
	w := u.weights
	w.scales = slices.Clone(u.scales)
	b := e.constants[n.Input(2)]
	if b == nil {
		return &w, nil
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
		w.q = rounded(u.values, u.layout, w.scales, e.o.levels())
	}
	w.bias = make([]int32, len(bias))
	for c, v := range bias {
		step := float64(inputScale) * float64(w.scales[c%len(w.scales)])
		w.bias[c] = int32(math.Min(math.Max(math.RoundToEven(float64(v)/step), -math.MaxInt32), math.MaxInt32))
	}
	return &w, nil
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
