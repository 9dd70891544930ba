package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// homing is how what an attempt has measured comes home.
type homing struct{ *attempt }

// maxFetches is how often something is asked of a device that answers, and does not
// give it. One that does not answer is asked for as long as there is time.
const maxFetches = 4

// holdEnd is until when the device is kept for results that are not home: shortly
// before its lease ends, with a third of [Patience.LeaseTail] left to give it back.
// ok is false where the site has no leases.
func (a homing) holdEnd() (t time.Time, ok bool) {
	if a.lease.End.IsZero() {
		return t, false
	}
	return a.lease.End.Add(-a.Patience.LeaseTail / 3), true
}

// bringHome repeats what brings results home until that is done. An outage is waited
// out as long as the device can be held: what is measured outranks giving it back.
func (a homing) bringHome(ctx context.Context, bring func(context.Context) error) error {
	return a.whileHeld(ctx, "what is measured is not all home, and the device does not answer", bring)
}

// whileHeld repeats something as long as the device can be held. what is said of an
// outage, once.
func (a homing) whileHeld(ctx context.Context, what string, do func(context.Context) error) error {
	giveUp := time.Now().Add(a.Patience.Polls) // where no lease says when
	until := func() time.Duration {
		end, ok := a.holdEnd()
		if !ok {
			return time.Until(giveUp)
		}
		if a.until(end) < a.Patience.LeaseLook && a.extended(ctx) {
			end, _ = a.holdEnd()
		}
		return a.until(end)
	}
	return a.persist(ctx, maxFetches, until, func(err error) {
		if end, ok := a.holdEnd(); ok {
			a.Observe.Warn(what + ". chexp goes on trying until " + timeOfDay(end) +
				", shortly before the lease ends; Ctrl-C ends that, and says how to fetch and give back")
		}
	}, do)
}

// through repeats what is safe to repeat, through an outage: while nothing is measured
// yet, of a quarter of what the lease has left, and of [Patience.Polls] at least.
func (a homing) through(ctx context.Context, do func(context.Context) error) error {
	if a.held.Started { // there may be results on the device
		return a.bringHome(ctx, do)
	}
	budget := a.Patience.Polls
	if end, ok := a.deadline(); ok {
		budget = min(max(budget, a.until(end)/4), max(a.until(end), 0))
	}
	end := time.Now().Add(budget)
	return a.persist(ctx, 1, func() time.Duration { return time.Until(end) }, nil, do)
}

// retry is at most before something is tried again for the first time.
const retry = 5 * time.Second

// persist repeats something until it is done, or fails for good, or there is no time
// left. most bounds how often the far end may refuse it. waiting is told that an outage
// is being waited out; nil: nobody is.
func (a homing) persist(
	ctx context.Context, most int, left func() time.Duration, waiting func(error), do func(context.Context) error,
) error {
	pause := newOutage(min(a.Patience.PollMax, retry))
	for refused := 0; ; {
		err := within(ctx, left(), do)
		if err == nil || ctx.Err() != nil || isElsewhere(err) {
			return err
		}
		if !passing(err) {
			if refused++; refused >= most {
				return err
			}
		} else if waiting != nil {
			waiting(err)
		}
		d := pause.next()
		if left() < d {
			return err
		}
		a.Observe.Again(err.Error())
		if stuck := enduring(a); passing(err) && stuck.serviceStuck(ctx, err) {
			stuck.tellStuck()
		}
		if wait.For(ctx, d) != nil {
			return err
		}
		if passing(err) && a.tr != nil { // the connection may have broken
			lost := a.reach(ctx)
			if lost == nil || passing(lost) || failure.KindOf(err) == failure.Storage {
				continue
			}
			if refused++; refused >= max(most, 2) { // one look alone may be wrong
				return lost
			}
		}
	}
}

// within bounds one go at something by the time that is left.
func within(ctx context.Context, left time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(left, time.Second))
	defer cancel()
	return do(ctx)
}

// outage paces the tries in an outage: they become rarer.
type outage struct{ pause, most time.Duration }

func newOutage(first time.Duration) *outage {
	return &outage{first, max(first, min(10*first, 30*time.Second))}
}

// next is the pause before the next try.
func (o *outage) next() time.Duration {
	pause := o.pause
	o.pause = min(o.pause*3/2, o.most)
	return pause
}

