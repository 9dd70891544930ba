package quant

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// canned answers with tensors that the model's Doc names.
type canned map[string][][]*onnx.Tensor

func (c canned) Open(_ context.Context, model []byte, _ infer.Options) (infer.Session, error) {
	m, err := onnx.Parse(model)
	if err != nil {
		return nil, err
	}
	return &cannedSession{answers: c[m.Doc]}, nil
}

type cannedSession struct {
	answers [][]*onnx.Tensor
	next    int
}

func (s *cannedSession) Run(context.Context, []*onnx.Tensor) ([]*onnx.Tensor, time.Duration, error) {
	s.next++
	return s.answers[s.next-1], time.Millisecond, nil
}

func (s *cannedSession) Close() error { return nil }

func answering(doc string, ops []string, outputs ...string) *onnx.Model {
	g := &onnx.Graph{Inputs: []*onnx.Value{onnx.FloatValue("x", onnx.Fixed(1, 2)...)}}
	for i, name := range outputs {
		g.Nodes = append(g.Nodes, &onnx.Node{Op: ops[i], Inputs: []string{"x"}, Outputs: []string{name}})
		g.Outputs = append(g.Outputs, onnx.FloatValue(name))
		g.Outputs[i].Shape = nil
	}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Doc: doc, Graph: g}
}

func row(values ...float32) *onnx.Tensor {
	return onnx.FloatTensor("", []int64{1, int64(len(values))}, values)
}

// A detector's boxes are no classes: no agreement, but each output's errors; an
// answer of zeros has no cosine, and does not pull down the mean of the others.
func TestEveryOutputIsComparedForWhatItIs(t *testing.T) {
	boxes := func(v ...float32) *onnx.Tensor { return onnx.FloatTensor("", []int64{1, int64(len(v)) / 2, 2}, v) }
	runner := canned{
		"float": {{boxes(1, 2, 3, 4), row(0, 0)}, {boxes(0, 0, 0, 0), row(3, 4)}, {boxes(1, 1, 1, 1), row(1, 1)}},
		"other": {{boxes(1, 2, 3, 5), row(0, 0)}, {boxes(0, 0, 0, 0), row(4, 3)}, {boxes(1, 1), row(1, float32(math.NaN()))}},
	}
	ops := []string{"Relu", "Relu"}
	samples := []Sample{{row(1, 2)}, {row(1, 2)}, {row(1, 2)}}
	ref, err := NewReference(context.Background(), runner, infer.Options{}, answering("float", ops, "boxes", "scores"),
		samples, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ref.Kind.Classes {
		t.Errorf("boxes are classes: %+v", ref.Kind)
	}
	j, err := ref.Judge(context.Background(), answering("other", ops, "boxes", "scores"))
	if err != nil || len(j.Outputs) != 2 || !j.NoClasses || j.Correct != -1 {
		t.Fatalf("%+v, %v", j, err)
	}
	b, s := j.Outputs[0], j.Outputs[1]
	if b.OtherShape != 1 || b.CosineOf != 1 || *b.MaxError != 1 || b.Largest != 4 || b.Equal != 7.0/8 {
		t.Errorf("boxes: %+v", b)
	}
	if want := 34 / math.Sqrt(30*39); b.Cosine == nil || math.Abs(*b.Cosine-want) > 1e-6 {
		t.Errorf("cosine of the boxes is %v", b.Cosine)
	}
	if s.NotFinite != 1 || s.CosineOf != 2 || *s.MaxError != 1 || *s.Cosine > 1 {
		t.Errorf("scores: %+v", s)
	}
	zeros := canned{"float": {{row(0, 0)}}, "other": {{row(0, 0)}}}
	ref, err = NewReference(context.Background(), zeros, infer.Options{}, answering("float", ops, "y"), samples[:1], nil)
	if err != nil || ref.Float.CosineOf != 0 || ref.Float.Outputs[0].Cosine != nil || ref.Float.SQNR != maxSQNR {
		t.Errorf("zeros have a cosine: %+v, %v", ref.Float, err)
	}
}

func TestWhatTheFirstOutputIsTakenFor(t *testing.T) {
	for name, c := range map[string]struct {
		m       *onnx.Model
		dims    []int64
		asked   string
		labels  bool
		classes bool
		guess   bool
	}{
		"softmax":     {answering("", []string{"Softmax"}, "y"), []int64{1, 3}, "auto", false, true, false},
		"logits":      {answering("", []string{"Gemm"}, "logits"), []int64{1, 3, 1, 1}, "auto", false, true, false},
		"one list":    {answering("", []string{"Gemm"}, "y"), []int64{1, 3}, "auto", false, true, true},
		"embedding":   {answering("", []string{"Gemm"}, "sentence_embedding"), []int64{1, 384}, "auto", false, false, true},
		"sequence":    {answering("", []string{"Softmax"}, "y"), []int64{1, 7, 3}, "auto", true, false, false},
		"one number":  {answering("", []string{"Sigmoid"}, "y"), []int64{1, 1}, "auto", false, false, false},
		"two outputs": {answering("", []string{"Gemm", "Gemm"}, "y", "z"), []int64{1, 3}, "auto", false, false, true},
		"labels":      {answering("", []string{"Gemm", "Gemm"}, "y", "z"), []int64{1, 3}, "auto", true, true, false},
		"said":        {answering("", []string{"Softmax"}, "y"), []int64{1, 3}, "values", true, false, false},
	} {
		if k := kindOf(c.m, c.dims, c.asked, c.labels); k.Classes != c.classes || k.Guess != c.guess {
			t.Errorf("%s: %+v", name, k)
		}
	}
}

func TestOutputsThatTheRunnerCannotBring(t *testing.T) {
	m := answering("", []string{"Relu", "Relu", "Relu", "Relu"}, "half", "text", "scalar", "flag")
	for i, e := range []onnx.DataType{onnx.Float16, onnx.Text, onnx.Float32, onnx.Bool} {
		m.Graph.Outputs[i].Elem = e
	}
	m.Graph.Outputs[2].Shape = []onnx.Dim{}
	c, skipped := readable(m)
	if !slices.Equal(skipped, []string{"text (string)"}) || len(c.Graph.Outputs) != 3 {
		t.Errorf("skipped %v", skipped)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"half/cast", "scalar/reshape", "flag/cast"} {
		if !strings.HasPrefix(c.Graph.Outputs[i].Name, want) {
			t.Errorf("output %d is %s", i, c.Graph.Outputs[i].Name)
		}
	}
	if len(m.Graph.Nodes) != 4 {
		t.Error("the model itself was changed")
	}
	// Where nothing is left, no model without outputs goes to the runtime.
	m.Graph.Outputs = m.Graph.Outputs[1:2]
	if _, _, err := (&Reference{}).answers(t.Context(), m); err == nil ||
		err.Error() != "no output of the model can be compared: text (string)" {
		t.Errorf("error is %v", err)
	}
}
