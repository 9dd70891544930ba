package blazar

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

const (
	maxDuration     = 7 * 24 * time.Hour // [CIAB:kolla/defaults.yml]
	extensionWindow = 48 * time.Hour     // the same file
	reminder        = 48 * time.Hour     // minutes_before_end_lease
	maxName         = 80                 // the column's size [BLZ:blazar/db/sqlalchemy/models.py]
)

// ask is one reservation of a request, checked.
type ask struct {
	params   *pyrepr.Dict // as the real code would print it
	reqs     []requirement
	props    any  // resource_properties as sent: text, or null
	hasProps bool // resource_properties was sent
	hyper    any  // hypervisor_properties, of machines
	onStart  string
	before   string
	min, max int
	start    time.Time
	end      time.Time
	project  string
	admin    bool // may take a machine that is not reservable
}

func (s leaseCalls) createLease(c call) {
	// Every creation makes a Keystone trust in the user's name, and Keystone refuses
	// that to a restricted application credential; what comes out is a bare 500.
	if !c.caller.MayTrust(s.World.Orders) {
		s.fail(c.w, internal)
		return
	}
	s.mu.Lock()
	l, p := s.create(c.body, c.caller)
	var view leaseView
	if p == nil {
		view = l.view(s.kind)
	}
	s.mu.Unlock()
	if p != nil {
		s.fail(c.w, p)
		return
	}
	s.World.Log.Debug("lease created", "id", view.ID, "name", view.Name)
	front.JSON(c.w, 201, map[string]any{"lease": view})
}

// create follows the order of the real manager's checks, because the first failure is
// what the client sees [BLZ:blazar/manager/service.py create_lease].
func (s leaseCalls) create(body *pyrepr.Dict, who front.Caller) (*lease, *problem) {
	if p := require(body, "name", "start_date", "end_date"); p != nil {
		return nil, p
	}
	wanted, p := reservationList(body)
	if p != nil {
		return nil, p
	}
	for _, res := range wanted {
		if p := require(res, "resource_type"); p != nil {
			return nil, p
		}
	}
	now := s.World.Now()
	start, end, p := readWindow(body, now.Truncate(time.Minute))
	if p != nil {
		return nil, p
	}
	var asks []*ask
	for _, res := range wanted {
		a, p := s.readAsk(res, start, end, who.ProjectID)
		if p != nil {
			return nil, p
		}
		a.admin = who.Admin()
		if p = s.enough(a); p != nil {
			return nil, p
		}
		asks = append(asks, a)
	}
	if d := end.Sub(start); d > maxDuration {
		return nil, tooLong(d, 403)
	}
	if s.World.Orders.Take(NoAllocation) {
		// The words are the portal's [PORTAL:balance_service/enforcement/usage_enforcement.py].
		return nil, &problem{400, fmt.Sprintf("Reservation for project %s would spend %.2f SUs, only %.2f left",
			who.ProjectName, end.Sub(start).Hours(), 0.0)}
	}
	remind, p := beforeEnd(body, start, end)
	if p != nil {
		return nil, p
	}
	if remind.IsZero() {
		remind = end.Add(-reminder)
	}
	name, _ := body.Get("name")
	text, ok := name.(string)
	if !ok || len(text) > maxName {
		return nil, internal
	}
	l := s.newLease(text, who, start, end, remind, now)
	if p := s.reserve(l, asks, now); p != nil {
		return nil, p
	}
	s.leases = append(s.leases, l)
	if s.overlaps(l) {
		s.World.Orders.Take(DoubleBooking)
	}
	s.rivals(l)
	return l, nil
}

// readWindow reads when a new lease begins and ends.
func readWindow(body *pyrepr.Dict, minute time.Time) (start, end time.Time, p *problem) {
	if start, p = parseDate(body, "start_date", minute); p != nil {
		return start, end, p
	}
	if end, p = parseDate(body, "end_date", minute); p != nil {
		return start, end, p
	}
	if start.Before(minute) {
		return start, end, &problem{400, "Start date must be later than current date"}
	}
	if !end.After(start) {
		return start, end, &problem{400, "End date must be later than start date."}
	}
	return start, end, nil
}

