package accuracy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/input"
	"chexp/experiments/trial"
	"chexp/models/pictures/pack"
	"chexp/models/plates"
)

// fake is a model whose answer to its n-th picture a test decides.
type fake struct {
	in     session.Buffer
	sums   []float64 // of each input
	runs   int
	answer func(n int) []float32
	closed bool
}

func newFake(answer func(int) []float32, shape ...int64) *fake {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	in := session.Buffer{Input: input.Input{Name: "x"}, Shape: shape, Float32: make([]float32, n)}
	return &fake{in: in, answer: answer}
}

func (f *fake) Inputs() []session.Buffer { return []session.Buffer{f.in} }
func (f *fake) Prepare() error           { return nil }
func (f *fake) Close() error             { f.closed = true; return nil }
func (f *fake) Run() error {
	sum := 0.0
	for _, v := range f.in.Float32 {
		sum += float64(v)
	}
	f.sums = append(f.sums, sum)
	f.runs++
	return nil
}
func (f *fake) FirstOutput() ([]float32, error) { return f.answer(f.runs - 1), nil }

// oneHot answers with one high value.
func oneHot(classes, k int) []float32 {
	out := make([]float32, classes)
	out[k] = 5
	return out
}

func right(n int) []float32 { return oneHot(plates.Classes, plates.Label(n)) }

func evaluateFake(f *fake, req Request) *Reply {
	return Evaluate(req, 2, func() (Engine, error) { return f, nil })
}

func TestEveryPictureIsSeenOnce(t *testing.T) {
	f := newFake(right, 1, 3, 32, 32)
	r := evaluateFake(f, Request{Pictures: 25})
	if r.Reason != nil || f.runs != 25 || !f.closed || r.Classes != 11 || r.Threads != 2 || len(r.Labels) != 25 ||
		len(r.Outputs) != 25*11*4 {
		t.Fatalf("%d runs, %+v", f.runs, r.Reason)
	}
	distinct := slices.Clone(f.sums)
	slices.Sort(distinct)
	if len(slices.Compact(distinct)) != 25 {
		t.Error("some pictures are alike")
	}
	// What the model saw is what the data set says.
	pixels, err := plates.Draw(plates.Evaluation, 24, 32)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, 3*32*32)
	plates.Input(want, pixels)
	if !slices.Equal(want, f.in.Float32) {
		t.Error("the last picture is not the data set's")
	}
}

func TestLayoutsAndTypes(t *testing.T) {
	p := picture{pixels: []uint8{10, 20, 30, 40, 50, 60}, mean: [3]float32{0, 0, 0},
		std: [3]float32{1. / 255, 1. / 255, 1. / 255}}
	first, last := make([]float32, 6), make([]uint8, 6)
	p.fill(image{Buffer: session.Buffer{Float32: first}})
	p.fill(image{Buffer: session.Buffer{Uint8: last}, last: true})
	for i, want := range []float64{10, 40, 20, 50, 30, 60} {
		if math.Abs(float64(first[i])-want) > 1e-4 {
			t.Errorf("NCHW %v", first)
			break
		}
	}
	if !slices.Equal(last, p.pixels) {
		t.Errorf("NHWC of bytes %v", last)
	}
}

func TestUnfitModels(t *testing.T) {
	for _, c := range []struct {
		name string
		f    *fake
		text string
	}{
		{"no image", newFake(right, 1, 10), "an image model's is"},
		{"two channels", newFake(right, 1, 2, 32, 32), "an image model's is"},
		{"not square", newFake(right, 1, 3, 32, 48), "48 × 32"},
		{"other classes", newFake(func(int) []float32 { return make([]float32, 1000) }, 1, 3, 32, 32), "1000 outputs"},
	} {
		r := evaluateFake(c.f, Request{Pictures: 3})
		if r.Reason == nil || r.Reason.Code != reason.InputUnsupported || !strings.Contains(r.Reason.Text, c.text) ||
			r.Outputs != nil || !c.f.closed {
			t.Errorf("%s: %+v", c.name, r.Reason)
		}
	}
	r := Evaluate(Request{Pictures: 1}, 1, func() (Engine, error) {
		return nil, reason.Errorf(reason.ProviderAbsent, "no acl")
	})
	if r.Reason == nil || r.Reason.Code != reason.ProviderAbsent {
		t.Errorf("%+v", r)
	}
	r = evaluateFake(newFake(func(int) []float32 { return oneHot(11, 0) }, 1, 3, 8, 8), Request{Pictures: maxValues})
	if r.Reason == nil || !strings.Contains(r.Reason.Next, "fewer") {
		t.Errorf("more outputs than an answer holds: %+v", r.Reason)
	}
}

