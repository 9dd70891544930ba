package chameleon

import (
	"context"
	"time"

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
