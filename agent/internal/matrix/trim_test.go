package matrix

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/experiments/trial"
)

// dear is a plan of three trials of 20 ms each inference, by the fake runner's word,
// with so many inferences: of 1.2 s work each.
func dear(repetitions int) *trial.Plan {
	p := matrixPlan([]string{"a", "b", "c"}, repetitions)
	p.Policy = trial.Policy{MinRuns: 60, Block: 200 * time.Millisecond, Timeout: time.Minute}
	return p
}

// limited runs a plan with so much time as a trial's own, and says what was measured.
func limited(t *testing.T, dir string, p *trial.Plan, left func() time.Duration) (whole, out []string, err error) {
	t.Helper()
	s := supervisor(t, dir, p)
	s.Left = func() (time.Duration, bool) { return left(), true }
	err = s.Run(context.Background())
	if err2 := s.Recorder.Close(); err2 != nil {
		t.Fatal(err2)
	}
	for _, tr := range p.Trials {
		res, err := outdir.ReadResult(dir, tr.ID)
		switch {
		case err != nil:
			t.Errorf("%s has no result: %v", tr.ID, err)
		case res.Partial == nil && res.Outcome == trial.OK:
			whole = append(whole, tr.ID)
		case res.Partial != nil && res.Partial.Needs > 0:
			out = append(out, tr.ID)
			if len(res.Blocks) > 0 || res.Outcome != trial.Failed ||
				!strings.Contains(res.Reasons[0].Text, "left out before it began: it takes about 1.") {
				t.Errorf("%s: %s %+v", tr.ID, res.Outcome, res.Reasons)
			}
		default:
			t.Errorf("%s is half measured: %+v", tr.ID, res.Partial)
		}
	}
	return whole, out, err
}

// What the time does not hold is left out as a whole, in the plan's order, and named;
// none is half measured. With more time the same run measures it.
func TestTrialsThatDoNotFitAreLeftOut(t *testing.T) {
	p := dear(1)
	dir := t.TempDir()
	whole, out, err := limited(t, dir, p, func() time.Duration { return 3 * time.Second })
	var stopped *Stopped
	if !errors.As(err, &stopped) || stopped.Code != trial.ReasonDeadline ||
		!strings.Contains(stopped.Text, "1 trial left out") {
		t.Errorf("the run ended with %v", err)
	}
	if !slices.Equal(whole, []string{p.Trials[0].ID, p.Trials[1].ID}) || !slices.Equal(out, []string{p.Trials[2].ID}) {
		t.Errorf("measured %v, left out %v", whole, out)
	}
	told := false
	for _, e := range events(t, dir) {
		told = told || e.Type == trial.Note && strings.Contains(e.Text, "left out") && strings.Contains(e.Text, out[0])
		if e.Type == trial.TrialFinished && (e.NeedsNS > 0) != (e.Trial == out[0]) {
			t.Errorf("event %+v", e)
		}
	}
	if !told {
		t.Error("no note says what was left out")
	}
	if whole, _, err = limited(t, dir, p, func() time.Duration { return time.Hour }); err != nil || len(whole) != 3 {
		t.Errorf("with more time: %v, %v", whole, err)
	}
}

// Another repetition's time is known before it is loaded.
func TestRepetitionsThatDoNotFitAreNotLoaded(t *testing.T) {
	p := dear(2)
	dir := t.TempDir()
	s := 0
	_, out, _ := limited(t, dir, p, func() time.Duration {
		if s++; s < 3 { // at the first wave
			return time.Hour
		}
		return 10 * time.Second
	})
	if len(out) != 0 {
		t.Errorf("left out: %v", out)
	}
}

// The plan's order decides, and a short trial behind a long one still fits.
func TestTrimGoesByThePlansOrder(t *testing.T) {
	p := dear(1)
	turns := &turns{policy: p.Policy, left: func() (time.Duration, bool) { return 100 * time.Second, true },
		record: &record{plan: p}}
	need := map[string]time.Duration{"a": 60 * time.Second, "b": 50 * time.Second, "c": 20 * time.Second}
	shuffled := []trial.Trial{p.Trials[2], p.Trials[1], p.Trials[0]}
	out := turns.trim(shuffled, func(trial.Trial) bool { return false },
		func(tr trial.Trial) time.Duration { return need[tr.Model] })
	if len(out) != 1 || out[p.Trials[1].ID] != 55*time.Second {
		t.Errorf("left out: %v", out)
	}
	if out = turns.trim(shuffled, func(tr trial.Trial) bool { return tr.Model == "b" },
		func(tr trial.Trial) time.Duration { return need[tr.Model] }); len(out) != 1 || out[p.Trials[2].ID] == 0 {
		t.Errorf("with b begun, left out: %v", out)
	}
}
