package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// execution is one process's go at a run. What it does with a device is an
// [attempt]'s; there is one at a time.
type execution struct {
	Config
	attempt *attempt // never nil; before the first lease it holds nothing
}

// Execute starts a run, or goes on with one whose journal has entries. ctx ends
// the work; cleanup ends the giving back that follows, so the caller can wire
// a first and a second Ctrl-C. The error says why the run is not complete; it
// is of kind [failure.Trials] when all is well but for failed trials.
func Execute(ctx, cleanup context.Context, cfg Config) error {
	if cfg.Patience == (Patience{}) {
		cfg.Patience = DefaultPatience()
	}
	entries, err := cfg.Store.Entries()
	if err != nil {
		return err
	}
	todo, err := cfg.todo()
	if err != nil {
		return err
	}
	x := &execution{Config: cfg, attempt: newAttempt(cfg, Replay(entries).Attempt, todo)}
	stop, err := x.forward(ctx)
	if stop {
		return nil
	}
	if err != nil {
		x.write(store.Entry{Kind: store.Failed, Text: err.Error()})
		err = x.interrupted(ctx, err)
		if rescued := x.attempt.salvage(cleanup, x.early(ctx)); rescued != nil {
			x.Observe.Warn("partial results could not be brought home: " + rescued.Error())
		}
	}
	x.attempt.hangUp()
	// What is left on a cloud outweighs every other news.
	kept := x.attempt.release(cleanup)
	return errors.Join(kept, err, x.finish(err == nil && kept == nil))
}

// interrupted gives a cancelled run its own words.
func (x *execution) interrupted(ctx context.Context, err error) error {
	if x.attempt.booked() {
		return x.attempt.bookingStays(ctx, err)
	}
	if ctx.Err() == nil {
		return err
	}
	return failure.Interrupted.Errorf("interrupted").
		Advise("`%s` goes on with the trials that are not whole", x.Commands.Resume()).
		Because(context.Cause(ctx))
}

// early is why a run ended before its trials, in the words of partial results.
func (x *execution) early(ctx context.Context) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return cmp.Or(x.attempt.why, "the run failed")
}

// forward carries the phases out until one fails. stop is true when the caller
// asked to leave everything as it is.
func (x *execution) forward(ctx context.Context) (stop bool, err error) {
	if x.Until == PhasePlan {
		return true, nil
	}
	if len(x.attempt.todo.trials) == 0 {
		return false, nil // every trial has its result: only giving back is left
	}
	if stop, err = x.step(ctx, PhaseLease, x.reserve); stop || err != nil {
		return stop, err
	}
	a := x.attempt
	for _, s := range []struct {
		phase Phase
		do    func(context.Context) (string, error)
	}{
		{PhaseContainer, a.launch},
		{PhasePush, a.push},
		{PhaseRun, a.measure},
		{PhaseFetch, a.fetch},
	} {
		if stop, err = x.step(ctx, s.phase, s.do); stop || err != nil {
			return stop, err
		}
	}
	return false, nil
}

// step carries one phase out and says whether the run is to stop after it.
func (x *execution) step(
	ctx context.Context, p Phase, do func(context.Context) (string, error),
) (stop bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	x.write(store.Entry{Kind: store.Began, Phase: string(p)})
	text, err := do(ctx)
	if err != nil {
		return false, fmt.Errorf("%s: %w", p, err)
	}
	x.write(store.Entry{Kind: store.Ended, Phase: string(p), Text: text})
	x.Observe.PhaseEnd(p, text)
	if x.Until == p || x.Detach && (p == PhaseRun || x.attempt.booked()) {
		x.attempt.hangUp()
		return true, nil
	}
	return false, nil
}

// reserve goes on with the lease of an earlier process if that still serves,
// else it begins the next attempt with a new one.
func (x *execution) reserve(ctx context.Context) (string, error) {
	x.Observe.Phase(PhaseLease, "")
	if x.attempt.held.Lease.Open() {
		l, serves, err := x.attempt.revisit(ctx)
		if err != nil {
			return "", err
		}
		if serves {
			x.Observe.Say(x.attempt.foundAgain(l))
			return x.attempt.await(ctx, l)
		}
	}
	if !x.attempt.held.Lease.Open() { // an open one was asked for, and is asked for again
		x.attempt = newAttempt(x.Config, Attempt{N: x.attempt.held.N}, x.attempt.todo)
	}
	return reserving{x.attempt}.reserve(ctx)
}

// finish renders the reports and closes the journal when nothing is left.
func (x *execution) finish(complete bool) error {
	x.Observe.Phase(PhaseReport, "")
	x.write(store.Entry{Kind: store.Began, Phase: string(PhaseReport)})
	if err := x.Report(); err != nil {
		return fmt.Errorf("%s: %w", PhaseReport, err)
	}
	x.write(store.Entry{Kind: store.Ended, Phase: string(PhaseReport)})
	x.Observe.PhaseEnd(PhaseReport, x.Store.Dir+"/report.html")
	if complete && !x.attempt.held.Open() {
		x.write(store.Entry{Kind: store.Finished})
	}
	return nil
}

// write adds an entry to the journal. One that could not be written is said
// aloud; intents are written by [attempt.intend].
func (c *Config) write(e store.Entry) {
	if err := c.Store.Record(e); err != nil {
		c.Observe.Warn("the journal could not be written: " + err.Error())
	}
}

// raw is the JSON of something that the journal keeps. What is kept can always
// be encoded.
func raw(v any) json.RawMessage {
	data, _ := json.Marshal(v)
	return data
}
