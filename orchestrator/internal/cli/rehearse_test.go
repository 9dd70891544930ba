package cli

import (
	"testing"
	"time"

	"chexp/experiments/spec"
	"chexp/experiments/trial"
)

func TestShorten(t *testing.T) {
	long := &spec.Experiment{
		Trials: spec.TrialPolicy{Repetitions: 3, Seed: 7, Policy: trial.Policy{
			Warmup: 10, MinRuns: 100, MinTime: 2 * time.Second, MaxTime: 20 * time.Second, Timeout: time.Minute,
			Block: time.Second, Precision: 0.02, CoolDown: time.Minute,
		}},
		Accuracy: &spec.Accuracy{Pictures: 500},
	}
	if !shorten(long) {
		t.Fatal("a long experiment stays long")
	}
	want := spec.TrialPolicy{Repetitions: 1, Seed: 7, Policy: trial.Policy{
		Warmup: 1, MinRuns: 6, MinTime: 10 * time.Millisecond, MaxTime: 20 * time.Second, Timeout: time.Minute,
	}}
	if long.Trials != want || long.Accuracy.Pictures != 10 {
		t.Errorf("got %+v and %d pictures", long.Trials, long.Accuracy.Pictures)
	}
	// What is brief, and a user's own pictures, stay as they are.
	brief := want
	brief.MinRuns, brief.Block = 8, time.Second
	e := &spec.Experiment{Trials: brief}
	if shorten(e) || e.Trials != brief {
		t.Errorf("a brief experiment became %+v", e.Trials)
	}
	own := &spec.Experiment{
		Trials:   spec.TrialPolicy{Repetitions: 2},
		Accuracy: &spec.Accuracy{Path: "/pictures", Pictures: 500},
	}
	if !shorten(own) || own.Accuracy.Pictures != 500 {
		t.Errorf("%d of the user's pictures", own.Accuracy.Pictures)
	}
}
