package chameleon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// draws is how often boards are drawn before it is given up.
const draws = 5

// oneForEach are the reservations of a lease of several: one for each board, by uid,
// as within one reservation of several Kubernetes alone would choose which container
// runs where.
func oneForEach(of Lending, boards []run.Device) (all []leases.ReservationOpts) {
	for _, d := range boards {
		all = append(all, of.reservation(leases.Equal("uid", d.UID)))
	}
	return all
}

// makeAlone makes a lease and sees that nobody else has its boards. Blazar has no lock
// around a create, so two at once may both get one board: who finds that gives its
// lease back, and clash names the board. boards are those of a lease of several.
func (c *LeaseClient) makeAlone(ctx context.Context, req run.LeaseRequest, opts leases.CreateOpts,
	boards []run.Device) (l run.Lease, clash string, err error) {
	made, err := c.createLease(ctx, req, opts)
	switch {
	case err == nil:
	case len(boards) > 0 && refusedWhole(err):
		return l, "one of " + names(boards), nil
	case len(boards) > 0:
		return l, "", leaked(err, boards)
	default:
		return l, "", err
	}
	l = toLease(*made)
	others, err := c.Neighbours(ctx, made.ID)
	if err != nil || len(others) == 0 {
		return l, "", nil // what cannot be read now, the run reads before it makes a container
	}
	clash = strings.Join(slices.Sorted(maps.Keys(others)), ", ")
	if err := c.undo(ctx, made.ID); err != nil {
		return l, clash, err
	}
	return run.Lease{}, clash, nil
}

// refusedWhole reports whether Blazar refused a create because somebody else had a
// board by then, when it looked at each reservation alone: that leaves nothing
// behind, so boards can be drawn anew.
func refusedWhole(err error) bool {
	e := apierror.From(err)
	return e != nil && e.Kind == apierror.NoDeviceFree && strings.Contains(e.Message, "Not enough resources")
}

// undo deletes a lease that was just made, also when ctx has ended.
func (c *LeaseClient) undo(ctx context.Context, id string) error {
	clean, cancel := patient.Detached(ctx, c.client.Pace.Cleanup)
	defer cancel()
	return c.Release(clean, id)
}

// draw chooses boards that nobody has booked, at random: others choose as well.
func (c *LeaseClient) draw(ctx context.Context, req run.LeaseRequest) ([]run.Device, error) {
	all, err := c.devices.Devices(ctx)
	if err != nil {
		return nil, err
	}
	free, err := c.devices.free(all, req)
	if err == nil && len(req.Boards) == 0 && len(free) > req.Devices {
		rand.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		slices.SortStableFunc(free, func(a, b run.Device) int { // the user's neighbours last
			return cmp.Compare(slices.Index(req.Beside, a.Name), slices.Index(req.Beside, b.Name))
		})
		free = free[:req.Devices]
	}
	return free, err
}

// free are the boards of those that a request for several asks for that nobody has booked;
// an error where these are too few.
func (c *DeviceClient) free(all []site.Device, req run.LeaseRequest) (free []run.Device, err error) {
	now := c.client.Now()
	start := site.Later(req.Start, now)
	for _, d := range all {
		if _, taken := conflict(d.Bookings, start, req.End); !taken && d.Reservable && d.Authorized && d.UID != "" &&
			req.Wants(d.Device) && !slices.Contains(req.Not, d.Name) {
			free = append(free, d.Device)
		}
	}
	if len(free) >= req.Devices || req.AllFree && len(free) > 0 {
		return free, nil
	}
	return nil, c.tooFew(all, free, req, now)
}

