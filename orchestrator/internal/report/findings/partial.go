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
	var out []string
	for _, r := range b.Rows {
		switch {
		case r.Partial != nil && r.Partial.Needs > 0:
			out = append(out, fmt.Sprintf("%s (about %s)", r.ID, words.Span(r.Partial.Needs)))
			continue
		case r.Partial != nil && r.Outcome != judge.Missing:
			partial++
		case r.Outcome == judge.Missing:
			missing++
		}
		if why == "" && r.Partial != nil {
			why = r.Partial.Why
		}
	}
	resume := " chexp run --resume " + cmp.Or(b.Run.ID, "RUN") + " measures "
	if out != nil {
		b.Interrupted = "Left out before they began, as the lease had no time for them: " + words.List(out, ", ", 12) + "."
		if why == "" {
			b.Interrupted += resume + "them in a new lease."
			return
		}
		b.Interrupted += " "
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
	b.Interrupted += "The run ended early (" + why + "): " + strings.Join(parts, ", ") + "." + resume + "the rest."
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
