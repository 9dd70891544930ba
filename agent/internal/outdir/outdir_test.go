package outdir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
)

// The trials of all tests.
const (
	a = "a.cpu.t1.b1.r1"
	b = "b.cpu.t1.b1.r1"
	c = "c.cpu.t1.b1.r1"
	d = "d.cpu.t1.b1.r1"
	e = "e.cpu.t1.b1.r1"
)

func model(id string) trial.Model {
	return trial.Model{Name: id[:1], SHA256: strings.Repeat("0", 64)}
}

func plan(ids ...string) *trial.Plan {
	p := &trial.Plan{Schema: trial.PlanSchema, RunID: "run"}
	for _, id := range ids {
		p.Models = append(p.Models, model(id))
		p.Trials = append(p.Trials, trial.Trial{ID: id, Model: id[:1], Provider: trial.Provider{Name: "cpu"},
			Threads: 1, Batch: 1, Repetition: 1})
	}
	return p
}

func open(t *testing.T, dir string, p *trial.Plan) *Recorder {
	t.Helper()
	r, err := Open(dir, p, "sum", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func result(id string) *trial.Result {
	return &trial.Result{Schema: trial.ResultSchema, RunID: "run", TrialID: id, Model: model(id),
		Provider: trial.Provider{Name: "cpu"},
		Threads:  1, Batch: 1, Repetition: 1, Outcome: trial.OK, LatenciesNS: []int64{1}, Summary: &trial.Summary{N: 1}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lock(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := Lock(dir)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func status(t *testing.T, dir string, since int64, maxBytes int) trial.StatusReply {
	t.Helper()
	reply, err := Status(dir, since, maxBytes)
	must(t, err)
	return reply
}

func TestNotStarted(t *testing.T) {
	reply := status(t, t.TempDir(), 0, 1000)
	if reply.State.Phase != trial.NotStarted || len(reply.Events) != 0 {
		t.Errorf("%+v", reply)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	if held, err := Held(dir); held || err != nil {
		t.Fatalf("held before there is a lock: %v %v", held, err)
	}
	f := lock(t, dir)
	if held, err := Held(dir); !held || err != nil {
		t.Fatalf("not held: %v %v", held, err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrHeld) {
		t.Fatalf("second lock: %v", err)
	}
	f.Close()
	if held, err := Held(dir); held || err != nil {
		t.Fatalf("still held: %v %v", held, err)
	}
}

// A running state without the lock is a dead supervisor; with it, it is not.
func TestDead(t *testing.T) {
	dir := t.TempDir()
	f := lock(t, dir)
	open(t, dir, plan(a))
	if s := status(t, dir, 0, 1000).State; s.Phase != trial.Running {
		t.Errorf("phase %s under the lock", s.Phase)
	}
	f.Close()
	s := status(t, dir, 0, 1000).State
	if s.Phase != trial.Dead || s.Text == "" {
		t.Errorf("phase %s (%q) without the lock", s.Phase, s.Text)
	}
}

func TestEventsPaged(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, plan(a))
	for range 50 {
		must(t, r.Event(trial.Event{Type: trial.Note, Text: strings.Repeat("x", 100)}))
	}
	var since int64
	pages := 0
	for {
		reply := status(t, dir, since, 4096)
		for _, e := range reply.Events {
			if since++; e.Seq != since || e.Schema != trial.EventSchema || e.Time.IsZero() {
				t.Fatalf("event %+v where %d was due", e, since)
			}
		}
		pages++
		if !reply.More {
			break
		}
		if len(reply.Events) == 0 {
			t.Fatal("more, but no event")
		}
	}
	if since != 50 || pages < 3 {
		t.Errorf("%d events in %d pages of 4 KiB", since, pages)
	}
	// An event larger than the limit still gets through, alone.
	if reply := status(t, dir, 0, 1); len(reply.Events) != 1 || !reply.More {
		t.Errorf("%d events with a limit of one byte", len(reply.Events))
	}
}

func TestEventTextBounded(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, plan(a))
	long := strings.Repeat("ä", 100000)
	reasons := []trial.Reason{{Code: "c", Text: long, Next: long}}
	must(t, r.Event(trial.Event{Type: trial.TrialFinished, Text: long, Reasons: reasons}))
	if reasons[0].Text != long {
		t.Error("the result's own reason was shortened")
	}
	raw, err := os.ReadFile(filepath.Join(dir, trial.EventsFile))
	must(t, err)
	if len(raw) > 4096 {
		t.Errorf("one event has %d bytes", len(raw))
	}
}

// Killed in the middle of a line: it is dropped, and numbers go on without a gap.
func TestTornEvent(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, plan(a))
	must(t, r.Event(trial.Event{Type: trial.RunStarted}))
	must(t, r.Event(trial.Event{Type: trial.TrialFinished, Trial: a}))
	path := filepath.Join(dir, trial.EventsFile)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	f.WriteString(`{"schema":"chexp.event/v1","seq":3,"ti`)
	f.Close()
	if reply := status(t, dir, 0, 10000); len(reply.Events) != 2 {
		t.Errorf("%d events while a third is being written", len(reply.Events))
	}
	r = open(t, dir, plan(a))
	if !r.Announced(a) || r.Announced(b) {
		t.Error("the announced trials were not found")
	}
	must(t, r.Event(trial.Event{Type: trial.Note}))
	reply := status(t, dir, 0, 10000)
	if len(reply.Events) != 3 || reply.Events[2].Seq != 3 || reply.Events[2].Type != trial.Note {
		t.Errorf("after the torn line: %+v", reply.Events)
	}
}

func TestResultsKeptAndChecked(t *testing.T) {
	dir := t.TempDir()
	ids := []string{a, b, c, d, e}
	r := open(t, dir, plan(ids...))
	for _, id := range ids[:4] {
		if _, err := r.Result(result(id)); err != nil {
			t.Fatal(err)
		}
	}
	// b is torn, c is another run's, d another trial's; e never ran.
	must(t, os.Truncate(r.resultPath(b), 20))
	other := result(c)
	other.RunID = "older"
	_, err := r.Result(other)
	must(t, err)
	must(t, os.Rename(r.resultPath(a), r.resultPath(d)))
	_, err = r.Result(result(a))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, trial.ResultsDir, ".tmp-123"), []byte("{"), 0o600))

	r = open(t, dir, plan(ids...))
	for _, id := range ids {
		if r.Has(id) != (id == a) {
			t.Errorf("has %s: %v", id, r.Has(id))
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, trial.ResultsDir, ".tmp-*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if s := status(t, dir, 0, 1000).State; s.Done != 1 || s.Total != 5 {
		t.Errorf("state %+v", s)
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, plan(b, a))
	sums := map[string]string{}
	for _, id := range []string{b, a} {
		sum, err := r.Result(result(id))
		must(t, err)
		sums[id] = sum
	}
	must(t, r.Sums())
	raw, err := os.ReadFile(filepath.Join(dir, trial.ResultSums))
	must(t, err)
	if want := sums[a] + "  " + a + ".json\n" + sums[b] + "  " + b + ".json\n"; string(raw) != want {
		t.Errorf("sums are\n%swant\n%s", raw, want)
	}
}

func TestStopRequest(t *testing.T) {
	dir := t.TempDir()
	lock(t, dir)
	if _, asked := StopRequested(dir); asked {
		t.Error("stop before anybody asked")
	}
	must(t, RequestStop(dir, "the lease ends"))
	if why, asked := StopRequested(dir); !asked || why != "the lease ends" {
		t.Errorf("after a request: %v, %q", asked, why)
	}
	must(t, ClearStop(dir))
	must(t, ClearStop(dir))
	if _, asked := StopRequested(dir); asked {
		t.Error("the request was not cleared")
	}
}

func TestDeadline(t *testing.T) {
	dir := t.TempDir()
	lock(t, dir)
	if left, set := Deadline(dir, 5); set {
		t.Errorf("%v left before anybody set a deadline", left)
	}
	must(t, SetDeadline(dir, 5, time.Minute))
	if left, set := Deadline(dir, 5+int64(time.Second)); !set || left != 59*time.Second {
		t.Errorf("%v left, %v", left, set)
	}
	must(t, SetDeadline(dir, 5, 0))
	must(t, SetDeadline(dir, 5, 0))
	if left, set := Deadline(dir, 5); set {
		t.Errorf("%v left of no deadline", left)
	}
}
