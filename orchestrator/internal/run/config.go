package run

import (
	"context"
	"time"

	"chexp/experiments/trial"
)

// Observer hears what happens, as it happens. Methods return quickly and are
// called from one goroutine.
type Observer interface {
	Phase(p Phase, text string)            // a phase began
	PhaseEnd(p Phase, text string)         // it ended well
	Say(text string)                       // what is being waited for, with the server's own words
	Again(text string)                     // a request failed, and is asked again, perhaps many times
	Bytes(done, total int64)               // of the push
	Trial(ev trial.Event, done, total int) // an event of the agent; trials with a result, and all of them
	MustEnd(at time.Time)                  // until when trials can be measured, for the lease's sake
	Warn(text string)                      // something a person should know
}

// Boards hears of the devices of a run with several. What is about all of them, the
// run's Observer hears. Both speak from goroutines of their own.
type Boards interface {
	Device(slot int) Observer    // who hears of the n-th device, counted from 1
	Named(slot int, name string) // once it is known which board that is
}

// Config is everything an execution needs.
type Config struct {
	*Run // its directory is locked by the caller
	Site Site
	// AgentFile returns the agent's file for a processor architecture.
	AgentFile func(arch string) (string, error)
	// Report renders the reports from the run's directory.
	Report   func() error
	Observe  Observer
	Boards   Boards   // nil: Observe hears of every device, from several goroutines
	Patience Patience // its zero value: DefaultPatience

	// Choose says by which lease the next attempt comes by its device; nil: by a
	// new one, now. When the site finds the device of a choice taken, it is asked
	// again, with what the site said.
	Choose func(ctx context.Context, taken error) (Choice, error)

	// Vacant refuses a lease that the run did not make, and has come to, while another run
	// works in it; nil: nobody is asked.
	Vacant func(ctx context.Context, lease Lease, r *Run) error

	Release bool // at the end, give back also a lease that the run found and did not make

	EndBooked bool // of [End]: a lease that begins later is given back, too

	Keep   bool  // leave lease and container as they are at the end
	Until  Phase // stop after this phase, leaving all as it is; "" for all
	Detach bool  // return as soon as the agent has started, or the lease is booked for later
}

// Patience bounds waits that no server bounds.
type Patience struct {
	Cleanup    time.Duration // for giving everything back
	Salvage    time.Duration // for bringing partial results home after a failure
	Polls      time.Duration // of failing polls in a row, before the device counts as lost
	PollMin    time.Duration // between polls when something has just happened
	PollMax    time.Duration // between polls when nothing happens, and after a failed one
	LeaseTail  time.Duration // kept free at the lease's end for fetch and release
	LeaseLook  time.Duration // how long before the tail the lease is looked at again
	LeaseGrace time.Duration // after the tail began, before an agent that has not ended by itself is stopped
	Backup     time.Duration // between copies of what a run has measured so far
	Restarts   int           // of an agent that died
	Ask        time.Duration // an agent's log is silent, before the agent is asked by a command
	AskMute    time.Duration // between two commands where the log has told nothing so far
	Stuck      time.Duration // between two tries of all devices at a service that is stuck
	Late       time.Duration // for what a process that died has asked for to show up
	// PerDevice times the number of devices is the time between two looks at one of
	// several; 0: the usual one.
	PerDevice time.Duration
}

// serverCleanup is for giving a server back: its machine is let go of before it is gone.
const serverCleanup = 10 * time.Minute

// settle fills in what the caller left open.
func (c *Config) settle() {
	if c.Patience == (Patience{}) {
		c.Patience = DefaultPatience()
	}
	if c.box() == AServer && c.Patience.Cleanup == DefaultPatience().Cleanup {
		c.Patience.Cleanup = serverCleanup
	}
}

// DefaultPatience suits boards on the far side of the internet: transfers of
// seconds, leases of an hour, outages of a few minutes.
func DefaultPatience() Patience {
	return Patience{
		Cleanup:    3 * time.Minute,
		Salvage:    time.Minute,
		Polls:      5 * time.Minute,
		PollMin:    300 * time.Millisecond,
		PollMax:    3 * time.Second,
		LeaseTail:  90 * time.Second,
		LeaseLook:  2 * time.Minute,
		LeaseGrace: 10 * time.Second,
		Backup:     10 * time.Minute,
		Restarts:   2,
		Ask:        15 * time.Second,
		Stuck:      time.Minute,
		Late:       10 * time.Second,
	}
}
