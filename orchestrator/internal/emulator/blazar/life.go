package blazar

import (
	"context"
	"slices"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// Run is the manager's timer loop: every tick it fires the events that are due, until
// ctx is done. A lease that starts now therefore waits up to one tick.
func (s *book) Run(ctx context.Context) {
	for s.World.Pace.Hold(ctx, s.World.Pace.Tick) {
		s.fire(ctx)
	}
}

// pause is how long a lease takes from one state to the next: some 0.3 s were recorded
// with the real tick of 10 s.
func (s *book) pause() time.Duration {
	return min(s.World.Pace.Tick/30, 300*time.Millisecond)
}

// fire begins every due event. What follows comes step by step, without the lock in
// between, so that the states on the way can be seen: the event is in progress while the
// lease still has its old state, and reservations change before the lease does (recorded,
// cases b1, b6 and c1).
func (s *book) fire(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.World.Now()
	due := func(e *event) bool { return e.status == undone && !e.at.After(now) }
	for _, l := range s.leases {
		if l.deleted {
			continue
		}
		switch {
		case due(l.startEvent) && l.status == pending && now.Sub(l.created) >= s.late():
			l.startEvent.set(inProgress, now)
			go s.steps(ctx, l, enter(starting), s.start, settle)
		case due(l.endEvent) && (l.status == active || l.status == failed):
			l.endEvent.set(inProgress, now)
			go s.steps(ctx, l, enter(terminating), s.end, settle)
		}
		if due(l.beforeEnd) {
			l.beforeEnd.set(done, now)
		}
	}
}

// step is one change on the way of a lease from one state to the next. The caller holds
// s.mu. What it returns is done afterwards, without the lock.
type step func(l *lease, now time.Time) (then func())

// steps does one after the other, for as long as the lease exists.
func (s *book) steps(ctx context.Context, l *lease, all ...step) {
	for _, do := range all {
		if !s.World.Pace.Hold(ctx, s.pause()/time.Duration(len(all))) {
			return
		}
		s.mu.Lock()
		if l.deleted {
			s.mu.Unlock()
			return
		}
		now := s.World.Now()
		then := do(l, now)
		l.updated = now
		s.mu.Unlock()
		if then != nil {
			then()
		}
	}
}

// enter takes a lease into a passing state.
func enter(status string) step {
	return func(l *lease, _ time.Time) func() {
		l.status = status
		return nil
	}
}

// settle ends the event that is in progress, and gives the lease the state that follows.
func settle(l *lease, now time.Time) func() {
	for _, e := range []*event{l.startEvent, l.endEvent} {
		if e.status == inProgress {
			e.set(done, now)
		}
	}
	l.status = l.stable()
	return nil
}

// late is how much later than usual a lease starts, when that was ordered.
func (s *book) late() time.Duration {
	f, _ := s.World.Orders.Of(lateStart)
	return f.Action.Time
}

// start gives the reservations their boards.
func (s *book) start(l *lease, now time.Time) func() {
	status := "active"
	switch {
	case s.World.Orders.Take(NodeGone):
		status, l.nodeGone = "error", true
	case s.World.Orders.Take(LeaseError):
		status = "error"
	}
	if status == "error" {
		l.startEvent.set(eventError, now)
	} else if s.World.Orders.Take(LeaseDegraded) {
		// The monitor finds the board's node not ready and no other board to move to.
		l.degraded = true
		for _, r := range l.reservations {
			r.missing, r.devices = true, nil
		}
	}
	for _, r := range l.reservations {
		r.status, r.updated = status, now
		if status == "active" {
			s.labels.mark(l, r)
		}
	}
	s.World.Log.Debug("lease started", "id", l.id, "reservations", status)
	return nil
}

// end takes the boards back, and with them what runs there.
func (s *book) end(l *lease, now time.Time) func() {
	ids := l.free(s.labels)
	for _, r := range l.reservations {
		r.status, r.updated = "deleted", now
	}
	return func() { s.ended(ids) }
}

// Machines are those of an active reservation of that project, for Nova's scheduler: Blazar put
// them into an aggregate that only the hint with the reservation's id opens
// [BLZ:plugins/oshosts/host_plugin.py on_start].
func (s *book) Machines(reservationID, projectID string) []*world.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.leases {
		if r := l.reservation(reservationID); r != nil && !l.deleted && r.status == "active" &&
			l.projectID == projectID {
			return slices.Clone(r.devices)
		}
	}
	return nil
}

// Nodes counts the boards that Kubernetes knows.
func (s *book) Nodes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.devices)
}

// Left is a lease that was made through the API and not deleted.
type Left struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Status  string   `json:"status"`
	Devices []string `json:"devices"`
}

// Leftovers lists them.
func (s *book) Leftovers() []Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := []Left{}
	for _, l := range s.leases {
		if l.deleted || l.seeded {
			continue
		}
		names := []string{}
		for _, d := range l.devices() {
			names = append(names, d.Name)
		}
		left = append(left, Left{l.id, l.name, l.status, names})
	}
	return left
}
