package matrix

import (
	"context"
	"fmt"

	"chexp/experiments/trial"
)

// An Examination finds out something about a variant that is not a latency. It is
// called once for every model × provider × threads × batch that lacks a result,
// with the first such trial and before that trial's process is started, so it
// never runs beside a timed block. It may start a process of its own
// ([Runner.Ask]) and bounds its time itself. What it finds goes into the result of
// every repetition of the variant; what it could not find out is a Finding too (a
// Reading that says why). The error is ctx's, or one that must end the run.
type Examination func(ctx context.Context, t trial.Trial) (Finding, error)

// A Finding writes itself into a result; nil has nothing to write.
type Finding func(*trial.Result)

// variant is what the repetitions of a trial have in common. Labels and
// models are unique within a plan, so no options are needed.
type variant struct {
	model, provider string
	threads, batch  int
}

func variantOf(t trial.Trial) variant {
	return variant{t.Model, t.Provider.Label(), t.Threads, t.Batch}
}

// examine does what Before asks for, unless that variant has been examined.
func (s *Supervisor) examine(ctx context.Context, t trial.Trial) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v := variantOf(t)
	if _, done := s.record.found[v]; done {
		return nil
	}
	s.record.progress(fmt.Sprintf("looking at %s on %s, %d threads, before it is timed",
		t.Model, t.Provider.Label(), t.Threads))
	found := []Finding{}
	for _, examination := range s.Before {
		f, err := examination(ctx, t)
		if err != nil {
			return err
		}
		if f != nil {
			found = append(found, f)
		}
	}
	s.record.found[v] = found
	return s.record.err
}
