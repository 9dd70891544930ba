package zun

import (
	"context"
	"math/rand/v2"
	"sync"

	"chexp/orchestrator/internal/emulator/world"
)

// kubernetes is the one API client that the compute service shares among all its calls. To open a
// stream (an execute, an archive) the Python client puts another method into it, which speaks
// websocket, and puts the old one back after the handshake. Meanwhile every other call fails that
// needs a plain answer: a look-up of a pod, the claim of a creation, the sync. If a second stream
// begins in that time, it takes the websocket's method for the old one. If it ends last, it puts
// that back, and nothing works until the service is restarted (recorded, cases fleet/51 to 61).
// Which of two ends last is chance in the real service; here it is always the wrong one.
type kubernetes struct {
	world *world.World
	life  context.Context

	mu        sync.Mutex
	websocket bool // the method that is there now
	wrong     bool // the method that will be put back is the websocket's
	swaps     int  // how often it was put there
	restarts  int
}

// reaches tells whether a plain call gets its answer now.
func (k *kubernetes) reaches() bool {
	if k.world.Orders.Take(Restart) {
		k.world.Orders.Set(world.Faults{Wedged: 0})
		k.mu.Lock()
		k.websocket, k.wrong = false, false
		k.restarts++
		k.mu.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.websocket && !k.world.Orders.Holds(Wedged)
}

// reads is a plain call for a client, which looks the pod up.
func (k *kubernetes) reads() bool { return k.reaches() && !k.world.Orders.Take(StreamCollides) }

// stream opens a stream, and is false if it met another's handshake. A handshake takes no time
// unless that was ordered: how long one takes, and so how many meet, depends on how far the board
// is away. The look-up of the pod before it takes a tenth of it: two calls that begin within
// that time overlap.
func (k *kubernetes) stream() bool {
	if !k.reads() {
		return false
	}
	f, ok := k.world.Orders.Of(handshake)
	if !ok {
		return true
	}
	if !world.Pause(k.life, f.Action.Time/10) {
		return false
	}
	k.mu.Lock()
	restarts := k.restarts
	k.websocket, k.wrong = true, k.websocket
	k.swaps++
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.restarts == restarts {
			k.websocket = k.wrong
		}
	}()
	return world.Pause(k.life, f.Action.Time)
}

// claims begins the calls that a creation makes, and returns what tells at their end whether all
// were answered.
func (k *kubernetes) claims() (answered func() bool) {
	ok := k.reaches()
	k.mu.Lock()
	before := k.swaps
	k.mu.Unlock()
	return func() bool {
		ok = k.reaches() && ok
		k.mu.Lock()
		defer k.mu.Unlock()
		return ok && k.swaps == before
	}
}

// heals waits until the compute service reaches Kubernetes, and tells whether it does: false if
// ctx is done. It tries with every sync.
func (k *kubernetes) heals(ctx context.Context) bool {
	for !k.reaches() {
		if !world.Pause(ctx, k.world.Pace.Tick) {
			return false
		}
	}
	return ctx.Err() == nil
}

// place chooses the board for a pod among those that Kubernetes may take.
// Nothing keeps two containers of one reservation from one board: they have a Deployment each and
// ask for no distance (recorded, cases fleet/12: three boards by fewest pods, or one for all).
func (k *kubernetes) place(rows []*container, boards []*world.Device) *world.Device {
	switch {
	case k.world.Orders.Holds(Packs):
		return boards[0]
	case k.world.Orders.Holds(Spreads):
		pods := map[*world.Device]int{}
		for _, row := range rows {
			if row.hasPod || row.status == creating {
				pods[row.device]++
			}
		}
		best := boards[0]
		for _, d := range boards {
			if pods[d] < pods[best] {
				best = d
			}
		}
		return best
	}
	return boards[rand.IntN(len(boards))]
}
