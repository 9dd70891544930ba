package leases

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// NewReservationV1 makes a client for the reservation service that the
// catalog names for the region.
func NewReservationV1(provider *gophercloud.ProviderClient,
	eo gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error) {
	return openstack.NewReservationV1(provider, eo)
}

// dateFormat is the only one Blazar reads, apart from the word "now". UTC, no
// seconds, no zone [BLZ:blazar/manager/service.py (_date_from_string), LEASE_DATE_FORMAT].
const dateFormat = "2006-01-02 15:04"

// now floors to the server's current minute. A client whose clock is off
// sends it rather than a time of its own: a start in the previous minute is
// refused.
const now = "now"

func date(t time.Time) string { return t.UTC().Format(dateFormat) }

// ListOptsBuilder allows extensions to add parameters to the List request.
type ListOptsBuilder interface {
	ToLeaseListQuery() (string, error)
}

// ListOpts is empty: Blazar ignores query parameters here and returns every
// lease of the project [BLZ:blazar/api/v1/leases/service.py (get_leases)].
type ListOpts struct{}

// ToLeaseListQuery formats a ListOpts into a query string.
func (opts ListOpts) ToLeaseListQuery() (string, error) {
	q, err := gophercloud.BuildQueryString(opts)
	return q.String(), err
}

// List retrieves all leases of the project, whoever made them, ended ones that
// were not deleted included.
func List(client *gophercloud.ServiceClient, opts ListOptsBuilder) pagination.Pager {
	url := rootURL(client)
	if opts != nil {
		query, err := opts.ToLeaseListQuery()
		if err != nil {
			return pagination.Pager{Err: err}
		}
		url += query
	}
	return pagination.NewPager(client, url, func(r pagination.PageResult) pagination.Page {
		return LeasePage{pagination.SinglePageBase(r)}
	})
}

// Term is one condition on a property of a device, compared as text.
type Term [3]string

// Equal is the condition that a property has this value. Keys are "name" and
// "id" of Blazar's own, and extra capabilities such as "machine_name" and
// "uid"; one that no device has is a 500.
func Equal(key, value string) Term { return Term{"==", "$" + key, value} }

// Properties writes conditions that must all hold as Blazar reads them: a
// JSON document inside a string. No condition is "", any device
// [BLZ:blazar/utils/plugins.py (convert_requirements)].
func Properties(terms ...Term) string {
	var v any
	switch len(terms) {
	case 0:
		return ""
	case 1:
		v = terms[0]
	default:
		all := []any{"and"}
		for _, t := range terms {
			all = append(all, t)
		}
		v = all
	}
	b, err := json.Marshal(v)
	if err != nil { // strings always marshal
		return ""
	}
	return string(b)
}

// ReservationOpts asks for one kind of resource inside a lease. For devices
// all four are mandatory to the server, also an empty ResourceProperties
// [BLZ:blazar/plugins/devices/device_plugin.py (_check_params)].
type ReservationOpts struct {
	// ID names an existing reservation in an update; leave it out to create.
	ID string `json:"id,omitempty"`

	// ResourceType is "device" for edge devices, "physical:host" for machines.
	ResourceType string `json:"resource_type,omitempty"`

	// Min and Max are how many devices, at least 1.
	Min int `json:"min,omitempty"`
	Max int `json:"max,omitempty"`

	// ResourceProperties filters the devices; see Properties.
	ResourceProperties string `json:"resource_properties"`

	// HypervisorProperties is the same filter once more. For a physical:host the key
	// must be there, also with an empty text; for a device it must not.
	HypervisorProperties *string `json:"hypervisor_properties,omitempty"`
}

// CreateOptsBuilder allows extensions to add parameters to the Create request.
type CreateOptsBuilder interface {
	ToLeaseCreateMap() (map[string]any, error)
}

// CreateOpts specifies a lease.
type CreateOpts struct {
	// Name is at most 80 characters and need not be unique.
	Name string

	// StartDate is floored to its minute; zero means now.
	StartDate time.Time

	// EndDate is floored to its minute.
	EndDate time.Time

	// Reservations must not be empty: Blazar would make a lease of nothing
	// and answer 201.
	Reservations []ReservationOpts
}

// ToLeaseCreateMap formats a CreateOpts into a request body.
func (opts CreateOpts) ToLeaseCreateMap() (map[string]any, error) {
	switch {
	case opts.Name == "":
		return nil, gophercloud.ErrMissingInput{Argument: "Name"}
	case opts.EndDate.IsZero():
		return nil, gophercloud.ErrMissingInput{Argument: "EndDate"}
	case len(opts.Reservations) == 0:
		return nil, gophercloud.ErrMissingInput{Argument: "Reservations"}
	}
	for _, r := range opts.Reservations {
		switch {
		case r.ResourceType == "":
			return nil, gophercloud.ErrMissingInput{Argument: "Reservations.ResourceType"}
		case r.Min < 1 || r.Max < r.Min:
			return nil, gophercloud.ErrMissingInput{Argument: "Reservations.Min, Max"}
		}
	}
	start := now
	if !opts.StartDate.IsZero() {
		start = date(opts.StartDate)
	}
	return map[string]any{
		"name":         opts.Name,
		"start_date":   start,
		"end_date":     date(opts.EndDate),
		"reservations": opts.Reservations,
		"events":       []any{},
	}, nil
}

