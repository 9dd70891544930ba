package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chexp/experiments/failure"
)

// errCutOff is why a run ends whose process died.
var errCutOff = errors.New("its chexp was cut off")

// End ends a run as an interruption does, for a process that died before it could:
// what is measured comes home, and what is held is given back. A device that has
// results which cannot be fetched is kept, and an error. What was left as it is on
// purpose is the caller's to leave alone; what is booked for later stays, unless
// [Config].EndBooked.
func End(cleanup context.Context, cfg Config) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errCutOff)
	x, err := take(cleanup, &cfg)
	if x == nil {
		return err
	}
	for _, a := range x.attempts {
		if err := (concluding{a}).rejoin(cleanup); err != nil {
			return failure.Device.Errorf("what run %s has measured is not home: nothing is given back", x.Store.ID).
				Advise("`%s` brings it home; `%s` gives up what is not home", x.Commands.Fetch(),
					x.Commands.DeleteLease(a.held.Lease.Key())).Because(err)
		}
	}
	err = x.carryOut(ctx, cleanup)
	if failure.KindOf(err) != failure.Interrupted {
		return err
	}
	entries, unread := x.Store.Entries()
	if unread != nil {
		return errors.Join(err, unread)
	}
	if h, held := Holds(entries); held && !h.Booked(time.Now()) {
		return err // it says what is kept, and why
	}
	return nil
}

// rejoin opens a transport into the container of an earlier process, if there may be
// something to bring home.
func (c concluding) rejoin(ctx context.Context) error {
	held := c.held.Container
	if !held.Open() || !c.held.Started || c.booked() {
		return nil
	}
	rest, err := c.unmeasured()
	if err != nil || len(rest.trials) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Patience.Salvage)
	defer cancel()
	k, found, err := c.Site.FindContainer(ctx, held.Name)
	if err != nil || homing(c).ended(k, found) { // and with it what was on it
		return err
	}
	entries, err := c.Store.Entries()
	if err != nil {
		return err
	}
	if c.tr, err = c.Site.Dial(ctx, k, requestOf(entries, held.Name), c.Observe.Say); err != nil {
		c.tr = nil
		return fmt.Errorf("the %s %s cannot be reached: %w", c.box(), held.Name, err)
	}
	c.container, c.lastSeq = k, c.mirrored()
	return nil
}
