package quant

import (
	"context"
	"math"
	"reflect"
	"strings"
	"testing"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// large is a network of values so large that the runtime samples them.
func large(t *testing.T) (m *onnx.Model, side int64) {
	t.Helper()
	side = 160
	dims := []onnx.Dim{{Size: 1}, {Size: 2}, {Size: side}, {Size: side}}
	m, err := Prepare(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Name: "g",
		Nodes: []*onnx.Node{
			{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"a"}},
			{Op: "Relu", Inputs: []string{"a"}, Outputs: []string{"b"}},
			{Op: "Conv", Inputs: []string{"b", "v"}, Outputs: []string{"y"}},
		},
		Initializers: []*onnx.Tensor{
			onnx.FloatTensor("w", []int64{2, 2, 1, 1}, []float32{1, -2, 3, -4}),
			onnx.FloatTensor("v", []int64{2, 2, 1, 1}, []float32{1, -1, 0.5, -2}),
		},
		Inputs:  []*onnx.Value{{Name: "x", Elem: onnx.Float32, Shape: dims}},
		Outputs: []*onnx.Value{{Name: "y", Elem: onnx.Float32, Shape: dims}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return m, side
}

// Only some numbers of large values are counted, but the lowest and highest are
// of all of them.
func TestLargeValuesAreSampled(t *testing.T) {
	m, side := large(t)
	r, ctx := runner(t), context.Background()
	plane := int(side * side)
	values := make([]float32, 2*plane)
	low, high := math.Inf(1), math.Inf(-1)
	for i := range plane {
		p, q := math.Sin(float64(i)), math.Cos(float64(3*i))
		if i == 12345 { // seen by no stride
			p, q = 40, -30
		}
		values[i], values[plane+i] = float32(p), float32(q)
		b1, b2 := max(0, p-2*q), max(0, 3*p-4*q)
		for _, y := range []float64{b1 - b2, 0.5*b1 - 2*b2} {
			low, high = min(low, y), max(high, y)
		}
	}
	sample := Sample{onnx.FloatTensor("x", []int64{1, 2, side, side}, values)}
	c, err := Calibrate(ctx, r, m, Options{}, []Sample{sample, sample})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Ranges(MinMax); math.Abs(float64(got["y"].Low)-low) > 1e-3 ||
		math.Abs(float64(got["y"].High)-high) > 1e-3 || math.Abs(float64(got["b"].High)-240) > 1e-3 {
		t.Errorf("ranges %v, want y from %v to %v and b up to 240", got, low, high)
	}
	for name, h := range c.seen {
		n := int64(0)
		for _, k := range h.bins {
			n += k
		}
		if n /= 2; name == "x" && n != int64(2*plane) || name != "x" && (n < enough/2 || n >= 2*enough) {
			t.Errorf("%s: %d numbers of %d were counted", name, n, 2*plane)
		}
	}
	if r := c.Ranges(Percentile999)["b"]; r.High > 8 {
		t.Errorf("one number in %d decides about the percentile: %v", 2*plane, r)
	}
	values[plane] = float32(math.Inf(1))
	sample = Sample{onnx.FloatTensor("x", []int64{1, 2, side, side}, values)}
	if _, err := Calibrate(ctx, r, m, Options{}, []Sample{sample}); err == nil ||
		!strings.Contains(err.Error(), "infinite") {
		t.Errorf("with an infinite number: %v", err)
	}
}

// Methods that are worse on some of the samples do not see the others; what is
// chosen has seen all.
func TestWorseMethodsAreDroppedEarly(t *testing.T) {
	m, r := tiny(t), runner(t)
	res, err := Request{Float: m, Options: Options{Format: QOperator}, Method: Auto, Runner: r,
		Session: infer.Options{Config: infer.Exact()}, Samples: waves(t, m, 99), MaxDrop: -1}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[int]int{}
	best := res.Judgement.SQNR
	for _, x := range res.Methods {
		inputs[x.HeldBack.Inputs]++
		if x.Chosen && (x.HeldBack.Inputs != 33 || !reflect.DeepEqual(x.HeldBack, res.Judgement)) {
			t.Errorf("chosen by %+v; the model has %+v", x, res.Judgement)
		}
		if x.HeldBack.Inputs == 33 && x.HeldBack.SQNR > best {
			t.Errorf("%s is better than what was chosen", x.Method)
		}
	}
	if inputs[9] != 3 || inputs[18] != 1 || inputs[33] != 2 {
		t.Errorf("methods by the samples they saw: %v, want 3 on 9, 1 on 18, 2 on 33", inputs)
	}
}
