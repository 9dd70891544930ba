package openstack_test

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"chexp/orchestrator/openstack/reservation/v1/devices"
	"chexp/orchestrator/openstack/reservation/v1/hosts"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// metalRequests are those that only bare-metal sites answer: Blazar's hosts by our own
// package, Nova and Glance by gophercloud's.
var metalRequests = []request{
	{"GET", `^/v1/os-hosts$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := hosts.List(at(c, "v1/")).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := hosts.ExtractHosts(pages)
		for _, h := range all {
			if h.ID == "" || h.HypervisorHostname == "" || h.Capability("node_type") == "" {
				err = firstError(err, fmt.Errorf("half a host: %+v", h))
			}
		}
		return firstError(err, count(x, "hosts", len(all)))
	}},
	{"GET", `^/v1/os-hosts/allocations$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		all, err := hosts.ListAllocations(ctx, at(c, "v1/")).Extract()
		for _, a := range all {
			for _, r := range a.Reservations {
				if r.ID == "" || r.LeaseID == "" || !r.EndDate.After(r.StartDate) {
					err = firstError(err, fmt.Errorf("half an allocation: %+v", r))
				}
			}
		}
		return firstError(err, count(x, "allocations", len(all)))
	}},
	{"GET", `^/v1/leases/[^/]+/hosts$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		all, err := leases.ListHosts(ctx, at(c, "v1/"), "id").Extract()
		return firstError(err, count(x, "hosts", len(all)))
	}},
	{"GET", `^/v1/os-hosts/properties$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		all, err := devices.ListProperties(ctx, at(c, "v1/")).Extract()
		return firstError(err, count(x, "resource_properties", len(all)))
	}},
	{"GET", `^/v2.1/servers/detail$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := servers.List(at(c, "v2.1/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := servers.ExtractServers(pages)
		return firstError(err, count(x, "servers", len(all)))
	}},
	{"POST", `^/v2.1/servers$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		v, err := servers.Create(ctx, at(c, "v2.1/"), servers.CreateOpts{Name: "x", FlavorRef: "f", ImageRef: "i"},
			nil).Extract()
		if err == nil && v == nil {
			err = fmt.Errorf("nothing was read")
		}
		return err
	}},
	{"GET", `^/v2.1/servers/[0-9a-f-]{36}$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		v, err := servers.Get(ctx, at(c, "v2.1/"), "id").Extract()
		if err == nil && (v.ID == "" || v.Name == "" || v.Status == "" || v.UserID == "" ||
			v.Status == "ERROR" && v.Fault.Message == "" || v.Status == "ACTIVE" && v.LaunchedAt.IsZero()) {
			err = fmt.Errorf("half a server: %+v", *v)
		}
		return err
	}},
	{"DELETE", `^/v2.1/servers/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return servers.Delete(ctx, at(c, "v2.1/"), "id").ExtractErr()
	}},
	{"GET", `^/v2.1/os-keypairs$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := keypairs.List(at(c, "v2.1/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := keypairs.ExtractKeyPairs(pages)
		return firstError(err, count(x, "keypairs", len(all)))
	}},
	{"POST", `^/v2.1/os-keypairs$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := keypairs.Create(ctx, at(c, "v2.1/"), keypairs.CreateOpts{Name: "x"}).Extract()
		return err
	}},
	{"GET", `^/v2.1/os-keypairs/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		k, err := keypairs.Get(ctx, at(c, "v2.1/"), "x", keypairs.GetOpts{}).Extract()
		if err == nil && (k.Name == "" || k.PublicKey == "") {
			err = fmt.Errorf("half a key pair: %+v", *k)
		}
		return err
	}},
	{"DELETE", `^/v2.1/os-keypairs/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return keypairs.Delete(ctx, at(c, "v2.1/"), "x", keypairs.DeleteOpts{}).ExtractErr()
	}},
	{"GET", `^/v2.1/flavors/detail$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := flavors.ListDetail(at(c, "v2.1/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := flavors.ExtractFlavors(pages)
		return firstError(err, count(x, "flavors", len(all)))
	}},
	{"GET", `^/v2/images/[0-9a-f-]{36}$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		i, err := images.Get(ctx, at(c, "v2/"), "id").Extract()
		if err == nil && (i.ID == "" || i.Status == "" || i.CreatedAt.IsZero()) {
			err = fmt.Errorf("half an image: %+v", *i)
		}
		return err
	}},
}
