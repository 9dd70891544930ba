package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// placer turns what a person wants of a new lease into a request, by the manners
// of the site and after a look at the calendar: who is in the way is known before
// anything is asked for.
type placer struct {
	cloud     site.Cloud
	want      leaseWanted
	lines     run.Commands
	say, warn func(string)
	several   bool // devices: which ones, the site's client draws when it reserves them
	byHand    bool // nobody has looked whether the user has a lease already
}

// place says which device to ask for, and when. What it announces is what is
// asked for: that device, by its uid.
func (p *placer) place(ctx context.Context) (run.LeaseRequest, error) {
	req := p.want.LeaseRequest
	if p.several {
		return p.placeSeveral(ctx)
	}
	if p.want.filters() == 0 {
		return req, failure.Usage.Errorf("the experiment says no device for a lease to be made").
			Advise("add machine_name to its lease:")
	}
	if p.want.next {
		slot, err := p.cloud.NextSlot(ctx, req, p.want.end)
		if err != nil {
			return req, err
		}
		req = pinned(req, slot.Device)
		req.Start, req.End = slot.Start, slot.End
		from := "now"
		if !slot.Start.IsZero() {
			from = clock.Both(slot.Start)
		}
		p.say(fmt.Sprintf("the first free time is %s, on %s", from, slot.Device.Name))
		return p.apart(ctx, req, slot.Device)
	}
	if req.Start.IsZero() {
		req.End = p.want.end(p.cloud.Now())
	}
	if err := p.checkFree(ctx, req); err != nil {
		return req, err
	}
	return p.apart(ctx, req, run.Device{Name: req.DeviceName, UID: req.DeviceUID})
}

func (p *placer) checkFree(ctx context.Context, req run.LeaseRequest) error {
	unread, err := p.cloud.CheckFree(ctx, req)
	if err == nil && unread != "" {
		p.warn("the calendar cannot be read (" + unread + "): the site itself will tell whether a device is free")
	}
	return err
}

// pinned asks for this device and no other.
func pinned(req run.LeaseRequest, d run.Device) run.LeaseRequest {
	switch {
	case d.UID != "":
		req.MachineName, req.DeviceName, req.DeviceUID = "", "", d.UID
	case d.Name != "":
		req.MachineName, req.DeviceName = "", d.Name
	}
	return req
}

// backToBack is how close to each other two leases on one device count as one
// long one: by the manners, one ends at :55 and the next begins on the hour.
const backToBack = 15 * time.Minute

// apart keeps the new lease off the devices that the user has right before or
// after it: leases of one user back to back on one device are against the site's
// rules. Where the device is given, or no other is free, it is said.
func (p *placer) apart(ctx context.Context, req run.LeaseRequest, d run.Device) (run.LeaseRequest, error) {
	p.manners(req)
	all, err := p.cloud.Leases(ctx)
	if err != nil {
		return req, err
	}
	start := site.Later(req.Start, p.cloud.Now())
	beside := backToBackWith(all, start, req.End)
	if p.byHand {
		p.stacked(all, start, req)
	}
	if d == (run.Device{}) && slices.ContainsFunc(beside, func(l site.Lease) bool { return req.Wants(l.Device) }) {
		if d, err = p.another(ctx, req, start, beside); err != nil {
			return req, err
		}
		req = pinned(req, d)
	}
	for _, l := range beside {
		if d == (run.Device{}) && req.Wants(l.Device) || d.UID != "" && l.Device.UID == d.UID ||
			d.Name != "" && l.Device.Name == d.Name {
			p.warnBackToBack(all, l)
		}
	}
	return req, nil
}

// backToBackWith are the user's leases right before or after this time.
func backToBackWith(all []site.Lease, start, end time.Time) (beside []site.Lease) {
	for _, l := range all {
		before, after := start.Sub(l.End), l.Start.Sub(end)
		near := before >= 0 && before <= backToBack || after >= 0 && after <= backToBack
		if l.Mine && l.State.Serves() && near && l.Device.Name != "" {
			beside = append(beside, l)
		}
	}
	return beside
}

func (p *placer) warnBackToBack(all []site.Lease, l site.Lease) {
	p.warn(fmt.Sprintf("your lease %s has %s right before or after this one, %s: leases of one user back to "+
		"back on one device are against the site's rules. `%s` makes one longer", l.Name, l.Device.Name,
		clock.Window(l.Start, l.End), p.lines.Line("lease", "extend", key(all, l), "--hours", "1")))
}

