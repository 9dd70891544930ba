package leases

import (
	"encoding/json"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// Statuses of a lease [BLZ:blazar/status.py (LeaseStatus)].
const (
	StatusCreating    = "CREATING"
	StatusPending     = "PENDING"
	StatusStarting    = "STARTING"
	StatusActive      = "ACTIVE"
	StatusTerminating = "TERMINATING"
	StatusTerminated  = "TERMINATED"
	StatusUpdating    = "UPDATING"
	StatusDeleting    = "DELETING"
	StatusError       = "ERROR"
)

type commonResult struct {
	gophercloud.Result
}

// Extract interprets any commonResult as a Lease.
func (r commonResult) Extract() (*Lease, error) {
	var s struct {
		Lease *Lease `json:"lease"`
	}
	if err := r.ExtractInto(&s); err != nil {
		return nil, err
	}
	if s.Lease == nil {
		return nil, gophercloud.ErrMissingResourceKey{Expected: "lease"}
	}
	return s.Lease, nil
}

// GetResult is the response from a Get operation. Call its Extract method to
// interpret it as a Lease.
type GetResult struct {
	commonResult
}

// CreateResult is the response from a Create operation. Call its Extract
// method to interpret it as a Lease.
type CreateResult struct {
	commonResult
}

// UpdateResult is the response from an Update operation. Call its Extract
// method to interpret it as a Lease.
type UpdateResult struct {
	commonResult
}

// DeleteResult is the response from a Delete operation. Call its ExtractErr
// method to determine whether the request succeeded.
type DeleteResult struct {
	gophercloud.ErrResult
}

// DevicesResult is the response from a ListDevices or ListHosts operation. Call its Extract
// method to interpret it as a list of LeasedDevice.
type DevicesResult struct {
	gophercloud.Result
}

// Extract interprets a DevicesResult as a list of LeasedDevice.
func (r DevicesResult) Extract() ([]LeasedDevice, error) {
	var s struct {
		Devices []LeasedDevice `json:"devices"`
		Hosts   []LeasedDevice `json:"hosts"`
	}
	err := r.ExtractInto(&s)
	if s.Devices == nil {
		s.Devices = s.Hosts
	}
	if err == nil && s.Devices == nil {
		err = gophercloud.ErrMissingResourceKey{Expected: "devices"}
	}
	return s.Devices, err
}

// LeasedDevice is a device without its capabilities.
type LeasedDevice struct {
	// ID is Blazar's own; the "uid" capability is another.
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Lease is a time window with reservations.
type Lease struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	UserID    string `json:"user_id"`
	ProjectID string `json:"project_id"`

	// Status is in upper case; see the constants.
	Status string `json:"status"`

	// Degraded tells that a device of the lease was lost or replaced.
	Degraded bool `json:"degraded"`

	// StartDate and EndDate are UTC.
	StartDate time.Time `json:"-"`
	EndDate   time.Time `json:"-"`

	CreatedAt time.Time `json:"-"`

	// UpdatedAt is zero when the lease was never changed.
	UpdatedAt time.Time `json:"-"`

	Reservations []Reservation `json:"reservations"`
	Events       []Event       `json:"events"`
}

// UnmarshalJSON reads Blazar's two formats of time: one with a T for the
// window, one with a blank for the record; neither has a zone.
func (r *Lease) UnmarshalJSON(b []byte) error {
	type tmp Lease
	var s struct {
		tmp
		StartDate gophercloud.JSONRFC3339MilliNoZ `json:"start_date"`
		EndDate   gophercloud.JSONRFC3339MilliNoZ `json:"end_date"`
		CreatedAt gophercloud.JSONRFC3339ZNoTNoZ  `json:"created_at"`
		UpdatedAt *gophercloud.JSONRFC3339ZNoTNoZ `json:"updated_at"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*r = Lease(s.tmp)
	r.StartDate = time.Time(s.StartDate)
	r.EndDate = time.Time(s.EndDate)
	r.CreatedAt = time.Time(s.CreatedAt)
	if s.UpdatedAt != nil {
		r.UpdatedAt = time.Time(*s.UpdatedAt)
	}
	return nil
}

// Reservation is one request for resources inside a lease.
type Reservation struct {
	// ID is what Zun wants as its scheduling hint, not the lease's.
	ID      string `json:"id"`
	LeaseID string `json:"lease_id"`

	// ResourceID is a row of Blazar's own, not a device.
	ResourceID   string `json:"resource_id"`
	ResourceType string `json:"resource_type"`

	// Status is in lower case: pending, active, deleted, error.
	Status string `json:"status"`

	// MissingResources and ResourcesChanged tell of a lost or swapped device.
	MissingResources bool `json:"missing_resources"`
	ResourcesChanged bool `json:"resources_changed"`

	// ResourceProperties is the string as it was sent.
	ResourceProperties string `json:"resource_properties"`

	Min int `json:"min"`
	Max int `json:"max"`
}

// Event is something Blazar does at a time: start_lease, end_lease,
// before_end_lease.
type Event struct {
	ID        string    `json:"id"`
	EventType string    `json:"event_type"`
	Time      time.Time `json:"-"`

	// Status is UNDONE, IN_PROGRESS, DONE or ERROR.
	Status string `json:"status"`
}

// UnmarshalJSON reads the time of an Event.
func (r *Event) UnmarshalJSON(b []byte) error {
	type tmp Event
	var s struct {
		tmp
		Time gophercloud.JSONRFC3339MilliNoZ `json:"time"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*r = Event(s.tmp)
	r.Time = time.Time(s.Time)
	return nil
}

// LeasePage contains all leases from a List call.
type LeasePage struct {
	pagination.SinglePageBase
}

// IsEmpty determines whether a LeasePage contains any leases.
func (r LeasePage) IsEmpty() (bool, error) {
	if r.StatusCode == 204 {
		return true, nil
	}
	leases, err := ExtractLeases(r)
	return len(leases) == 0, err
}

// ExtractLeases takes a List result and extracts the leases.
func ExtractLeases(p pagination.Page) ([]Lease, error) {
	var s struct {
		Leases []Lease `json:"leases"`
	}
	err := (p.(LeasePage)).ExtractInto(&s)
	if err == nil && s.Leases == nil { // an answer that is no list: not even an empty one
		err = gophercloud.ErrMissingResourceKey{Expected: "leases"}
	}
	return s.Leases, err
}