func TestPackedPictures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pack")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	h := pack.Header{Pictures: 3, Side: 2, Labels: []string{"a", "b"}, Std: [3]float64{1, 1, 1}, Layout: "NHWC"}
	w, err := pack.NewWriter(file, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := w.Add(make([]uint8, 12), i%2); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	r := evaluateFake(newFake(func(int) []float32 { return oneHot(2, 1) }, 1, 2, 2, 3),
		Request{Pictures: 3, Pack: path})
	if r.Reason != nil || !slices.Equal(r.Labels, []int{0, 1, 0}) {
		t.Errorf("%+v %v", r.Reason, r.Labels)
	}
	for _, shape := range [][]int64{{1, 3, 2, 2}, {1, 4, 4, 3}} {
		if r := evaluateFake(newFake(right, shape...), Request{Pictures: 3, Pack: path}); r.Reason == nil ||
			!strings.Contains(r.Reason.Next, "preprocess") {
			t.Errorf("%v: %+v", shape, r.Reason)
		}
	}
	if r := evaluateFake(newFake(func(int) []float32 { return oneHot(2, 1) }, 1, 2, 2, 3),
		Request{Pictures: 4, Pack: path}); r.Reason == nil {
		t.Error("a picture that is not there was evaluated")
	}
}

// asked answers for the runner, by the model's file.
type asked struct {
	t      *testing.T
	calls  map[string]int
	notes  []string
	record outdir.Answers
	reply  map[string]any // a Reply, an error or bytes
}

func (a *asked) ask(_ context.Context, request any, timeout time.Duration, flags ...string) ([]byte, error) {
	req := request.(Request)
	key := filepath.Base(req.ModelPath)[:1] + "." + req.Provider.Name
	a.calls[key]++
	if !slices.Equal(flags, []string{Flag}) || timeout != time.Minute {
		a.t.Errorf("flags %v, timeout %v", flags, timeout)
	}
	switch r := a.reply[key].(type) {
	case error:
		return nil, r
	case []byte:
		return r, nil
	default:
		data, err := json.Marshal(r)
		return data, err
	}
}

func (a *asked) note(e trial.Event) error {
	if e.Type != trial.Note {
		a.t.Errorf("event %+v", e)
	}
	a.notes = append(a.notes, e.Text)
	return nil
}

func reply(labels []int, rows ...[]float32) Reply {
	r := Reply{Classes: len(rows[0]), Threads: 4, Labels: labels}
	for _, row := range rows {
		for _, v := range row {
			r.Outputs = binary.LittleEndian.AppendUint32(r.Outputs, math.Float32bits(v))
		}
	}
	return r
}

func plan(models []string, providers ...string) *trial.Plan {
	p := &trial.Plan{Accuracy: &trial.Evaluation{Data: trial.PlatesData, Pictures: 2, Name: "drawn",
		Reference: models[0], Timeout: time.Minute}}
	for _, m := range models {
		p.Models = append(p.Models, trial.Model{Name: m, SHA256: strings.Repeat(m, 64)})
		for _, provider := range providers {
			for threads := 1; threads <= 2; threads++ {
				p.Trials = append(p.Trials, trial.Trial{ID: trial.NewID(m, provider, threads, 1, 1), Model: m,
					Provider: trial.Provider{Name: provider}, Threads: threads})
			}
		}
	}
	return p
}

