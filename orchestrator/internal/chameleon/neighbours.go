package chameleon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// Neighbours says who else has a board of the lease, at a time of it that is still to
// come, by the board's name. Blazar keeps nobody apart: it has no lock around a create,
// and extends a lease over the booking that follows it. See run.Neighbours.
func (c *LeaseClient) Neighbours(ctx context.Context, leaseID string) (map[string]string, error) {
	all, err := c.devices.Devices(ctx)
	if err != nil {
		return nil, err
	}
	return neighbours(all, leaseID, c.client.Now()), nil
}

// Unmarked says what becomes of the user's own active leases of these boards, now that
// another lease of them has ended: Chameleon's reservation service takes the mark off a
// board's node when any lease of it ends, also one that had not begun. See run.Marks.
func (c *LeaseClient) Unmarked(ctx context.Context, boards []string) (said []string) {
	if len(boards) == 0 || c.client.lends().resource != Boards.resource { // whole machines have no mark
		return nil
	}
	leases, err := c.client.AllLeases(ctx)
	if err != nil {
		return nil
	}
	all, err := c.devices.Devices(ctx)
	if err != nil {
		return nil
	}
	for _, l := range leases {
		if l.UserID != c.client.Me() || stateOf(l.Status) != run.LeaseActive {
			continue
		}
		for _, d := range all {
			if slices.Contains(boards, d.Name) &&
				slices.ContainsFunc(d.Bookings, func(b site.Booking) bool { return b.LeaseID == l.ID }) {
				said = append(said, c.unmarked(l.Name, l.ID, d.Name))
			}
		}
	}
	return said
}

func (c *LeaseClient) unmarked(lease, id, board string) string {
	return fmt.Sprintf("your lease %s has %s as well. Chameleon takes the mark off a board when any lease of it ends: "+
		"what runs there goes on, but a container that is made in %s from now on finds no board. If you need one, "+
		"`%s`, and make another lease", lease, board, lease, c.client.Commands.DeleteLease(id))
}

func neighbours(all []site.Device, leaseID string, now time.Time) map[string]string {
	found := map[string]string{}
	for _, d := range all {
		for _, own := range d.Bookings {
			if own.LeaseID != leaseID {
				continue
			}
			from := site.Later(own.Start, now)
			for _, b := range d.Bookings {
				// Two that meet in a minute are not on the board together.
				if b.LeaseID != leaseID && b.Start.Before(own.End) && from.Before(b.End) {
					found[d.Name] = described(b, from, own.End)
				}
			}
		}
	}
	return found
}
