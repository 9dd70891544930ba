package run

import (
	"encoding/json"
	"fmt"

	"chexp/orchestrator/internal/store"
)

// Phase of a run, in order.
type Phase string

// The phases.
const (
	PhasePlan      Phase = "plan"
	PhaseLease     Phase = "lease"
	PhaseContainer Phase = "container"
	PhasePush      Phase = "push"
	PhaseRun       Phase = "run"
	PhaseFetch     Phase = "fetch"
	PhaseRelease   Phase = "release"
	PhaseReport    Phase = "report"
)

// Phases lists them in order.
var Phases = []Phase{PhasePlan, PhaseLease, PhaseContainer, PhasePush, PhaseRun, PhaseFetch, PhaseRelease, PhaseReport}

// What the journal's intents are about.
const (
	aLease     = "lease"
	aContainer = "container"
	anAgent    = "agent"
)

// adopted is the text of an intent to use a lease that the run did not make.
const adopted = "adopted"

// Held is something on the cloud that this run asked for.
type Held struct {
	Name    string // under which it can be found; "" when never asked for
	ID      string // the server's; "" when the answer is not known
	Gone    bool   // given back, or found to have vanished
	Adopted bool   // the run found it and did not make it: it is used, and never given back
}

// Open reports whether it may exist now.
func (h Held) Open() bool { return h.Name != "" && !h.Gone }

// Key finds it again. The name of what the run did not make may not be its only one.
func (h Held) Key() string {
	if h.Adopted {
		return h.ID
	}
	return h.Name
}

// Attempt is what the journal knows of one device held once.
type Attempt struct {
	N         int // counts the run's leases from 1; 0: none was asked for yet
	Lease     Held
	Asked     LeaseRequest // what the lease was asked for with; empty when it was adopted
	Container Held
	Started   bool // the agent was told to start in this container
}

// Open reports whether something of it may exist now that is to be given back.
func (a Attempt) Open() bool { return a.Lease.Open() && !a.Lease.Adopted || a.Container.Open() }

// State is what the journal knows of a run.
type State struct {
	Attempt       // the last one
	Finished bool // nothing is left to do
}

// Replay computes the state from the journal. It is a pure function, so that
// resuming can be tested after every entry.
func Replay(entries []store.Entry) State {
	var st State
	for _, e := range entries {
		st = advance(st, e)
	}
	return st
}

func advance(st State, e store.Entry) State {
	st.Attempt = st.Attempt.advance(e)
	switch e.Kind {
	case store.Finished:
		st.Finished = true
	case store.Intent:
		st.Finished = false
	}
	return st
}

func (a Attempt) advance(e store.Entry) Attempt {
	switch {
	case e.Kind == store.Intent && e.What == aLease:
		if a.Lease.Name != e.Name {
			a = Attempt{N: a.N + 1}
		}
		a.Lease = Held{Name: e.Name, ID: e.ID, Adopted: e.Text == adopted}
		a.Asked = LeaseRequest{}
		if e.ID == "" {
			_ = json.Unmarshal(e.Data, &a.Asked) // what cannot be read is asked for anew
		}
	case e.Kind == store.Done && e.What == aLease:
		a.Lease.ID = e.ID
	case e.Kind == store.Gone && e.What == aLease:
		// A lease's end takes its containers along.
		a.Lease.Gone, a.Container.Gone = true, true
	case e.Kind == store.Intent && e.What == aContainer:
		a.Container, a.Started = Held{Name: e.Name}, false
	case e.Kind == store.Done && e.What == aContainer:
		a.Container.ID = e.ID
	case e.Kind == store.Gone && e.What == aContainer:
		a.Container.Gone, a.Started = true, false
	case e.Kind == store.Done && e.What == anAgent:
		a.Started = true
	}
	return a
}

// attemptName is the name under which the n-th attempt's things are found.
func attemptName(base string, n int) string {
	if n <= 1 {
		return base
	}
	return fmt.Sprintf("%s-%d", base, n)
}
