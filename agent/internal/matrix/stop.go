package matrix

import (
	"context"
	"errors"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Stopped is the error of a run that somebody or its deadline has ended; Text is
// why, in words that the partial results repeat.
type Stopped struct{ trial.Reason }

func (s *Stopped) Error() string { return "the run was stopped: " + s.Text }

// AsStopped is why a run ended with an error, if it was stopped; else nil.
func AsStopped(ctx context.Context, err error) *Stopped {
	var s *Stopped
	switch {
	case err == nil:
	case errors.As(err, &s):
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		if !errors.As(context.Cause(ctx), &s) {
			s = &Stopped{trial.Reason{Code: reason.Stopped, Text: "interrupted"}}
		}
	}
	return s
}

// Deadline is the [Stopped] of a run whose time is up.
func Deadline() *Stopped {
	return &Stopped{trial.Reason{Code: trial.ReasonDeadline, Text: "the lease ends"}}
}

// LeftOut is the [Stopped] of a run whose time did not hold so many of its trials.
func LeftOut(n int) *Stopped {
	return &Stopped{trial.Reason{Code: trial.ReasonDeadline,
		Text: words.Plural(n, "trial") + " left out, as the lease's time does not hold them"}}
}

// timeFor ends the run if a trial's next block, as long as its longest so far,
// would not be complete in the time that is left: a block that is cut off is lost.
func (t *turns) timeFor(l *living) error {
	if t.left == nil {
		return nil
	}
	p, one := t.policy, l.inferenceTime()
	need := max(l.longest, p.Block, few*one)
	if p.Block <= 0 { // one piece
		need = max(p.MinTime, time.Duration(p.MinRuns)*one)
	}
	if left, limited := t.left(); limited && left <= need {
		return Deadline()
	}
	return nil
}

// interrupt ends a trial whose run is stopped, with what it has.
func (t *turns) interrupt(l *living, why string) {
	if l.over || l.result == nil {
		return
	}
	p := t.policy.Precision
	if p > 0 && l.wanted > 0 && len(l.result.Blocks) >= l.wanted && t.record.pools.width(l) <= p {
		t.record.finish(l) // it only waited for the others
		return
	}
	l.over, l.stopped = true, why
	l.process.kill()
	t.record.result(l)
}
