package zun

import (
	"context"
	"sync"

	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// Reservations is Blazar, as Kubernetes' scheduler sees it through node labels.
type Reservations interface {
	Labelled(reservationID, projectID string) []*world.Device
	Nodes() int
}

// Network is Neutron, as far as Zun's driver tells it something.
type Network interface {
	PortDeleted(portID string)
}

// compute is zun-compute with its Kubernetes driver: the lives of the containers, each
// in a goroutine of its own, after the API has answered. It knows nothing of calls.
type compute struct {
	World        *world.World
	Host         *sandbox.Host // nil: no image can be pulled
	Reservations Reservations
	Network      Network

	life context.Context // ends with Close
	end  context.CancelFunc

	mu   sync.Mutex   // of all that follows, and of what the API keeps
	rows []*container // in order of creation
	// abandoned are ports that no container has any more.
	abandoned []world.Port
	next      int // last fixed address handed out
	client    *kubernetes
}

func newCompute(w *world.World) compute {
	life, end := context.WithCancel(context.Background())
	return compute{World: w, life: life, end: end, client: &kubernetes{world: w, life: life}}
}

// deletes takes a container away; about a second from Running to 404 was recorded. A
// delete with stop=true is a stop first, so it begins as one (recorded, case 87). Later
// the watch of the pods sees the pod go and calls the container Stopped (case 88), which
// leaves an earlier reason where it is (case 91b).
func (s *compute) deletes(row *container, stopsFirst bool) {
	hold := func() { s.World.Pace.Hold(s.life, s.schedule()/2) }
	set := func(status, task string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		row.status, row.taskState = status, task
	}
	if stopsFirst {
		hold()
		set(deleting, "container_deleting")
	}
	s.ends(row)
	hold()
	s.client.heals(s.life)
	set(stopped, "")
	hold()
	s.gone(row)
}

// halt ends the pod and shows the container as Stopped. Until then it is Running or
// Restarting with a task.
func (s *compute) halt(row *container) {
	s.World.Pace.Hold(s.life, s.schedule()/2)
	s.client.heals(s.life)
	s.ends(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.status != deleting && row.status != deleted {
		row.status, row.taskState, row.hasPod = stopped, "", false
	}
}

func (s *compute) restart(row *container) {
	if !s.World.Pace.Hold(s.life, s.schedule()/2) || !s.client.heals(s.life) {
		return
	}
	s.ends(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.status == deleting || row.status == deleted {
		return
	}
	row.status, row.taskState, row.reason, row.detail, row.hasAddress = creating, "", "", "", false
	s.abandonPort(row)
	// A container that never got past the scheduler tries that again.
	s.begins(row, row.device != nil)
}

func (s *compute) renew(row *container) {
	s.halt(row)
	s.restart(row)
}
