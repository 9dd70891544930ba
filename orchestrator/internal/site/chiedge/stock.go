package chiedge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
)

var _ run.Stock = (*Site)(nil)

// Own lists the user's own things of a kind. Zun tells no time of creation, and
// Neutron no user: only a floating IP whose note names the user is known to be
// the user's.
func (s *Site) Own(ctx context.Context, kind run.ThingKind) ([]run.Thing, error) {
	switch kind {
	case run.ALease:
		return s.OwnLeases(ctx)
	case run.AContainer:
		return s.ownContainers(ctx)
	case run.AnAddress:
		return s.addresses.own(ctx)
	}
	return nil, nil
}

// Remove deletes a thing and sees that it is gone.
func (s *Site) Remove(ctx context.Context, t run.Thing) error {
	switch t.Kind {
	case run.ALease:
		return s.Release(ctx, t.ID)
	case run.AContainer:
		return s.Destroy(ctx, t.ID)
	case run.AnAddress:
		return s.addresses.remove(ctx, t)
	}
	return nil
}

func (s *containerClient) ownContainers(ctx context.Context) ([]run.Thing, error) {
	all, err := s.mine(ctx)
	var own []run.Thing
	for _, c := range all {
		if c.Status != containers.StatusDeleted {
			own = append(own, run.Thing{Kind: run.AContainer, ID: c.UUID, Name: c.Name, Status: c.Status,
				Failed: dead(c)})
		}
	}
	return own, err
}

func (s *addressClient) own(ctx context.Context) ([]run.Thing, error) {
	const what = "listing the floating IPs"
	if !s.Session.Offers("network") {
		return nil, nil
	}
	client, err := s.networkClient()
	if err != nil {
		return nil, s.Failed(what, err)
	}
	all, err := s.floatingIPs(ctx, client)
	if err != nil {
		return nil, s.Failed(what, err)
	}
	var own []run.Thing
	for _, ip := range all {
		container, name, user, ok := readNote(ip.Description)
		if ok && user == s.Me() {
			own = append(own, run.Thing{Kind: run.AnAddress, ID: ip.ID, Name: name, For: container,
				Status: ip.FloatingIP, Created: ip.CreatedAt})
		}
	}
	return own, nil
}

// remove deletes one floating IP. Neutron deletes at once; it is looked for all
// the same.
func (s *addressClient) remove(ctx context.Context, t run.Thing) error {
	what := fmt.Sprintf("giving back the floating IP %s (%s) of container %s", t.Status, t.ID, t.For)
	client, err := s.networkClient()
	if err != nil {
		return s.Failed(what, err)
	}
	return chameleon.Remove(ctx, s.Client, chameleon.Removal{
		What:   what,
		Delete: func(ctx context.Context) error { return floatingips.Delete(ctx, client, t.ID).ExtractErr() },
		Look: func(ctx context.Context) (gone, going bool, err error) {
			one, cancel := context.WithTimeout(ctx, lookTime)
			defer cancel()
			if _, err = floatingips.Get(one, client, t.ID).Extract(); err == nil || apierror.Is(err, apierror.NotFound) {
				return err != nil, false, nil
			}
			all, listErr := s.floatingIPs(ctx, client) // another question, which may be answered
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
