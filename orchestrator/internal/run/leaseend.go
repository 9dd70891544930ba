package run

import (
	"context"
	"fmt"
	"time"

	"chexp/experiments/failure"
)

// leaseEnds looks at the lease before it ends, and again when the agent has ended
// by itself, which it does a little before: somebody may have extended it, and
// then the agent is told. over is true when it is time to bring home what there is.
func (x *execution) leaseEnds(ctx context.Context, agent Agent) (over bool, err error) {
	end, ok := x.deadline()
	if !ok || !x.agentEnded && time.Until(end) > Patience.LeaseLook {
		return false, nil
	}
	if x.agentEnded || time.Since(x.looked) > Patience.LeaseLook/4 {
		x.looked = time.Now()
		// What the services don't answer now changes nothing.
		if l, found, err := x.Site.FindLease(ctx, x.state.Lease.Name); err == nil && found && !l.End.IsZero() && !l.End.Equal(x.lease.End) {
			x.lease.End = l.End
			x.writeSite()
			x.Observe.Say("the lease now ends at " + l.End.UTC().Format("15:04 UTC"))
			if end, _ = x.deadline(); time.Until(end) > 0 {
				x.agentEnded = false
				return false, x.start(ctx, agent)
			}
		}
	}
	// The agent ends by itself at this time, at the end of a block; one that does not
	// is stopped.
	return x.agentEnded || time.Now().After(end.Add(Patience.LeaseGrace)), nil
}

// leaseOver says that the lease's end ends the measuring.
func (x *execution) leaseOver() error {
	x.why = "the lease ends"
	when := x.lease.End.UTC().Format("15:04 UTC")
	if left := time.Until(x.lease.End); left > 0 {
		x.Observe.Warn(fmt.Sprintf("the lease ends in %s: stopping to bring home what is measured", left.Round(time.Second)))
	}
	return failure.Trials.Errorf("the lease ends at %s, before every trial was measured", when).
		Advise("`chexp run --resume %s` measures in a new lease what is not whole; or give the lease a longer "+
			"duration", x.Store.ID)
}

// lastCall brings home what an agent of an earlier process has left in a lease
// that is too short to go on in, but not over.
func (x *execution) lastCall(ctx context.Context, l Lease) {
	held := x.state.Container
	if !held.Open() || !x.state.Started || !l.End.IsZero() && time.Now().After(l.End) {
		return
	}
	err := func() error {
		c, found, err := x.Site.FindContainer(ctx, held.Name)
		if err != nil || !found {
			return err
		}
		req := ContainerRequest{Name: held.Name, Image: x.Experiment.Container.Image, ReservationID: l.ReservationID, Transport: x.Experiment.Container.Transport}
		if x.tr, err = x.Site.Dial(ctx, c, req, x.Observe.Say); err != nil {
			return err
		}
		defer func() { x.tr.Close(); x.tr, x.container, x.lastSeq = nil, Container{}, 0 }()
		x.container, x.lastSeq = c, x.mirrored()
		return x.salvage(ctx, "the lease ends")
	}()
	if err != nil {
		x.Observe.Warn("what was measured in the old lease could not be brought home: " + err.Error())
	}
}
