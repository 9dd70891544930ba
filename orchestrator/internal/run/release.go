package run

import (
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
func (x *execution) release(ctx context.Context) error {
	if !x.state.Lease.Open() && !x.state.Container.Open() {
		return nil
	}
	if x.Keep {
		x.Observe.Warn("lease and container are kept. To give them back: chexp run --resume " + x.Store.ID)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience.Cleanup)
	defer cancel()
	x.Observe.Phase(PhaseRelease, "")
	x.record(store.Entry{Kind: store.Began, Phase: string(PhaseRelease)})
	err := errors.Join(x.giveBack(ctx, aContainer), x.giveBack(ctx, aLease))
	if err != nil {
		x.record(store.Entry{Kind: store.Failed, Phase: string(PhaseRelease), Text: err.Error()})
		return failure.Cloud.Errorf("not everything could be given back").
			Advise("type: %s", strings.Join(x.byHand(), " ; ")).Because(err)
	}
	x.record(store.Entry{Kind: store.Ended, Phase: string(PhaseRelease)})
	x.Observe.PhaseEnd(PhaseRelease, "container and lease are gone")
	return nil
}

// giveBack removes one thing and records that it is gone. An intent whose
// answer was lost is looked up by its name: there may be something to remove.
func (x *execution) giveBack(ctx context.Context, what string) error {
	held, find, remove := x.state.Lease, x.findLease, x.Site.Release
	if what == aContainer {
		held, find, remove = x.state.Container, x.findContainer, x.Site.Destroy
	}
	if !held.Open() {
		return nil
	}
	id := held.ID
	if id == "" {
		var err error
		if id, err = find(ctx, held.Name); err != nil {
			return fmt.Errorf("look up %s %s: %w", what, held.Name, err)
		}
	}
	if id != "" {
		if err := remove(ctx, id); err != nil {
			return fmt.Errorf("give back %s %s (%s): %w", what, held.Name, id, err)
		}
	}
	x.record(store.Entry{Kind: store.Gone, What: what, ID: id})
	return nil
}

func (x *execution) findLease(ctx context.Context, name string) (string, error) {
	l, found, err := x.Site.FindLease(ctx, name)
	if !found {
		l.ID = ""
	}
	return l.ID, err
}

func (x *execution) findContainer(ctx context.Context, name string) (string, error) {
	c, found, err := x.Site.FindContainer(ctx, name)
	if !found {
		c.ID = ""
	}
	return c.ID, err
}

// byHand lists the commands that give back what this process could not.
func (x *execution) byHand() []string {
	var cmds []string
	if x.state.Lease.Open() {
		name := x.state.Lease.ID
		if name == "" {
			name = x.state.Lease.Name
		}
		cmds = append(cmds, "chexp lease delete "+name)
	}
	return append(cmds, "chexp run --resume "+x.Store.ID)
}
