package chameleon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// tooLateToChange is how long before its end a lease is left alone: in the
// minute in which one terminates Blazar answers 200 to an extension and leaks
// the device's allocation (recorded).
const tooLateToChange = 2 * time.Minute

// OwnLease returns a lease of the user's own. Blazar lets any member of the
// project change and delete the others', so theirs are refused here.
func (c *LeaseClient) OwnLease(ctx context.Context, idOrName string) (site.Lease, error) {
	l, err := c.resolve(ctx, idOrName)
	if err != nil {
		return site.Lease{}, err
	}
	if l.UserID != c.client.Me() {
		return site.Lease{}, failure.Usage.Errorf("lease %s (%s) was made by another member of the project, and "+
			"is left alone", l.Name, l.ID).
			Advise("ask its owner: `%s` shows who it is", c.client.Commands.Line("lease", "list"))
	}
	return c.leaseInfo(l), nil
}

// ExtendLease moves the end of the user's own lease later, if its device is
// free until then.
func (c *LeaseClient) ExtendLease(ctx context.Context, l site.Lease, end time.Time) (site.Lease, error) {
	now := c.client.Now()
	if err := c.changeable(l, now); err != nil {
		return l, err
	}
	end = end.Truncate(time.Minute)
	if !end.After(l.End) {
		return l, failure.Usage.Errorf("lease %s ends at %s already; %s is not later", l.Name, clock.Both(l.End),
			clock.Both(end)).
			Advise("to move an end earlier: `%s`", c.client.Commands.Line("lease", "shorten", "--help"))
	}
	if err := c.checkNext(ctx, l, end); err != nil {
		return l, err
	}
	c.devices.fill(ctx, &l)
	longer, err := c.changeEnd(ctx, l, leases.UpdateOpts{EndDate: end}, end, "extending the lease "+l.Name)
	if err != nil {
		return longer, err
	}
	return c.undoIfShared(ctx, l, longer)
}

// undoIfShared takes an extension back by which the lease has come to have a board
// together with another: Blazar does not look at other leases, and somebody may have
// booked the board while it was at work.
func (c *LeaseClient) undoIfShared(ctx context.Context, before, after site.Lease) (site.Lease, error) {
	others, err := c.Neighbours(ctx, after.ID)
	if err != nil || len(others) == 0 {
		return after, ctx.Err() // it was looked at before; what cannot be read now is read by the next run
	}
	var who []string
	for _, board := range slices.Sorted(maps.Keys(others)) {
		who = append(who, board+": "+others[board])
	}
	back, err := c.changeEnd(ctx, after, leases.UpdateOpts{EndDate: before.End}, before.End,
		"taking the extension of lease "+before.Name+" back")
	e := failure.Capacity.Errorf("lease %s is not extended: somebody booked its board at the same moment (%s); it ends "+
		"at %s as before", before.Name, strings.Join(who, "; "), clock.Both(before.End))
	if err != nil {
		e = failure.Cloud.Errorf("lease %s now has a board together with somebody else (%s), and its old end could not be "+
			"set again", before.Name, strings.Join(who, "; ")).
			Advise("`%s`", c.client.Commands.Line("lease", "shorten", before.Name, "--until",
				before.End.UTC().Format("2006-01-02T15:04Z"))).Because(err)
	}
	return back, e
}

// ShortenLease moves the end of the user's own lease earlier; a zero end is
// now, which ends it and keeps its record.
func (c *LeaseClient) ShortenLease(ctx context.Context, l site.Lease, end time.Time) (site.Lease, error) {
	now := c.client.Now()
	if err := c.changeable(l, now); err != nil {
		return l, err
	}
	c.devices.fill(ctx, &l) // one that has ended is in no calendar
	wrong := ""
	switch {
	case l.Start.After(now) && (end.IsZero() || !end.After(l.Start)):
		return l, failure.Usage.
			Errorf("lease %s starts at %s; it would end before it began", l.Name, clock.Both(l.Start)).
			Advise("`%s` gives all of it back", c.client.Commands.DeleteLease(l.Name))
	case end.IsZero():
		return c.changeEnd(ctx, l, leases.UpdateOpts{EndNow: true}, now.Truncate(time.Minute),
			"ending the lease "+l.Name)
	case !end.Truncate(time.Minute).After(now):
		wrong = clock.Both(end) + " has passed"
	case !end.Truncate(time.Minute).Before(l.End):
		wrong = fmt.Sprintf("lease %s ends at %s; %s is not earlier", l.Name, clock.Both(l.End), clock.Both(end))
	}
	if wrong != "" {
		return l, failure.Usage.Errorf("%s", wrong).
			Advise("`%s` ends it at once; to move an end later: `%s`",
				c.client.Commands.Line("lease", "shorten", l.Name, "--now"),
				c.client.Commands.Line("lease", "extend", "--help"))
	}
	end = end.Truncate(time.Minute)
	return c.changeEnd(ctx, l, leases.UpdateOpts{EndDate: end}, end, "shortening the lease "+l.Name)
}

