package quant

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"chexp/models/onnx"
)

// OutputError is how one output of a model compares with the float model's, over
// all samples. What is not there (an answer of zeros has no cosine) is nil.
type OutputError struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape,omitempty"` // of the first sample's
	// Cosine is the mean over the samples that have one, CosineOf of them.
	Cosine   *float64 `json:"cosine,omitempty"`
	CosineOf int      `json:"cosine_samples"`
	SQNR     *float64 `json:"sqnr_db,omitempty"`
	MaxError *float64 `json:"max_error,omitempty"`
	Largest  float64  `json:"largest"` // magnitude in the float model's
	Equal    float64  `json:"equal"`   // share of values that are the same
	// OtherShape counts samples whose answers have another shape than the float
	// model's, such as another number of boxes; they are in no error.
	OtherShape int `json:"other_shape,omitempty"`
	// NotFinite counts values that are no finite number in one answer only.
	NotFinite int64 `json:"not_finite,omitempty"`
}

// Kind says whether the first output is taken for classes, of which the largest
// is the answer, and why.
type Kind struct {
	Classes bool   `json:"classes"`
	Why     string `json:"why"`
	Guess   bool   `json:"guess"` // neither the user nor the model says so
}

// What a person may say of a model's first output.
const (
	AutoOutputs  = "auto"
	ClassOutputs = "classes"
	ValueOutputs = "values"
)

// kindOf tells classes from boxes, sequences and embeddings. dims are those of
// one answer.
func kindOf(m *onnx.Model, dims []int64, asked string, labels bool) Kind {
	n, wide := onnx.Elements(dims), 0
	for _, d := range dims {
		if d > 1 {
			wide++
		}
	}
	if len(m.Graph.Outputs) == 0 || wide != 1 || n < 2 {
		return Kind{Why: fmt.Sprintf("of the shape %v", dims)}
	}
	switch asked {
	case ClassOutputs, ValueOutputs:
		return Kind{Classes: asked == ClassOutputs, Why: "as you said"}
	}
	out := m.Graph.Outputs[0]
	name := strings.ToLower(out.Name)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	switch end := lastOperator(m, out.Name); {
	case !out.Elem.IsFloat():
		return Kind{Why: "of " + out.Elem.String()}
	case labels:
		return Kind{Classes: true, Why: "the data's folders are classes"}
	case end == "Softmax" || end == "LogSoftmax":
		return Kind{Classes: true, Why: "it ends in " + end}
	case end == "LpNormalization" || has("embed", "feature", "hidden", "pool", "vector", "state", "box", "coord",
		"landmark", "point", "audio", "wave"):
		return Kind{Why: "its name or its end says an embedding, boxes or a state", Guess: true}
	case has("logit", "prob", "class", "softmax", "label", "score"):
		return Kind{Classes: true, Why: "its name says so"}
	case len(m.Graph.Outputs) > 1:
		return Kind{Why: "one of several outputs", Guess: true}
	}
	return Kind{Classes: true, Why: fmt.Sprintf("one list of %d numbers", n), Guess: true}
}

// lastOperator is the operator that makes a value, behind those that only move it.
func lastOperator(m *onnx.Model, name string) string {
	makers := map[string]*onnx.Node{}
	for _, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			makers[o] = n
		}
	}
	for range 16 {
		n := makers[name]
		switch {
		case n == nil:
			return ""
		case !slices.Contains([]string{"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze",
			"DequantizeLinear"}, n.Op):
			return n.Op
		}
		name = n.Input(0)
	}
	return ""
}

