package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// execution is one process's go at a run. What it does with a device is an
// [attempt]'s; there is one at a time for each of the run's devices.
type execution struct {
	Config
	leases   int        // asked for so far
	left     bool       // something stays as it is, as the caller asked
	drawing  sync.Mutex // one device of several draws another board: each has to know which the others have
	attempts []*attempt // by slot; never empty, and before the first lease they hold nothing
}

// Execute starts a run, or goes on with one whose journal has entries. ctx ends
// the work; cleanup ends the giving back that follows, so the caller can wire
// a first and a second Ctrl-C. The error says why the run is not complete; it
// is of kind [failure.Trials] when all is well but for failed trials.
func Execute(ctx, cleanup context.Context, cfg Config) error {
	x, err := take(cleanup, &cfg)
	if x == nil || x.Until == PhasePlan {
		return err
	}
	err = x.carryOut(ctx, cleanup)
	if x.Keep || x.left {
		x.write(store.Entry{Kind: store.Left, Text: x.asked()})
	}
	return err
}

// take takes a run up where its journal ends. One that cannot go on is given back;
// then there is no execution.
func take(cleanup context.Context, cfg *Config) (*execution, error) {
	cfg.settle()
	entries, err := cfg.Store.Entries()
	if err != nil {
		return nil, err
	}
	st := Replay(entries)
	x, err := newExecution(*cfg, st)
	if err != nil && st.Open() {
		return nil, GiveBack(cleanup, *cfg, err)
	}
	if err != nil {
		return nil, err
	}
	if !cutOff(entries).IsZero() {
		x.write(tookOver(len(st.Slots)))
	}
	return x, nil
}

// tookOver says that another process goes on from here. Without it, how this one ends
// would pass for the end of the requests that a dead one had under way, see [cutOff].
func tookOver(slots int) store.Entry {
	e := store.Entry{Kind: store.Began, Phase: string(PhaseRelease)}
	for slot := 1; slots > 1 && slot <= slots; slot++ {
		e.Slots = append(e.Slots, slot)
	}
	return e
}

// asked is what says that things stay as they are.
func (x *execution) asked() string {
	switch {
	case x.Keep:
		return "--keep"
	case x.Detach:
		return "--detach"
	}
	return "--until " + string(x.Until)
}

func (x *execution) carryOut(ctx, cleanup context.Context) error {
	if len(x.attempts) > 1 {
		return x.several(ctx, cleanup)
	}
	stop, err := x.forward(ctx)
	if stop {
		x.left = true
		return nil
	}
	a := concluding{x.attempts[0]}
	err = a.conclude(ctx, cleanup, err)
	// What is left on a cloud outweighs every other news.
	kept := errors.Join(a.release(cleanup), x.sweep(cleanup))
	return errors.Join(kept, err, x.finish(err == nil && kept == nil))
}

// newExecution takes a run up where its journal ends.
func newExecution(cfg Config, st State) (*execution, error) {
	x := &execution{Config: cfg, leases: st.Leases}
	n := cfg.Slots(st)
	for slot := 1; slot <= n; slot++ {
		own := cfg.device(slot, n)
		rest, err := own.unmeasured()
		if err != nil {
			return nil, err
		}
		x.attempts = append(x.attempts, newAttempt(own, st.Slot(slot), rest))
	}
	return x, nil
}

// concluding is how the work on an attempt's device ends.
type concluding struct{ *attempt }

// conclude ends the work on a device that failed with err, which may be nil: what
// is measured comes home, and nobody speaks to the agent any more.
func (a concluding) conclude(ctx, cleanup context.Context, err error) error {
	a.calm = ctx.Err() == nil
	if err != nil {
		a.write(store.Entry{Kind: store.Failed, Text: err.Error()})
		limit := time.Duration(0)
		if ctx.Err() != nil {
			limit = a.Patience.Salvage
		}
		left := homing(a).salvage(cleanup, a.early(ctx), limit)
		switch {
		case left != nil:
			err = a.notHome(ctx, cleanup, left, err)
		case ctx.Err() == nil && a.held.Started && homing(a).whole() && a.rescued == "":
			a.Observe.Say("every result is home all the same: " + err.Error())
			err = nil
		default:
			err = a.interrupted(ctx, err)
		}
	}
	a.hangUp()
	return err
}

// interrupted gives a cancelled run its own words.
func (a concluding) interrupted(ctx context.Context, err error) error {
	if a.booked() {
		return a.bookingStays(ctx, err)
	}
	if ctx.Err() == nil {
		return err
	}
	return failure.Interrupted.Errorf("interrupted").
		Advise("`%s` goes on with the trials that are not whole", a.Commands.Resume()).
		Because(context.Cause(ctx))
}

