package chameleon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/reservation/v1/devices"
)

// DeviceClient lists the devices and their calendar.
type DeviceClient struct {
	client *Client

	mu     sync.Mutex
	silent error     // why the bookings did not come, the last time that they were asked for
	until  time.Time // when they are asked for again
}

// NewDeviceClient returns the client of the site's devices.
func NewDeviceClient(c *Client) *DeviceClient { return &DeviceClient{client: c} }

func (c *DeviceClient) allDevices(ctx context.Context) ([]devices.Device, error) {
	return c.client.lends().list(ctx, c.client.Reservation)
}

// allocations lists the bookings of all devices. A run looks at them often and can do
// without: where they did not come in a minute or so, nobody waits for them again soon.
func (c *DeviceClient) allocations(ctx context.Context) ([]devices.Allocation, error) {
	c.mu.Lock()
	silent := c.silent
	if time.Now().After(c.until) {
		silent = nil
	}
	c.mu.Unlock()
	if silent != nil {
		return nil, silent
	}
	all, err := c.client.lends().allocations(ctx, c.client.Reservation).Extract()
	if errors.As(err, new(*patient.Silent)) {
		c.mu.Lock()
		c.silent, c.until = err, time.Now().Add(silenceLasts)
		c.mu.Unlock()
	}
	return all, err
}

// silenceLasts is how long a service that did not answer is thought not to.
const silenceLasts = 3 * time.Minute

// Devices lists the boards of the site by name, and when each is free.
func (c *DeviceClient) Devices(ctx context.Context) ([]site.Device, error) {
	const what = "listing the devices"
	all, err := c.allDevices(ctx)
	if err != nil {
		return nil, c.client.Failed(what, err)
	}
	allocations, err := c.allocations(ctx)
	if err != nil {
		return nil, c.client.Failed(what, err)
	}
	taken := map[string][]site.Booking{}
	for _, a := range allocations {
		for _, r := range a.Reservations {
			taken[a.ResourceID] = append(taken[a.ResourceID], c.booking(r))
		}
	}
	infos := make([]site.Device, 0, len(all))
	for _, d := range all {
		infos = append(infos, c.deviceInfo(d, taken[d.ID], c.client.Now()))
	}
	slices.SortFunc(infos, func(a, b site.Device) int {
		return cmp.Or(cmp.Compare(a.MachineName, b.MachineName), cmp.Compare(a.Name, b.Name))
	})
	return infos, nil
}

// booking reads the name of the user, which Chameleon's sites put among the
// extras [CIAB:kolla/defaults.yml (allocation_extras)].
func (c *DeviceClient) booking(r devices.Reservation) site.Booking {
	user, _ := r.Extras["user_name"].(string)
	return site.Booking{Start: r.StartDate, End: r.EndDate, LeaseID: r.LeaseID, User: user,
		Mine: user != "" && user == c.client.Session.Token.User.Name}
}

func (c *DeviceClient) deviceInfo(d devices.Device, taken []site.Booking, now time.Time) site.Device {
	i := site.Device{
		Device:     toDevice(d),
		Model:      d.Capability("model"),
		Reservable: d.Reservable,
		Authorized: c.authorized(d.Capability("authorized_projects")),
		Bookings: slices.SortedFunc(slices.Values(taken), func(a, b site.Booking) int {
			return a.Start.Compare(b.Start)
		}),
	}
	if i.Reservable && i.Authorized {
		from, until := gap(i.Bookings, now, time.Minute)
		i.FreeNow, i.FreeUntil = from.Equal(now), until
		if !i.FreeNow {
			i.NextFree = from
		}
	}
	return i
}

// authorized reads the capability of that name: a list with commas, or nothing
// for all projects [BLZ:blazar/plugins/base.py (is_project_allowed)].
func (c *DeviceClient) authorized(list string) bool {
	if list == "" || list == "all" {
		return true
	}
	own := c.client.Session.Token.Project
	for p := range strings.SplitSeq(list, ",") {
		if p = strings.TrimSpace(p); p == own.ID || p == own.Name {
			return true
		}
	}
	return false
}

func toDevice(d devices.Device) run.Device {
	return run.Device{
		ID:          d.ID,
		Name:        d.Name,
		UID:         d.Capability("uid"),
		MachineName: d.Capability("machine_name"),
		Arch:        arch(cmp.Or(d.Capability("cpu_arch"), d.Capability("architecture"))),
	}
}

// arch translates the kernel's names. Chameleon's devices do not say; all of
// them, Raspberry Pis and Jetsons, are arm64.
func arch(name string) string {
	switch strings.ToLower(name) {
	case "", "aarch64", "arm64":
		return "arm64"
	case "x86_64", "amd64":
		return "amd64"
	case "armv7l", "armhf":
		return "arm"
	}
	return strings.ToLower(name)
}

func machineNames(all []site.Device) string {
	count := map[string]int{}
	for _, d := range all {
		count[d.MachineName]++
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, count[name]))
	}
	if len(parts) == 0 {
		return "no devices at all"
	}
	return strings.Join(parts, ", ")
}

// deviceOf finds the device of an active lease: by Chameleon's own route, else
// among the allocations.
func (c *DeviceClient) deviceOf(ctx context.Context, leaseID string) (run.Device, error) {
	id, err := c.deviceID(ctx, leaseID)
	if err != nil {
		return run.Device{}, err
	}
	all, err := c.allDevices(ctx)
	if err != nil {
		return run.Device{}, err
	}
	for _, d := range all {
		if d.ID == id {
			return toDevice(d), nil
		}
	}
	return run.Device{}, fmt.Errorf("device %s is not listed", id)
}

func (c *DeviceClient) deviceID(ctx context.Context, leaseID string) (string, error) {
	listed, err := c.client.lends().ofLease(ctx, c.client.Reservation, leaseID).Extract()
	if err == nil && len(listed) > 0 {
		return listed[0].ID, nil
	}
	allocations, allocErr := c.allocations(ctx)
	if allocErr != nil {
		return "", errors.Join(err, allocErr)
	}
	for _, a := range allocations {
		for _, r := range a.Reservations {
			if r.LeaseID == leaseID {
				return a.ResourceID, nil
			}
		}
	}
	return "", errors.New("the service lists none for it")
}
