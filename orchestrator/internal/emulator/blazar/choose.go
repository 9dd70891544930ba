package blazar

import (
	"math/rand/v2"
	"slices"
	"time"

	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// candidates chooses boards at random, those without any allocation first
// [BLZ:plugins/devices/device_plugin.py _matching_devices]. taken are boards that
// this same request already has.
func (s *book) candidates(a *ask, taken []*world.Device) ([]*world.Device, *problem) {
	found, p := s.matching(a.reqs)
	if p != nil {
		return nil, p
	}
	var fresh, free []*world.Device
	for _, d := range found {
		if !d.Reservable && !(a.admin && s.kind.hypervisor) || !d.Admits(a.project) || slices.Contains(taken, d) {
			continue
		}
		used, busy := s.booked(d, a.start, a.end, nil)
		if !used {
			fresh = append(fresh, d)
		} else if !busy {
			free = append(free, d)
		}
	}
	pool := fresh
	if len(fresh) < a.min {
		pool = append(free, fresh...)
	}
	if len(pool) < a.min || s.World.Orders.Take(NoFreeDevice) {
		if s.World.Orders.Holds(HiddenQuery) {
			return nil, notEnough // display_default_resource_properties is off
		}
		return nil, &problem{500, "Not enough resources available with query " + pyrepr.Repr(a.params)}
	}
	if s.kind.random {
		rand.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	}
	return pool[:min(a.max, len(pool))], nil
}

// booked tells whether a lease other than except has the board at all, and whether one
// or a leak has it in the window. Leases that meet at a minute do not collide: the real search
// for overlaps includes the minute, but a period of no length reserves nothing
// (recorded: 04:00-05:00, then 05:00-06:00 on the same uid, both 201).
func (s *book) booked(d *world.Device, start, end time.Time, except *lease) (used, busy bool) {
	for _, l := range s.leases {
		overlooked := s.World.Now().Sub(l.created) < raceTime && s.World.Orders.Holds(DoubleBooking)
		if l.deleted || l == except || overlooked || !slices.Contains(l.devices(), d) {
			continue
		}
		used = true
		if start.Before(l.end) && l.start.Before(end) {
			busy = true
		}
	}
	if s.World.Orders.Take(LeaksFreed) {
		s.leaks = nil
	}
	for _, k := range s.leaks {
		if k.device == d {
			used, busy = true, busy || start.Before(k.end) && k.start.Before(end)
		}
	}
	return used, busy
}
