package run

import (
	"context"
	"fmt"
	"time"

	"chexp/experiments/failure"
)

// watchLease looks at the lease shortly before it ends, and again when the agent
// has ended by itself, which it does a little before: somebody may have extended
// the lease, and then the agent is told. It is an error when it is time to bring
// home what there is.
func (f *follower) watchLease(ctx context.Context) error {
	end, ok := f.deadline()
	if !ok || !f.timeUp && f.until(end) > f.Patience.LeaseLook {
		return nil
	}
	if f.timeUp || time.Since(f.looked) > f.Patience.LeaseLook/4 {
		f.looked = time.Now()
		later := homing{f.attempt}.extended(ctx)
		if end, _ = f.deadline(); f.until(end) > 0 && (later || f.timeUp && f.lease.End.After(f.begun)) {
			return f.goOn(ctx)
		}
	}
	// The agent ends by itself at this time, at the end of a block; one that does
	// not is stopped.
	if f.timeUp || f.until(end) < -f.Patience.LeaseGrace {
		return f.leaseOver()
	}
	return nil
}

// goOn tells an agent that measures the lease's new end. One that has ended is started
// again, once for each new end: it may have left trials out before it was told.
func (f *follower) goOn(ctx context.Context) error {
	again := f.timeUp
	f.timeUp = false
	err := f.start(ctx)
	if err == nil && again {
		f.begun = f.lease.End
		f.Observe.Say("the agent goes on with what it had no time for")
	}
	return err
}

// extended asks whether the lease has another end by now. No answer means no.
func (a homing) extended(ctx context.Context) bool {
	l, found, err := a.lookAtLease(ctx)
	if err != nil || !found || l.End.IsZero() || l.End.Equal(a.lease.End) {
		return false
	}
	a.lease.End = l.End
	a.noteFacts()
	a.Observe.Say("the lease now ends at " + timeOfDay(l.End))
	return true
}

// lookAtLease asks for the lease, once for all devices in it.
func (a *attempt) lookAtLease(ctx context.Context) (Lease, bool, error) {
	look := func() (l foundLease, err error) {
		l.Lease, l.found, err = a.Site.FindLease(ctx, a.held.Lease.Key())
		return l, err
	}
	if a.crowd == nil {
		l, err := look()
		return l.Lease, l.found, err
	}
	l, err := a.crowd.leases.get(ctx, a.held.Lease.Key(), a.Patience.LeaseLook/8, look)
	return l.Lease, l.found, err
}

// leaseOver says that the lease's end ends the measuring.
func (a *attempt) leaseOver() error {
	a.why = "the lease ends"
	if err := (homing{a}).leftOut(); err != nil {
		return err
	}
	if left := a.until(a.lease.End); left > 0 {
		a.Observe.Warn(fmt.Sprintf("the lease ends in %s: stopping to bring home what is measured",
			left.Round(time.Second)))
	}
	return failure.Trials.
		Errorf("the lease ends at %s, before every trial was measured", timeOfDay(a.lease.End)).
		Advise("`%s` measures in a new lease what is not whole; or give the lease a longer duration",
			a.Commands.Resume())
}

// lastCall brings home what an agent of an earlier process has left in a lease
// that is too short to go on in, but not over.
func (a reserving) lastCall(ctx context.Context, l Lease) {
	held := a.held.Container
	if !held.Open() || !a.held.Started || !l.End.IsZero() && a.until(l.End) < 0 {
		return
	}
	a.lease = l
	defer a.hangUp()
	a.lastSeq = a.mirrored()
	err := homing(a).salvage(ctx, "the lease ends", 0)
	if err != nil {
		a.Observe.Warn("what was measured in the old lease could not be brought home: " + err.Error())
	}
}
