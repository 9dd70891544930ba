package validity

import (
	"fmt"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// What an interrupted trial must have for a median. Student's t gives an interval
// from three medians on, hence three blocks; any interval takes six inferences
// (package stats).
const (
	leastBlocks     = 3
	leastInferences = 6
)

// TooFew says why the blocks of a Partial result carry no median; "" where they do.
func TooFew(r *trial.Result) string {
	p := r.Partial
	if p == nil {
		return ""
	}
	blocks, n := len(r.Blocks), len(r.LatenciesNS)
	switch {
	case blocks == 0:
		return p.String()
	case blocks < leastBlocks && blocks < p.Asked:
		return fmt.Sprintf("%s; it takes %d", p, min(leastBlocks, p.Asked))
	case n < leastInferences:
		return fmt.Sprintf("%s, with %d inferences; it takes %d", p, n, leastInferences)
	}
	return ""
}

// checkComplete is asked of interrupted trials only. What is there of one may be as
// good as any; it is less than somebody thought necessary.
func checkComplete(r *trial.Result) stats.Check {
	p := r.Partial
	c := stats.Check{Name: Complete, Outcome: stats.Suspect, Value: trial.Read(float64(p.Blocks)), Limit: float64(p.Asked),
		Unit: "blocks",
		Text: p.String(), Remedy: fmt.Sprintf("measure the rest with `chexp run --resume %s`", r.RunID)}
	if short := TooFew(r); short != "" {
		c.Outcome, c.Text = stats.Invalid, short
	}
	return c
}

// checkTimes is asked of results only that end before they start. Where the blocks have
// their order by the monotonic clock, somebody set the other one back, which changes
// nothing that is judged. Else the times are not those of a measurement.
func checkTimes(r *trial.Result) stats.Check {
	back := r.Start.Sub(r.End)
	if r.InOrder() {
		return stats.Check{Name: Times, Outcome: stats.Valid, Value: trial.Read(-back.Seconds()), Unit: "s",
			Text: fmt.Sprintf("the device's clock was set back by %s or more meanwhile; order and durations are the "+
				"monotonic clock's", back)}
	}
	return stats.Check{
		Name: Times, Outcome: stats.Invalid, Value: trial.Read(-back.Seconds()), Unit: "s",
		Text: fmt.Sprintf("it ends %s before it starts, by the device's clock", back),
		Remedy: "measure again; a clock that was set back meanwhile does this, and so does a file that was not " +
			"written by an agent",
	}
}
