package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// release gives back what was acquired, in reverse order, and goes on with the
// lease when the container resists. What can't be given back stays open in the
// journal, and the error holds the commands to type.
func (a concluding) release(ctx context.Context) error {
	if !a.held.Open() {
		if a.held.Lease.Adopted && a.lease.ID != "" && !a.booked() {
			a.Observe.Phase(PhaseRelease, "")
			a.Observe.PhaseEnd(PhaseRelease, a.staysYours())
		}
		return nil
	}
	if a.Keep {
		a.Observe.Warn("lease and " + a.box() + " are kept. To give them back: " + a.Commands.Resume())
		return nil
	}
	if a.booked() || a.stays {
		return nil // nothing has begun, or what is measured is not home
	}
	a.Observe.Phase(PhaseRelease, "")
	a.record(store.Entry{Kind: store.Began, Phase: string(PhaseRelease)})
	container := a.giveBackContainer(ctx)
	lease, gone := error(nil), a.box()+" and lease are gone"+a.used()
	if a.Commands.NoLeases {
		gone = "nothing of the run is left there"
	}
	if a.held.Lease.Open() && a.held.Lease.Adopted {
		gone = "the " + a.box() + " is gone, " + a.staysYours()
	} else if lease = a.giveBackLease(ctx); lease == nil && container != nil {
		container = a.afterLease(ctx)
	}
	if err := errors.Join(container, lease); err != nil {
		a.record(store.Entry{Kind: store.Failed, Phase: string(PhaseRelease), Text: err.Error()})
		return failure.Cloud.Errorf("not everything could be given back").
			Advise("type: %s", strings.Join(a.byHand(), " ; ")).Because(err)
	}
	a.record(store.Entry{Kind: store.Ended, Phase: string(PhaseRelease)})
	a.Observe.PhaseEnd(PhaseRelease, gone)
	return nil
}

// staysYours is what becomes of a lease that the run did not make.
func (a concluding) staysYours() string {
	text := "the lease " + a.held.Lease.Name + " stays yours"
	if !a.lease.End.IsZero() {
		text += " until " + timeOfDay(a.lease.End)
	}
	return text
}

// releaseLease gives back a lease that the devices of a run share.
func (a concluding) releaseLease(ctx context.Context) error {
	if !a.held.Lease.Open() || a.booked() || slices.ContainsFunc(a.shared, func(m *attempt) bool { return m.stays }) {
		return nil
	}
	if a.Keep {
		a.Observe.Warn("lease and " + a.box() + "s are kept. To give them back: " + a.Commands.Resume())
		return nil
	}
	a.Observe.Phase(PhaseRelease, "")
	if a.held.Lease.Adopted {
		a.Observe.PhaseEnd(PhaseRelease, "the "+a.box()+"s are gone, "+a.staysYours())
		return nil
	}
	if err := a.giveBackLease(ctx); err != nil {
		a.record(store.Entry{Kind: store.Failed, Phase: string(PhaseRelease), Text: err.Error()})
		return failure.Cloud.Errorf("not everything could be given back").
			Advise("type: %s", strings.Join(a.byHand(), " ; ")).Because(err)
	}
	a.Observe.PhaseEnd(PhaseRelease, a.box()+"s and lease are gone"+a.used())
	return nil
}

// The clean-up's time is divided, so that a container whose removal hangs cannot keep
// its lease: each has a share of its own, and what the lease leaves over goes into
// a second look at the container.

func (a concluding) giveBackContainer(ctx context.Context) error {
	return a.giveBackWithin(ctx, a.Patience.Cleanup*2/5, aContainer, a.held.Container, containerID(a.Site), a.Site.Destroy)
}

func (a concluding) giveBackLease(ctx context.Context) error {
	share := a.Patience.Cleanup * 2 / 5
	if a.calm && !a.lease.End.IsZero() { // an outage of a quarter of what the lease has left
		share = max(share, a.until(a.lease.End)/4)
	}
	err := a.giveBackWithin(ctx, share, aLease, a.held.Lease, leaseID(a.Site), a.Site.Release)
	if err == nil {
		a.tellUnmarked(ctx)
	}
	return err
}

