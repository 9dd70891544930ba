package blazar

import (
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// The formats of times: what a client may send (or "now"), what dates and
// events look like in answers, and what created_at and updated_at look like. All are
// UTC without saying so. The last has no fractions on the real site, whose database keeps whole
// seconds (contract 2.4), and python-chi reads no others; a Blazar on SQLite, as the recorded
// one, shows microseconds.
const (
	inputTime = "2006-01-02 15:04"
	dateTime  = "2006-01-02T15:04:05.000000"
	rowTime   = "2006-01-02 15:04:05"
)

// Lease states [BLZ:blazar/status.py]. CREATING and DELETING are too short to be
// seen here.
const (
	pending     = "PENDING"
	starting    = "STARTING"
	active      = "ACTIVE"
	updating    = "UPDATING"
	terminating = "TERMINATING"
	terminated  = "TERMINATED"
	failed      = "ERROR"
)

// Event states.
const (
	undone     = "UNDONE"
	inProgress = "IN_PROGRESS"
	done       = "DONE"
	eventError = "ERROR"
)

type lease struct {
	id, name                             string
	userID, userName, projectID, trustID string
	start, end                           time.Time
	status                               string
	degraded                             bool
	reservations                         []*reservation
	startEvent, endEvent, beforeEnd      *event
	created, updated                     time.Time
	deleted                              bool
	nodeGone                             bool // Kubernetes has lost the board's node
	seeded                               bool // part of the scenery, not made through the API
}

type reservation struct {
	id, resourceID   string
	status           string // pending, active, deleted, error
	props            any    // as sent: text, or null
	hyper            any    // the same, of machines
	onStart          string // of machines
	before           string // before_end
	min, max         int
	devices          []*world.Device
	had              []*world.Device // that it gave back at its end
	missing, changed bool
	created, updated time.Time
}

type event struct {
	id, kind         string
	at               time.Time
	status           string
	created, updated time.Time
}

func (e *event) set(status string, now time.Time) { e.status, e.updated = status, now }

func (l *lease) events() []*event { return []*event{l.startEvent, l.endEvent, l.beforeEnd} }

// stable is the state that follows from the events.
func (l *lease) stable() string {
	switch {
	case l.startEvent.status == eventError || l.endEvent.status == eventError:
		return failed
	case l.endEvent.status == done:
		return terminated
	case l.startEvent.status == done:
		return active
	}
	return pending
}

func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(rowTime)
}

// The views are structs so that keys come in Blazar's order.
type leaseView struct {
	CreatedAt    string            `json:"created_at"`
	UpdatedAt    any               `json:"updated_at"`
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	UserID       string            `json:"user_id"`
	ProjectID    string            `json:"project_id"`
	StartDate    string            `json:"start_date"`
	EndDate      string            `json:"end_date"`
	TrustID      string            `json:"trust_id"`
	Status       string            `json:"status"`
	Degraded     bool              `json:"degraded"`
	Reservations []reservationView `json:"reservations"`
	Events       []eventView       `json:"events"`
}

type reservationView struct {
	CreatedAt          string `json:"created_at"`
	UpdatedAt          any    `json:"updated_at"`
	ID                 string `json:"id"`
	LeaseID            string `json:"lease_id"`
	ResourceID         string `json:"resource_id"`
	ResourceType       string `json:"resource_type"`
	Status             string `json:"status"`
	MissingResources   bool   `json:"missing_resources"`
	ResourcesChanged   bool   `json:"resources_changed"`
	Hypervisor         *any   `json:"hypervisor_properties,omitempty"` // of machines, may be null
	ResourceProperties any    `json:"resource_properties"`
	BeforeEnd          string `json:"before_end"`
	OnStart            string `json:"on_start,omitempty"` // of machines
	Min                int    `json:"min"`
	Max                int    `json:"max"`
}

type eventView struct {
	CreatedAt string `json:"created_at"`
	UpdatedAt any    `json:"updated_at"`
	ID        string `json:"id"`
	LeaseID   string `json:"lease_id"`
	EventType string `json:"event_type"`
	Time      string `json:"time"`
	Status    string `json:"status"`
}

