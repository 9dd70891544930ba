package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

// twelve is a plan whose trials have twelve blocks each; their latencies come
// from the seed.
func twelve(names ...string) *trial.Plan {
	p := matrixPlan(names, 1)
	for i := range p.Trials { // what the fake runner goes by
		p.Trials[i].ID = "noisy." + p.Trials[i].Model + ".t1.b2.r1"
	}
	p.Policy = trial.Policy{MinRuns: 60, Block: 100 * time.Millisecond, Timeout: time.Minute}
	return p
}

// stopAfter runs a plan until so many blocks have been handed out in all starts.
func stopAfter(t *testing.T, dir string, p *trial.Plan, turns int) *Supervisor {
	t.Helper()
	s := supervisor(t, dir, p)
	s.Left = func() (time.Duration, bool) {
		if s.turns.given >= turns {
			return 0, true
		}
		return time.Hour, true
	}
	err := s.Run(context.Background())
	var stopped *Stopped
	if !errors.As(err, &stopped) || stopped.Code != trial.ReasonDeadline {
		t.Fatalf("after %d turns: %v", turns, err)
	}
	if err := s.Recorder.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func resultsOf(t *testing.T, dir string, p *trial.Plan) map[string]*trial.Result {
	t.Helper()
	out := map[string]*trial.Result{}
	for _, tr := range p.Trials {
		res, err := outdir.ReadResult(dir, tr.ID)
		if err != nil {
			t.Fatal(err)
		}
		out[tr.Model] = res
	}
	return out
}

// timeless leaves what the seed decides.
func timeless(t *testing.T, res *trial.Result) string {
	t.Helper()
	r := *res
	r.Start, r.End = time.Time{}, time.Time{}
	r.Blocks = slices.Clone(r.Blocks)
	for i := range r.Blocks {
		r.Blocks[i].StartNS = 0
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A device without a battery may have a clock that is behind after it was interrupted: the
// blocks measured then come after those before all the same.
func TestStartsGoOnWhereTheClockWasSetBack(t *testing.T) {
	dir, p := t.TempDir(), twelve("a")
	first := stopAfter(t, dir, p, 4)
	state, _, err := outdir.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	state.Started = first.Recorder.Started().Add(time.Hour) // as the clock of now would have it
	raw, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, trial.StateFile), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := int64(-1)
	for i, b := range resultsOf(t, dir, p)["a"].Blocks {
		if b.StartNS <= before {
			t.Errorf("block %d starts at %d ns, the one before at %d ns", i+1, b.StartNS, before)
		}
		before = b.StartNS
	}
	if before < 0 {
		t.Error("no block")
	}
}

// Progress says of the trials that moved how well their medians are known, each once, and
// the end of a trial says what is known of it.
func TestProgressHasStandings(t *testing.T) {
	s := stopAfter(t, t.TempDir(), twelve("a", "b"), 20)
	r := s.record
	if len(r.moved) != 2 {
		t.Fatalf("%d trials moved", len(r.moved))
	}
	high := trial.Conditions{Temperature: trial.Read(trial.Range{Low: 50, High: 61.5})}
	latest := r.moved[1].result.Blocks
	latest[len(latest)-1].Conditions = &high
	all, celsius := r.standings()
	if len(all) != 2 || celsius != 61.5 || all[0].N == 0 || all[0].MedianNS == 0 || all[0].Interval == nil ||
		all[0].Interval.Low > all[0].MedianNS || all[0].Interval.High < all[0].MedianNS {
		t.Errorf("%+v at %v °C", all, celsius)
	}
	if again, celsius := r.standings(); again != nil || celsius != 0 {
		t.Errorf("said twice: %+v, %v", again, celsius)
	}
}

// A stopped run's results are bit for bit what the same blocks of a whole run are.
func TestStoppedRunIsAPrefix(t *testing.T) {
	p := twelve("a", "b", "c")
	whole, _, _ := turnsOf(t, p, nil)
	dir := t.TempDir()
	stopAfter(t, dir, p, 3*7+1)
	seven, eight := 0, 0
	for name, part := range resultsOf(t, dir, p) {
		full := *whole["noisy."+name+".t1.b2.r1"]
		n := len(part.Blocks)
		seven, eight = seven+n/7*(8-n), eight+n/8
		last := full.Blocks[n-1]
		full.Blocks, full.LatenciesNS = full.Blocks[:n], full.LatenciesNS[:last.First+last.N]
		full.PeakMemoryBytes = trial.Read(int64(7 + n))
		if err := journal.Settle(&full, 12, "the lease ends"); err != nil {
			t.Fatal(err)
		}
		if got, want := timeless(t, part), timeless(t, &full); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if part.Outcome != trial.OK || !strings.HasPrefix(part.Partial.String(), "stopped after ") ||
			part.Summary.N != last.First+last.N {
			t.Errorf("%s: %s, %v, %+v", name, part.Outcome, part.Partial, part.Summary)
		}
		// Made from the journal, as the orchestrator does, it is the same one.
		data, err := os.ReadFile(filepath.Join(dir, trial.JournalDir, part.TrialID+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		log, err := journal.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := log.Partial("the lease ends")
		if err != nil {
			t.Fatal(err)
		}
		again.End, part.End = time.Time{}, time.Time{}
		if got, want := asJSON(t, again), asJSON(t, part); got != want {
			t.Errorf("%s from its journal:\n%s\nwant\n%s", name, got, want)
		}
	}
	if seven != 2 || eight != 1 {
		t.Errorf("%d trials with seven blocks, %d with eight", seven, eight)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Stopped twice, then left alone: every trial is whole, no round has blocks of two
// process starts, no turn is taken twice, and what was measured first is still there.
func TestInterruptedRunGoesOn(t *testing.T) {
	p := twelve("a", "b", "c")
	dir := t.TempDir()
	stopAfter(t, dir, p, 3*4+2)
	first := resultsOf(t, dir, p)
	stopAfter(t, dir, p, 3*4+2+3*3)
	if err := os.RemoveAll(filepath.Join(dir, trial.ResultsDir)); err != nil { // as if it had been killed
		t.Fatal(err)
	}
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	startOf, seen := map[int]int{}, map[int]bool{}
	for name, res := range resultsOf(t, dir, p) {
		if res.Outcome != trial.OK || res.Partial != nil || len(res.Reasons) > 0 || len(res.Blocks) != 12 ||
			len(res.Restarts) != 2 || len(res.LatenciesNS) != 60 {
			t.Errorf("%s: %s %v %v, %d latencies in %d blocks, %d restarts", name, res.Outcome, res.Reasons,
				res.Partial, len(res.LatenciesNS), len(res.Blocks), len(res.Restarts))
		}
		for _, b := range res.Blocks {
			if start, known := startOf[b.Round]; known && start != b.Restarts {
				t.Errorf("round %d has blocks of the starts %d and %d", b.Round, start, b.Restarts)
			}
			startOf[b.Round] = b.Restarts
			if seen[b.Turn] {
				t.Errorf("turn %d was taken twice", b.Turn)
			}
			seen[b.Turn] = true
		}
		was := first[name]
		if !slices.Equal(res.LatenciesNS[:len(was.LatenciesNS)], was.LatenciesNS) || !res.Start.Equal(was.Start) {
			t.Errorf("%s: what was measured before the interruption is gone", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, trial.JournalDir, "*")); len(left) > 0 {
		t.Errorf("journals of whole trials: %v", left)
	}
	finished := map[string]int{}
	for _, e := range events(t, dir) {
		if e.Type == trial.TrialFinished {
			finished[e.Trial]++
		}
	}
	for id, n := range finished {
		if n != 3 { // partial, partial, whole
			t.Errorf("the end of %s was told %d times", id, n)
		}
	}
}

func TestTooFewBlocksAreNotMeasured(t *testing.T) {
	p := twelve("a", "b")
	dir := t.TempDir()
	stopAfter(t, dir, p, 3)
	for name, res := range resultsOf(t, dir, p) {
		if res.Outcome != trial.Failed || res.Reasons[0].Code != trial.ReasonStopped ||
			!strings.HasPrefix(res.Reasons[0].Text, "not measured: stopped after ") || len(res.Blocks) == 0 {
			t.Errorf("%s: %s %+v with %d blocks", name, res.Outcome, res.Reasons, len(res.Blocks))
		}
	}
}

// Stopped again before its processes are there, a run still has what it had.
func TestStoppedBeforeItGoesOn(t *testing.T) {
	p := twelve("a", "b")
	dir := t.TempDir()
	stopAfter(t, dir, p, 10)
	if err := os.RemoveAll(filepath.Join(dir, trial.ResultsDir)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(&Stopped{trial.Reason{Code: trial.ReasonStopped, Text: "SIGTERM"}})
	if err := supervisor(t, dir, p).Run(ctx); AsStopped(ctx, err) == nil {
		t.Fatal(err)
	}
	for name, res := range resultsOf(t, dir, p) {
		if res.Outcome != trial.OK || res.Partial.String() != "stopped after 5 of 12 blocks: SIGTERM" {
			t.Errorf("%s: %s, %v", name, res.Outcome, res.Partial)
		}
	}
}

// While it refines, a run that is stopped has more blocks than it was to have.
func TestStoppedWhileRefining(t *testing.T) {
	p := twelve("a")
	p.Policy.Precision = 1e-9
	dir := t.TempDir()
	stopAfter(t, dir, p, 15)
	res := resultsOf(t, dir, p)["a"]
	want := "stopped after 15 blocks, before the precision asked for was reached: the lease ends"
	if res.Partial.String() != want {
		t.Errorf("%v, want %s", res.Partial, want)
	}
	stopAfter(t, dir, p, 18)
	if res = resultsOf(t, dir, p)["a"]; len(res.Blocks) != 18 || len(res.Restarts) != 1 {
		t.Errorf("%d blocks, %d restarts", len(res.Blocks), len(res.Restarts))
	}
}

// A trial whose second process start fails has failed, with what the first measured.
func TestRestartThatFails(t *testing.T) {
	p := twelve("a")
	dir := t.TempDir()
	stopAfter(t, dir, p, 5)
	s := supervisor(t, dir, p)
	s.Runner.Args = []string{"/nonexistent/loader"}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if res := resultsOf(t, dir, p)["a"]; res.Outcome != trial.Failed || len(res.Blocks) != 5 || res.Partial != nil {
		t.Errorf("%s with %d blocks, %v", res.Outcome, len(res.Blocks), res.Partial)
	}
}

// Blocks of another machine or agent are no part of this one's results.
func TestAnotherMachineStartsOver(t *testing.T) {
	for name, change := range map[string]func(*Supervisor){
		"machine": func(s *Supervisor) { s.Device = func() trial.Device { return trial.Device{Cores: 8} } },
		"agent":   func(s *Supervisor) { s.Agent.SHA256 = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			p := twelve("a")
			dir := t.TempDir()
			stopAfter(t, dir, p, 7)
			s := supervisor(t, dir, p)
			change(s)
			if err := s.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if res := resultsOf(t, dir, p)["a"]; len(res.Blocks) != 12 || len(res.Restarts) != 0 {
				t.Errorf("%d blocks, %d restarts", len(res.Blocks), len(res.Restarts))
			}
			if list := events(t, dir); !slices.ContainsFunc(list,
				func(e trial.Event) bool { return strings.HasPrefix(e.Text, "started over") }) {
				t.Error("nothing says so")
			}
		})
	}
}

// A disk that takes no journal costs a note for each trial, and no measurement.
func TestWithoutJournal(t *testing.T) {
	p := twelve("a", "b")
	dir := t.TempDir()
	s := supervisor(t, dir, p)
	if err := os.RemoveAll(filepath.Join(dir, trial.JournalDir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	notes := 0
	for _, e := range events(t, dir) {
		if e.Type == trial.Note && strings.Contains(e.Text, "not on record") {
			notes++
		}
	}
	for name, res := range resultsOf(t, dir, p) {
		if res.Outcome != trial.OK || len(res.Blocks) != 12 {
			t.Errorf("%s: %s with %d blocks", name, res.Outcome, len(res.Blocks))
		}
	}
	if notes != 2 {
		t.Errorf("%d notes", notes)
	}
}
