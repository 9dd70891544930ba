package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/store"
)

// errNeighbour is that somebody else has a board of the lease as well. Nothing was
// made in it.
var errNeighbour = errors.New("two leases have one board")

// draws is how often a lease is made whose board turns out to be somebody else's, too.
const draws = 5

// neighbours says who else has one of these boards, by the board's name. It is asked
// once for all devices of a lease as long as the answer is fresh.
func (a boarding) neighbours(ctx context.Context) (map[string]string, error) {
	n, ok := a.Site.(Neighbours)
	if !ok || a.lease.ID == "" {
		return nil, nil
	}
	look := func() (map[string]string, error) { return n.Neighbours(ctx, a.lease.ID) }
	if a.crowd == nil {
		return look()
	}
	return a.crowd.neighbours.get(ctx, a.lease.ID, a.Patience.PollMax, look)
}

// undisturbed refuses to make a container on a board that somebody else has as well, now
// or before the lease ends: both would measure there and disturb each other.
func (a boarding) undisturbed(ctx context.Context) error {
	others, err := a.neighbours(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.unproven("whether somebody else has it as well cannot be read (" + err.Error() + ")")
		return nil
	}
	boards := []string{a.lease.Device.Name}
	return a.refuseNeighbours(others, boards)
}

func (a boarding) refuseNeighbours(others map[string]string, boards []string) error {
	var taken []string
	for _, b := range boards {
		if who := others[b]; who != "" {
			taken = append(taken, b+": "+who)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	e := failure.Capacity.Errorf("the site has given a board of the lease %s to somebody else as well, and two on one "+
		"board disturb each other: %s", a.lease.Name, strings.Join(taken, "; ")).Because(errNeighbour)
	if a.held.Lease.Adopted {
		return e.Advise("`%s` makes a new one, or name another lease of yours; this one stays as it is",
			a.Commands.Line("run", "--resume", a.Commands.run(), "--lease", "new"))
	}
	return e.Advise("`%s` tries to get another board", a.Commands.Resume())
}

// vacant asks whether another run works in a lease that this one did not make: days may
// have passed since it chose it.
func (a reserving) vacant(ctx context.Context, l Lease) error {
	if !a.held.Lease.Found {
		return nil
	}
	if a.Vacant != nil && !a.atWork() {
		if err := a.Vacant(ctx, l, a.Run); err != nil {
			a.record(a.using(l, false)) // it must not go from under who works there
			return err
		}
	}
	if a.Release && a.held.Lease.Adopted { // a resumed run is asked for it now
		a.record(a.using(l, true))
	}
	return nil
}

// atWork reports whether a container of the run's is in its lease already: what that has
// measured comes first.
func (a reserving) atWork() bool {
	return a.held.Container.Open() ||
		slices.ContainsFunc(a.shared, func(m *attempt) bool { return m.held.Container.Open() })
}

// allUndisturbed is undisturbed for all boards of a lease that has just become active, before
// anything is made in it.
func (a reserving) allUndisturbed(ctx context.Context) error {
	group := a.shared
	if group == nil {
		group = []*attempt{a.attempt}
	}
	if a.atWork() {
		return nil
	}
	others, err := boarding(a).neighbours(ctx)
	if err != nil || len(others) == 0 {
		return ctx.Err() // each device looks again
	}
	var boards []string
	for _, m := range group {
		boards = append(boards, m.lease.Device.Name)
	}
	return boarding(a).refuseNeighbours(others, boards)
}

// drawAnew gives back a lease that the run made, whose board somebody else has as
// well, and waits for a time of random length, so that two who do the same do not
// meet again. It returns why where that is no use.
func (a reserving) drawAnew(ctx context.Context, draw int, cause error) error {
	if !errors.Is(cause, errNeighbour) || a.held.Lease.Found || draw >= draws {
		return cause
	}
	a.Observe.Say(cause.Error() + "; it is given back and drawn anew")
	a.record(store.Entry{Kind: store.Remark, Text: cause.Error()})
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Patience.Cleanup)
	defer cancel()
	if err := a.giveBack(clean, aLease, a.held.Lease, leaseID(a.Site), a.Site.Release); err != nil {
		return fmt.Errorf("%w; %w", cause, err)
	}
	return a.Patience.beforeDraw(ctx)
}

// beforeDraw waits for a time of random length, so that two who give a board back do not
// meet again at the next.
func (p Patience) beforeDraw(ctx context.Context) error {
	return wait.For(ctx, p.PollMax+rand.N(4*p.PollMax+time.Millisecond))
}
