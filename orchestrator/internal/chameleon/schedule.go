package chameleon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// gap returns the first free stretch of at least length, from then on. taken
// is sorted by start. Blazar counts the first and the last minute of a lease
// as taken, hence the minute. until is zero when nothing follows.
func gap(taken []site.Booking, from time.Time, length time.Duration) (begin, until time.Time) {
	begin = from
	for _, r := range taken {
		if r.End.Before(begin) {
			continue
		}
		if r.Start.Sub(begin) > length {
			return begin, r.Start
		}
		begin = r.End.Add(time.Minute)
	}
	return begin, time.Time{}
}

// conflict is the first booking that a lease of this window would overlap, in
// whole minutes, both ends counted [BLZ:blazar/db/utils.py (get_free_periods)].
func conflict(taken []site.Booking, start, end time.Time) (site.Booking, bool) {
	start, end = start.Truncate(time.Minute), end.Truncate(time.Minute)
	for _, b := range taken {
		if !b.Start.Truncate(time.Minute).After(end) && !b.End.Truncate(time.Minute).Before(start) {
			return b, true
		}
	}
	return site.Booking{}, false
}

// NextSlot finds the first window of this length in which a device that the
// request matches is free: now, else from a full hour on. end makes the end of
// a lease from its start, EndOf for one. It costs two requests, however many
// devices there are.
func (c *DeviceClient) NextSlot(ctx context.Context, req run.LeaseRequest,
	end func(start time.Time) time.Time) (site.Slot, error) {
	all, err := c.Devices(ctx)
	if err != nil {
		return site.Slot{}, err
	}
	now := c.client.Now()
	best, match := site.Slot{}, 0
	var bestStart time.Time
	for _, d := range all {
		if !req.Wants(d.Device) {
			continue
		}
		match++
		if !d.Reservable || !d.Authorized {
			continue
		}
		start := firstFit(d.Bookings, now, end)
		if bestStart.IsZero() || start.Before(bestStart) {
			best, bestStart = site.Slot{Start: start, End: end(start), Device: d.Device}, start
		}
	}
	switch {
	case match == 0:
		return site.Slot{}, c.noSuchDevice(req, all)
	case bestStart.IsZero():
		return site.Slot{}, failure.Capacity.Errorf("no %s can be reserved: of %d, all are out of service or kept "+
			"for other projects", wantedText(req), match).
			Advise("ask for another device: `%s`", c.deviceList())
	case bestStart.Equal(now):
		best.Start = time.Time{}
	}
	return best, nil
}

// firstFit returns the first start, now or at a full hour, from which the
// device is free up to the end that belongs to it.
func firstFit(taken []site.Booking, now time.Time, end func(time.Time) time.Time) time.Time {
	start := now
	for {
		b, clash := conflict(taken, start, end(start))
		if !clash {
			return start
		}
		// The first full hour after the last minute of what is in the way.
		start = b.End.UTC().Truncate(time.Hour).Add(time.Hour)
	}
}

// CheckFree refuses a request that cannot be met as far as the calendar tells,
// with who is in the way: Blazar says as much only in a 500. When the calendar
// cannot be read the request passes, with the reason.
func (c *DeviceClient) CheckFree(ctx context.Context, req run.LeaseRequest) (unread string, err error) {
	all, err := c.Devices(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return err.Error(), nil
	}
	if req.Devices > 0 {
		_, err := c.free(all, req)
		return "", err
	}
	now := c.client.Now()
	start := site.Later(req.Start.UTC(), now)
	usable := false
	for _, d := range all {
		if !req.Wants(d.Device) || !d.Reservable || !d.Authorized {
			continue
		}
		usable = true
		if _, clash := conflict(d.Bookings, start, req.End); !clash {
			return "", nil
		}
	}
	if !known(all, req) {
		return "", c.noSuchDevice(req, all)
	}
	msg, next := c.shortage(all, req, now)
	if usable {
		next += "; `--at next` takes the first free time"
	}
	return "", failure.Capacity.Errorf("%s", msg).Advise("%s", next)
}

func wantedText(req run.LeaseRequest) string {
	switch {
	case req.DeviceName != "":
		return "device " + req.DeviceName
	case req.DeviceUID != "":
		return "device with uid " + req.DeviceUID
	}
	return req.MachineName
}

func (c *DeviceClient) noSuchDevice(req run.LeaseRequest, all []site.Device) *failure.Error {
	return failure.Usage.Errorf("this site has no %s", wantedText(req)).Advise("%s", c.whatThereIs(req, all))
}

