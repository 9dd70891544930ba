package run

import (
	"reflect"
	"slices"
	"testing"

	"chexp/orchestrator/internal/store"
)

// What the journal knows after each of its entries, over two attempts.
func TestReplay(t *testing.T) {
	lease := func(name, id string) Held { return Held{Name: name, ID: id} }
	one := func(a AttemptState) State { return State{Slots: []AttemptState{a}, Leases: 1} }
	gone := func(h Held) Held { h.Gone = true; return h }
	var entries []store.Entry
	for i, step := range []struct {
		entry store.Entry
		want  State
	}{
		{store.Entry{Kind: store.Began, Phase: "lease"}, State{Slots: make([]AttemptState, 1)}},
		{store.Entry{Kind: store.Intent, What: aLease, Name: "a"},
			one(AttemptState{N: 1, Lease: lease("a", "")})},
		{store.Entry{Kind: store.Intent, What: aLease, Name: "a"}, // its answer was lost
			one(AttemptState{N: 1, Lease: lease("a", "")})},
		{store.Entry{Kind: store.Done, What: aLease, ID: "1"},
			one(AttemptState{N: 1, Lease: lease("a", "1")})},
		{store.Entry{Kind: store.Intent, What: aContainer, Name: "c"},
			one(AttemptState{N: 1, Lease: lease("a", "1"), Container: lease("c", "")})},
		{store.Entry{Kind: store.Done, What: aContainer, ID: "2"},
			one(AttemptState{N: 1, Lease: lease("a", "1"), Container: lease("c", "2")})},
		{store.Entry{Kind: store.Done, What: anAgent, ID: "2"},
			one(AttemptState{N: 1, Lease: lease("a", "1"), Container: lease("c", "2"), Started: true})},
		{store.Entry{Kind: store.Gone, What: aContainer, ID: "2"},
			one(AttemptState{N: 1, Lease: lease("a", "1"), Container: gone(lease("c", "2"))})},
		{store.Entry{Kind: store.Intent, What: aContainer, Name: "c"},
			one(AttemptState{N: 1, Lease: lease("a", "1"), Container: lease("c", "")})},
		{store.Entry{Kind: store.Gone, What: aLease, ID: "1"},
			one(AttemptState{N: 1, Lease: gone(lease("a", "1")), Container: gone(lease("c", ""))})},
		{store.Entry{Kind: store.Finished},
			State{Slots: []AttemptState{{N: 1, Lease: gone(lease("a", "1")), Container: gone(lease("c", ""))}},
				Leases: 1, Finished: true}},
		{store.Entry{Kind: store.Intent, What: aLease, Name: "a-2"},
			State{Slots: []AttemptState{{N: 2, Lease: lease("a-2", "")}}, Leases: 2}},
	} {
		entries = append(entries, step.entry)
		got := Replay(entries)
		if !reflect.DeepEqual(got, step.want) {
			t.Errorf("after entry %d (%s %s): %+v, want %+v", i+1, step.entry.Kind, step.entry.What, got, step.want)
		}
		if open := step.want.Slots[0].Lease.Open() || step.want.Slots[0].Container.Open(); got.Open() != open {
			t.Errorf("after entry %d: Open is %v", i+1, got.Open())
		}
	}
}

// A lease of several devices is each device's; what happens to a device is its own.
func TestReplayOfSeveralDevices(t *testing.T) {
	var st State
	for _, e := range []store.Entry{
		{Kind: store.Ended, Phase: "plan"},
		{Kind: store.Intent, What: aLease, Name: "a", Slots: []int{1, 2, 3}},
		{Kind: store.Done, What: aLease, ID: "1", Slots: []int{1, 2, 3}},
		{Kind: store.Done, What: aBoard, Name: "nyu-rpi5-02", ID: "r2", Slots: []int{2}},
		{Kind: store.Intent, What: aContainer, Name: "c-d2", Slots: []int{2}},
		{Kind: store.Done, What: aContainer, ID: "k", Slots: []int{2}},
		{Kind: store.Gone, What: aLease, ID: "1", Slots: []int{1, 2, 3}},
		{Kind: store.Intent, What: aLease, Name: "a-2", Slots: []int{1, 3}},
		{Kind: store.Done, What: aLease, ID: "2", Slots: []int{1, 3}},
		{Kind: store.Gone, What: aLease, ID: "2", Slots: []int{1, 3}},
		{Kind: store.Intent, What: aLease, Name: "a-3", Slots: []int{2}},
		{Kind: store.Remark, Slots: []int{-1, 0, store.MaxDevices + 1}}, // not ours: nothing, and no panic
	} {
		before := st
		kept := slices.Clone(st.Slots)
		st = st.advance(e)
		if !reflect.DeepEqual(kept, before.Slots) {
			t.Errorf("%s %s changed the state that it came from", e.Kind, e.What)
		}
	}
	want := State{Leases: 3, Boards: 2, Slots: []AttemptState{
		{N: 2, Lease: Held{Name: "a-2", ID: "2", Gone: true}, Container: Held{Gone: true}},
		{N: 2, Lease: Held{Name: "a-3"}},
		{N: 2, Lease: Held{Name: "a-2", ID: "2", Gone: true}, Container: Held{Gone: true}},
	}}
	if !reflect.DeepEqual(st, want) {
		t.Errorf("got  %+v\nwant %+v", st, want)
	}
	if held := st.Held(); len(held) != 1 || held[0] != "a-3" {
		t.Errorf("held: %v", held)
	}
}

func TestContainerNamesFit(t *testing.T) {
	long := "20261130t143000z-an-experiment-whose-name-is-forty-char-abcd"
	for _, tc := range []struct {
		id      string
		slot, n int
		want    string
	}{
		{"20261130t143000z-quick-abcd", 0, 1, "20261130t143000z-quick-abcd"},
		{"20261130t143000z-quick-abcd", 0, 2, "20261130t143000z-quick-abcd-2"},
		{"20261130t143000z-quick-abcd", 3, 1, "20261130t143000z-quick-abcd-d3"},
		{"20261130t143000z-quick-abcd", 3, 12, "20261130t143000z-quick-abcd-d3-12"},
		{long, 0, 1, long},
		{long, 200, 2, "20261130t143000z-an-experiment-whose-name-is-forty-abcd-d200-2"},
	} {
		got := containerName(tc.id, tc.slot, tc.n)
		if got != tc.want || len(got) > maxContainerName {
			t.Errorf("%s, slot %d, attempt %d: %s (%d), want %s", tc.id, tc.slot, tc.n, got, len(got), tc.want)
		}
	}
}
