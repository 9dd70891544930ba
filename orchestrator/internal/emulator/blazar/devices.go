package blazar

import (
	"net/http"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// deviceView has the row's columns; full adds the extra capabilities, flattened in.
func (s *Service) deviceView(d *world.Device, full bool) *pyrepr.Dict {
	v := pyrepr.NewDict()
	v.Set("created_at", s.born)
	v.Set("updated_at", nil)
	v.Set("id", d.ID)
	v.Set("name", d.Name)
	v.Set("device_type", "container") // not the board: that is machine_name
	v.Set("device_driver", "k8s")
	v.Set("reservable", d.Reservable)
	if full {
		more := extras(d)
		for _, k := range s.propertyNames() {
			if val, ok := more[k]; ok {
				v.Set(k, val)
			}
		}
	}
	return v
}

func (s *Service) listDevices(c call) {
	views := []any{}
	for _, d := range s.devices {
		views = append(views, s.deviceView(d, true))
	}
	front.JSON(c.w, 200, map[string]any{"devices": views})
}

func (s *Service) showDevice(c call) {
	for _, d := range s.devices {
		if d.ID == c.r.PathValue("id") {
			front.JSON(c.w, 200, map[string]any{"device": s.deviceView(d, true)})
			return
		}
	}
	s.fail(c.w, &problem{404, "Object with {'device_id': '" + c.r.PathValue("id") + "'} not found"})
}

// leaseDevices answers which boards a lease got: columns only, no uid and no
// machine_name.
func (s *Service) leaseDevices(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := []any{}
	if l, _ := s.find(c.r.PathValue("id")); l != nil {
		for _, r := range l.reservations {
			for _, d := range r.devices {
				views = append(views, s.deviceView(d, false))
			}
		}
	}
	front.JSON(c.w, 200, map[string]any{"devices": views})
}

func (s *Service) properties(c call) {
	list := []any{}
	for _, name := range s.propertyNames() {
		list = append(list, map[string]any{"property": name})
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
	Extras    map[string]string `json:"extras"`
}

// allocations is everybody's calendar: all boards, with the reservations of every
// project that end now or later. Only an administrator sees whose project it is; the
// user's name is among the extras [CIAB:kolla/defaults.yml allocation_extras].
// Filters other than lease_id and reservation_id are ignored.
func (s *Service) allocations(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
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
			v := allocationView{ID: r.id, LeaseID: l.id, StartDate: l.start.Format(dateTime), EndDate: l.end.Format(dateTime),
				Extras: map[string]string{"user_name": l.userName}}
			if c.caller.Admin() {
				v.Status, v.LeaseName, v.ProjectID = r.status, l.name, l.projectID
			}
			for _, d := range r.devices {
				byDevice[d.ID] = append(byDevice[d.ID], v)
			}
		}
	}
	type row struct {
		ResourceID   string           `json:"resource_id"`
		Reservations []allocationView `json:"reservations"`
	}
	rows := []row{}
	for _, d := range s.devices {
		list := byDevice[d.ID]
		if list == nil {
			list = []allocationView{}
		}
		rows = append(rows, row{d.ID, list})
	}
	front.JSON(c.w, http.StatusOK, map[string]any{"allocations": rows})
}
