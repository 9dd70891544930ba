package quant

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// Judgement is how a model's first output compares with that of the float
// model on the same inputs.
type Judgement struct {
	Inputs int `json:"inputs"`
	// Agreement is the share of inputs whose largest output is the same one.
	Agreement float64 `json:"agreement"`
	Cosine    float64 `json:"cosine"` // mean over the inputs
	// SQNR is the signal's power over that of the difference, in decibels.
	SQNR     float64 `json:"sqnr_db"`
	MaxError float64 `json:"max_error"`
	// Correct counts inputs whose largest output is the label's; -1: there
	// are no labels.
	Correct int `json:"correct"`
	// Median is the runtime's time for one inference here: a hint at best.
	Median time.Duration `json:"median_ns_here"`
}

// Accuracy is the share of right answers, -1 without labels.
func (j Judgement) Accuracy() float64 {
	if j.Correct < 0 || j.Inputs == 0 {
		return -1
	}
	return float64(j.Correct) / float64(j.Inputs)
}

// Reference is the float model's answers to the samples that others are
// judged on.
type Reference struct {
	Runner  infer.Runner
	Options infer.Options
	Samples []Sample
	Labels  []int // class of each sample; nil: none are known
	outputs [][]float32
	Float   Judgement
}

// NewReference runs the float model.
func NewReference(ctx context.Context, r infer.Runner, o infer.Options, float *onnx.Model, samples []Sample,
	labels []int) (*Reference, error) {
	if len(samples) == 0 {
		return nil, fmt.Errorf("there are no samples to judge on")
	}
	if labels != nil && len(labels) != len(samples) {
		return nil, fmt.Errorf("%d labels for %d samples", len(labels), len(samples))
	}
	ref := &Reference{Runner: r, Options: o, Samples: samples, Labels: labels}
	var err error
	ref.outputs, ref.Float.Median, err = ref.answers(ctx, float)
	if err == nil {
		ref.Float, err = ref.compare(ref.outputs, ref.Float.Median)
	}
	return ref, err
}

// Judge runs a model on the reference's samples; one of float16 as rounded16
// says.
func (ref *Reference) Judge(ctx context.Context, m *onnx.Model) (Judgement, error) {
	out, took, err := ref.answers(ctx, rounded16(m))
	if err != nil {
		return Judgement{}, err
	}
	return ref.compare(out, took)
}

func (ref *Reference) answers(ctx context.Context, m *onnx.Model) (out [][]float32, took time.Duration, err error) {
	s, err := ref.open(ctx, m)
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	var times []time.Duration
	for _, sample := range ref.Samples {
		v, took, err := firstOutput(ctx, s, sample)
		if err != nil {
			return nil, 0, err
		}
		out, times = append(out, v), append(times, took)
	}
	return out, median(times), nil
}

func (ref *Reference) open(ctx context.Context, m *onnx.Model) (infer.Session, error) {
	b, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	return ref.Runner.Open(ctx, b, ref.Options)
}

func firstOutput(ctx context.Context, s infer.Session, sample Sample) ([]float32, time.Duration, error) {
	outputs, took, err := s.Run(ctx, sample)
	if err != nil {
		return nil, 0, err
	}
	if len(outputs) == 0 {
		return nil, 0, fmt.Errorf("the model has no output")
	}
	v, err := outputs[0].Float32s()
	return v, took, err
}

func median[T time.Duration | int64](times []T) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return time.Duration(sorted[len(sorted)/2])
}

func (ref *Reference) compare(out [][]float32, took time.Duration) (Judgement, error) {
	j := Judgement{Inputs: len(out), Median: took}
	if ref.Labels == nil {
		j.Correct = -1
	}
	same, signal, noise := 0, 0.0, 0.0
	for i, got := range out {
		want := ref.outputs[i]
		if len(got) != len(want) || len(got) == 0 {
			return j, fmt.Errorf("sample %d gives %d numbers, the float model %d", i+1, len(got), len(want))
		}
		best := argmax(got)
		if best == argmax(want) {
			same++
		}
		if ref.Labels != nil && best == ref.Labels[i] {
			j.Correct++
		}
		dot, a, b := 0.0, 0.0, 0.0
		for k := range got {
			x, y := float64(got[k]), float64(want[k])
			dot, a, b = dot+x*y, a+x*x, b+y*y
			signal, noise = signal+y*y, noise+(x-y)*(x-y)
			j.MaxError = math.Max(j.MaxError, math.Abs(x-y))
		}
		if a > 0 && b > 0 {
			j.Cosine += dot / math.Sqrt(a*b)
		}
	}
	j.Agreement = float64(same) / float64(len(out))
	j.Cosine /= float64(len(out))
	j.SQNR = maxSQNR
	if noise > 0 {
		j.SQNR = math.Min(maxSQNR, 10*math.Log10(signal/noise))
	}
	return j, nil
}

// maxSQNR stands for "no difference": JSON has no infinity.
const maxSQNR = 200

func argmax(v []float32) (best int) {
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}
