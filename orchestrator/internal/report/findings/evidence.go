package findings

import (
	"time"

	"chexp/experiments/compare"
	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/facts"
)

// Evidence hands one judged run over for a comparison with others: which trials
// can be believed, which budgets they met, and what may have changed their
// latencies. All texts of devices come out harmless.
func Evidence(in Input) compare.Run {
	run := judge.Results(in.Plan, in.Results, in.Origins, in.Budgets)
	about := cleanRun(in.Run)
	out := compare.Run{ID: about.ID, Kind: compare.Real}
	if in.Run.Rehearsal {
		out.Kind = compare.Rehearsal
	}
	for _, t := range run.Trials {
		r := newRow(t)
		x := compare.Trial{Trial: t, Why: r.shortly()}
		if t.Result != nil {
			if t.Result.Device.EmulatedBy() != "" {
				out.Kind = compare.Emulated
			}
			x.Board = facts.Kind(t.Result.Device)
			x.Facts = facts.Factors(t.Result, in.Plan, about.Image)
			if s := r.Start; !s.IsZero() && (out.Started.IsZero() || s.Before(out.Started)) {
				out.Started = s.UTC().Truncate(time.Second)
			}
			if e := t.Result.End; e.After(out.Ended) {
				out.Ended = e.UTC()
			}
		}
		out.Trials = append(out.Trials, x)
	}
	return out
}

// shortly names what speaks against a row: checks, or reasons.
func (r *Row) shortly() (out []string) {
	switch {
	case r.Sound():
		for _, c := range r.Failing() {
			if c.Outcome == r.Validity {
				out = append(out, c.Name)
			}
		}
		if t, ok := r.Ran.Get(); ok && !r.Own() {
			out = []string{t.String()}
		}
	case r.Outcome == trial.OK:
		out = []string{"doubtful: " + words.List(r.Doubts, "; ", 2)}
	default:
		out = []string{string(r.Outcome) + ": " + words.List(texts(r.Reasons), "; ", 2)}
	}
	return out
}
