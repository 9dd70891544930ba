package run

import (
	"fmt"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/store"
)

// Run is one run on this machine: its directory, what was asked for, and what
// is to be measured.
type Run struct {
	Store      *store.Run
	Experiment *spec.Experiment
	Plan       *trial.Plan
	// Files says where this machine has the models, runtimes and pictures: the
	// SHA-256 of each, in lower-case hex, and its file.
	Files    map[string]string
	Lacks    error // what of these is not there any more; nil: nothing
	Commands Commands

	rescued string // where results lie that did not fit on the disk; "" if none do
}

// ModelFile returns the file of this machine that holds the content with this
// SHA-256; "" if there is none.
func (r *Run) ModelFile(sha256 string) (string, error) { return r.Files[sha256], nil }

// Incomplete returns an error of kind [failure.Trials] when some of the results
// are partial, missing or failed, nil otherwise.
func (r *Run) Incomplete(results []*trial.Result) error {
	failed, partial, out := 0, 0, 0
	for _, res := range results {
		switch {
		case res.LeftOut():
			out++
		case res.Partial != nil:
			partial++
		case res.Outcome == trial.Failed:
			failed++
		}
	}
	all := len(r.Plan.Trials)
	missing := all - len(results)
	switch {
	case out > 0:
		return failure.Trials.
			Errorf("%d of %d trials were left out, as the lease had no time for them%s", out, all,
				words.When(partial+missing > 0, fmt.Sprintf(", and %d are not whole", partial+missing))).
			Advise("`%s` measures them in a new lease", r.Commands.Resume())
	case partial > 0 && missing > 0:
		return failure.Trials.
			Errorf("%d of %d trials were interrupted, %d have no result", partial, all, missing).
			Advise("`%s` measures what is not whole", r.Commands.Resume())
	case partial > 0:
		return failure.Trials.Errorf("%d of %d trials were interrupted", partial, all).
			Advise("`%s` measures what is not whole", r.Commands.Resume())
	case missing > 0:
		return failure.Trials.Errorf("%d of %d trials have no result", missing, all).
			Advise("`%s` measures what is missing", r.Commands.Resume())
	case failed > 0:
		return failure.Trials.Errorf("%d of %d trials failed", failed, all).
			Advise("the reasons stand below the table and in results/<trial>.json")
	}
	return nil
}

// todo is what a run still has to measure.
type todo struct {
	trials []trial.Trial // that have no whole result, in the plan's order
	begun  int           // how many of them have a partial one
}

// Whole reports whether every trial has a whole result at home.
func (r *Run) Whole() (bool, error) {
	rest, err := r.unmeasured()
	return len(rest.trials) == 0, err
}

// unmeasured compares the plan with the results at home.
func (r *Run) unmeasured() (todo, error) {
	results, err := r.Store.Results(r.Plan)
	if err != nil {
		return todo{}, err
	}
	var rest todo
	whole := map[string]bool{}
	for _, res := range results {
		whole[res.TrialID] = res.Partial == nil
		if res.Partial != nil && !res.LeftOut() {
			rest.begun++
		}
	}
	for _, t := range r.Plan.Trials {
		if !whole[t.ID] {
			rest.trials = append(rest.trials, t)
		}
	}
	return rest, nil
}
