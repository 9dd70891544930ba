package run

import (
	"testing"

	"chexp/orchestrator/internal/store"
)

// What the journal knows after each of its entries, over two attempts.
func TestReplay(t *testing.T) {
	lease := func(name, id string) Held { return Held{Name: name, ID: id} }
	gone := func(h Held) Held { h.Gone = true; return h }
	var entries []store.Entry
	for i, step := range []struct {
		entry store.Entry
		want  State
	}{
		{store.Entry{Kind: store.Began, Phase: "lease"}, State{}},
		{store.Entry{Kind: store.Intent, What: aLease, Name: "a"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "")}}},
		{store.Entry{Kind: store.Intent, What: aLease, Name: "a"}, // its answer was lost
			State{Attempt: Attempt{N: 1, Lease: lease("a", "")}}},
		{store.Entry{Kind: store.Done, What: aLease, ID: "1"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "1")}}},
		{store.Entry{Kind: store.Intent, What: aContainer, Name: "c"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "1"), Container: lease("c", "")}}},
		{store.Entry{Kind: store.Done, What: aContainer, ID: "2"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "1"), Container: lease("c", "2")}}},
		{store.Entry{Kind: store.Done, What: anAgent, ID: "2"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "1"), Container: lease("c", "2"), Started: true}}},
		{store.Entry{Kind: store.Gone, What: aContainer, ID: "2"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "1"), Container: gone(lease("c", "2"))}}},
		{store.Entry{Kind: store.Intent, What: aContainer, Name: "c"},
			State{Attempt: Attempt{N: 1, Lease: lease("a", "1"), Container: lease("c", "")}}},
		{store.Entry{Kind: store.Gone, What: aLease, ID: "1"},
			State{Attempt: Attempt{N: 1, Lease: gone(lease("a", "1")), Container: gone(lease("c", ""))}}},
		{store.Entry{Kind: store.Finished},
			State{Attempt: Attempt{N: 1, Lease: gone(lease("a", "1")), Container: gone(lease("c", ""))},
				Finished: true}},
		{store.Entry{Kind: store.Intent, What: aLease, Name: "a-2"},
			State{Attempt: Attempt{N: 2, Lease: lease("a-2", "")}}},
	} {
		entries = append(entries, step.entry)
		got := Replay(entries)
		if got != step.want {
			t.Errorf("after entry %d (%s %s): %+v, want %+v", i+1, step.entry.Kind, step.entry.What, got, step.want)
		}
		if open := step.want.Lease.Open() || step.want.Container.Open(); got.Open() != open {
			t.Errorf("after entry %d: Open is %v", i+1, got.Open())
		}
	}
}