// passing reports whether an error may go by: nothing answered, or the service had a
// bad moment, or this machine's disk is full. What the far end has refused, or has
// not got, is no outage.
func passing(err error) bool {
	var answer interface {
		GetStatusCode() int
		Temporary() bool
	}
	var unsure *Unsure
	var network net.Error
	var known *failure.Error
	switch {
	case err == nil, bundle.Partly(err), isElsewhere(err):
		return false
	case failure.KindOf(err) == failure.Storage, errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.As(err, &answer):
		return answer.Temporary()
	case errors.As(err, &unsure), errors.As(err, &network), errors.Is(err, transport.ErrStillRunning),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	return !errors.As(err, &known)
}

// reach finds the attempt's container again and opens a transport into it: that of
// before may have broken.
func (a homing) reach(ctx context.Context) error {
	c, found, err := a.Site.FindContainer(ctx, a.held.Container.Name)
	if err != nil {
		return err
	}
	if a.ended(c, found) {
		return failure.Device.Errorf("the %s %s is gone, and with it what was not fetched", a.box(), a.held.Container.Name)
	}
	tr, err := a.Site.Dial(ctx, c, a.wayIn(), a.Observe.Say)
	if err != nil {
		return err
	}
	a.hangUp()
	a.tr, a.container = tr, c
	return nil
}

// ended reports whether what was found under the name of the attempt's container says
// that this has ended, and with it what was on it.
func (a homing) ended(c Container, found bool) bool {
	return !found || c.Over || a.held.Container.ID != "" && c.ID != a.held.Container.ID
}

// gone reports whether the attempt's container has ended. It looks twice, as one look
// alone may be wrong; what cannot be looked up counts as there.
func (a homing) gone(ctx context.Context) bool {
	for range 2 {
		c, found, err := a.Site.FindContainer(ctx, a.held.Container.Name)
		if err != nil || !a.ended(c, found) || wait.For(ctx, min(a.Patience.PollMax, retry)) != nil {
			return false
		}
	}
	return true
}

// wayIn is what [Launcher.Dial] is asked with: by an earlier process, if not by this.
func (a homing) wayIn() ContainerRequest {
	if a.request.Name == "" && a.Experiment != nil {
		image, transport := a.Experiment.RunsIn()
		return ContainerRequest{Name: a.held.Container.Name, Image: image, Transport: transport}
	}
	return a.request
}

// salvage brings home what a run that ended early has measured, before the device
// goes: the agent is stopped in order, which leaves partial results; if it cannot
// be, what it has on record is taken. limit bounds it; 0: the lease's end does.
func (a homing) salvage(ctx context.Context, why string, limit time.Duration) error {
	kept := a.Keep && a.why == "" // and goes on measuring, unless the lease ends
	if !a.held.Started || !a.held.Container.Open() || kept || a.whole() {
		return nil
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	a.recallLease()
	a.Observe.Say("stopping the agent and bringing home what it has measured")
	err := a.bringHome(ctx, func(ctx context.Context) error { // a device that is mute waits without its turn
		_, err := inTurn(ctx, a.crowd.haven(), func(ctx context.Context) (struct{}, error) {
			if a.crowd == nil {
				return struct{}{}, a.bringAll(ctx, why)
			}
			return struct{}{}, within(ctx, 10*perFetch, func(ctx context.Context) error { return a.bringAll(ctx, why) })
		})
		return err
	})
	if err != nil && a.rescued != "" {
		a.Observe.Warn("not all results fit into the run's directory: " + err.Error())
		return nil // they are on this machine
	}
	return err
}

func (a homing) bringAll(ctx context.Context, why string) error {
	if a.tr == nil {
		if err := a.reach(ctx); err != nil {
			return err
		}
	}
	st, unstopped := stop(ctx, a.agent(), why, min(a.Patience.PollMin, time.Second))
	if reply, err := a.agent().Status(ctx, a.lastSeq); err == nil {
		unstopped = errors.Join(unstopped, a.mirror(reply))
	}
	if st.Phase == trial.Stopped || st.Phase == trial.Finished {
		why = "" // what was unfinished is among the results
	}
	got, err := a.Collect(ctx, a.agent(), why)
	if got.Whole+got.Partial > 0 {
		a.Observe.Say("brought home: " + got.String())
	}
	return errors.Join(unstopped, err, got.Unfinished)
}

// recallLease knows the lease of an earlier process, where this one has not come to
// look at it.
func (a homing) recallLease() {
	var f Facts
	if a.lease.ID == "" && a.held.Lease.Open() && a.Store.ReadJSON(factsFile(a.held.N), &f) == nil {
		a.lease = f.Lease
	}
}

// whole reports whether every trial has its whole result at home.
func (a homing) whole() bool {
	if a.Plan == nil {
		return false
	}
	whole, err := a.Whole()
	return err == nil && whole
}

// notHome is the error of a run whose device has results that could not be brought
// home. One that was interrupted leaves the device as it is, unless it was told to
// give it back, or the container is gone and nothing can come home any more; any other
// has tried for as long as it could, and says what is lost before anything is deleted.
// A machine without a lease costs nothing: it keeps what it has.
func (a concluding) notHome(ctx, cleanup context.Context, cause, err error) error {
	a.record(store.Entry{Kind: store.Failed, Text: "not home: " + cause.Error()})
	if ctx.Err() == nil && !a.lease.End.IsZero() || a.Release || homing(a).gone(cleanup) {
		if lost := enduring(a).lostWith(); lost != "" {
			a.Observe.Warn(lost)
		}
		a.Observe.Warn("what the device has measured and is not home is lost, as it is given back now: " + cause.Error())
		return a.interrupted(ctx, err)
	}
	a.stays = true
	until := ""
	if !a.lease.End.IsZero() {
		until = " until " + timeOfDay(a.lease.End)
	}
	giveUp := fmt.Sprintf("`%s` finishes the run and gives the device back", a.Commands.Resume())
	if l := a.held.Lease; l.Open() && !l.Adopted {
		giveUp = fmt.Sprintf("`%s` gives the device back with all that is on it", a.Commands.DeleteLease(l.Key()))
	}
	kind, what := failure.Interrupted, "interrupted; "
	if ctx.Err() == nil {
		kind, what = failure.Device, ""
	}
	return kind.Errorf("%swhat is measured is not all home, so the device is kept%s", what, until).
		Advise("`%s` brings it home, `%s` goes on; %s", a.Commands.Fetch(), a.Commands.Resume(), giveUp).
		Because(cause)
}