func (l *lease) view(k kind) leaseView {
	v := leaseView{
		CreatedAt: l.created.Format(rowTime), UpdatedAt: orNull(l.updated), ID: l.id, Name: l.name,
		UserID: l.userID, ProjectID: l.projectID, StartDate: l.start.Format(dateTime), EndDate: l.end.Format(dateTime),
		TrustID: l.trustID, Status: l.status, Degraded: l.degraded,
		Reservations: []reservationView{}, Events: []eventView{},
	}
	for _, r := range l.reservations {
		view := reservationView{
			CreatedAt: r.created.Format(rowTime), UpdatedAt: orNull(r.updated), ID: r.id, LeaseID: l.id,
			ResourceID: r.resourceID, ResourceType: k.resource, Status: r.status, MissingResources: r.missing,
			ResourcesChanged: r.changed, ResourceProperties: r.props, BeforeEnd: r.before, Min: r.min, Max: r.max,
		}
		if k.hypervisor {
			view.Hypervisor, view.OnStart = &r.hyper, r.onStart
		}
		v.Reservations = append(v.Reservations, view)
	}
	for _, e := range l.events() {
		v.Events = append(v.Events, eventView{
			CreatedAt: e.created.Format(rowTime), UpdatedAt: orNull(e.updated), ID: e.id, LeaseID: l.id,
			EventType: e.kind, Time: e.at.Format(dateTime), Status: e.status,
		})
	}
	return v
}

// find returns the lease or the 404. There is no check of the project: the real
// policy compares the caller with himself, so a lease's id opens it to everybody.
func (s *book) find(id string) (*lease, *problem) {
	for _, l := range s.leases {
		if l.id == id && !l.deleted {
			return l, nil
		}
	}
	return nil, &problem{404, "Object with {'lease_id': '" + id + "'} not found"}
}

func (s leaseCalls) listLeases(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := []leaseView{}
	for _, l := range s.leases {
		if !l.deleted && (l.projectID == c.caller.ProjectID || c.caller.Admin()) {
			views = append(views, l.view(s.kind))
		}
	}
	front.JSON(c.w, 200, map[string]any{"leases": views})
}

func (s leaseCalls) showLease(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, p := s.find(c.r.PathValue("id"))
	if p != nil {
		s.fail(c.w, p)
		return
	}
	front.JSON(c.w, 200, map[string]any{"lease": l.view(s.kind)})
}

// deleteLease is synchronous. Running containers go first.
func (s leaseCalls) deleteLease(c call) {
	s.mu.Lock()
	l, p := s.find(c.r.PathValue("id"))
	if p != nil {
		s.mu.Unlock()
		s.fail(c.w, p)
		return
	}
	if p := l.mayEnd(); p != nil {
		s.mu.Unlock()
		s.fail(c.w, p)
		return
	}
	l.deleted = true
	ids := l.free(s.labels)
	s.mu.Unlock()
	s.ended(ids)
	front.JSON(c.w, 200, map[string]any{})
}

// mayEnd is false for a lease whose board's node is gone: the first DELETE breaks half-way and
// leaves the end event IN_PROGRESS, and with that no later DELETE is a valid transition, even
// when the node is back (recorded, cases d4 to d7).
func (l *lease) mayEnd() *problem {
	if !l.nodeGone {
		return nil
	}
	if l.endEvent.status == inProgress {
		return invalidStatus
	}
	l.endEvent.status = inProgress
	return internal
}

// free gives the lease's boards back and returns the ids of its reservations.
func (l *lease) free(labels nodes) []string {
	var ids []string
	for _, r := range l.reservations {
		if r.status != "deleted" {
			labels.unmark(r)
		}
		r.devices, r.had = nil, append(r.had, r.devices...)
		ids = append(ids, r.id)
	}
	return ids
}

func (s *book) ended(ids []string) {
	if s.Containers != nil && len(ids) > 0 {
		s.Containers.ReservationEnded(ids)
	}
}
