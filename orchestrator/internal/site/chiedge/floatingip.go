package chiedge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// addressClient gives containers addresses that the world reaches: floating IPs
// (Neutron).
type addressClient struct {
	*client
	networkMu sync.Mutex
	network   *gophercloud.ServiceClient // made when first needed: only SSH needs it
}

// networkClient is made when first needed: gophercloud asks the service for
// its versions, and runs without SSH need no network.
func (s *addressClient) networkClient() (*gophercloud.ServiceClient, error) {
	s.networkMu.Lock()
	defer s.networkMu.Unlock()
	if s.network == nil {
		client, err := openstack.NewNetworkV2(s.Session.Provider, s.Session.Endpoints)
		if err != nil {
			return nil, err
		}
		s.network = client
	}
	return s.network, nil
}

// ipNote marks a floating IP as made for this container. When the container is
// gone its IP is bound to nothing, and only this tells whose it was.
func ipNote(containerID string) string { return "chexp container " + containerID }

// floatingIP gives the container an address that the world reaches: the one it
// has, or a new one. The pool is small and shared by everybody.
func (s *addressClient) floatingIP(ctx context.Context, c containers.Container) (string, error) {
	what := "getting a floating IP for container " + c.Name
	port := networkPort(c)
	if port == "" {
		return "", failure.Cloud.Errorf("%s: it has no network port", what).Advise("use transport: zun")
	}
	client, err := s.networkClient()
	if err != nil {
		return "", s.Failed(what, err)
	}
	find := func() (string, error) {
		all, err := s.floatingIPs(ctx, client)
		for _, ip := range all {
			if ip.PortID == port {
				return ip.FloatingIP, nil
			}
		}
		return "", err
	}
	if address, err := find(); err != nil || address != "" {
		return address, s.Failed(what, err)
	}
	network, err := publicNetwork(ctx, client)
	if err != nil {
		return "", s.Failed(what, err)
	}
	post, cancel := patient.Detached(ctx, s.Pace.Create)
	defer cancel()
	ip, err := floatingips.Create(post, client, floatingips.CreateOpts{
		FloatingNetworkID: network, PortID: port, Description: ipNote(c.UUID),
	}).Extract()
	if err == nil {
		return ip.FloatingIP, nil
	}
	e := apierror.From(err)
	if e.Ambiguous() || e.Kind == apierror.Conflict { // 409 also says that the port has one by now
		if address, findErr := find(); findErr == nil && address != "" {
			return address, nil
		}
	}
	if e.Kind == apierror.NoAddressFree || e.Kind == apierror.QuotaExceeded {
		return "", failure.Capacity.Errorf("%s: none is left", what).
			Advise("use transport: zun, which needs none, or delete floating IPs that are not in use").
			Because(e)
	}
	return "", s.Failed(what, e)
}

// networkPort is the first port of the container. It outlives a restart of the
// pod; the address does not.
func networkPort(c containers.Container) string {
	for _, addresses := range c.Addresses {
		for _, a := range addresses {
			if a.Port != "" {
				return a.Port
			}
		}
	}
	return ""
}

// publicNetwork is the external network; its id differs from year to year.
func publicNetwork(ctx context.Context, client *gophercloud.ServiceClient) (string, error) {
	yes := true
	pages, err := networks.List(client, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{},
		External: &yes}).AllPages(ctx)
	if err != nil {
		return "", err
	}
	all, err := networks.ExtractNetworks(pages)
	if err != nil {
		return "", err
	}
	for _, n := range all {
		if n.Name == "public" {
			return n.ID, nil
		}
	}
	if len(all) != 1 {
		return "", fmt.Errorf("the site has %d external networks, none named public", len(all))
	}
	return all[0].ID, nil
}

func (s *addressClient) floatingIPs(ctx context.Context,
	client *gophercloud.ServiceClient) ([]floatingips.FloatingIP, error) {
	pages, err := floatingips.List(client, floatingips.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return floatingips.ExtractFloatingIPs(pages)
}

// release deletes the floating IPs at the container's ports, and those that were
// made for it. A site without a network service has none.
func (s *addressClient) release(ctx context.Context, containerID string) error {
	if !s.Session.Offers("network") {
		return nil
	}
	what := "giving back the floating IP of container " + containerID
	port := ""
	if c, err := containers.Get(ctx, s.container, containerID).Extract(); err == nil {
		if len(c.Ports) == 0 {
			return nil // nothing exposed, so nothing was bound: ask the network nothing
		}
		port = networkPort(*c)
	}
	client, err := s.networkClient()
	if err != nil {
		return s.Failed(what, err)
	}
	patience := s.Pace.Patience()
	err = s.Pace.Poll(ctx, func() (bool, error) {
		left, err := s.deleteFloatingIPs(ctx, client, port, ipNote(containerID))
		if !patience.Forgive(err) {
			return false, err
		}
		return err == nil && left == 0, nil
	})
	return s.Failed(what, err)
}

// deleteFloatingIPs returns how many it deleted: none means that all are gone.
func (s *addressClient) deleteFloatingIPs(ctx context.Context, client *gophercloud.ServiceClient, port,
	note string) (int, error) {
	all, err := s.floatingIPs(ctx, client)
	if err != nil {
		return 0, err
	}
	n := 0
	var errs error
	for _, ip := range all {
		if ip.Description != note && (port == "" || ip.PortID != port) {
			continue
		}
		n++
		if err := floatingips.Delete(ctx, client, ip.ID).ExtractErr(); err != nil &&
			!apierror.Is(err, apierror.NotFound) {
			errs = errors.Join(errs, err)
		}
	}
	return n, errs
}
