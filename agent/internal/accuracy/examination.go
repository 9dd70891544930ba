package accuracy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"chexp/agent/internal/matrix"
	"chexp/experiments/failure"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// Ask starts a runner with one document and returns its answer: matrix's
// Runner.Ask.
type Ask func(ctx context.Context, request any, timeout time.Duration, flags ...string) ([]byte, error)

// Record keeps answers over an end of the agent: outdir.Answers.
type Record interface {
	Answer(question string) ([]byte, bool)
	Keep(question string, answer []byte) error
}

// Examinations is what the supervisor does before it measures a variant: none,
// if the plan does not ask for accuracy. dir is the bundle's. note is told what
// was found: an evaluation takes seconds to minutes, in which nothing else
// happens. What stands in record is not evaluated again: the same model, provider,
// runtime and pictures give the same answers on the same machine. The caller makes
// sure that record holds no answers of another agent or another machine.
func Examinations(plan *trial.Plan, dir string, ask Ask, record Record,
	note func(trial.Event) error) []matrix.Examination {
	if plan.Accuracy == nil {
		return nil
	}
	e := &examiner{plan: plan, dir: dir, ask: ask, record: record, note: note, outputs: map[string]outputs{}}
	return []matrix.Examination{e.examine}
}

// examiner remembers what each model answered on each provider: neither threads
// nor batch nor repetition change that.
type examiner struct {
	plan    *trial.Plan
	dir     string
	ask     Ask
	record  Record
	note    func(trial.Event) error
	outputs map[string]outputs // by name
}

// outputs are one model's on one provider, or why there are none.
type outputs struct {
	name    string // model and provider
	why     string
	values  [][]float32 // one row a picture
	labels  []int
	threads int
	finite  bool
}

func name(t trial.Trial) string { return t.Model + " on " + t.Provider.Label() }

func (e *examiner) examine(ctx context.Context, t trial.Trial) (matrix.Finding, error) {
	mine, err := e.of(ctx, t)
	if err != nil {
		return nil, err
	}
	if mine.why != "" {
		return found(trial.Unread[trial.Accuracy](mine.why)), nil
	}
	a := score(mine, e.plan.Accuracy.Name)
	reference, err := e.reference(ctx, t)
	if err != nil {
		return nil, err
	}
	a.Agreement = agreement(mine, reference)
	return found(trial.Read(a)), nil
}

func found(a trial.Reading[trial.Accuracy]) matrix.Finding {
	return func(res *trial.Result) { res.Accuracy = a }
}

// reference is what a trial's answers are held against: the reference model on the
// first provider that is not skipped. Where a named runtime runs the trial, it is the
// same model on the first provider of the agent's own runtime, if that is measured: the
// question then is what the other runtime changes.
func (e *examiner) reference(ctx context.Context, of trial.Trial) (outputs, error) {
	for _, t := range e.plan.Trials {
		if of.Provider.Runtime != "" && t.Provider.Runtime == "" && t.Model == of.Model && t.Skip == "" {
			return e.of(ctx, t)
		}
	}
	for _, t := range e.plan.Trials {
		if t.Model == e.plan.Accuracy.Reference && t.Skip == "" {
			return e.of(ctx, t)
		}
	}
	return outputs{why: fmt.Sprintf("every trial of the reference model %s is skipped", e.plan.Accuracy.Reference)}, nil
}

// of runs the pictures through a trial's model on its provider, once.
func (e *examiner) of(ctx context.Context, t trial.Trial) (outputs, error) {
	key := name(t)
	if o, done := e.outputs[key]; done {
		return o, nil
	}
	req := Request{Provider: t.Provider, Pictures: e.plan.Accuracy.Pictures}
	for _, m := range e.plan.Models {
		if m.Name == t.Model {
			req.ModelPath, req.Inputs = filepath.Join(e.dir, filepath.FromSlash(m.Path())), m.Inputs
		}
	}
	if e.plan.Accuracy.Data == trial.PackedData {
		req.Pack = filepath.Join(e.dir, filepath.FromSlash(e.plan.Accuracy.Path()))
	}
	o := outputs{name: key}
	question := e.question(req)
	if answer, ok := e.record.Answer(question); ok {
		if o.read(answer, req.Pictures); o.why == "" {
			e.outputs[key] = o
			return o, e.note(trial.Event{Type: trial.Note,
				Text: "accuracy of " + key + ": " + o.summary() + ", measured before the interruption"})
		}
		o = outputs{name: key}
	}
	answer, err := e.ask(ctx, req, e.plan.Accuracy.Timeout, Flag)
	var failed *failure.Error
	switch {
	case errors.As(err, &failed):
		o.why = failed.Error()
	case err != nil:
		return outputs{}, err
	default:
		if o.read(answer, req.Pictures); o.why == "" {
			if err := e.record.Keep(question, answer); err != nil {
				if err := e.note(trial.Event{Type: trial.Note,
					Text: "accuracy of " + key + " is not on record, should the agent be killed: " +
						err.Error()}); err != nil {
					return outputs{}, err
				}
			}
		}
	}
	e.outputs[key] = o
	return o, e.note(trial.Event{Type: trial.Note, Text: "accuracy of " + key + ": " + o.summary()})
}

