package chameleon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/apierror"
)

// AddressClient gives containers or servers addresses that the world reaches: floating
// IPs (Neutron).
type AddressClient struct {
	*Client
	word    string // of what gets one: "container", "server"
	without string // how to do without one, for advice; may be empty

	mu    sync.Mutex
	given map[string]floatingips.FloatingIP // by this process, by the id of what has it
}

// NewAddressClient returns the client of the addresses of containers, or of servers, as
// word says. without is advice for when none is left, and ends with ", or ".
func NewAddressClient(c *Client, word, without string) *AddressClient {
	return &AddressClient{Client: c, word: word, without: without}
}

// Network is the client for Neutron.
func (s *AddressClient) Network() (*gophercloud.ServiceClient, error) {
	return s.Service("network", "v2.0/")
}

// remember keeps which address something has, so that it can be given back though
// no list of addresses is to be had.
func (s *AddressClient) remember(id string, ip *floatingips.FloatingIP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ip == nil {
		delete(s.given, id)
		return
	}
	if s.given == nil {
		s.given = map[string]floatingips.FloatingIP{}
	}
	s.given[id] = *ip
}

func (s *AddressClient) remembered(id string) (floatingips.FloatingIP, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ip, ok := s.given[id]
	return ip, ok
}

// Note marks a floating IP as made for this container or server, by this user. When
// that is gone its IP is bound to nothing, and only this tells whose it was: Neutron
// keeps a project, and no user.
func (s *AddressClient) Note(id, name, user string) string {
	return s.noteWord() + id + " " + name + " user " + user
}

// noteWord is what a note begins with. Those of before end with the container's id.
func (s *AddressClient) noteWord() string { return "chexp " + s.word + " " }

// readNote is what a note tells; ok is false of a floating IP that chexp did not make.
func (s *AddressClient) readNote(note string) (id, name, user string, ok bool) {
	rest, ok := strings.CutPrefix(note, s.noteWord())
	f := strings.Fields(rest)
	switch {
	case !ok || len(f) == 0:
		return "", "", "", false
	case len(f) == 4 && f[2] == "user":
		return f[0], f[1], f[3], true
	}
	return f[0], "", "", true
}

// Give gives the container or server with this port an address that the world reaches:
// the one it has, or a new one. The pool is small and shared by everybody.
func (s *AddressClient) Give(ctx context.Context, id, name, port string) (string, error) {
	what := fmt.Sprintf("getting a floating IP for %s %s", s.word, name)
	client, err := s.Network()
	if err != nil {
		return "", s.Failed(what, err)
	}
	find := func(ctx context.Context) (*floatingips.FloatingIP, error) {
		all, err := s.List(ctx, client)
		if i := slices.IndexFunc(all, func(ip floatingips.FloatingIP) bool { return ip.PortID == port }); i >= 0 {
			return &all[i], nil
		}
		return nil, err
	}
	if ip, err := find(ctx); err != nil || ip != nil {
		s.remember(id, ip)
		return addressOf(ip), s.Failed(what, err)
	}
	network, err := s.publicNetwork(ctx)
	if err != nil {
		return "", s.Failed(what, err)
	}
	ip, err := Create(ctx, s.Client, Creation[floatingips.FloatingIP]{
		What: what,
		Post: func(ctx context.Context) (*floatingips.FloatingIP, error) {
			post, cancel := s.Posting(ctx)
			defer cancel()
			made, err := floatingips.Create(post, client, floatingips.CreateOpts{
				FloatingNetworkID: network, PortID: port, Description: s.Note(id, name, s.Me()),
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
					Advise("%sdelete floating IPs that are not in use", s.without).
					Because(e)
			}
			return s.Failed(what, e)
		},
		Unknown: "it is given back with the " + s.word,
	})
	s.remember(id, ip)
	return addressOf(ip), err
}

// addressOf is the address itself; "" of nil.
func addressOf(ip *floatingips.FloatingIP) string {
	if ip == nil {
		return ""
	}
	return ip.FloatingIP
}

// Networks lists the networks that o asks for.
func (s *AddressClient) Networks(ctx context.Context, o networks.ListOptsBuilder) ([]networks.Network, error) {
	client, err := s.Network()
	if err != nil {
		return nil, err
	}
	return EverythingUnder(ctx, "networks", networks.List(client, o), func(r pagination.PageResult) pagination.Page {
		return networks.NetworkPage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}
	}, networks.ExtractNetworks)
}

