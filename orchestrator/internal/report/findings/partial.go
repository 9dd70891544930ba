package findings

import (
	"cmp"
	"fmt"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// interrupted tells of a run that ended before its trials did: each that has no
// result says why, and the caveat how many there are of either kind.
func (b *builder) interrupted() {
	partial, missing, why := 0, 0, ""
	for _, r := range b.Rows {
		switch {
		case r.Partial != nil && r.Outcome != judge.Missing:
			partial++
		case r.Outcome == judge.Missing:
			missing++
		}
		if why == "" && r.Partial != nil {
			why = r.Partial.Why
		}
	}
	if why == "" {
		return
	}
	for _, r := range b.Rows {
		if r.Outcome == judge.Missing && r.Partial == nil {
			r.Reasons = []trial.Reason{{Code: trial.ReasonStopped,
				Text: "not measured: the run ended before its turn: " + why}}
		}
	}
	var parts []string
	if partial > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s %s only some of the blocks asked for", partial,
			words.Plural(len(b.Rows), "trial"), have(partial)))
	}
	if missing > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s %s not measured", missing, words.Plural(len(b.Rows), "trial"),
			were(missing)))
	}
	b.Interrupted = "The run ended early (" + why + "): " + strings.Join(parts, ", ") +
		". chexp run --resume " + cmp.Or(b.Run.ID, "RUN") + " measures the rest."
}

func have(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
