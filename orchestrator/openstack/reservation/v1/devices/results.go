package devices

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// GetResult is the response from a Get operation. Call its Extract method to
// interpret it as a Device.
type GetResult struct {
	gophercloud.Result
}

// Extract interprets a GetResult as a Device.
func (r GetResult) Extract() (*Device, error) {
	var s struct {
		Device *Device `json:"device"`
	}
	if err := r.ExtractInto(&s); err != nil {
		return nil, err
	}
	if s.Device == nil {
		return nil, gophercloud.ErrMissingResourceKey{Expected: "device"}
	}
	return s.Device, nil
}

// AllocationsResult is the response from a ListAllocations operation. Call its
// Extract method to interpret it as a list of Allocation.
type AllocationsResult struct {
	gophercloud.Result
}

// Extract interprets an AllocationsResult as a list of Allocation.
func (r AllocationsResult) Extract() ([]Allocation, error) {
	var s struct {
		Allocations []Allocation `json:"allocations"`
	}
	err := r.ExtractInto(&s)
	if err == nil && s.Allocations == nil {
		err = gophercloud.ErrMissingResourceKey{Expected: "allocations"}
	}
	return s.Allocations, err
}

// PropertiesResult is the response from a ListProperties operation. Call its
// Extract method to interpret it as a list of names.
type PropertiesResult struct {
	gophercloud.Result
}

// Extract interprets a PropertiesResult as a list of names.
func (r PropertiesResult) Extract() ([]string, error) {
	var s struct {
		Properties []struct {
			Property string `json:"property"`
		} `json:"resource_properties"`
	}
	if err := r.ExtractInto(&s); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(s.Properties))
	for _, p := range s.Properties {
		names = append(names, p.Property)
	}
	return names, nil
}

// Device is a board that can be reserved.
type Device struct {
	// ID is Blazar's own. The "uid" capability is the hardware inventory's.
	ID   string `json:"id"`
	Name string `json:"name"`

	// DeviceType is how it is used, "container" for all of them, not the
	// board; that is the "machine_name" capability.
	DeviceType string `json:"device_type"`

	// DeviceDriver is "k8s".
	DeviceDriver string `json:"device_driver"`

	// Reservable is false for a device taken out of service.
	Reservable bool `json:"reservable"`

	CreatedAt time.Time `json:"-"`

	// UpdatedAt is zero when the device was never changed.
	UpdatedAt time.Time `json:"-"`

	// ExtraCapabilities are the operators' properties, which Blazar flattens
	// into the top level of the object.
	ExtraCapabilities map[string]any `json:"-"`
}

// Capability returns an extra capability as text, "" when the device does not
// have it.
func (r Device) Capability(name string) string {
	switch v := r.ExtraCapabilities[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// UnmarshalJSON reads Blazar's format of time and collects the capabilities.
func (r *Device) UnmarshalJSON(b []byte) error {
	type tmp Device
	var s struct {
		tmp
		CreatedAt gophercloud.JSONRFC3339ZNoTNoZ  `json:"created_at"`
		UpdatedAt *gophercloud.JSONRFC3339ZNoTNoZ `json:"updated_at"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*r = Device(s.tmp)
	r.CreatedAt = time.Time(s.CreatedAt)
	if s.UpdatedAt != nil {
		r.UpdatedAt = time.Time(*s.UpdatedAt)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	delete(all, "created_at")
	delete(all, "updated_at")
	r.ExtraCapabilities = gophercloud.RemainingKeys(Device{}, all)
	return nil
}

// Allocation is when one device is taken.
type Allocation struct {
	// ResourceID is the ID of the Device.
	ResourceID   string        `json:"resource_id"`
	Reservations []Reservation `json:"reservations"`
}

// Reservation is one booking. Whose it is, only administrators are told.
type Reservation struct {
	ID      string `json:"id"`
	LeaseID string `json:"lease_id"`

	// StartDate and EndDate are UTC, whole minutes, both inclusive: two
	// leases that meet in one minute collide.
	StartDate time.Time `json:"-"`
	EndDate   time.Time `json:"-"`

	// Extras may hold user_name, where the site shows it.
	Extras map[string]any `json:"extras"`
}

// UnmarshalJSON reads the times of a Reservation.
func (r *Reservation) UnmarshalJSON(b []byte) error {
	type tmp Reservation
	var s struct {
		tmp
		StartDate gophercloud.JSONRFC3339MilliNoZ `json:"start_date"`
		EndDate   gophercloud.JSONRFC3339MilliNoZ `json:"end_date"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*r = Reservation(s.tmp)
	r.StartDate = time.Time(s.StartDate)
	r.EndDate = time.Time(s.EndDate)
	return nil
}

// DevicePage contains all devices from a List call.
type DevicePage struct {
	pagination.SinglePageBase
}

// IsEmpty determines whether a DevicePage contains any devices.
func (r DevicePage) IsEmpty() (bool, error) {
	if r.StatusCode == 204 {
		return true, nil
	}
	devices, err := ExtractDevices(r)
	return len(devices) == 0, err
}

// ExtractDevices takes a List result and extracts the devices.
func ExtractDevices(p pagination.Page) ([]Device, error) {
	var s struct {
		Devices []Device `json:"devices"`
	}
	err := (p.(DevicePage)).ExtractInto(&s)
	if err == nil && s.Devices == nil { // an answer that is no list: not even an empty one
		err = gophercloud.ErrMissingResourceKey{Expected: "devices"}
	}
	return s.Devices, err
}
