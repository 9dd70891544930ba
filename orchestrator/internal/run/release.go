package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

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
		a.Observe.Warn("lease and container are kept. To give them back: " + a.Commands.Resume())
		return nil
	}
	if a.booked() {
		return nil // nothing has begun
	}
	ctx, cancel := context.WithTimeout(ctx, a.Patience.Cleanup)
	defer cancel()
	a.Observe.Phase(PhaseRelease, "")
	a.record(store.Entry{Kind: store.Began, Phase: string(PhaseRelease)})
	container := a.giveBack(ctx, aContainer, a.held.Container, containerID(a.Site), a.Site.Destroy)
	lease, gone := error(nil), "container and lease are gone"
	if a.held.Lease.Open() && a.held.Lease.Adopted {
		gone = "the container is gone, " + a.staysYours()
	} else {
		lease = a.giveBack(ctx, aLease, a.held.Lease, leaseID(a.Site), a.Site.Release)
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
	if !a.held.Lease.Open() || a.booked() {
		return nil
	}
	if a.Keep {
		a.Observe.Warn("lease and containers are kept. To give them back: " + a.Commands.Resume())
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.Patience.Cleanup/2)
	defer cancel()
	a.Observe.Phase(PhaseRelease, "")
	if a.held.Lease.Adopted {
		a.Observe.PhaseEnd(PhaseRelease, "the containers are gone, "+a.staysYours())
		return nil
	}
	if err := a.giveBack(ctx, aLease, a.held.Lease, leaseID(a.Site), a.Site.Release); err != nil {
		a.record(store.Entry{Kind: store.Failed, Phase: string(PhaseRelease), Text: err.Error()})
		return failure.Cloud.Errorf("not everything could be given back").
			Advise("type: %s", strings.Join(a.byHand(), " ; ")).Because(err)
	}
	a.Observe.PhaseEnd(PhaseRelease, "containers and lease are gone")
	return nil
}

// giveBack removes one thing and records that it is gone. An intent whose
// answer was lost is looked up by its name: there may be something to remove.
func (a *attempt) giveBack(
	ctx context.Context, what string, held Held, find finder, remove func(ctx context.Context, id string) error,
) error {
	if !held.Open() {
		return nil
	}
	ids := []string{held.ID}
	if held.ID == "" {
		var err error
		if ids, err = a.idsOf(ctx, what, held.Name, find); err != nil {
			return fmt.Errorf("look up %s %s: %w", what, held.Name, err)
		}
	}
	for _, id := range ids {
		if err := remove(ctx, id); err != nil {
			if errors.Is(err, ErrWedged) { // a resumed run need not try it again
				a.record(store.Entry{Kind: store.Gone, What: what, ID: id, Text: "set aside: " + err.Error()})
			}
			return fmt.Errorf("give back %s %s (%s): %w", what, held.Name, id, err)
		}
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