func examineAll(t *testing.T, p *trial.Plan, a *asked) map[string]trial.Reading[trial.Accuracy] {
	t.Helper()
	out := map[string]trial.Reading[trial.Accuracy]{}
	examinations := Examinations(p, "bundle", a.ask, a.record, a.note)
	for _, tr := range p.Trials {
		for _, x := range examinations {
			f, err := x(context.Background(), tr)
			if err != nil {
				t.Fatal(err)
			}
			var res trial.Result
			f(&res)
			out[tr.ID] = res.Accuracy
		}
	}
	return out
}

func TestAccuracyAndAgreement(t *testing.T) {
	labels := []int{0, 1}
	a := &asked{t: t, calls: map[string]int{}, reply: map[string]any{
		"a.cpu": reply(labels, []float32{3, 4}, []float32{0, 1}), // wrong, right
		"b.cpu": reply(labels, []float32{4, 3}, []float32{0, 3}), // right, right
		"a.acl": reason.Errorf(reason.RunnerCrashed, "killed by signal 11"),
		"b.acl": reply(labels, []float32{3, float32(math.NaN())}, []float32{0, 1}),
	}}
	got := examineAll(t, plan([]string{"a", "b"}, "cpu", "acl"), a)
	for key, n := range a.calls {
		if n != 1 {
			t.Errorf("%s was evaluated %d times", key, n)
		}
	}
	if len(a.notes) != 4 || a.notes[0] != "accuracy of a on cpu: 1 of 2 right (50.0 %)" ||
		!strings.Contains(strings.Join(a.notes, "\n"), "a on acl: not measured: killed") {
		t.Errorf("notes %q", a.notes)
	}
	ra, _ := got["a.cpu.t1.b1.r1"].Get()
	if ra.Right != 1 || ra.Pictures != 2 || ra.Top1 != 0.5 || ra.Data != "drawn" || ra.Threads != 4 ||
		ra.Interval.Low > 0.02 || ra.Interval.High < 0.98 {
		t.Errorf("a on cpu: %+v", ra)
	}
	if same, _ := ra.Agreement.Get(); same.Same != 2 || math.Abs(same.Cosine-1) > 1e-9 || same.MaxError != 0 ||
		same.Reference != "a on cpu" {
		t.Errorf("a does not agree with itself: %+v", same)
	}
	rb, _ := got["b.cpu.t2.b1.r1"].Get()
	g, _ := rb.Agreement.Get()
	if rb.Right != 2 || g.Same != 1 || math.Abs(g.Cosine-(24./25+1)/2) > 1e-9 || g.MaxError != 2 {
		t.Errorf("b on cpu: %+v %+v", rb, g)
	}
	if r := got["a.acl.t1.b1.r1"]; !strings.Contains(r.Unavailable, "signal 11") {
		t.Errorf("a on acl: %+v", r)
	}
	rn, _ := got["b.acl.t1.b1.r1"].Get()
	if rn.Right != 1 || !strings.Contains(rn.Agreement.Unavailable, "no numbers") {
		t.Errorf("b on acl, which answered with NaN: %+v", rn)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err) // NaN would end here
	}
}

func TestWithoutReference(t *testing.T) {
	labels := []int{0, 1}
	a := &asked{t: t, calls: map[string]int{}, reply: map[string]any{
		"a.cpu": Reply{Reason: &trial.Reason{Text: "bad model", Next: "fix it"}},
		"b.cpu": reply(labels, []float32{4, 3}, []float32{0, 3}),
	}}
	got := examineAll(t, plan([]string{"a", "b"}, "cpu"), a)
	if r := got["a.cpu.t1.b1.r1"]; r.Unavailable != "bad model; fix it" {
		t.Errorf("%+v", r)
	}
	if r, ok := got["b.cpu.t1.b1.r1"].Get(); !ok || r.Right != 2 ||
		!strings.Contains(r.Agreement.Unavailable, "bad model") {
		t.Errorf("%+v", r)
	}
	p := plan([]string{"a", "b"}, "cpu")
	p.Trials[0].Skip, p.Trials[1].Skip = "no", "no"
	if r, ok := examineAll(t, p, a)["b.cpu.t1.b1.r1"].Get(); !ok ||
		!strings.Contains(r.Agreement.Unavailable, "skipped") {
		t.Errorf("%+v", r)
	}
}

