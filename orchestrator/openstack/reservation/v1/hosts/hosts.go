/*
Package hosts reads the machines that the OpenStack Reservation service (Blazar,
Chameleon's branch chameleoncloud/2023.1) lends whole: physical:host. Making and
changing hosts is the operators' work and not here.

A client is made by leases.NewReservationV1. Who is booked when has the shape that
package devices has:

	pages, err := hosts.List(client).AllPages(ctx)
	all, err := hosts.ExtractHosts(pages)
	allocations, err := hosts.ListAllocations(ctx, client).Extract()
*/
package hosts

import (
	"context"
	"encoding/json"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"chexp/orchestrator/openstack/reservation/v1/devices"
)

// List retrieves all hosts, with their extra capabilities. Query filters are ignored
// by the server.
func List(client *gophercloud.ServiceClient) pagination.Pager {
	return pagination.NewPager(client, client.ServiceURL("os-hosts"), func(r pagination.PageResult) pagination.Page {
		return HostPage{pagination.SinglePageBase(r)}
	})
}

// ListAllocations retrieves, for every host, the reservations that end now or later.
func ListAllocations(ctx context.Context, client *gophercloud.ServiceClient) (r devices.AllocationsResult) {
	resp, err := client.Get(ctx, client.ServiceURL("os-hosts", "allocations"), &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// Host is a machine that can be reserved.
type Host struct {
	// ID is Blazar's own, the number of a row; Ironic's is HypervisorHostname.
	ID string `json:"id"`

	// HypervisorHostname is the uuid of Ironic's node, by which Nova knows it.
	HypervisorHostname string `json:"hypervisor_hostname"`

	// Reservable is false for a host taken out of service, and so is Disabled true.
	Reservable bool `json:"reservable"`
	Disabled   bool `json:"disabled"`

	// ExtraCapabilities are the operators' properties, which Blazar flattens into the
	// top level of the object: node_name, node_type, uid, gpu.gpu_model.
	ExtraCapabilities map[string]any `json:"-"`
}

// Capability returns an extra capability as text, "" when the host does not have it.
func (r Host) Capability(name string) string {
	return devices.Device{ExtraCapabilities: r.ExtraCapabilities}.Capability(name)
}

// UnmarshalJSON collects the capabilities.
func (r *Host) UnmarshalJSON(b []byte) error {
	type tmp Host
	var s tmp
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*r = Host(s)
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	r.ExtraCapabilities = gophercloud.RemainingKeys(Host{}, all)
	return nil
}

// HostPage contains all hosts from a List call.
type HostPage struct {
	pagination.SinglePageBase
}

// IsEmpty determines whether a HostPage contains any hosts.
func (r HostPage) IsEmpty() (bool, error) {
	if r.StatusCode == 204 {
		return true, nil
	}
	all, err := ExtractHosts(r)
	return len(all) == 0, err
}

// ExtractHosts takes a List result and extracts the hosts.
func ExtractHosts(p pagination.Page) ([]Host, error) {
	var s struct {
		Hosts []Host `json:"hosts"`
	}
	err := (p.(HostPage)).ExtractInto(&s)
	if err == nil && s.Hosts == nil { // an answer that is no list: not even an empty one
		err = gophercloud.ErrMissingResourceKey{Expected: "hosts"}
	}
	return s.Hosts, err
}
