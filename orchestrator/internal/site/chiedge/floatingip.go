package chiedge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// addressClient gives containers addresses that the world reaches: floating IPs
// (Neutron).
type addressClient struct {
	*client
	mu    sync.Mutex
	given map[string]floatingips.FloatingIP // by this process, by the container's id
}

// networkClient is the client for Neutron's only version. gophercloud's own would ask
// the service for its versions, without a limit of the caller's, and fail where
// that answer is odd.
func (s *addressClient) networkClient() (*gophercloud.ServiceClient, error) {
	const kind, version = "network", "v2.0/"
	at := s.Session.Endpoints
	at.ApplyDefaults(kind)
	url, err := s.Session.Provider.EndpointLocator(at)
	if err != nil {
		return nil, err
	}
	return &gophercloud.ServiceClient{ProviderClient: s.Session.Provider, Endpoint: url, Type: kind,
		ResourceBase: strings.TrimSuffix(url, version) + version}, nil
}

// remember keeps which address a container has, so that it can be given back though
// no list of addresses is to be had.
func (s *addressClient) remember(containerID string, ip *floatingips.FloatingIP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ip == nil {
		delete(s.given, containerID)
		return
	}
	if s.given == nil {
		s.given = map[string]floatingips.FloatingIP{}
	}
	s.given[containerID] = *ip
}

func (s *addressClient) remembered(containerID string) (floatingips.FloatingIP, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip, ok := s.given[containerID]
	return ip, ok
}

// ipNote marks a floating IP as made for this container, by this user. When the
// container is gone its IP is bound to nothing, and only this tells whose it was:
// Neutron keeps a project, and no user.
func ipNote(containerID, name, user string) string {
	return ipWord + containerID + " " + name + " user " + user
}

// ipWord is what a note begins with. Those of before end with the container's id.
const ipWord = "chexp container "

// readNote is what a note tells; ok is false of a floating IP that chexp did not make.
func readNote(note string) (containerID, name, user string, ok bool) {
	rest, ok := strings.CutPrefix(note, ipWord)
	f := strings.Fields(rest)
	switch {
	case !ok || len(f) == 0:
		return "", "", "", false
	case len(f) == 4 && f[2] == "user":
		return f[0], f[1], f[3], true
	}
	return f[0], "", "", true
}

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
	find := func(ctx context.Context) (*floatingips.FloatingIP, error) {
		all, err := s.floatingIPs(ctx, client)
		if i := slices.IndexFunc(all, func(ip floatingips.FloatingIP) bool { return ip.PortID == port }); i >= 0 {
			return &all[i], nil
		}
		return nil, err
	}
	if ip, err := find(ctx); err != nil || ip != nil {
		s.remember(c.UUID, ip)
		return addressOf(ip), s.Failed(what, err)
	}
	network, err := publicNetwork(ctx, client)
	if err != nil {
		return "", s.Failed(what, err)
	}
	ip, err := chameleon.Create(ctx, s.Client, chameleon.Creation[floatingips.FloatingIP]{
		What: what,
		Post: func(ctx context.Context) (*floatingips.FloatingIP, error) {
			post, cancel := s.Posting(ctx)
			defer cancel()
			made, err := floatingips.Create(post, client, floatingips.CreateOpts{
				FloatingNetworkID: network, PortID: port, Description: ipNote(c.UUID, c.Name, s.Me()),
			}).Extract()
			if apierror.Is(err, apierror.Conflict) { // the port has one by now
				if ip, findErr := find(ctx); findErr == nil && ip != nil {
					return ip, nil
				}
			}
			return made, err
		},
		Is:   func(ip *floatingips.FloatingIP) bool { return ip.ID != "" && ip.PortID == port && ip.FloatingIP != "" },
		Find: find,
		Refused: func(e *apierror.Error) error {
			if e.Kind == apierror.NoAddressFree || e.Kind == apierror.QuotaExceeded {
				return failure.Capacity.Errorf("%s: none is left", what).
					Advise("use transport: zun, which needs none, or delete floating IPs that are not in use").
					Because(e)
			}
			return s.Failed(what, e)
		},
		Unknown: "it is given back with the container",
	})
	s.remember(c.UUID, ip)
	return addressOf(ip), err
}

// addressOf is the address itself; "" of nil.
func addressOf(ip *floatingips.FloatingIP) string {
	if ip == nil {
		return ""
	}
	return ip.FloatingIP
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

// release deletes the floating IPs at the container's ports, and those that were
// made for it. A site without a network service has none.
func (s *addressClient) release(ctx context.Context, containerID string) error {
	if !s.Session.Offers("network") {
		return nil
	}
	if ip, ok := s.remembered(containerID); ok {
		err := s.remove(ctx, run.Thing{ID: ip.ID, Status: ip.FloatingIP, For: containerID})
		if err == nil {
			s.remember(containerID, nil)
		}
		return err
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
	left := 0
	return chameleon.Remove(ctx, s.Client, chameleon.Removal{
		What: what,
		Delete: func(ctx context.Context) (err error) {
			left, err = s.deleteFloatingIPs(ctx, client, port, containerID)
			return err
		},
		Look: func(context.Context) (gone, going bool, err error) { return left == 0, false, nil },
	})
}

// deleteFloatingIPs returns how many it deleted: none means that all are gone.
func (s *addressClient) deleteFloatingIPs(ctx context.Context, client *gophercloud.ServiceClient, port,
	containerID string) (int, error) {
	all, err := s.floatingIPs(ctx, client)
	if err != nil {
		return 1, err // it cannot be told
	}
	n := 0
	var errs error
	for _, ip := range all {
		if of, _, _, _ := readNote(ip.Description); of != containerID && (port == "" || ip.PortID != port) {
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
