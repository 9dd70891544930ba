package chameleon

import (
	"cmp"
	"context"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/openstack/reservation/v1/devices"
	"chexp/orchestrator/openstack/reservation/v1/hosts"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// Lending is what a site lends: Blazar has a plugin for each kind, which calls the same
// things by other names.
type Lending struct {
	resource string // a reservation's type
	kind     string // the properties that choose: what kind it is,
	name     string // what it is called

	list        func(context.Context, *gophercloud.ServiceClient) ([]devices.Device, error)
	allocations func(context.Context, *gophercloud.ServiceClient) devices.AllocationsResult
	ofLease     func(context.Context, *gophercloud.ServiceClient, string) leases.DevicesResult
}

// Boards are CHI@Edge's devices.
var Boards = Lending{
	resource: "device", kind: "machine_name", name: "name",
	list: func(ctx context.Context, c *gophercloud.ServiceClient) ([]devices.Device, error) {
		pages, err := devices.List(c).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return devices.ExtractDevices(pages)
	},
	allocations: devices.ListAllocations,
	ofLease:     leases.ListDevices,
}

// Machines are the whole machines of the bare-metal sites.
var Machines = Lending{
	resource: "physical:host", kind: "node_type", name: "node_name",
	list: func(ctx context.Context, c *gophercloud.ServiceClient) ([]devices.Device, error) {
		pages, err := hosts.List(c).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		all, err := hosts.ExtractHosts(pages)
		if err != nil {
			return nil, err
		}
		nodes := make([]devices.Device, 0, len(all))
		for _, h := range all {
			nodes = append(nodes, asDevice(h))
		}
		return nodes, nil
	},
	allocations: hosts.ListAllocations,
	ofLease:     leases.ListHosts,
}

// asDevice is a host in the words of devices.
func asDevice(h hosts.Host) devices.Device {
	model := h.Capability("processor.model")
	if gpu := h.Capability("gpu.gpu_model"); gpu != "" && gpu != "None" {
		model = strings.TrimPrefix(model+", "+gpu, ", ")
	}
	return devices.Device{
		ID: h.ID, Name: cmp.Or(h.Capability("node_name"), h.HypervisorHostname), Reservable: h.Reservable && !h.Disabled,
		ExtraCapabilities: map[string]any{
			"uid": cmp.Or(h.Capability("uid"), h.HypervisorHostname), "machine_name": h.Capability("node_type"),
			"model": model, "cpu_arch": cmp.Or(h.Capability("architecture.platform_type"), "x86_64"),
			"authorized_projects": h.Capability("authorized_projects"),
		},
	}
}

// lent reports whether a reservation is of a device or machine, and of nothing else
// that Blazar lends.
func lent(r leases.Reservation) bool {
	return r.ResourceType == Boards.resource || r.ResourceType == Machines.resource
}

// reservation asks for one that has these properties.
func (l Lending) reservation(terms ...leases.Term) leases.ReservationOpts {
	o := leases.ReservationOpts{ResourceType: l.resource, Min: 1, Max: 1, ResourceProperties: leases.Properties(terms...)}
	if l.resource == Machines.resource {
		o.HypervisorProperties = new(string) // the key is required, and means the same as the other
	}
	return o
}
