package quant

import (
	"bytes"
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"chexp/models/infer"
	"chexp/models/infer/infertest"
	"chexp/models/onnx"
)

// runner starts the agent of this machine.
func runner(t *testing.T) *infer.Process { return infertest.Agent(t, "../..") }

// waves are smooth made-up inputs, each another.
func waves(t *testing.T, m *onnx.Model, n int) (list []Sample) {
	t.Helper()
	in := m.Graph.RealInputs()[0]
	c, h, w := in.Shape[1].Size, in.Shape[2].Size, in.Shape[3].Size
	for k := range n {
		values := make([]float32, 0, c*h*w)
		for ch := range c {
			for y := range h {
				for x := range w {
					a := float64(k+1) * (0.3*float64(x) + 0.7*float64(y)*float64(ch+1)) / float64(w)
					values = append(values, float32(2*math.Sin(a+float64(k))))
				}
			}
		}
		list = append(list, Sample{onnx.FloatTensor(in.Name, []int64{1, c, h, w}, values)})
	}
	return list
}

// ONNX Runtime runs every form, and the answers are near the float model's.
func TestEveryFormRuns(t *testing.T) {
	m, r := tiny(t), runner(t)
	ctx := context.Background()
	samples := waves(t, m, 24)
	for name, o := range map[string]Options{
		"qdq": {}, "qdq per tensor": {PerTensor: true}, "qoperator": {Format: QOperator},
		"qoperator per tensor": {Format: QOperator, PerTensor: true},
		"7 bits":               {Format: QOperator, WeightBits: 7}, "part in float": {Exclude: []string{"conv2"}},
		"dynamic": {Mode: Dynamic},
	} {
		res, err := Request{Float: m, Options: o, Method: Auto, Runner: r,
			Session: infer.Options{Config: infer.Exact()}, Samples: samples, MaxDrop: -1}.Run(ctx)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if res.Judgement.SQNR < 20 || res.Judgement.Cosine < 0.99 {
			t.Errorf("%s: %+v", name, res.Judgement)
		}
		if o.Mode != Dynamic && (len(res.Methods) != len(Methods) || res.Method == "") {
			t.Errorf("%s: methods %+v", name, res.Methods)
		}
	}
}