func tooLong(d time.Duration, code int) *problem {
	return &problem{code, fmt.Sprintf("Lease duration of %d seconds must be less than or equal to the maximum lease "+
		"duration of %d seconds.",
		int(d.Seconds()), int(maxDuration.Seconds()))}
}

func (s *book) newLease(name string, who front.Caller, start, end, remind, now time.Time) *lease {
	if remind.Before(start) {
		remind = start
	}
	ev := func(kind string, at time.Time) *event {
		return &event{id: world.NewUUID(), kind: kind, at: at, status: undone, created: now}
	}
	return &lease{
		id: world.NewUUID(), name: name, userID: who.UserID, userName: who.UserName, projectID: who.ProjectID,
		trustID: world.NewHex(16), start: start, end: end, status: pending, created: now, updated: now,
		startEvent: ev("start_lease", start), endEvent: ev("end_lease", end), beforeEnd: ev("before_end_lease", remind),
	}
}

var missingProperties = &problem{400, "Missing parameter resource_properties"}

// enough tells whether a reservation can be had. Without resource_properties Blazar tries
// the site's default first, and then again without it, which is a parameter missing.
func (s *book) enough(a *ask) *problem {
	_, p := s.candidates(a, nil)
	if p != nil && !a.hasProps {
		return missingProperties
	}
	return p
}

// reserve allocates boards for every reservation in turn. Two reservations that
// each fit alone may not fit together; that failure has another text, and leaks the boards
// that the earlier ones got.
func (s *book) reserve(l *lease, asks []*ask, now time.Time) *problem {
	for _, a := range asks {
		if !a.hasProps {
			// The first check puts the site's default in its place, the second does not.
			return missingProperties
		}
		if _, isText := a.props.(string); !isText && a.props != nil {
			return internal // the database refuses a list where it wants text
		}
		devices, p := s.candidates(a, l.devices())
		if p != nil {
			for _, d := range l.devices() {
				if !s.kind.hypervisor {
					s.leaks = append(s.leaks, leaked{d, l.start, l.end})
				}
			}
			return notEnough
		}
		l.reservations = append(l.reservations, &reservation{
			id: world.NewUUID(), resourceID: world.NewUUID(), status: "pending", props: a.props, hyper: a.hyper,
			onStart: a.onStart,
			before:  a.before, min: a.min, max: a.max, devices: devices, created: now, updated: now,
		})
	}
	return nil
}

func (l *lease) devices() []*world.Device {
	var all []*world.Device
	for _, r := range l.reservations {
		all = append(all, r.devices...)
	}
	return all
}

func require(d *pyrepr.Dict, names ...string) *problem {
	var missing []string
	for _, n := range names {
		if _, ok := d.Get(n); !ok {
			missing = append(missing, n)
		}
	}
	if missing == nil {
		return nil
	}
	return &problem{400, "Missing parameter " + strings.Join(missing, ", ")}
}

func reservationList(body *pyrepr.Dict) ([]*pyrepr.Dict, *problem) {
	v, ok := body.Get("reservations")
	if !ok {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, internal
	}
	var out []*pyrepr.Dict
	for _, e := range list {
		d, ok := e.(*pyrepr.Dict)
		if !ok {
			return nil, internal
		}
		out = append(out, d)
	}
	return out, nil
}

// parseDate takes "now" or a time to the minute; anything that is no text breaks the
// real code.
func parseDate(body *pyrepr.Dict, key string, minute time.Time) (time.Time, *problem) {
	v, _ := body.Get(key)
	text, ok := v.(string)
	if !ok {
		return time.Time{}, internal
	}
	if text == "now" {
		return minute, nil
	}
	return parseMinute(text)
}

func parseMinute(text string) (time.Time, *problem) {
	t, err := time.ParseInLocation(inputTime, text, time.UTC)
	if err != nil {
		return time.Time{}, &problem{400, text + " is an invalid date. Required format: %Y-%m-%d %H:%M"}
	}
	return t, nil
}

