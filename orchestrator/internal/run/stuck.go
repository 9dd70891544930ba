package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"chexp/experiments/failure"
)

// stuck is what the devices of a run know of the site's service that carries out
// commands: that it is stuck for all of them, while the devices go on.
type stuck struct {
	mu     sync.Mutex
	healed chan struct{} // closed when it carries out commands again; nil: it does
	told   bool          // the user
	n      int           // devices of the run
}

func (s *stuck) is() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healed != nil
}

// begins notes that the service is stuck; first is true when nobody knew.
func (s *stuck) begins() (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healed == nil {
		s.healed = make(chan struct{})
	}
	first, s.told = !s.told, true
	return first
}

// over notes that a command was carried out, and wakes up those that wait for that.
func (s *stuck) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healed != nil {
		close(s.healed)
		s.healed = nil
	}
}

// pause waits before a stuck service is tried again: all devices of a run together try
// once in such a time, and when one is served, the others hear of it.
func (s *stuck) pause(ctx context.Context, each time.Duration) error {
	s.mu.Lock()
	healed, all := s.healed, each*time.Duration(max(1, s.n))
	s.mu.Unlock()
	t := time.NewTimer(all + rand.N(all/4+1))
	defer t.Stop()
	select {
	case <-healed:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// enduring is how an attempt bears a service that is stuck.
type enduring struct{ *attempt }

// serviceStuck reports whether something failed as the site's service is stuck, rather
// than as the device is lost: then the device is left at work.
func (a enduring) serviceStuck(ctx context.Context, cause error) bool {
	switch failure.KindOf(cause) {
	case failure.Cloud, failure.Device, failure.Unexpected:
	default:
		return false
	}
	if _, ends := a.deadline(); !ends || ctx.Err() != nil {
		return false
	}
	if errors.Is(cause, ErrStuck) {
		return true
	}
	p, ok := a.Site.(Prober)
	switch {
	case a.container.ID == "":
		return false
	case !ok:
		return failure.KindOf(cause) == failure.Cloud && !errors.Is(cause, context.DeadlineExceeded)
	}
	return p.Stuck(ctx, a.container)
}

// tellStuck says once in a run what only an operator can mend.
func (a enduring) tellStuck() {
	if !a.stuck.begins() {
		return
	}
	a.Observe.Warn(fmt.Sprintf("the site's container service answers and carries nothing out: it may be stuck, for "+
		"everybody. What measures goes on measuring, and chexp tries again about once a minute until the lease ends at "+
		"%s; Ctrl-C gives the device back. Only an operator of the site can restart the service (zun-compute): tell its "+
		"help desk", timeOfDay(a.lease.End)))
}

// patiently does something on the device, and does it again for as long as the site's
// service is stuck and the lease lasts: the device is not given up for it.
func (a enduring) patiently(ctx context.Context, do func(context.Context) (string, error)) (string, error) {
	for {
		text, err := do(ctx)
		if err == nil {
			a.stuck.over()
			return text, nil
		}
		if !a.serviceStuck(ctx, err) {
			return "", err
		}
		a.tellStuck()
		left := a.until(a.lease.End) - a.Patience.LeaseGrace
		if end, ok := a.deadline(); ok && a.container.ID == "" { // nothing of ours is on the device
			left = a.until(end)
		}
		if left <= 0 {
			return "", failure.Cloud.Errorf("the site's container service was stuck until the lease's end").Because(err)
		}
		if err := a.stuck.pause(ctx, min(a.Patience.Stuck, left)); err != nil {
			return "", err
		}
	}
}

// lostWith says which results are on the device alone, and go with it; "" if none do,
// or nobody knows of any.
func (a enduring) lostWith() string {
	rest, err := a.unmeasured()
	if err != nil || a.measured == 0 {
		return ""
	}
	n := a.measured - (len(a.todo.trials) - len(rest.trials))
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d trials have their results on %s alone, and they are lost when it goes at %s", n,
		len(a.todo.trials), a.name(), timeOfDay(a.lease.End))
}