// tooFew says which of several boards cannot be had, and when they can.
func (c *DeviceClient) tooFew(all []site.Device, free []run.Device, req run.LeaseRequest, now time.Time) error {
	var missing []string
	var known, usable, unknown int
	twice := false
	for _, d := range all {
		if !req.Wants(d.Device) {
			continue
		}
		known++
		if d.Reservable && d.Authorized {
			usable++
		}
		if named := namesOf(d.Device, req.Boards); len(named) > 1 {
			missing = append(missing, strings.Join(named, " and ")+" are one device, which measures a run once")
			twice = true
			continue
		}
		if !slices.ContainsFunc(free, func(f run.Device) bool { return f.ID == d.ID }) {
			missing = append(missing, d.Name+": "+why(d, req, now))
		}
	}
	for _, b := range req.Boards {
		if !slices.ContainsFunc(all, func(d site.Device) bool { return b == d.Name || strings.EqualFold(b, d.UID) }) {
			missing = append(missing, b+": this site has no such device")
			unknown++
		}
	}
	if known == 0 && len(req.Boards) == 0 {
		return failure.Usage.Errorf("this site has no %s", req.MachineName).
			Advise("%s", c.whatThereIs(req, all))
	}
	advice := fmt.Sprintf("ask for fewer, for devices: all-free with a cap, or later: `%s` shows when each is free",
		c.deviceList())
	kind := failure.Capacity
	switch {
	case unknown > 0:
		kind, advice = failure.Usage, c.whatThereIs(req, all)
	case twice:
		kind, advice = failure.Usage, "name it once under lease.devices"
	case known < req.Devices && !req.AllFree && len(req.Not) == 0: // waiting mends nothing
		kind, advice = failure.Usage, fmt.Sprintf("ask for fewer: `%s` shows all", c.deviceList())
	case usable < req.Devices && !req.AllFree && len(req.Not) == 0, usable == 0:
		advice = fmt.Sprintf("waiting does not help, as nobody's lease is in the way: name other devices, or fewer; `%s` "+
			"shows all", c.deviceList())
	}
	return kind.Errorf("%s free, of the %d wanted: %s", words.There(len(free), "device"), req.Devices,
		strings.Join(missing, "; ")).
		Advise("%s", advice)
}

// namesOf are those of the words that name this device.
func namesOf(d run.Device, words []string) (named []string) {
	for _, w := range words {
		if w == d.Name || strings.EqualFold(w, d.UID) {
			named = append(named, w)
		}
	}
	return named
}

// why says in few words why a device cannot be had.
func why(d site.Device, req run.LeaseRequest, now time.Time) string {
	switch b, taken := conflict(d.Bookings, site.Later(req.Start, now), req.End); {
	case !d.Reservable:
		return "out of service"
	case !d.Authorized:
		return "kept for other projects"
	case slices.Contains(req.Not, d.Name):
		return "measured already"
	case d.UID == "":
		return "it has no uid to reserve it by"
	case taken && b.User != "":
		return fmt.Sprintf("reserved by %s until %s", b.User, b.End.UTC().Format("15:04 UTC"))
	default:
		return "reserved until " + b.End.UTC().Format("15:04 UTC")
	}
}

// leaked adds to a failed create of several what it may have left behind: when the
// second board cannot be had, Blazar forgets the lease, but not that it has given
// away the first. Nothing lists it, so nobody can give it back.
func leaked(err error, boards []run.Device) error {
	e := apierror.From(err)
	if e == nil || e.Kind != apierror.NoDeviceFree || !strings.Contains(e.Message, "Not enough hosts") {
		return err
	}
	return failure.Capacity.Errorf("somebody else booked one of %s at the same moment; the others may now be blocked "+
		"for this time without anybody having them", names(boards)).
		Advise("it is not tried again, as that would block more: name other devices, or tell the site's help desk").
		Because(err)
}

// names lists the boards by name.
func names(boards []run.Device) string {
	var all []string
	for _, d := range boards {
		all = append(all, d.Name)
	}
	return strings.Join(all, ", ")
}

// ofSeveral is why a board is not proven whose reservation has more devices than one.
const ofSeveral = "its reservation holds several devices, and the site chooses among them"

// boardsOf finds the boards of a lease of several: a reservation of one device that
// has one allocation is on that device.
func (c *DeviceClient) boardsOf(ctx context.Context, l run.Lease) ([]run.Board, error) {
	all, err := c.allDevices(ctx)
	if err != nil {
		return nil, err
	}
	allocations, err := c.allocations(ctx)
	if err != nil {
		return nil, err
	}
	on := map[string][]run.Device{} // by reservation
	for _, d := range all {
		for _, a := range allocations {
			if a.ResourceID != d.ID {
				continue
			}
			for _, r := range a.Reservations {
				on[r.ID] = append(on[r.ID], toDevice(d))
			}
		}
	}
	boards := slices.Clone(l.Boards)
	for i, b := range boards {
		switch devices := on[b.ReservationID]; {
		case len(devices) == 1:
			boards[i].Device = devices[0]
		case len(devices) == 0:
			boards[i].Unproven = "the site lists no device for its reservation"
		default:
			boards[i].Unproven = ofSeveral
		}
	}
	return boards, nil
}
