package run

import (
	"fmt"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// attempt is one device held once: a lease, a container in it, what was pushed
// and the agent there, until all of it is given back. It shares nothing with
// another attempt but the run's directory and the site.
type attempt struct {
	Config
	held AttemptState // what the journal knows of it
	todo todo         // when it began

	leases int // that the run asked for before it

	lease     Lease
	request   ContainerRequest
	container Container
	arch      string                // of the container, in Go's words
	boot      trial.Reading[string] // of the board's kernel
	clock     Clock                 // of the device
	tr        transport.Transport

	// shared are the attempts at all devices of the lease, this one among them, and
	// crowd what they have in common; nil where the lease holds one device.
	shared []*attempt
	crowd  *crowd
	stuck  *stuck   // the site's service
	others []string // names of the boards that the run's other devices had

	measured int    // trials that have their result on the device, as far as it told
	lastSeq  int64  // of the agent's events already mirrored
	calm     bool   // nobody has interrupted the run: an outage may be waited out
	stays    bool   // what is measured is not home: it is kept as it is
	why      string // it ended early, in the words of partial results; "" if nothing says so
}

func newAttempt(cfg Config, held AttemptState, rest todo) *attempt {
	return &attempt{Config: cfg, held: held, todo: rest, stuck: new(stuck)}
}

// agent speaks to the agent in its container.
func (a *attempt) agent() Agent {
	return Agent{Tr: a.tr, Dir: a.container.Dir, Now: a.Site.Now,
		Origin: store.Origin{Attempt: a.held.N, Container: a.container.ID}}
}

// hangUp closes the transport.
func (a *attempt) hangUp() {
	if a.tr != nil {
		a.tr.Close()
		a.tr = nil
	}
}

// record writes to the journal and keeps held in step with it.
func (a *attempt) record(e store.Entry) {
	a.write(a.address(&e))
	a.learn(e)
}

// intend writes an intent and refuses to go on if it is not on the disk: what
// is not in the journal must not be created.
func (a *attempt) intend(what, name string, request any) error {
	e := store.Entry{Kind: store.Intent, What: what, Name: name, Data: raw(request)}
	if err := a.Store.Record(a.address(&e)); err != nil {
		return fmt.Errorf("%s is not created, as the journal cannot be written: %w", what, err)
	}
	a.learn(e)
	return nil
}

// address says which devices an entry is about, as a lease may hold several, and what time
// it is at the site, by which a lease ends.
func (a *attempt) address(e *store.Entry) store.Entry {
	if e.What == aLease {
		if now := a.Site.Now(); a.until(time.Now()).Abs() > 2*time.Second {
			e.Site = now
		}
		for _, m := range a.shared {
			e.Slots = append(e.Slots, m.slot())
		}
	}
	return *e
}

// learn keeps what is held in step with the journal.
func (a *attempt) learn(e store.Entry) {
	if e.What != aLease || a.shared == nil {
		a.held = a.held.advance(e)
		return
	}
	for _, m := range a.shared {
		m.held = m.held.advance(e)
	}
}

// slot is which of the run's devices this is, counted from 1.
func (a *attempt) slot() int { return max(1, a.Store.Slot()) }

// file names one of the attempt's own files in the run's directory: "events.jsonl"
// for the first attempt, "events.2.jsonl" for the second.
func (a *attempt) file(name, ext string) string {
	if a.held.N <= 1 {
		return name + ext
	}
	return fmt.Sprintf("%s.%d%s", name, a.held.N, ext)
}
