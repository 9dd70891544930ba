package run

import (
	"encoding/json"
	"fmt"
	"slices"

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
	aBoard     = "board" // a reservation in a lease of several devices; no intent precedes it
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
	Found   bool   // the run did not make it: others of the user's may have its name
	Adopted bool   // it was found, and is never given back
}

// Open reports whether it may exist now.
func (h Held) Open() bool { return h.Name != "" && !h.Gone }

// Key finds it again. The name of what the run did not make may not be its only one.
func (h Held) Key() string {
	if h.Found {
		return h.ID
	}
	return h.Name
}

// AttemptState is what the journal knows of one device held once.
type AttemptState struct {
	N         int // counts the device's leases from 1; 0: none was asked for yet
	Lease     Held
	Board     Held         // the reservation in the lease, under the device's name; empty in a lease of one device
	Asked     LeaseRequest // what the lease was asked for with; empty when it was adopted
	Container Held
	Started   bool // the agent was told to start in this container, or perhaps was
}

// Open reports whether something of it may exist now that is to be given back.
func (a AttemptState) Open() bool { return a.Lease.Open() && !a.Lease.Adopted || a.Container.Open() }

// State is what the journal knows of a run.
type State struct {
	Slots    []AttemptState // the last attempt of each device of the run; at least one
	Leases   int            // asked for so far
	Boards   int            // the highest slot that ever had a board in a lease of several
	Finished bool           // nothing is left to do
	Left     string         // by which flag the last process left all as it is; "": by none
}

// Slot is the last attempt of the run's n-th device, counted from 1.
func (s State) Slot(n int) AttemptState {
	if n > len(s.Slots) {
		return AttemptState{}
	}
	return s.Slots[n-1]
}

// Open reports whether something of the run may exist now.
func (s State) Open() bool { return slices.ContainsFunc(s.Slots, AttemptState.Open) }

// Held lists the names of the leases that may exist now.
func (s State) Held() []string {
	var names []string
	for _, a := range s.Slots {
		if a.Lease.Open() && !slices.Contains(names, a.Lease.Name) {
			names = append(names, a.Lease.Name)
		}
	}
	return names
}

// Replay computes the state from the journal. It is a pure function, so that
// resuming can be tested after every entry.
func Replay(entries []store.Entry) State {
	st := State{Slots: make([]AttemptState, 1)}
	for _, e := range entries {
		st = st.advance(e)
	}
	return st
}

// advance returns the state after one more entry, and leaves s as it is.
func (s State) advance(e store.Entry) State {
	s.Slots = slices.Clone(s.Slots)
	asked := false // for another lease
	for _, n := range e.Devices() {
		if n < 1 || n > store.MaxDevices {
			continue // damaged, or written by another version
		}
		for len(s.Slots) < n {
			s.Slots = append(s.Slots, AttemptState{})
		}
		a := &s.Slots[n-1]
		asked = asked || e.Kind == store.Intent && e.What == aLease && a.Lease.Name != e.Name
		if e.Kind == store.Done && e.What == aBoard {
			s.Boards = max(s.Boards, n)
		}
		*a = a.advance(e)
	}
	if asked {
		s.Leases++
	}
	s.Left = ""
	switch e.Kind {
	case store.Finished:
		s.Finished = true
	case store.Intent:
		s.Finished = false
	case store.Left:
		s.Left = e.Text
	}
	return s
}

// advance returns the attempt after one more entry about it.
func (a AttemptState) advance(e store.Entry) AttemptState {
	switch {
	case e.Kind == store.Intent && e.What == aLease:
		if a.Lease.Name != e.Name {
			a = AttemptState{N: a.N + 1}
		}
		a.Lease = Held{Name: e.Name, ID: e.ID, Found: found(e), Adopted: e.Text == adopted}
		a.Asked = LeaseRequest{}
		if e.ID == "" {
			_ = json.Unmarshal(e.Data, &a.Asked) // what cannot be read is asked for anew
		}
	case e.Kind == store.Done && e.What == aLease:
		a.Lease.ID = e.ID
	case e.Kind == store.Done && e.What == aBoard:
		a.Board = Held{Name: e.Name, ID: e.ID}
	case e.Kind == store.Gone && e.What == aLease:
		// A lease's end takes its containers along.
		a.Lease.Gone, a.Container.Gone = true, true
	case e.Kind == store.Intent && e.What == aContainer:
		a.Container, a.Started = Held{Name: e.Name}, false
	case e.Kind == store.Done && e.What == aContainer:
		a.Container.ID = e.ID
	case e.Kind == store.Gone && e.What == aContainer:
		a.Container.Gone, a.Started = true, false
	case e.Kind == store.Began && e.Phase == string(PhaseRun):
		// The agent is about to be told; that it was is not known of a process that died.
		a.Started = a.Started || a.Container.Open()
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
