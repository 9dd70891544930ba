package chiedge

import (
	"context"

	"chexp/orchestrator/internal/run"
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
		return s.addresses.Own(ctx)
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
		return s.addresses.Remove(ctx, t)
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