// A convolution that is left in float between integers stays in float: ONNX
// Runtime would quantize it by itself, with one scale for all channels.
func TestWhatIsLeftInFloatIsFloat(t *testing.T) {
	m, r := tiny(t), runner(t)
	// Half of conv2's channels become 30 times smaller, and conv3 makes up for
	// it: with one scale for all, their weights have four bits less.
	rescale := func(name string, small func(i int) bool, factor float32) {
		w := m.Graph.Initializer(name)
		values, err := w.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		for i := range values {
			if small(i) {
				values[i] *= factor
			}
		}
		w.Raw = onnx.FloatTensor("", nil, values).Raw
	}
	rescale("conv2.weight", func(i int) bool { return i < 16*16*9 }, 1.0/30)
	rescale("conv2.bias", func(i int) bool { return i < 16 }, 1.0/30)
	rescale("conv3.weight", func(i int) bool { return i/9%32 < 16 }, 30)
	ctx, samples := context.Background(), waves(t, m, 12)
	ref, err := NewReference(ctx, r, infer.Options{Config: infer.Exact()}, m, samples, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Calibrate(ctx, r, m, Options{}, samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Format{QDQ, QOperator} {
		var sqnr []float64
		for _, exclude := range [][]string{nil, {"conv2"}} {
			q, err := StaticModel(m, c.Ranges(MinMax), Options{Format: f, Exclude: exclude})
			if err != nil {
				t.Fatal(err)
			}
			j, err := ref.Judge(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			sqnr = append(sqnr, j.SQNR)
		}
		t.Logf("%s: %.1f dB, with conv2 in float %.1f dB", f, sqnr[0], sqnr[1])
		if sqnr[1] < sqnr[0]-0.5 {
			t.Errorf("%s: %.1f dB with conv2 in float, %.1f dB with all on integers", f, sqnr[1], sqnr[0])
		}
	}
}

// With nothing to be lost, the way back ends in float or before the first
// flipped answer; each step leaves one node more.
func TestBackingOffLosesLessAndLess(t *testing.T) {
	m, r := tiny(t), runner(t)
	samples := waves(t, m, 30)
	q := Request{Float: m, Options: Options{PerTensor: true, WeightBits: 7}, Method: MinMax, Runner: r,
		Samples: samples, MaxDrop: 0}
	// The labels are wrong by design for no sample: what the float model says.
	ref, err := NewReference(context.Background(), r, infer.Options{}, m, samples, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range ref.outputs {
		q.Labels = append(q.Labels, argmax(out))
	}
	res, err := q.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	last := res.Frontier[len(res.Frontier)-1]
	for i, s := range res.Frontier {
		if len(s.Excluded) != i {
			t.Errorf("step %d leaves %v in float", i, s.Excluded)
		}
	}
	if last.Drop > 0 && len(last.Excluded) < len(Products(m, Options{})) {
		t.Errorf("it stopped at %+v", last)
	}
	if res.Float.Accuracy() != 1 {
		t.Errorf("the float model is right in %v", res.Float.Accuracy())
	}
}

// A MobileNetV2 is on integers alone, and as large as it may be.
func TestMobileNetFitsItsBudget(t *testing.T) { eachMobileNet(t, checkBudget) }

func checkBudget(t *testing.T, m *onnx.Model) {
	// onnxruntime's quantize_static makes 2,423,592 bytes per channel with
	// QLinear operators, 2,608,703 with QDQ and 2,385,608 with QDQ per tensor
	// (its smallest), quantize_dynamic 2,405,106, per tensor (1.32: make peers-quantize).
	for name, x := range map[string]struct {
		o    Options
		most int
	}{
		"static": {Options{Format: QOperator}, 2_385_608}, "static QDQ": {Options{Format: QDQ}, 2_608_703},
		"static QDQ per tensor": {Options{Format: QDQ, PerTensor: true}, 2_385_608},
		"dynamic":               {Options{Mode: Dynamic}, 2_385_608},
	} {
		o := x.o
		begin := time.Now()
		q, err := DynamicModel(m, o)
		if o.Mode != Dynamic {
			q, err = StaticModel(m, someRanges(m, o), o)
		}
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(begin)
		b, err := q.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if w, err := onnx.Work(q, 1); err != nil || w.Float != 0 || len(b) > x.most {
			t.Errorf("%s: %d bytes, work %+v, %v", name, len(b), w, err)
		}
		t.Logf("%s: %d bytes, written in %v", name, len(b), took.Round(time.Millisecond))
	}
}

// A scalar is a result like any other.
func TestAScalarResult(t *testing.T) {
	r := runner(t)
	sum := op("ReduceSum", "y", "x")
	sum.Attributes = []*onnx.Attribute{onnx.Int("keepdims", 0)}
	m := of([]*onnx.Node{sum})
	m.Graph.Outputs[0].Shape = []onnx.Dim{}
	sample := Sample{onnx.FloatTensor("x", []int64{1, 4}, []float32{1, 2, 3, 4})}
	for range 2 {
		got, err := outputsOf(r, m, sample)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := got[0].Float32s(); err != nil || len(v) != 1 || v[0] != 10 {
			t.Errorf("%v, error is %v", v, err)
		}
	}
}

// A model of operator set 12 whose Softmax is not known to work on the last axis was
// refused: since 13 the operator means another thing there. It answers as before.
func TestASoftmaxOfBefore13IsRaised(t *testing.T) {
	r := runner(t)
	for axis := range int64(3) {
		m := &onnx.Model{IRVersion: 7, Opsets: []onnx.Opset{{Version: 12}}, Graph: &onnx.Graph{
			Inputs: []*onnx.Value{{Name: "x", Elem: onnx.Float32,
				Shape: []onnx.Dim{{Param: "n"}, {Param: "h"}, {Param: "w"}}}},
			Outputs: []*onnx.Value{{Name: "y", Elem: onnx.Float32}},
			Nodes: []*onnx.Node{{Op: "Softmax", Inputs: []string{"x"}, Outputs: []string{"s"},
				Attributes: []*onnx.Attribute{onnx.Int("axis", axis)}},
				{Op: "Relu", Inputs: []string{"s"}, Outputs: []string{"y"}}},
		}}
		x := onnx.FloatTensor("x", []int64{2, 2, 3}, []float32{1, 2, 3, -1, 0, 1, .5, .25, 4, 2, 2, 2})
		want, err := outputsOf(r, m, Sample{x})
		if err != nil {
			t.Fatal(err)
		}
		higher, err := raised(m, 13)
		if err != nil {
			t.Fatal(err)
		}
		got, err := outputsOf(r, higher, Sample{x})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[0].Raw, want[0].Raw) || !slices.Equal(got[0].Dims, want[0].Dims) || higher.Opset() != 13 {
			t.Errorf("axis %d: %v, before it was raised %v", axis, got[0], want[0])
		}
	}
}