// readable makes outputs of what the runner can bring back: numbers of 32 bits and
// more, no scalars. skipped names the outputs that cannot be compared, with their
// type; first is the one that is judged as the model's answer.
func readable(m *onnx.Model) (c *onnx.Model, skipped []string) {
	copied, graph := *m, *m.Graph
	graph.Nodes, graph.Outputs = slices.Clone(graph.Nodes), nil
	graph.Initializers = slices.Clone(graph.Initializers)
	follow := func(op, from string, more ...string) string {
		to := from + "/" + strings.ToLower(op) + " by chexp"
		graph.Nodes = append(graph.Nodes, &onnx.Node{Op: op, Inputs: append([]string{from}, more...), Outputs: []string{to}})
		return to
	}
	for _, v := range m.Graph.Outputs {
		to, w := onnx.DataType(0), *v
		switch v.Elem {
		case onnx.Float32, onnx.Float64, onnx.Uint8, onnx.Int8, onnx.Int32, onnx.Int64:
		case onnx.Float16, onnx.BFloat16:
			to = onnx.Float32
		case onnx.Bool, onnx.Uint16, onnx.Int16, onnx.Uint32, onnx.Uint64:
			to = onnx.Int64
		default:
			kind := v.Elem.String()
			if v.Other != nil {
				kind = "no tensor"
			}
			skipped = append(skipped, fmt.Sprintf("%s (%s)", v.Name, kind))
			continue
		}
		if to != 0 {
			w.Name, w.Elem = follow("Cast", v.Name), to
			graph.Nodes[len(graph.Nodes)-1].Attributes = []*onnx.Attribute{onnx.Int("to", int64(to))}
		}
		if v.Shape != nil && len(v.Shape) == 0 {
			const one = "one by chexp"
			if graph.Initializer(one) == nil {
				graph.Initializers = append(graph.Initializers, onnx.Int64Tensor(one, []int64{1}, []int64{1}))
			}
			w.Name, w.Shape = follow("Reshape", w.Name, one), onnx.Fixed(1)
		}
		graph.Outputs = append(graph.Outputs, &w)
	}
	copied.Graph = &graph
	return &copied, skipped
}

// floats are a tensor's values as 64-bit floats.
func floats(t *onnx.Tensor) ([]float64, error) {
	if t.Type == onnx.Float32 {
		v, err := t.Float32s()
		out := make([]float64, len(v))
		for i, x := range v {
			out[i] = float64(x)
		}
		return out, err
	}
	if t.Type == onnx.Float64 {
		return t.Float64s()
	}
	v, err := t.Integers()
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out, err
}

// sums is what one output's errors are computed from.
type sums struct {
	OutputError
	signal, noise, most, cosines float64
	values, equal                int64
}

func (s *sums) add(got, want *onnx.Tensor) error {
	if !slices.Equal(got.Dims, want.Dims) {
		s.OtherShape++
		return nil
	}
	a, err1 := floats(got)
	b, err2 := floats(want)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	dot, aa, bb := 0.0, 0.0, 0.0
	for i, x := range a {
		y := b[i]
		s.values++
		if x == y || math.IsNaN(x) && math.IsNaN(y) {
			s.equal++
		}
		if !finite(x) || !finite(y) {
			if x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
				s.NotFinite++
			}
			continue
		}
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
		s.noise += (x - y) * (x - y)
		s.most, s.Largest = max(s.most, math.Abs(x-y)), max(s.Largest, math.Abs(y))
	}
	s.signal += bb
	if aa > 0 && bb > 0 {
		s.cosines += dot / math.Sqrt(aa*bb)
		s.CosineOf++
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (s *sums) done() OutputError {
	e := s.OutputError
	if s.values > 0 {
		e.Equal, e.MaxError = float64(s.equal)/float64(s.values), &s.most
	}
	if s.CosineOf > 0 {
		c := s.cosines / float64(s.CosineOf)
		e.Cosine = &c
	}
	if v := sqnr(s.signal, s.noise); s.values > 0 && (s.signal > 0 || s.noise == 0) {
		e.SQNR = &v
	}
	return e
}

// sqnr is in decibels, and maxSQNR where there is no difference.
func sqnr(signal, noise float64) float64 {
	switch {
	case noise == 0:
		return maxSQNR
	case signal == 0:
		return -maxSQNR
	}
	return max(-maxSQNR, min(maxSQNR, 10*math.Log10(signal/noise)))
}

// outputErrors compares all outputs of all samples.
func (ref *Reference) outputErrors(all [][]*onnx.Tensor) (list []OutputError, err error) {
	for i, want := range ref.all[0] {
		s := &sums{OutputError: OutputError{Name: ref.names[i], Type: want.Type.String(), Shape: want.Dims}}
		for k := range all {
			if i >= len(all[k]) {
				return nil, fmt.Errorf("it has %d outputs, the float model %d", len(all[k]), len(ref.all[0]))
			}
			if err := s.add(all[k][i], ref.all[k][i]); err != nil {
				return nil, fmt.Errorf("output %q: %w", ref.names[i], err)
			}
		}
		list = append(list, s.done())
	}
	return list, nil
}
