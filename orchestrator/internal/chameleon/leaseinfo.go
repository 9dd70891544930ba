package chameleon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

func (c *LeaseClient) leaseInfo(l leases.Lease) site.Lease {
	i := site.Lease{Lease: toLease(l), Mine: l.UserID == c.client.Me(), UserID: l.UserID, Degraded: l.Degraded,
		Created: l.CreatedAt, Updated: l.UpdatedAt}
	if r := deviceReservation(l); r != nil {
		i.Asked, i.ReservationStatus = r.ResourceProperties, r.Status
	}
	if i.Mine {
		i.User = c.client.Session.Token.User.Name
	}
	for _, e := range l.Events {
		i.Events = append(i.Events, site.Event{Type: e.EventType, Time: e.Time, Status: e.Status})
	}
	return i
}

// Leases lists the project's leases by start, those that ended and were not
// deleted included. Devices and owners come from the calendar, where it can be
// read: it has those of leases that have not ended. Three requests in all.
func (c *LeaseClient) Leases(ctx context.Context) ([]site.Lease, error) {
	all, err := c.client.AllLeases(ctx)
	if err != nil {
		return nil, c.client.Failed("listing the leases", err)
	}
	infos := make([]site.Lease, 0, len(all))
	for _, l := range all {
		infos = append(infos, c.leaseInfo(l))
	}
	if calendar, err := c.devices.Devices(ctx); err == nil {
		fillIn(infos, calendar)
	}
	slices.SortStableFunc(infos, func(a, b site.Lease) int { return a.Start.Compare(b.Start) })
	return infos, nil
}

func fillIn(infos []site.Lease, calendar []site.Device) {
	at := map[string]int{}
	for i, l := range infos {
		at[l.ID] = i
	}
	for _, d := range calendar {
		for _, b := range d.Bookings {
			if i, ok := at[b.LeaseID]; ok {
				infos[i].Devices = append(infos[i].Devices, d.Device)
				infos[i].Device = infos[i].Devices[0]
				infos[i].User = cmp.Or(infos[i].User, b.User)
			}
		}
	}
}

// fill adds to a lease what it has, as far as the site tells.
func (c *DeviceClient) fill(ctx context.Context, l *site.Lease) {
	one := []site.Lease{*l}
	if calendar, err := c.Devices(ctx); err == nil {
		fillIn(one, calendar)
	}
	if *l = one[0]; l.Device == (run.Device{}) { // it is over, or the calendar does not tell
		if d, err := c.deviceOf(ctx, l.ID); err == nil {
			l.Device = d
		}
	}
}

// ShowLease returns one lease with its devices.
func (c *LeaseClient) ShowLease(ctx context.Context, idOrName string) (site.Lease, error) {
	l, err := c.resolve(ctx, idOrName)
	if err != nil {
		return site.Lease{}, err
	}
	i := c.leaseInfo(l)
	c.devices.fill(ctx, &i)
	return i, nil
}

// DeleteLease deletes a lease of the user's own.
func (c *LeaseClient) DeleteLease(ctx context.Context, idOrName string) error {
	l, err := c.OwnLease(ctx, idOrName)
	if err != nil {
		return err
	}
	return c.Release(ctx, l.ID)
}

// resolve finds a lease of the project by id or by name. Blazar has no look-up
// by name, and its look-up by id does not check the project: both go through
// the list, which does.
func (c *LeaseClient) resolve(ctx context.Context, idOrName string) (leases.Lease, error) {
	all, err := c.client.AllLeases(ctx)
	if err != nil {
		return leases.Lease{}, c.client.Failed("looking for the lease "+idOrName, err)
	}
	var named []leases.Lease
	for _, l := range all {
		if l.ID == idOrName {
			return l, nil
		}
		if l.Name == idOrName {
			named = append(named, l)
		}
	}
	switch len(named) {
	case 0:
		return leases.Lease{}, failure.Usage.Errorf("the project has no lease with the id or name %q", idOrName).
			Advise("`%s` shows all", c.client.Commands.Line("lease", "list")).
			Because(&apierror.Error{Kind: apierror.NotFound, Message: "not in the list"})
	case 1:
		return named[0], nil
	}
	var ids []string
	for _, l := range named {
		ids = append(ids, fmt.Sprintf("%s (%s)", l.ID, l.Status))
	}
	return leases.Lease{}, failure.Usage.Errorf("%d leases are named %q", len(named), idOrName).
		Advise("use an id: %s", strings.Join(ids, ", "))
}

// LiveLease looks for the user's own lease of this name that has not ended or
// failed.
func (c *LeaseClient) LiveLease(ctx context.Context, name string) (run.Lease, bool, error) {
	l, err := c.liveLease(ctx, name)
	if err != nil || l == nil {
		return run.Lease{}, false, err
	}
	return toLease(*l), true, nil
}
