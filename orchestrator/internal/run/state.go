package run

import (
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

// Held is something on the cloud that this run asked for.
type Held struct {
	Name string // under which it can be found; "" when never asked for
	ID   string // the server's; "" when the answer is not known
	Gone bool   // given back, or found to have vanished
}

// Open reports whether it may exist now.
func (h Held) Open() bool { return h.Name != "" && !h.Gone }

// State is what the journal knows.
type State struct {
	Attempt   int // of getting a lease, from 1; 0: none yet
	Lease     Held
	Container Held
	Started   bool // the agent was told to start in this container
	Finished  bool // nothing is left to do
}

// Replay computes the state from the journal. It is a pure function: that is
// what makes resuming testable at every entry.
func Replay(entries []store.Entry) State {
	var st State
	for _, e := range entries {
		st = advance(st, e)
	}
	return st
}

func advance(st State, e store.Entry) State {
	switch {
	case e.Kind == store.Finished:
		st.Finished = true
	case e.Kind == store.Intent && e.What == aLease:
		if st.Lease.Name != e.Name {
			st.Attempt++
			st.Container, st.Started = Held{}, false
		}
		st.Lease, st.Finished = Held{Name: e.Name}, false
	case e.Kind == store.Done && e.What == aLease:
		st.Lease.ID = e.ID
	case e.Kind == store.Gone && e.What == aLease:
		// A lease's end takes its containers along.
		st.Lease.Gone, st.Container.Gone = true, true
	case e.Kind == store.Intent && e.What == aContainer:
		st.Container, st.Started, st.Finished = Held{Name: e.Name}, false, false
	case e.Kind == store.Done && e.What == aContainer:
		st.Container.ID = e.ID
	case e.Kind == store.Gone && e.What == aContainer:
		st.Container.Gone, st.Started = true, false
	case e.Kind == store.Done && e.What == anAgent:
		st.Started = true
	}
	return st
}

// attemptName is the name under which the n-th attempt's things are found.
func attemptName(base string, n int) string {
	if n <= 1 {
		return base
	}
	return fmt.Sprintf("%s-%d", base, n)
}