// beforeEnd reads before_end_date; zero when there is none.
func beforeEnd(body *pyrepr.Dict, start, end time.Time) (time.Time, *problem) {
	v, _ := body.Get("before_end_date")
	if v == nil || v == "" {
		return time.Time{}, nil
	}
	text, ok := v.(string)
	if !ok {
		return time.Time{}, internal
	}
	t, p := parseMinute(text)
	if p == nil && !(t.After(start) && t.Before(end)) {
		p = &problem{403, "Datetime is out of lease limits"}
	}
	return t, p
}

// readAsk checks one reservation of a request and completes it as the device plugin
// does, so that the "not enough" text prints the same dictionary.
func (s leaseCalls) readAsk(res *pyrepr.Dict, start, end time.Time, project string) (*ask, *problem) {
	kind, _ := res.Get("resource_type")
	if kind != s.kind.resource {
		return nil, &problem{500, "The " + pyrepr.Str(kind) + " resource type is not supported"}
	}
	a := &ask{params: res.Clone(), start: start, end: end, project: project}
	a.params.Set("start_date", start)
	a.params.Set("end_date", end)
	a.params.Set("project_id", project)
	a.props, a.hasProps = res.Get("resource_properties")
	if a.props == nil {
		a.params.Set("resource_properties", "") // the site's default
	}
	var p *problem
	if a.min, a.max, p = minMax(res); p != nil {
		return nil, p
	}
	a.params.Set("count_range", fmt.Sprintf("%d-%d", a.min, a.max))
	if s.kind.hypervisor {
		if p := require(res, "hypervisor_properties"); p != nil {
			return nil, p
		}
	}
	if a.before, p = s.option(a, "before_end", "", "default", "email"); p != nil {
		return nil, p
	}
	if a.onStart, p = s.option(a, "on_start", "", "default"); p != nil {
		return nil, p
	}
	a.hyper, _ = res.Get("hypervisor_properties")
	a.reqs, p = terms(a.hyper, a.props)
	return a, p
}

// terms joins the requirements of machines and those of what runs on them.
func terms(props ...any) (all []requirement, p *problem) {
	for _, v := range props {
		if v == nil {
			continue
		}
		reqs, p := requirements(v)
		if p != nil {
			return nil, p
		}
		all = append(all, reqs...)
	}
	return all, nil
}

// option reads a word of a reservation, "default" if it is not given. Machines may besides be
// snapshot at the end and started with a Heat stack; the device plugin checks before_end only.
func (s leaseCalls) option(a *ask, key string, known ...any) (string, *problem) {
	v, ok := a.params.Get(key)
	if !ok {
		v = "default"
		a.params.Set(key, v)
	}
	text, _ := v.(string)
	if s.kind.hypervisor && key == "before_end" {
		known = append(known, "snapshot")
	}
	checked := s.kind.hypervisor || key == "before_end"
	if checked && !slices.Contains(known, v) && !strings.HasPrefix(text, "orchestration:") {
		return "", &problem{400, "Malformed parameter " + key}
	}
	return text, nil
}

func minMax(res *pyrepr.Dict) (lo, hi int, p *problem) {
	if lo, p = count(res, "min"); p != nil {
		return 0, 0, p
	}
	if hi, p = count(res, "max"); p != nil {
		return 0, 0, p
	}
	if lo <= 0 || hi <= 0 {
		return 0, 0, &problem{400, "Malformed parameter min and max (must be greater than or equal to 1)"}
	}
	if hi < lo {
		return 0, 0, &problem{400, "Invalid values for min/max of hosts. Max must be equal to or larger than min."}
	}
	return lo, hi, nil
}

// count takes a number or a number in a string.
func count(res *pyrepr.Dict, key string) (int, *problem) {
	v, _ := res.Get(key)
	if v == nil {
		return 0, &problem{400, "Missing parameter " + key}
	}
	text, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		text, ok = n.String(), true
	}
	n, err := strconv.Atoi(text)
	if !ok || err != nil {
		return 0, &problem{400, "Malformed parameter " + key}
	}
	return n, nil
}