// tellUnmarked says what the end of the lease has done to others of the user's. Who
// cannot say so in a few seconds is not waited for.
func (a concluding) tellUnmarked(ctx context.Context) {
	m, ok := a.Site.(Marks)
	if !ok {
		return
	}
	group := a.shared
	if group == nil {
		group = []*attempt{a.attempt}
	}
	var boards []string
	for _, b := range group {
		if name := cmp.Or(b.lease.Device.Name, b.held.Board.Name); name != "" {
			boards = append(boards, name)
		}
	}
	_ = within(ctx, 10*time.Second, func(ctx context.Context) error {
		for _, text := range m.Unmarked(ctx, boards) {
			a.Observe.Warn(text)
		}
		return nil
	})
}

// afterLease looks again at a container that could not be removed: its lease is gone
// now, which takes it along.
func (a concluding) afterLease(ctx context.Context) error {
	held := a.held.Container
	held.Gone = false // that of the lease says so
	return a.giveBackWithin(ctx, a.Patience.Cleanup/5, aContainer, held, containerID(a.Site), a.Site.Destroy)
}

func (a concluding) giveBackWithin(
	ctx context.Context, share time.Duration, what string, held Held, find finder,
	remove func(ctx context.Context, id string) error,
) error {
	end := time.Now().Add(share)
	left := func() time.Duration { return time.Until(end) }
	return homing(a).persist(ctx, 1, left, nil, func(ctx context.Context) error {
		return a.giveBack(ctx, what, held, find, remove)
	})
}

// used says how much of a lease that is given back was needed.
func (a concluding) used() string {
	if a.lease.Start.IsZero() || a.lease.End.IsZero() {
		return ""
	}
	all := a.lease.End.Sub(a.lease.Start)
	left := min(max(a.until(a.lease.End), 0), all)
	minutes := func(d time.Duration) int { return int(d.Round(time.Minute) / time.Minute) }
	return fmt.Sprintf("; used %d of %d minutes, %d given back", minutes(all)-minutes(left), minutes(all), minutes(left))
}

// giveBack removes one thing and records that it is gone. An intent whose
// answer was lost is looked up by its name: there may be something to remove.
func (a *attempt) giveBack(
	ctx context.Context, what string, held Held, find finder, remove func(ctx context.Context, id string) error,
) error {
	if !held.Open() {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("nothing was sent to give back %s %s: %w", what, held.Name, context.Cause(ctx))
	}
	ids := []string{held.ID}
	if held.ID == "" {
		var err error
		if ids, err = a.idsOf(ctx, what, held.Name, find); err != nil {
			return fmt.Errorf("look up %s %s: %w", what, held.Name, err)
		}
	}
	var kept error
	for _, id := range ids { // one that stays keeps no other
		err := remove(ctx, id)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrWedged) { // a resumed run need not try it again
			a.record(store.Entry{Kind: store.Gone, What: what, ID: id, Text: "set aside: " + err.Error()})
		}
		kept = errors.Join(kept, fmt.Errorf("give back %s %s (%s): %w", what, held.Name, id, err))
	}
	if kept != nil {
		return kept
	}
	a.record(store.Entry{Kind: store.Gone, What: what, ID: strings.Join(ids, " ")})
	return nil
}

// finder looks something up by its exact name and returns its id, "" if there is
// none.
type finder func(ctx context.Context, name string) (id string, err error)

func leaseID(s Site) finder {
	return func(ctx context.Context, name string) (string, error) {
		l, found, err := s.FindLease(ctx, name)
		if !found {
			return "", err
		}
		return l.ID, err
	}
}

func containerID(s Site) finder {
	return func(ctx context.Context, name string) (string, error) {
		c, found, err := s.FindContainer(ctx, name)
		if !found {
			return "", err
		}
		return c.ID, err
	}
}

// byHand lists the commands that give back what this process could not.
func (a concluding) byHand() []string {
	var lines []string
	if l := a.held.Lease; l.Open() && !l.Adopted {
		lines = append(lines, a.Commands.DeleteLease(cmp.Or(l.ID, l.Name)))
	}
	return append(lines, a.Commands.Resume())
}
