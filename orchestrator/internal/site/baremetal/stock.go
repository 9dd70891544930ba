package baremetal

import (
	"context"

	"chexp/orchestrator/internal/run"
)

// Own lists the user's own things of a kind. Nova has no id for a key pair but its name.
func (s *Site) Own(ctx context.Context, kind run.ThingKind) ([]run.Thing, error) {
	switch kind {
	case run.ALease:
		return s.OwnLeases(ctx)
	case run.AContainer:
		return s.ownServers(ctx)
	case run.AKeyPair:
		return s.ownKeyPairs(ctx)
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
	case run.AKeyPair:
		s.keys.forget(t.Name)
		return s.removeKeyPair(ctx, t.Name)
	case run.AnAddress:
		return s.addresses.Remove(ctx, t)
	}
	return nil
}

func (s *serverClient) ownServers(ctx context.Context) ([]run.Thing, error) {
	all, err := s.list(ctx, "")
	if err != nil {
		return nil, s.Failed("listing the servers", err)
	}
	var own []run.Thing
	for _, v := range all {
		if v.Status != deleted {
			s.noteName(v)
			own = append(own, run.Thing{Kind: run.AContainer, Word: run.AServer, ID: v.ID, Name: v.Name, Status: v.Status,
				Failed: over(v), Created: v.Created})
		}
	}
	return own, nil
}

func (s *serverClient) ownKeyPairs(ctx context.Context) ([]run.Thing, error) {
	all, err := s.keyPairs(ctx)
	if err != nil {
		return nil, s.Failed("listing the key pairs", err)
	}
	var own []run.Thing
	for _, k := range all {
		own = append(own, run.Thing{Kind: run.AKeyPair, ID: k.Name, Name: k.Name, Status: k.Fingerprint})
	}
	return own, nil
}