func TestNonsenseIsNoAccuracy(t *testing.T) {
	short := reply([]int{0, 1}, []float32{1, 2}, []float32{1, 2})
	short.Outputs = short.Outputs[:8]
	huge := Reply{Classes: 1 << 60, Threads: 1, Labels: []int{0, 1}}
	for name, r := range map[string]any{"no JSON": []byte("x"), "short": short, "empty": Reply{}, "huge": huge,
		"one picture": reply([]int{0}, []float32{1, 2})} {
		a := &asked{t: t, calls: map[string]int{}, reply: map[string]any{"a.cpu": r}}
		if got := examineAll(t, plan([]string{"a"}, "cpu"), a)["a.cpu.t1.b1.r1"]; got.Unavailable == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestStoppedOrNotAsked(t *testing.T) {
	a := &asked{t: t, calls: map[string]int{}, reply: map[string]any{"a.cpu": context.Canceled}}
	p := plan([]string{"a"}, "cpu")
	if _, err := Examinations(p, "", a.ask, a.record, a.note)[0](context.Background(), p.Trials[0]); !errors.Is(err,
		context.Canceled) {
		t.Errorf("%v", err)
	}
	p.Accuracy = nil
	if x := Examinations(p, "", a.ask, a.record, a.note); x != nil {
		t.Error("accuracy is measured though the plan does not ask for it")
	}
}

// After an end of the agent nothing is evaluated again that gave an answer; for
// another model file, number of pictures, agent or machine, or if the file is
// damaged, it is.
func TestAnswersOnRecord(t *testing.T) {
	labels, dir := []int{0, 1}, t.TempDir()
	agent, device := trial.Agent{SHA256: "1"}, trial.Device{CPU: trial.Read("A76")}
	replies := map[string]any{
		"a.cpu": reply(labels, []float32{3, 4}, []float32{0, 1}),
		"b.cpu": reason.Errorf(reason.RunnerCrashed, "killed by signal 11"),
	}
	examined := func(p *trial.Plan, agent trial.Agent, device trial.Device) (calls map[string]int, got string) {
		record, err := outdir.OpenAnswers(dir, agent, device)
		if err != nil {
			t.Fatal(err)
		}
		a := &asked{t: t, calls: map[string]int{}, record: record, reply: replies}
		raw, err := json.Marshal(examineAll(t, p, a))
		if err != nil {
			t.Fatal(err)
		}
		return a.calls, string(raw)
	}
	base := plan([]string{"a", "b"}, "cpu")
	first, before := examined(base, agent, device)
	again, after := examined(base, agent, device)
	if first["a.cpu"] != 1 || again["a.cpu"] != 0 || before != after {
		t.Errorf("asked %d and then %d times:\n%s\n%s", first["a.cpu"], again["a.cpu"], before, after)
	}
	if again["b.cpu"] != 1 {
		t.Errorf("an evaluation that was killed was asked for %d times again", again["b.cpu"])
	}
	other := plan([]string{"a", "b"}, "cpu")
	other.Models[0].SHA256 = strings.Repeat("a", 63) + "b"
	if calls, _ := examined(other, agent, device); calls["a.cpu"] != 1 {
		t.Error("another model file was not evaluated")
	}
	if calls, _ := examined(base, trial.Agent{SHA256: "2"}, device); calls["a.cpu"] != 1 {
		t.Error("another agent did not evaluate")
	}
	if calls, _ := examined(base, agent, trial.Device{CPU: trial.Read("A72")}); calls["a.cpu"] != 1 {
		t.Error("another machine did not evaluate")
	}
	files, _ := filepath.Glob(filepath.Join(dir, trial.OutDir, "*", "*"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-3] ^= 1
		if err := os.WriteFile(f, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if calls, got := examined(base, agent, device); len(files) == 0 || calls["a.cpu"] != 1 || got != before {
		t.Errorf("%d files; with damaged ones asked %d times", len(files), calls["a.cpu"])
	}
}
