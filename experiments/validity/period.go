package validity

import (
	"fmt"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// Period is when a result can have been measured, as whoever started the agent knows
// by a clock of his own, and how the device's clock stands to that one.
type Period struct {
	From   time.Time     // before the agent was started; zero: not known
	To     time.Time     // when the result was home; zero: not known
	Ahead  time.Duration // how far the device's clock is ahead; negative: behind
	Within time.Duration // by how much Ahead may be wrong
}

// Checks finds a result whose times, with the device's offset taken off, lie outside
// the period; of any other it says nothing. One that ends before it starts has a
// check of its own.
func (p Period) Checks(r *trial.Result) []stats.Check {
	start, end := r.Start.Add(-p.Ahead), r.End.Add(-p.Ahead)
	var off time.Duration
	var text string
	switch {
	case end.Before(start):
		return nil
	case !p.From.IsZero() && start.Before(p.From.Add(-p.Within)):
		off = start.Sub(p.From)
		text = fmt.Sprintf("it starts %s before its agent was started", (-off).Round(time.Second))
	case !p.To.IsZero() && end.After(p.To.Add(p.Within)):
		off = end.Sub(p.To)
		text = fmt.Sprintf("it ends %s after it was brought home", off.Round(time.Second))
	default:
		return nil
	}
	way := "ahead"
	if p.Ahead < 0 {
		way = "behind"
	}
	return []stats.Check{{
		Name: Times, Outcome: stats.Invalid, Value: trial.Read(off.Seconds()), Unit: "s",
		Text: fmt.Sprintf("%s, with the %s that the device's clock was %s taken off", text,
			p.Ahead.Abs().Round(time.Second), way),
		Remedy: "measure again; a device's clock that was set after the run had asked for it does this, and so does a " +
			"result of another attempt",
	}}
}