// early is why a run ended before its trials, in the words of partial results.
func (a concluding) early(ctx context.Context) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return cmp.Or(a.why, "the run failed")
}

// forward carries the phases out until one fails. stop is true when the caller
// asked to leave everything as it is.
func (x *execution) forward(ctx context.Context) (stop bool, err error) {
	if len(x.attempts[0].todo.trials) == 0 {
		return false, nil // every trial has its result: only giving back is left
	}
	if stop, err = x.step(ctx, PhaseLease, x.reserve); stop || err != nil {
		return stop, err
	}
	if x.detached() {
		return true, nil
	}
	return x.attempts[0].forward(ctx)
}

// detached reports whether there is nothing to wait for by a run that detaches: its
// lease is booked for later.
func (x *execution) detached() bool {
	return x.Detach && slices.ContainsFunc(x.attempts, (*attempt).booked)
}

// forward carries out the phases that follow the lease.
func (a *attempt) forward(ctx context.Context) (stop bool, err error) {
	for _, s := range []struct {
		phase Phase
		do    func(context.Context) (string, error)
	}{
		{PhaseContainer, boarding{a}.launch},
		{PhasePush, a.push},
		{PhaseRun, a.measure},
		{PhaseFetch, a.fetch},
	} {
		endure := func(ctx context.Context) (string, error) { return enduring{a}.patiently(ctx, s.do) }
		do := func(ctx context.Context) (string, error) { return inTurn(ctx, a.crowd.room(s.phase), endure) }
		if stop, err = a.step(ctx, s.phase, do); stop || err != nil {
			if stop {
				a.hangUp()
			}
			return stop, err
		}
	}
	return false, nil
}

// step carries one phase out and says whether the run is to stop after it.
func (c *Config) step(
	ctx context.Context, p Phase, do func(context.Context) (string, error),
) (stop bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	c.write(store.Entry{Kind: store.Began, Phase: string(p)})
	text, err := do(ctx)
	if ctx.Err() == nil {
		err = p.Failed(err)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", p, err)
	}
	c.write(store.Entry{Kind: store.Ended, Phase: string(p), Text: text})
	c.Observe.PhaseEnd(p, text)
	return c.Until == p || c.Detach && p == PhaseRun, nil
}

// Failed gives an error the kind that it has in a phase. Bad input means that nothing
// was created, which after the lease is not so any more. Where nobody has a word for it,
// most often as an answer did not come, it has that of what the phase speaks to: the
// site, or the device.
func (p Phase) Failed(err error) error {
	kind := failure.KindOf(err)
	switch {
	case err == nil, kind != failure.Unexpected && (kind != failure.Usage || p == PhaseLease), p == PhasePlan:
		return err
	case p == PhaseLease || p == PhaseContainer && kind == failure.Unexpected:
		return failure.Cloud.Wrap(err)
	}
	return failure.Device.Wrap(err)
}

// reserve goes on with the lease of an earlier process if that still serves,
// else it begins the next attempt with a new one.
func (x *execution) reserve(ctx context.Context) (string, error) {
	x.Observe.Phase(PhaseLease, "")
	a := x.attempts[0]
	text, serves, err := reserving{a}.goOn(ctx)
	if serves || err != nil {
		return text, err
	}
	if !a.held.Lease.Open() { // an open one was asked for, and is asked for again
		a = x.again(a)
	}
	return reserving{a}.reserve(ctx)
}

// goOn goes on with the lease of an earlier process, if that still serves.
func (a reserving) goOn(ctx context.Context) (text string, serves bool, err error) {
	if !a.held.Lease.Open() {
		return "", false, nil
	}
	l, serves, err := a.revisit(ctx)
	if !serves || err != nil {
		return "", false, err
	}
	a.lease = l
	if err := a.sendable(); err != nil {
		return "", false, err
	}
	a.Observe.Say(a.foundAgain(l))
	text, err = a.await(ctx, l)
	return text, true, err
}

// again begins the next attempt at a's device.
func (x *execution) again(a *attempt) *attempt {
	next := newAttempt(a.Config, AttemptState{N: a.held.N}, a.todo)
	next.crowd, next.stuck, next.leases = a.crowd, a.stuck, x.leases
	x.attempts[a.slot()-1] = next
	return next
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
	for _, a := range x.attempts {
		complete = complete && !a.held.Open()
	}
	if complete {
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