// publicNetwork is the external network; its id differs from year to year.
func (s *AddressClient) publicNetwork(ctx context.Context) (string, error) {
	yes := true
	all, err := s.Networks(ctx, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{}, External: &yes})
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

// Release deletes the floating IPs at the port of a container or server, and those that
// were made for it. portOf tells the port, "" where it is not known; none is that it has
// none. A site without a network service has no addresses.
func (s *AddressClient) Release(ctx context.Context, id string,
	portOf func(context.Context) (port string, none bool)) error {
	if !s.Session.Offers("network") {
		return nil
	}
	if ip, ok := s.remembered(id); ok {
		err := s.Remove(ctx, run.Thing{ID: ip.ID, Status: ip.FloatingIP, For: id})
		if err == nil {
			s.remember(id, nil)
		}
		return err
	}
	what := fmt.Sprintf("giving back the floating IP of %s %s", s.word, id)
	port, none := portOf(ctx)
	if none {
		return nil // nothing was ever bound: ask the network nothing
	}
	client, err := s.Network()
	if err != nil {
		return s.Failed(what, err)
	}
	left := 0
	return Remove(ctx, s.Client, Removal{
		What: what,
		Delete: func(ctx context.Context) (err error) {
			left, err = s.deleteFloatingIPs(ctx, client, port, id)
			return err
		},
		Look: func(context.Context) (gone, going bool, err error) { return left == 0, false, nil },
	})
}

// deleteFloatingIPs returns how many it deleted: none means that all are gone.
func (s *AddressClient) deleteFloatingIPs(ctx context.Context, client *gophercloud.ServiceClient, port,
	id string) (int, error) {
	all, err := s.List(ctx, client)
	if err != nil {
		return 1, err // it cannot be told
	}
	n := 0
	var errs error
	for _, ip := range all {
		if of, _, _, _ := s.readNote(ip.Description); of != id && (port == "" || ip.PortID != port) {
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

// Own lists those that were made by the user.
func (s *AddressClient) Own(ctx context.Context) ([]run.Thing, error) {
	const what = "listing the floating IPs"
	if !s.Session.Offers("network") {
		return nil, nil
	}
	client, err := s.Network()
	if err != nil {
		return nil, s.Failed(what, err)
	}
	all, err := s.List(ctx, client)
	if err != nil {
		return nil, s.Failed(what, err)
	}
	var own []run.Thing
	for _, ip := range all {
		id, name, user, ok := s.readNote(ip.Description)
		if ok && user == s.Me() {
			own = append(own, run.Thing{Kind: run.AnAddress, ID: ip.ID, Name: name, For: id,
				Status: ip.FloatingIP, Created: ip.CreatedAt})
		}
	}
	return own, nil
}

// Remove deletes one floating IP. Neutron deletes at once; it is looked for all
// the same.
func (s *AddressClient) Remove(ctx context.Context, t run.Thing) error {
	what := fmt.Sprintf("giving back the floating IP %s (%s) of %s %s", t.Status, t.ID, s.word, t.For)
	client, err := s.Network()
	if err != nil {
		return s.Failed(what, err)
	}
	return Remove(ctx, s.Client, Removal{
		What:   what,
		Delete: func(ctx context.Context) error { return floatingips.Delete(ctx, client, t.ID).ExtractErr() },
		Look: func(ctx context.Context) (gone, going bool, err error) {
			one, cancel := context.WithTimeout(ctx, lookTime)
			defer cancel()
			if _, err = floatingips.Get(one, client, t.ID).Extract(); err == nil || apierror.Is(err, apierror.NotFound) {
				return err != nil, false, nil
			}
			all, listErr := s.List(ctx, client) // another question, which may be answered
			if listErr != nil {
				return false, false, err
			}
			return !slices.ContainsFunc(all, func(ip floatingips.FloatingIP) bool { return ip.ID == t.ID }), false, nil
		},
	})
}

// lookTime is how long one look whether an address is gone may take, where another
// question tells it as well.
const lookTime = 8 * time.Second

// List lists those of the project.
func (s *AddressClient) List(ctx context.Context,
	client *gophercloud.ServiceClient) ([]floatingips.FloatingIP, error) {
	return EverythingUnder(ctx, "floatingips", floatingips.List(client, floatingips.ListOpts{}),
		func(r pagination.PageResult) pagination.Page {
			return floatingips.FloatingIPPage{LinkedPageBase: pagination.LinkedPageBase{PageResult: r}}
		}, floatingips.ExtractFloatingIPs)
}
