package quant

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// Judgement is how a model's first output compares with that of the float
// model on the same inputs.
type Judgement struct {
	Inputs int `json:"inputs"`
	// Agreement is the share of inputs whose largest output is the same one. It
	// means something where the outputs are classes (Kind).
	Agreement float64 `json:"agreement"`
	NoClasses bool    `json:"no_classes,omitempty"` // the first output is no list of classes
	// Cosine is the mean over the inputs that have one: an answer of zeros has
	// none. CosineOf counts them.
	Cosine   float64 `json:"cosine"`
	CosineOf int     `json:"cosine_inputs"`
	// SQNR is the signal's power over that of the difference, in decibels.
	SQNR     float64 `json:"sqnr_db"`
	MaxError float64 `json:"max_error"`
	// Outputs compares each output by itself; not of a method's ranges.
	Outputs []OutputError `json:"outputs,omitempty"`
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
	Kind    Kind  // of the first output
	Classes int   // numbers in the first output
	Skipped []string
	names   []string // of the outputs that are compared
	all     [][]*onnx.Tensor
	outputs [][]float32 // the first of each
	Float   Judgement
}

// NewReference runs the float model.
func NewReference(ctx context.Context, r infer.Runner, o infer.Options, float *onnx.Model, samples []Sample,
	labels []int) (*Reference, error) {
	return NewReferenceOf(ctx, r, o, float, samples, labels, AutoOutputs)
}

// NewReferenceOf is NewReference where a person has said what the first output
// is. Labels of what is no class are forgotten.
func NewReferenceOf(ctx context.Context, r infer.Runner, o infer.Options, float *onnx.Model, samples []Sample,
	labels []int, outputs string) (*Reference, error) {
	if len(samples) == 0 {
		return nil, fmt.Errorf("there are no samples to judge on")
	}
	if labels != nil && len(labels) != len(samples) {
		return nil, fmt.Errorf("%d labels for %d samples", len(labels), len(samples))
	}
	ref := &Reference{Runner: r, Options: o, Samples: samples, Labels: labels}
	var err error
	if ref.all, ref.Float.Median, err = ref.answers(ctx, float); err != nil {
		return nil, err
	}
	if ref.outputs, err = firsts(ref.all); err != nil {
		return nil, err
	}
	_, ref.Skipped = readable(float)
	for _, v := range float.Graph.Outputs {
		if !slices.ContainsFunc(ref.Skipped, func(s string) bool { return strings.HasPrefix(s, v.Name+" (") }) {
			ref.names = append(ref.names, v.Name)
		}
	}
	ref.Classes = len(ref.outputs[0])
	if ref.Kind = kindOf(float, ref.all[0][0].Dims, outputs, labels != nil); !ref.Kind.Classes {
		ref.Labels = nil
	}
	ref.Float, err = ref.judge(ref.all, ref.Float.Median)
	return ref, err
}

// Forget makes a reference one without labels.
func (ref *Reference) Forget() { ref.Labels, ref.Float.Correct = nil, -1 }

// Judge runs a model on the reference's samples; one of float16 as rounded16
// says.
func (ref *Reference) Judge(ctx context.Context, m *onnx.Model) (Judgement, error) {
	out, took, err := ref.answers(ctx, rounded16(m))
	if err != nil {
		return Judgement{}, err
	}
	return ref.judge(out, took)
}

// judge compares first outputs, and all of them.
func (ref *Reference) judge(all [][]*onnx.Tensor, took time.Duration) (Judgement, error) {
	out, err := firsts(all)
	if err != nil {
		return Judgement{}, err
	}
	if !ref.Kind.Classes && !sameShapes(out, ref.outputs) { // such as as many boxes as were found
		j := Judgement{Inputs: len(out), Median: took, Correct: -1, NoClasses: true}
		j.Outputs, err = ref.outputErrors(all)
		if first := j.Outputs; err == nil && len(first) > 0 {
			j.fromOutput(first[0])
		}
		return j, err
	}
	j, err := ref.compare(out, took)
	if err == nil {
		j.Outputs, err = ref.outputErrors(all)
	}
	if !finite(j.MaxError) {
		j.MaxError = math.MaxFloat64 // JSON has nothing else; Outputs count what is no number
	}
	return j, err
}

// fromOutput takes over what is known of the first output.
func (j *Judgement) fromOutput(e OutputError) {
	j.CosineOf, j.SQNR = e.CosineOf, -maxSQNR
	if e.Cosine != nil {
		j.Cosine = *e.Cosine
	}
	if e.SQNR != nil {
		j.SQNR = *e.SQNR
	}
	if e.MaxError != nil {
		j.MaxError = *e.MaxError
	}
}

func sameShapes(a, b [][]float32) bool {
	return slices.EqualFunc(a, b, func(x, y []float32) bool { return len(x) == len(y) && len(x) > 0 })
}

// firsts are the first outputs' values.
func firsts(all [][]*onnx.Tensor) (out [][]float32, err error) {
	for _, outputs := range all {
		v, err := firstOf(outputs)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func firstOf(outputs []*onnx.Tensor) ([]float32, error) {
	if len(outputs) == 0 {
		return nil, fmt.Errorf("the model has no output that can be compared")
	}
	if outputs[0].Type == onnx.Float32 {
		return outputs[0].Float32s()
	}
	wide, err := floats(outputs[0])
	out := make([]float32, len(wide))
	for i, v := range wide {
		out[i] = float32(v)
	}
	return out, err
}

// answers runs a model on all samples.
func (ref *Reference) answers(ctx context.Context, m *onnx.Model) (out [][]*onnx.Tensor, took time.Duration,
	err error) {
	m, skipped := readable(m)
	if len(m.Graph.Outputs) == 0 {
		return nil, 0, fmt.Errorf("no output of the model can be compared: %s", listed(skipped, 3))
	}
	s, err := ref.open(ctx, m)
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	var times []time.Duration
	for _, sample := range ref.Samples {
		outputs, took, err := s.Run(ctx, sample)
		if err != nil {
			return nil, 0, err
		}
		out, times = append(out, outputs), append(times, took)
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
	v, err := firstOf(outputs)
	return v, took, err
}

func median[T time.Duration | int64](times []T) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return time.Duration(sorted[len(sorted)/2])
}

func (ref *Reference) compare(out [][]float32, took time.Duration) (Judgement, error) {
	j := Judgement{Inputs: len(out), Median: took, NoClasses: !ref.Kind.Classes}
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
		if a > 0 && b > 0 && finite(dot/math.Sqrt(a*b)) {
			j.Cosine += dot / math.Sqrt(a*b)
			j.CosineOf++
		}
	}
	j.Agreement = float64(same) / float64(len(out))
	if j.CosineOf > 0 {
		j.Cosine /= float64(j.CosineOf)
	}
	if j.SQNR = sqnr(signal, noise); math.IsNaN(noise) {
		j.SQNR = -maxSQNR
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
