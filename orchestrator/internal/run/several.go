package run

import (
	"context"
	"errors"
	"slices"
	"sync"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// Slots is how many devices a run has: those that its experiment asks for, or,
// where that takes what is free, those that it got.
func (r *Run) Slots(st State) int {
	if r.Experiment == nil { // it cannot be read: what the journal knows of is all there is
		return len(st.Slots)
	}
	if r.Experiment.Lease.AllFree && st.Boards > 0 {
		return st.Boards
	}
	return max(r.Experiment.Lease.Count(), len(st.Slots))
}

// device is the configuration for the work on one of n devices.
func (c Config) device(slot, n int) Config {
	if n == 1 {
		return c
	}
	own := *c.Run
	own.Store = c.Store.Device(slot)
	c.Run = &own
	if c.Boards != nil {
		c.Observe = c.Boards.Device(slot)
	}
	_, tells := c.Site.(Teller)
	c.Patience = c.Patience.among(n, tells)
	return c
}

// several carries out a run with several devices. They share leases, which are
// had first and given back last; in between each goes its own way, and one that
// fails holds up no other.
func (x *execution) several(ctx, cleanup context.Context) error {
	shared := newCrowd()
	shared.stuck.n = len(x.attempts)
	for _, a := range x.attempts {
		a.crowd, a.stuck = shared, &shared.stuck
	}
	shared.remember(x.attempts)
	stop, err := x.reserveAll(ctx)
	if stop {
		x.left = true
		return nil
	}
	x.Observe.Phase(PhaseRun, "")
	ends := make([]end, len(x.attempts))
	var all sync.WaitGroup
	for i, a := range slices.Clone(x.attempts) { // one may come to be another
		all.Go(func() { ends[i] = x.work(ctx, cleanup, a, err) })
	}
	all.Wait()
	if x.left = slices.ContainsFunc(ends, func(e end) bool { return e.left }); x.left {
		return x.judge(ctx, ends, err)
	}
	kept := errors.Join(x.giveBackLeases(cleanup), x.sweep(cleanup))
	verdict := x.judge(ctx, ends, err)
	return errors.Join(kept, verdict, x.finish(verdict == nil && kept == nil))
}

// end is how the work on one device ended.
type end struct {
	left bool // as it is, as the caller asked
	err  error
}

// carryOut does all work on one device, once its lease is there or has failed.
func (a concluding) carryOut(ctx, cleanup context.Context, leaseErr error) end {
	err := leaseErr
	if err == nil && len(a.todo.trials) > 0 {
		if a.held.Board.ID == "" {
			err = failure.Capacity.Errorf("no board was free for it")
		} else {
			var stop bool
			if stop, err = a.forward(ctx); stop {
				return end{left: true}
			}
		}
	}
	err = a.conclude(ctx, cleanup, err)
	if err != nil && leaseErr == nil && ctx.Err() == nil {
		a.Observe.Warn(err.Error())
	}
	// That it stays is no news yet: its lease takes it along.
	if _, kept := inTurn(cleanup, a.crowd.room(PhaseRelease), func(context.Context) (string, error) {
		return "", a.releaseContainer(cleanup)
	}); kept != nil {
		a.Observe.Say(kept.Error())
	}
	return end{err: err}
}

// releaseContainer gives back an attempt's container and leaves its lease to those
// that share it.
func (a concluding) releaseContainer(ctx context.Context) error {
	if !a.held.Container.Open() || a.Keep || a.stays {
		return nil
	}
	a.Observe.Phase(PhaseRelease, "")
	a.record(store.Entry{Kind: store.Began, Phase: string(PhaseRelease)})
	err := a.giveBackContainer(ctx)
	if err != nil {
		a.record(store.Entry{Kind: store.Failed, Phase: string(PhaseRelease), Text: err.Error()})
		return err
	}
	a.record(store.Entry{Kind: store.Ended, Phase: string(PhaseRelease)})
	a.Observe.PhaseEnd(PhaseRelease, "its "+a.box()+" is gone")
	return nil
}

// byLease returns the attempts by the lease that they may hold, in the order of
// the slots; those that hold none come under "".
func (x *execution) byLease() (names []string, of map[string][]*attempt) {
	of = map[string][]*attempt{}
	for _, a := range x.attempts {
		name := ""
		if a.held.Lease.Open() {
			name = a.held.Lease.Name
		}
		if of[name] == nil && name != "" {
			names = append(names, name)
		}
		of[name] = append(of[name], a)
	}
	return names, of
}

// share ties together the attempts that hold one lease. The first speaks for all.
func (x *execution) share(all []*attempt) *attempt {
	for _, a := range all {
		a.shared = all
	}
	lead := all[0]
	lead.Observe = x.Observe // of the lease, all devices are told
	return lead
}

// reserveAll has every device that is not done hold a lease: that of an earlier
// process where it serves, one new one for all others.
func (x *execution) reserveAll(ctx context.Context) (stop bool, err error) {
	if !slices.ContainsFunc(x.attempts, func(a *attempt) bool { return len(a.todo.trials) > 0 }) {
		x.tieTogether()
		return false, nil
	}
	stop, err = x.step(ctx, PhaseLease, func(ctx context.Context) (string, error) {
		x.Observe.Phase(PhaseLease, "")
		return x.obtainAll(ctx)
	})
	x.tieTogether()
	return stop || err == nil && x.detached(), err
}

// tieTogether lets every attempt know who else holds its lease.
func (x *execution) tieTogether() {
	names, of := x.byLease()
	for _, name := range names {
		for _, a := range of[name] {
			a.shared = of[name]
		}
	}
}

func (x *execution) obtainAll(ctx context.Context) (text string, err error) {
	names, of := x.byLease()
	for _, name := range names {
		group := of[name]
		lead := x.share(group)
		said, serves, err := reserving{lead}.goOn(ctx)
		x.own(lead)
		if err != nil {
			return "", err
		}
		if serves {
			text = join(text, said)
			continue
		}
		if lead.held.Lease.Open() { // asked for, without an answer
			lead = x.share(group)
			said, err := reserving{lead}.reserve(ctx)
			x.own(lead)
			if err != nil {
				return "", err
			}
			text = join(text, said)
		}
	}
	said, err := x.obtainNew(ctx)
	if err != nil {
		return "", err
	}
	x.drop()
	return join(text, said), nil
}

// obtainNew makes one lease for all devices that hold none and are not done.
func (x *execution) obtainNew(ctx context.Context) (string, error) {
	var group []*attempt
	var others []string
	for _, a := range x.attempts {
		if !a.held.Lease.Open() && len(a.todo.trials) > 0 {
			group = append(group, x.again(a))
		} else if a.held.Board.Name != "" {
			others = append(others, a.held.Board.Name)
		}
	}
	if len(group) == 0 {
		return "", nil
	}
	x.leases++
	lead := x.share(group)
	lead.others = others
	defer x.own(lead)
	return reserving{lead}.reserve(ctx)
}

// own gives an attempt that spoke for others its own observer again.
func (x *execution) own(lead *attempt) {
	if x.Boards != nil {
		lead.Observe = x.Boards.Device(lead.slot())
	}
}

// drop forgets the devices beyond those that were free, where the experiment takes
// what there is.
func (x *execution) drop() {
	if x.Experiment.Lease.AllFree {
		x.attempts = slices.DeleteFunc(x.attempts, func(a *attempt) bool {
			return a.held.Board.ID == "" && len(a.todo.trials) > 0
		})
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// giveBackLeases gives back the leases, once the devices are done.
func (x *execution) giveBackLeases(cleanup context.Context) error {
	names, of := x.byLease()
	var kept []error
	for _, name := range names {
		group := of[name]
		lead := x.share(group)
		kept = append(kept, concluding{lead}.releaseLease(cleanup))
	}
	return errors.Join(kept...)
}