// question is all that the answer depends on, but for agent and machine: files by
// the SHA-256 that names them.
func (e *examiner) question(req Request) string {
	var runtime trial.NamedRuntime
	for _, r := range e.plan.Runtimes {
		if r.Name == req.Provider.Runtime {
			runtime = r
		}
	}
	text, err := json.Marshal(struct {
		Request
		Data    string
		Runtime trial.NamedRuntime
	}{req, e.plan.Accuracy.Data, runtime})
	if err != nil {
		return "" // strings and numbers: it cannot happen
	}
	return string(text)
}

// summary is for the progress line.
func (o outputs) summary() string {
	if o.why != "" {
		return "not measured: " + o.why
	}
	a := score(o, "")
	return fmt.Sprintf("%d of %d right (%.1f %%)", a.Right, a.Pictures, 100*a.Top1)
}

// read checks an answer: it comes from a process that ran foreign code on a
// foreign file.
func (o *outputs) read(answer []byte, pictures int) {
	var r Reply
	if err := json.Unmarshal(answer, &r); err != nil {
		o.why = "the evaluation answered nonsense: " + err.Error()
		return
	}
	if r.Reason != nil {
		o.why = r.Reason.Text
		if r.Reason.Next != "" {
			o.why += "; " + r.Reason.Next
		}
		return
	}
	if !o.take(&r, pictures) {
		o.why = fmt.Sprintf("the evaluation answered with %d bytes and %d labels for %d pictures of %d classes",
			len(r.Outputs), len(r.Labels), pictures, r.Classes)
	}
}

// take reads the outputs, unless the answer contradicts itself.
func (o *outputs) take(r *Reply, pictures int) bool {
	if r.Classes < 1 || r.Classes > maxValues || len(r.Labels) != pictures || len(r.Outputs) != 4*r.Classes*pictures ||
		r.Threads < 1 {
		return false
	}
	o.labels, o.threads, o.finite = r.Labels, r.Threads, true
	for i := range pictures {
		row := make([]float32, r.Classes)
		for k := range row {
			row[k] = math.Float32frombits(binary.LittleEndian.Uint32(r.Outputs[4*(i*r.Classes+k):]))
			if v := float64(row[k]); math.IsNaN(v) || math.IsInf(v, 0) {
				o.finite = false
			}
		}
		o.values = append(o.values, row)
	}
	return true
}

// highest is the index of the highest value; -1 if any is not a number, which
// is no answer and so never right.
func highest(row []float32) int {
	best := 0
	for k, v := range row {
		if v != v {
			return -1
		}
		if v > row[best] {
			best = k
		}
	}
	return best
}

func score(o outputs, data string) trial.Accuracy {
	a := trial.Accuracy{Data: data, Pictures: len(o.values), Threads: o.threads}
	for i, row := range o.values {
		if highest(row) == o.labels[i] {
			a.Right++
		}
	}
	a.Top1 = float64(a.Right) / float64(a.Pictures)
	a.Interval = stats.Proportion(a.Right, a.Pictures)
	return a
}

func agreement(mine, reference outputs) trial.Reading[trial.Agreement] {
	switch {
	case reference.why != "":
		return trial.Unread[trial.Agreement](fmt.Sprintf("the reference, %s, has no outputs: %s", reference.name,
			reference.why))
	case len(mine.values[0]) != len(reference.values[0]):
		return trial.Unread[trial.Agreement](fmt.Sprintf("the reference, %s, has %d outputs, this model has %d",
			reference.name, len(reference.values[0]), len(mine.values[0])))
	case !mine.finite || !reference.finite:
		return trial.Unread[trial.Agreement]("some outputs are infinite or no numbers")
	}
	a := trial.Agreement{Reference: reference.name, Pictures: len(mine.values)}
	for i, row := range mine.values {
		other := reference.values[i]
		if highest(row) == highest(other) {
			a.Same++
		}
		var xy, xx, yy float64
		for k := range row {
			x, y := float64(row[k]), float64(other[k])
			xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
			a.MaxError = max(a.MaxError, math.Abs(x-y))
		}
		switch {
		case xx > 0 && yy > 0:
			a.Cosine += xy / math.Sqrt(xx) / math.Sqrt(yy) / float64(a.Pictures)
		case xx == yy: // both are zero, which is the same
			a.Cosine += 1 / float64(a.Pictures)
		}
	}
	return trial.Read(a)
}