// Create makes a lease. It is never sent twice by itself; see the package
// comment. The body must have a Content-Length, as it has here: Blazar answers
// a chunked one with 500 [BLZ:blazar/api/v1/utils.py (request_data)].
func Create(ctx context.Context, client *gophercloud.ServiceClient, opts CreateOptsBuilder) (r CreateResult) {
	b, err := opts.ToLeaseCreateMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Post(ctx, rootURL(client), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{201},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// Get retrieves one lease by its id. It checks no owner: a lease of another
// project is shown as well.
func Get(ctx context.Context, client *gophercloud.ServiceClient, id string) (r GetResult) {
	resp, err := client.Get(ctx, leaseURL(client, id), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// UpdateOptsBuilder allows extensions to add parameters to the Update request.
type UpdateOptsBuilder interface {
	ToLeaseUpdateMap() (map[string]any, error)
}

// UpdateOpts specifies what to change; what is zero stays.
type UpdateOpts struct {
	Name string

	// StartDate cannot change once the lease has started.
	StartDate time.Time

	// EndDate is floored to its minute. Do not extend a lease at its very
	// end: in the minute in which it terminated Blazar answers 200 and leaks
	// the allocation.
	EndDate time.Time

	// EndNow ends the lease and keeps its record.
	EndNow bool

	// Reservations changes reservations, named by ID.
	Reservations []ReservationOpts
}

// ToLeaseUpdateMap formats an UpdateOpts into a request body.
func (opts UpdateOpts) ToLeaseUpdateMap() (map[string]any, error) {
	b := map[string]any{}
	if opts.Name != "" {
		b["name"] = opts.Name
	}
	if !opts.StartDate.IsZero() {
		b["start_date"] = date(opts.StartDate)
	}
	switch {
	case opts.EndNow && !opts.EndDate.IsZero():
		return nil, gophercloud.ErrInvalidInput{
			ErrMissingInput: gophercloud.ErrMissingInput{Argument: "EndNow"}, Value: "together with EndDate"}
	case opts.EndNow:
		b["end_date"] = now
	case !opts.EndDate.IsZero():
		b["end_date"] = date(opts.EndDate)
	}
	for _, r := range opts.Reservations {
		if r.ID == "" {
			return nil, gophercloud.ErrMissingInput{Argument: "Reservations.ID"}
		}
	}
	if len(opts.Reservations) > 0 {
		b["reservations"] = opts.Reservations
	}
	if len(b) == 0 {
		return nil, gophercloud.ErrMissingInput{Argument: "UpdateOpts"}
	}
	return b, nil
}

// Update changes a lease. The lease in the answer has the status UPDATING: get
// it again to learn the real one. 500 "Invalid lease status." means that the
// lease is in transition; try again in a moment [BLZ:blazar/status.py (lease_status)].
func Update(ctx context.Context, client *gophercloud.ServiceClient, id string,
	opts UpdateOptsBuilder) (r UpdateResult) {
	b, err := opts.ToLeaseUpdateMap()
	if err != nil {
		r.Err = err
		return
	}
	resp, err := client.Put(ctx, leaseURL(client, id), b, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// Delete removes a lease in any state; on the devices of an active one, the
// containers go with it [BLZ:blazar/plugins/devices/k8s_plugin.py (deallocate)].
// It is synchronous and answers 200 with {}, not 204.
func Delete(ctx context.Context, client *gophercloud.ServiceClient, id string) (r DeleteResult) {
	resp, err := client.Delete(ctx, leaseURL(client, id), &gophercloud.RequestOpts{
		OkCodes: []int{200, 204},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// ListDevices retrieves the devices that the lease was given. Only Chameleon's
// Blazar has it, and its answer lacks the extra capabilities: get those from
// the devices package by ID [BLZ:blazar/api/v1/leases/v1_0.py].
func ListDevices(ctx context.Context, client *gophercloud.ServiceClient, id string) (r DevicesResult) {
	resp, err := client.Get(ctx, devicesURL(client, id), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// ListHosts is ListDevices for a lease of physical hosts.
func ListHosts(ctx context.Context, client *gophercloud.ServiceClient, id string) (r DevicesResult) {
	resp, err := client.Get(ctx, hostsURL(client, id), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}
