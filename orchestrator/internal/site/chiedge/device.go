package chiedge

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/reservation/v1/devices"
)

// DeviceInfo is one board and when it can be had.
type DeviceInfo struct {
	run.Device
	Model      string    `json:"model,omitempty"`
	Reservable bool      `json:"reservable"`          // false: taken out of service
	Authorized bool      `json:"authorized"`          // false: kept for other projects
	FreeNow    bool      `json:"free_now"`            // reservable, authorized, and nobody has it
	NextFree   time.Time `json:"next_free,omitzero"`  // when nobody will have it; zero when it is free now or cannot be had
	FreeUntil  time.Time `json:"free_until,omitzero"` // the next lease after that; zero: none is known

	taken []devices.Reservation // by start
}

func (s *Site) allDevices(ctx context.Context) ([]devices.Device, error) {
	pages, err := devices.List(s.reservation).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return devices.ExtractDevices(pages)
}

func (s *Site) allocations(ctx context.Context) ([]devices.Allocation, error) {
	return devices.ListAllocations(ctx, s.reservation).Extract()
}

// Devices lists the boards of the site by name, and when each is free.
func (s *Site) Devices(ctx context.Context) ([]DeviceInfo, error) {
	const what = "listing the devices"
	all, err := s.allDevices(ctx)
	if err != nil {
		return nil, s.failed(what, err)
	}
	allocations, err := s.allocations(ctx)
	if err != nil {
		return nil, s.failed(what, err)
	}
	taken := map[string][]devices.Reservation{}
	for _, a := range allocations {
		taken[a.ResourceID] = append(taken[a.ResourceID], a.Reservations...)
	}
	infos := make([]DeviceInfo, 0, len(all))
	for _, d := range all {
		infos = append(infos, s.deviceInfo(d, taken[d.ID], time.Now().UTC()))
	}
	slices.SortFunc(infos, func(a, b DeviceInfo) int {
		return cmp.Or(cmp.Compare(a.MachineName, b.MachineName), cmp.Compare(a.Name, b.Name))
	})
	return infos, nil
}

func (s *Site) deviceInfo(d devices.Device, taken []devices.Reservation, now time.Time) DeviceInfo {
	i := DeviceInfo{
		Device:     toDevice(d),
		Model:      d.Capability("model"),
		Reservable: d.Reservable,
		Authorized: s.authorized(d.Capability("authorized_projects")),
		taken:      slices.SortedFunc(slices.Values(taken), func(a, b devices.Reservation) int { return a.StartDate.Compare(b.StartDate) }),
	}
	if i.Reservable && i.Authorized {
		from, until := gap(i.taken, now, time.Minute)
		i.FreeNow, i.FreeUntil = from.Equal(now), until
		if !i.FreeNow {
			i.NextFree = from
		}
	}
	return i
}

// authorized reads the capability of that name: a list with commas, or nothing
// for all projects [BLZ:blazar/plugins/base.py (is_project_allowed)].
func (s *Site) authorized(list string) bool {
	if list == "" || list == "all" {
		return true
	}
	for p := range strings.SplitSeq(list, ",") {
		if p = strings.TrimSpace(p); p == s.token.Project.ID || p == s.token.Project.Name {
			return true
		}
	}
	return false
}

// gap returns the first free stretch of at least length, from then on. taken
// is sorted by start. Blazar counts the first and the last minute of a lease
// as taken, hence the minute. until is zero when nothing follows.
func gap(taken []devices.Reservation, from time.Time, length time.Duration) (begin, until time.Time) {
	begin = from
	for _, r := range taken {
		if r.EndDate.Before(begin) {
			continue
		}
		if r.StartDate.Sub(begin) > length {
			return begin, r.StartDate
		}
		begin = r.EndDate.Add(time.Minute)
	}
	return begin, time.Time{}
}

func toDevice(d devices.Device) run.Device {
	return run.Device{
		ID:          d.ID,
		Name:        d.Name,
		UID:         d.Capability("uid"),
		MachineName: d.Capability("machine_name"),
		Arch:        arch(first(d.Capability("cpu_arch"), d.Capability("architecture"))),
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

// wanted reports whether the request's filter matches the device.
func wanted(req run.LeaseRequest, d run.Device) bool {
	switch {
	case req.DeviceName != "":
		return d.Name == req.DeviceName
	case req.DeviceUID != "":
		return d.UID == req.DeviceUID
	}
	return d.MachineName == req.MachineName
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

// whoIsFree words a shortage: how many devices there are, why none can be had
// in the window, and when one can. It costs two requests; without their
// answers it says less.
func (s *Site) whoIsFree(ctx context.Context, req run.LeaseRequest) (msg, next string) {
	now := time.Now().UTC()
	start := later(req.Start.UTC(), now).Truncate(time.Minute)
	length := req.End.Sub(start)
	msg = fmt.Sprintf("no %s is free from %s to %s", wantedText(req), utc(start), utc(req.End))
	next = "`chexp device list` shows when devices are free"
	all, err := s.Devices(ctx)
	if err != nil {
		return msg, next
	}
	var match, out, closed, taken int
	var soonest time.Time
	var name string
	for _, d := range all {
		if !wanted(req, d.Device) {
			continue
		}
		match++
		switch {
		case !d.Reservable:
			out++
		case !d.Authorized:
			closed++
		default:
			taken++
			if at, _ := gap(d.taken, start, length); soonest.IsZero() || at.Before(soonest) {
				soonest, name = at, d.Name
			}
		}
	}
	if match == 0 {
		return fmt.Sprintf("this site has no %s", wantedText(req)), "it has: " + machineNames(all)
	}
	msg += fmt.Sprintf(": %d match, of which %d reserved by others then, %d out of service, %d kept for other projects", match, taken, out, closed)
	switch {
	case soonest.IsZero():
		next = "ask for another device: `chexp device list`"
	case soonest.After(start):
		next = fmt.Sprintf("%s is free for that long from %s: start the lease then, make it shorter, or ask for another device (`chexp device list`)", name, utc(soonest))
	default:
		next = fmt.Sprintf("%s looks free by now: try again", name)
	}
	return msg, next
}

func machineNames(all []DeviceInfo) string {
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
