package chiedge

import (
	"context"
	"slices"
	"sync"
	"time"

	"chexp/orchestrator/openstack/container/v1/containers"
)

// watch looks at containers that are being made: at one by itself, at several with one
// request for all.
type watch struct {
	mu      sync.Mutex
	waiting int // for a container of theirs
	looked  time.Time
	all     []containers.Container
}

// await counts who looks from now on, until the function that it returns is called.
func (w *watch) await() (done func()) {
	add := func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting += n
	}
	add(1)
	return func() { add(-1) }
}

// look returns one container as it is now, or was a moment ago when all were looked at.
func (s *containerClient) look(ctx context.Context, id string) (*containers.Container, error) {
	if c := s.watch.among(ctx, s, id); c != nil {
		return c, nil
	}
	return containers.Get(ctx, s.container, id).Extract()
}

// among finds the container in a list that serves all who look; nil where one alone
// looks, the list cannot be had, or it is not there.
func (w *watch) among(ctx context.Context, s *containerClient, id string) *containers.Container {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting < 2 {
		return nil
	}
	if time.Since(w.looked) >= s.Pace.First {
		all, err := s.list(ctx, containers.ListOpts{})
		if err != nil {
			return nil
		}
		w.looked, w.all = time.Now(), all
	}
	i := slices.IndexFunc(w.all, func(c containers.Container) bool { return c.UUID == id })
	if i < 0 {
		return nil
	}
	c := w.all[i]
	return &c
}
