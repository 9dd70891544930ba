package blazar

import (
	"net/http"
	"slices"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

func (s deviceCalls) listDevices(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := []any{}
	for _, d := range s.devices {
		views = append(views, s.view(d, true))
	}
	front.JSON(c.w, 200, map[string]any{s.kind.many: views})
}

func (s *boards) device(id string) *world.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.ID == id {
			return d
		}
	}
	return nil
}

func (s deviceCalls) showDevice(c call) {
	d := s.device(c.r.PathValue("id"))
	if d == nil {
		s.fail(c.w, s.notFound(c.r.PathValue("id")))
		return
	}
	front.JSON(c.w, 200, map[string]any{s.kind.one: s.view(d, true)})
}

// createDevice registers a board that Kubernetes knows, which doni does for the operators
// [BLZ:plugins/devices/k8s_plugin.py create_device].
func (s deviceCalls) createDevice(c call) {
	name, _ := c.body.Get("name")
	if driver, _ := c.body.Get("device_driver"); driver != "k8s" && !s.kind.hypervisor {
		s.fail(c.w, internal)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.Name == name {
			s.fail(c.w, &problem{500, "Duplicate entry for ['name'] in Device model was found"})
			return
		}
	}
	for _, d := range s.World.Devices {
		if d.Name == name {
			s.devices = append(s.devices, d)
			front.JSON(c.w, 201, map[string]any{s.kind.one: s.view(d, true)})
			return
		}
	}
	s.fail(c.w, &problem{404, strings.ToUpper(s.kind.one[:1]) + s.kind.one[1:] + " '" + pyrepr.Str(name) +
		"' not found!"})
}

// updateDevice checks, and leaves the board as it is: its capabilities are this emulator's own.
func (s deviceCalls) updateDevice(c call) {
	d := s.device(c.r.PathValue("id"))
	switch {
	case d == nil:
		s.fail(c.w, s.notFound(c.r.PathValue("id")))
	case len(c.body.Keys()) == 0:
		front.JSON(c.w, 400, map[string]any{"error_code": 400, "error_message": "No data to update",
			"error_name": "INTERNAL_SERVER_ERROR"})
	default:
		front.JSON(c.w, 200, map[string]any{s.kind.one: s.view(d, true)})
	}
}

func (s deviceCalls) deleteDevice(c call) {
	d := s.device(c.r.PathValue("id"))
	if d == nil {
		s.fail(c.w, s.notFound(c.r.PathValue("id")))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.leases {
		if !l.deleted && slices.Contains(l.devices(), d) {
			s.fail(c.w, &problem{409, "Can't delete " + s.kind.one + " " + d.ID + ". The " + s.kind.one +
				" is reserved."})
			return
		}
	}
	s.devices = slices.DeleteFunc(s.devices, func(o *world.Device) bool { return o == d })
	front.JSON(c.w, 200, map[string]any{})
}

// leaseDevices answers which boards a lease got, also when it has given them back: columns
// only, no uid and no machine_name. The database marks an allocation as deleted, and this
// query does not ask [BLZ:blazar/db/sqlalchemy/api.py devices_in_lease].
func (s deviceCalls) leaseDevices(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := []any{}
	if l, _ := s.find(c.r.PathValue("id")); l != nil {
		for _, r := range l.reservations {
			for _, d := range slices.Concat(r.had, r.devices) {
				views = append(views, s.view(d, false))
			}
		}
	}
	front.JSON(c.w, 200, map[string]any{s.kind.many: views})
}

// properties lists the names of the extra capabilities; any value of "detail" adds their
// values.
func (s deviceCalls) properties(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, name := range s.propertyNames() {
		entry := map[string]any{"property": name}
		if c.r.FormValue("detail") != "" {
			values := []string{}
			for _, d := range s.devices {
				if v, ok := s.kind.capabilities(d)[name]; ok && !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
			entry["private"], entry["values"], entry["is_unique"] = false, values, name == "uid"
		}
		list = append(list, entry)
	}
	front.JSON(c.w, 200, map[string]any{"resource_properties": list})
}

type allocationView struct {
	ID        string            `json:"id"`
	Status    string            `json:"status,omitempty"`
	LeaseID   string            `json:"lease_id"`
	StartDate string            `json:"start_date"`
	EndDate   string            `json:"end_date"`
	LeaseName string            `json:"lease_name,omitempty"`
	ProjectID string            `json:"project_id,omitempty"`
	Extras    map[string]string `json:"extras,omitempty"`
}

// allocations is everybody's calendar: all boards, with the reservations of every
// project that end now or later. Only an administrator sees whose project it is; the
// user's name is among the extras [CIAB:kolla/defaults.yml allocation_extras].
// Filters other than lease_id and reservation_id are ignored.
func (s deviceCalls) allocations(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byDevice := s.booking(c)
	rows := []allocationRow{}
	for _, d := range s.devices {
		rows = append(rows, allocationRow{d.ID, append([]allocationView{}, byDevice[d.ID]...)})
	}
	front.JSON(c.w, http.StatusOK, map[string]any{"allocations": rows})
}

// allocation is the calendar of one machine, without extras. For boards it is broken: the route
// passes no query to a handler that wants one. One that does not exist is found out first.
func (s deviceCalls) allocation(c call) {
	id := c.r.PathValue("id")
	switch {
	case s.device(id) == nil:
		s.fail(c.w, s.notFound(id))
	case !s.kind.hypervisor:
		s.fail(c.w, internal)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		row := allocationRow{id, []allocationView{}}
		for _, v := range s.booking(c)[id] {
			v.Extras = nil
			row.Reservations = append(row.Reservations, v)
		}
		front.JSON(c.w, http.StatusOK, map[string]any{"allocation": row})
	}
}

type allocationRow struct {
	ResourceID   string           `json:"resource_id"`
	Reservations []allocationView `json:"reservations"`
}

// booking is who has what, by the board's id; the caller holds s.mu.
func (s deviceCalls) booking(c call) map[string][]allocationView {
	leaseID, resID := c.r.FormValue("lease_id"), c.r.FormValue("reservation_id")
	now := s.World.Now()
	byDevice := map[string][]allocationView{}
	for _, l := range s.leases {
		if l.deleted || leaseID != "" && l.id != leaseID || leaseID == "" && resID == "" && l.end.Before(now) {
			continue
		}
		for _, r := range l.reservations {
			if resID != "" && r.id != resID {
				continue
			}
			v := allocationView{ID: r.id, LeaseID: l.id, StartDate: l.start.Format(dateTime),
				EndDate: l.end.Format(dateTime),
				Extras:  map[string]string{"user_name": l.userName}}
			if c.caller.Admin() {
				v.Status, v.LeaseName, v.ProjectID = r.status, l.name, l.projectID
			}
			for _, d := range r.devices {
				byDevice[d.ID] = append(byDevice[d.ID], v)
			}
		}
	}
	return byDevice
}