// perhaps names what may have been meant by a word that is none of these; "" if
// nothing is near.
func perhaps(asked string, names []string) string {
	if near := words.Nearest(asked, names); asked != "" && near != "" {
		return "perhaps " + words.Printable(near) + "? "
	}
	return ""
}

// whatThereIs is for somebody who asked for what this site does not have.
func (c *DeviceClient) whatThereIs(req run.LeaseRequest, all []site.Device) string {
	if req.DeviceName != "" || req.DeviceUID != "" || len(req.Boards) > 0 {
		var names []string
		for _, d := range all {
			names = append(names, d.Name)
		}
		return perhaps(req.DeviceName, names) + fmt.Sprintf("correct the name: `%s` shows all", c.deviceList())
	}
	var types []string
	for _, d := range all {
		types = append(types, d.MachineName)
	}
	return perhaps(req.MachineName, types) + "it has: " + machineNames(all)
}

// whoIsFree words a shortage: how many devices there are, why none can be had
// in the window, and when one can. It costs two requests; without their
// answers it says less.
func (c *DeviceClient) whoIsFree(ctx context.Context, req run.LeaseRequest) *failure.Error {
	now := c.client.Now()
	all, err := c.Devices(ctx)
	if err != nil {
		start := site.Later(req.Start, now).Truncate(time.Minute)
		return failure.Capacity.Errorf("no %s is free from %s", wantedText(req), clock.Window(start, req.End)).
			Advise("`%s` shows when devices are free", c.deviceList())
	}
	if !known(all, req) {
		return c.noSuchDevice(req, all)
	}
	msg, next := c.shortage(all, req, now)
	return failure.Capacity.Errorf("%s", msg).Advise("%s", next)
}

// known reports whether one of the devices is what is asked for, free or not.
func known(all []site.Device, req run.LeaseRequest) bool {
	return slices.ContainsFunc(all, func(d site.Device) bool { return req.Wants(d.Device) })
}

// deviceList is the command that shows the devices and when each is free.
func (c *DeviceClient) deviceList() string { return c.client.Commands.Line("device", "list") }

// shortage says why none of the devices can be had in the window.
func (c *DeviceClient) shortage(all []site.Device, req run.LeaseRequest, now time.Time) (msg, next string) {
	start := site.Later(req.Start.UTC(), now).Truncate(time.Minute)
	length := req.End.Sub(start)
	var match, out, closed, taken, free int
	var soonest time.Time
	var name string
	var inTheWay site.Booking
	for _, d := range all {
		if !req.Wants(d.Device) {
			continue
		}
		match++
		switch {
		case !d.Reservable:
			out++
		case !d.Authorized:
			closed++
		default:
			b, clash := conflict(d.Bookings, start, req.End)
			if clash {
				taken, inTheWay = taken+1, b
			} else {
				free++
			}
			if at, _ := gap(d.Bookings, start, length); soonest.IsZero() || at.Before(soonest) {
				soonest, name = at, d.Name
			}
		}
	}
	msg = fmt.Sprintf("no %s is free from %s: %d match, of which %d reserved then, %d out of service, %d kept "+
		"for other projects",
		wantedText(req), clock.Window(start, req.End), match, taken, out, closed)
	if free > 0 {
		msg += fmt.Sprintf("; the calendar shows %d free by now", free)
	}
	if match == 1 && taken == 1 && !inTheWay.End.IsZero() {
		msg += "; " + described(inTheWay, start, req.End)
	}
	switch {
	case soonest.IsZero():
		next = "ask for another device: `" + c.deviceList() + "`"
	case soonest.After(start):
		next = fmt.Sprintf("%s is free for that long from %s: start the lease then, make it shorter, or ask for "+
			"another device (`%s`)", name, clock.Both(soonest), c.deviceList())
	default:
		next = fmt.Sprintf("%s looks free by now: try again", name)
	}
	return msg, next
}

// described says whose booking is in the way of a window, and whether it is so
// by one minute only.
func described(b site.Booking, start, end time.Time) string {
	who := "a lease"
	switch {
	case b.Mine:
		who = "your own lease"
	case b.User != "":
		who = "a lease of " + b.User
	}
	text := fmt.Sprintf("%s has it: %s", who, clock.Window(b.Start, b.End))
	if b.End.Truncate(time.Minute).Equal(start.Truncate(time.Minute)) ||
		b.Start.Truncate(time.Minute).Equal(end.Truncate(time.Minute)) {
		text += "; both would have the minute in which they meet, and Blazar counts it as taken"
	}
	return text
}