// changeable refuses a lease whose end can no longer be moved.
func (c *LeaseClient) changeable(l site.Lease, now time.Time) error {
	switch {
	case l.State == run.LeaseFailed:
		return failure.Cloud.Errorf("lease %s failed: its status is ERROR", l.Name).
			Advise("`%s`, then make another", c.client.Commands.DeleteLease(l.Name))
	case !l.State.Serves(), !l.End.After(now):
		return failure.Usage.Errorf("lease %s has ended (%s, at %s)", l.Name, l.Status, clock.Both(l.End)).
			Advise("make another: `%s`", c.client.Commands.Line("lease", "create", "--help"))
	case l.End.Sub(now) < tooLateToChange:
		return failure.Usage.Errorf("lease %s ends at %s, in %s: too late to change it", l.Name, clock.Both(l.End),
			clock.Span(l.End.Sub(now))).
			Advise("Blazar loses track of a device whose lease changes in its last minute: make another lease " +
				"when this one is over")
	}
	return nil
}

// checkNext refuses an extension into the next booking of the lease's device.
// A lease does not move to another device. Without the calendar nothing is extended:
// Blazar grants what runs into somebody's booking, and both are on one board then.
func (c *LeaseClient) checkNext(ctx context.Context, l site.Lease, end time.Time) error {
	all, err := c.devices.Devices(ctx)
	if err != nil {
		return failure.Cloud.Errorf("lease %s is not extended, as nobody can say whether its board is free then: the "+
			"calendar cannot be read", l.Name).
			Advise("try again in a minute").Because(err)
	}
	for _, d := range all {
		mine := false
		for _, b := range d.Bookings {
			mine = mine || b.LeaseID == l.ID
		}
		if !mine {
			continue
		}
		for _, b := range d.Bookings {
			if b.LeaseID == l.ID || b.End.Before(l.End) || b.Start.Truncate(time.Minute).After(end) {
				continue
			}
			latest := b.Start.Add(-time.Minute)
			next := fmt.Sprintf("it can last until %s at most: `%s`", clock.Both(latest), c.client.Commands.Line(
				"lease", "extend", l.Name, "--until", latest.UTC().Format("2006-01-02T15:04Z07:00")))
			if !latest.After(l.End) {
				next = "it cannot be extended at all; `--at next` of a new lease finds another time"
			}
			return failure.Capacity.Errorf("lease %s cannot last until %s on %s: %s", l.Name, clock.Both(end),
				d.Name, described(b, l.Start, end)).
				Advise("%s", next)
		}
	}
	return nil
}

// changeEnd sends the update and sees that it was done. Before it is sent once
// more, after an answer that got lost, the lease is looked at.
func (c *LeaseClient) changeEnd(ctx context.Context, l site.Lease, opts leases.UpdateOpts, end time.Time,
	what string) (site.Lease, error) {
	patience, limit := c.client.Pace.Patience(), time.Now().Add(c.client.Pace.Lease)
	sent := false
	var got *leases.Lease
	err := c.client.Pace.Poll(ctx, func() (bool, error) {
		var err error
		if !sent {
			_, err = leases.Update(ctx, c.client.Reservation, l.ID, opts).Extract()
		}
		now, lookErr := leases.Get(ctx, c.client.Reservation, l.ID).Extract()
		if lookErr == nil {
			got = now
			done := got.EndDate.Equal(end) || opts.EndNow && got.EndDate.Before(l.End)
			sent = done || err == nil
			if done && got.Status != leases.StatusUpdating {
				return true, nil
			}
		}
		if sent && err != nil {
			err = nil // it was carried out, and is going on
		}
		late := !time.Now().Before(limit)
		if err = cmp.Or(err, lookErr); !patience.Forgive(err) || err != nil && late {
			return false, err
		}
		if sent && late {
			return false, failure.Cloud.Errorf("%s: it is still %s, until %s", what, got.Status,
				clock.Both(got.EndDate)).
				Advise("look again with `%s`", c.client.Commands.Line("lease", "show", l.Name))
		}
		return false, nil
	})
	if err != nil {
		return l, c.changeFailure(l, what, err)
	}
	changed := c.leaseInfo(*got)
	changed.Device, changed.Devices = l.Device, l.Devices
	return changed, nil
}

func (c *LeaseClient) changeFailure(l site.Lease, what string, err error) error {
	var known *failure.Error
	if errors.As(err, &known) {
		return err
	}
	e := apierror.From(err)
	switch e.Kind {
	case apierror.NoDeviceFree:
		return failure.Capacity.Errorf("%s: its device is reserved by others after it", what).
			Advise("`%s` shows until when; make another lease for the rest",
				c.client.Commands.Line("device", "calendar")).
			Because(e)
	case apierror.ExtensionRefused:
		return failure.Usage.Errorf("%s: the site extends a lease only in its last hours", what).
			Advise("the site's message says how many seconds before the end it can be asked: Chameleon's is two " +
				"days").
			Because(e)
	case apierror.LeaseTooLong, apierror.QuotaExceeded:
		return c.reserveFailure(context.Background(), run.LeaseRequest{Name: l.Name}, what, e)
	}
	return c.client.Failed(what, err)
}