// stacked says which lease of the user's there is at that time already, of a device that
// would do.
func (p *placer) stacked(all []site.Lease, start time.Time, req run.LeaseRequest) {
	for _, l := range all {
		if l.Mine && l.State.Serves() && l.Start.Before(req.End) && start.Before(l.End) && req.Wants(l.Device) {
			p.warn(fmt.Sprintf("your lease %s has %s, %s: leases of one user beside each other are against the site's rules",
				l.Name, l.Device.Name, clock.Window(l.Start, l.End)))
		}
	}
}

// another is a free device that the user has no lease on beside this one; none if
// there is no such device.
func (p *placer) another(ctx context.Context, req run.LeaseRequest, start time.Time,
	beside []site.Lease) (run.Device, error) {
	all, err := p.cloud.Devices(ctx)
	if err != nil {
		return run.Device{}, err
	}
	for _, d := range all {
		mine, others := d.Taken(start, req.End.Add(time.Minute))
		used := slices.ContainsFunc(beside, func(l site.Lease) bool { return l.Device.ID == d.ID })
		if req.Wants(d.Device) && d.Reservable && d.Authorized && mine+others == 0 && !used {
			p.say("asking for " + d.Name + ", as you have another beside this lease")
			return d.Device, nil
		}
	}
	return run.Device{}, nil
}

// manners says what of a new lease is against the customs of these devices.
func (p *placer) manners(req run.LeaseRequest) {
	if long := unmannerly(p.want.length, p.want.kind); long != "" {
		p.warn(long)
	}
	if !req.Start.IsZero() && !req.Start.Equal(req.Start.Truncate(time.Hour)) {
		hour := req.Start.UTC().Truncate(time.Hour)
		p.warn(fmt.Sprintf("a booking begins on the full hour by custom, so that it joins the one before: --at %s or "+
			"--at %s", hour.Format("2006-01-02T15:04Z"), hour.Add(time.Hour).Format("2006-01-02T15:04Z")))
	}
}

// How often a device that is waited for is looked for: two requests each time.
const (
	firstLook = 5 * time.Second
	lastLook  = time.Minute
)

// placeInTime is place, and waits for a device to become free as long as --wait
// says. taken is what the site said when it was asked for the last one.
func (c *chooser) placeInTime(ctx context.Context, taken error) (run.LeaseRequest, error) {
	if c.wait > 0 && c.until.IsZero() {
		c.until = time.Now().Add(c.wait)
	}
	for ; ; c.pause = min(2*c.pause, lastLook) {
		c.pause = max(c.pause, firstLook)
		err := taken
		if taken == nil {
			var req run.LeaseRequest
			if req, err = c.place(ctx); err == nil {
				return req, nil
			}
		}
		if taken = nil; c.wait == 0 || failure.KindOf(err) != failure.Capacity {
			return run.LeaseRequest{}, err
		}
		who, some := c.whoHasIt(ctx)
		if c.several {
			who = err.Error()
		}
		left := time.Until(c.until)
		switch {
		case !some:
			return run.LeaseRequest{}, err
		case left <= 0:
			return run.LeaseRequest{}, failure.Capacity.Errorf("waited %s for %s", clock.Span(c.wait), c.wanted()).
				Because(err)
		}
		c.say(fmt.Sprintf("waiting until %s for %s: %s", clock.Both(c.cloud.Now().Add(left)), c.wanted(), who))
		if err := wait.For(ctx, min(c.pause, left)); err != nil {
			return run.LeaseRequest{}, err
		}
	}
}

// whoHasIt says which device is the next to be free, and who has it until when.
// some is false when waiting is in vain, as there is no device that could be had.
func (c *chooser) whoHasIt(ctx context.Context) (who string, some bool) {
	all, err := c.cloud.Devices(ctx)
	if err != nil {
		return "the calendar cannot be read", true
	}
	var first *site.Device
	usable, known := 0, false
	for _, d := range all {
		known = known || c.want.Wants(d.Device)
		if c.want.Wants(d.Device) && d.Reservable && d.Authorized {
			if usable++; first == nil || d.NextFree.Before(first.NextFree) {
				first = &d
			}
		}
	}
	switch {
	case first == nil, usable < c.want.Devices && !c.want.AllFree:
		return "", c.several && !known // a resume asks for the boards that are missing, which it knows later
	case first.FreeNow && first.FreeUntil.IsZero():
		return first.Name + " looks free by now", true
	case first.FreeNow:
		return fmt.Sprintf("%s is free only until %s", first.Name, clock.Both(first.FreeUntil)), true
	}
	user := "somebody"
	for _, b := range first.Bookings {
		if b.End.Before(first.NextFree) {
			user = cmp.Or(b.User, user)
			if b.Mine {
				user = "a lease of yours"
			}
		}
	}
	return fmt.Sprintf("%s is the first to be free, %s has it until %s", first.Name, user,
		clock.Both(first.NextFree.Add(-time.Minute))), true
}
