package chameleon

import (
	"context"
	"slices"

	"chexp/orchestrator/internal/site"
)

// Calendar lists the boards with their bookings, those of the user's own
// marked. It costs two requests, whatever the number of devices and leases,
// and a third one at a site that does not name the users of bookings: then the
// list of leases tells which are one's own.
func (c *DeviceClient) Calendar(ctx context.Context) ([]site.Device, error) {
	all, err := c.Devices(ctx)
	if err != nil {
		return nil, err
	}
	unnamed := slices.ContainsFunc(all, func(d site.Device) bool {
		return slices.ContainsFunc(d.Bookings, func(b site.Booking) bool { return b.User == "" })
	})
	if !unnamed {
		return all, nil
	}
	leases, err := c.client.AllLeases(ctx)
	if err != nil {
		return nil, c.client.Failed("listing the leases", err)
	}
	own := map[string]bool{}
	for _, l := range leases {
		own[l.ID] = l.UserID == c.client.Me()
	}
	for _, d := range all {
		for i, b := range d.Bookings {
			if own[b.LeaseID] {
				d.Bookings[i].Mine, d.Bookings[i].User = true, c.client.Session.Token.User.Name
			}
		}
	}
	return all, nil
}
