package quant

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// PlainHalf needs nothing but the model.
func PlainHalf(m *onnx.Model, o Options) (*Result, error) {
	begin := time.Now()
	x, report, err := HalfModel(m, o)
	return &Result{Model: x, Options: o, Halves: report, Emit: time.Since(begin)}, err
}

// runHalf writes a float16 model and judges it. Nothing is chosen by the
// samples, so none is held back; but nodes whose values were seen to come near
// the end of float16 stay in float32.
func (q Request) runHalf(ctx context.Context) (*Result, error) {
	samples, labels := q.Samples, q.Labels
	if len(q.Evaluation) > 0 {
		samples, labels = q.Evaluation, q.EvalLabels
	}
	ref, err := NewReference(ctx, q.Runner, q.Session, q.Float, samples, labels)
	if err != nil {
		return nil, err
	}
	q.say("watching %d samples for values beyond float16", len(q.Samples))
	hot, err := beyondFloat16(ctx, q.Runner, q.Float, q.Options, q.Samples)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	m, report, err := halfModel(q.Float, q.Options, hot)
	if err != nil {
		return nil, err
	}
	res := &Result{Model: m, Options: q.Options, Halves: report, Emit: time.Since(begin), Float: ref.Float}
	if res.Judgement, err = ref.Judge(ctx, m); err != nil {
		return nil, err
	}
	if err := ref.runs(ctx, m); err != nil { // itself, which Judge did not run
		return nil, fmt.Errorf("the float16 model does not run: %w", err)
	}
	if slices.ContainsFunc(res.Judgement.Outputs, func(e OutputError) bool { return e.NotFinite > 0 }) {
		return nil, fmt.Errorf("the float16 model's answers hold infinities or what is no number, the float model's " +
			"do not: exclude operators from its end on (--exclude)")
	}
	return res, nil
}

// runs runs a model once.
func (ref *Reference) runs(ctx context.Context, m *onnx.Model) error {
	s, err := ref.open(ctx, m)
	if err != nil {
		return err
	}
	defer s.Close()
	_, _, err = firstOutput(ctx, s, ref.Samples[0])
	return err
}

// warm is from where on a value counts as beyond float16: other inputs than
// the samples may make it twice as large.
const warm = maxFloat16 / 2

// beyondFloat16 runs the float model and returns the values that come near the
// end of float16, with the largest number.
func beyondFloat16(ctx context.Context, r infer.Runner, m *onnx.Model, o Options, samples []Sample) (map[string]float32,
	error) {
	h := newHalver(m, o, nil)
	if err := h.plan(); err != nil {
		return nil, err
	}
	var names []string
	hot := map[string]float32{}
	for _, n := range m.Graph.Nodes {
		for _, name := range n.Outputs {
			if h.inHalf[name] && name != "" {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return hot, nil
	}
	err := observe(ctx, r, m, names, samples, func(seen map[string]*glance) {
		for name, x := range seen {
			if v := x.farthest(); v > warm {
				hot[name] = max(hot[name], v)
			}
		}
	})
	return hot, err
}

// farthest is the largest finite magnitude.
func (x *glance) farthest() (most float32) {
	see := func(v float32) {
		if v = float32(math.Abs(float64(v))); v < infinity {
			most = max(most, v)
		}
	}
	if x.bounded {
		see(x.low)
		see(x.high)
	}
	for i := 0; i+4 <= len(x.numbers); i += 4 {
		see(math.Float32frombits(binary.LittleEndian.Uint32(x.numbers[i:])))
	}
	return most
}
