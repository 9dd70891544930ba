package run

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"chexp/orchestrator/internal/store"
)

// What a run may hold is told by its journal, and nothing else.
func TestHolds(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	window := func(from, to time.Duration) json.RawMessage {
		return raw(map[string]time.Time{"start": now.Add(from), "end": now.Add(to)})
	}
	asked := store.Entry{Kind: store.Intent, What: aLease, Name: "n",
		Data: raw(map[string]time.Time{"end": now.Add(time.Hour)})}
	began := store.Entry{Kind: store.Began, Phase: "lease"}
	made := func(from, to time.Duration) store.Entry {
		return store.Entry{Kind: store.Done, What: aLease, ID: "i", Data: window(from, to)}
	}
	gone := store.Entry{Kind: store.Gone, What: aLease, ID: "i"}
	left := store.Entry{Kind: store.Left, Text: "--detach"}
	for name, c := range map[string]struct {
		entries                  []store.Entry
		held, booked, over, left bool
	}{
		"nothing":         {entries: []store.Entry{{Kind: store.Ended, Phase: "plan"}}},
		"asked for":       {entries: []store.Entry{asked}, held: true},
		"made":            {entries: []store.Entry{asked, made(0, time.Hour)}, held: true},
		"given back":      {entries: []store.Entry{asked, made(0, time.Hour), gone}},
		"booked":          {entries: []store.Entry{asked, made(time.Hour, 2*time.Hour)}, held: true, booked: true},
		"over":            {entries: []store.Entry{asked, made(-2*time.Hour, 2*time.Hour), gone, asked}, held: true},
		"ended by itself": {entries: []store.Entry{made(-2*time.Hour, -time.Hour)}},
		"detached":        {entries: []store.Entry{asked, made(0, time.Hour), left}, held: true, left: true},
		"gone on with":    {entries: []store.Entry{asked, made(0, time.Hour), left, began}, held: true},
		"another's":       {entries: []store.Entry{{Kind: store.Intent, What: aLease, Name: "n", ID: "i", Text: adopted}}},
	} {
		h, held := Holds(c.entries)
		if held != c.held || held && (h.Booked(now) != c.booked || h.Over(now) != c.over || (h.Left != "") != c.left ||
			!slices.Equal(h.Leases, []string{"n"})) {
			t.Errorf("%s: %+v, %v", name, h, held)
		}
	}
	// A clock that is off, or was when the lease was made, lets nobody forget what is held.
	for _, ahead := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		asked := asked
		asked.Time, asked.Site = now.Add(-ahead), now
		for _, here := range []time.Time{now, now.Add(-ahead)} { // it may have been set since
			if h, held := Holds([]store.Entry{asked, made(0, time.Hour)}); !held || h.Over(here) || h.Booked(here) {
				t.Errorf("ahead %v, here %v: %+v", ahead, here, h)
			}
		}
		if h, _ := Holds([]store.Entry{asked, made(0, time.Hour)}); !h.Over(now.Add(ahead.Abs() + 61*time.Minute)) {
			t.Errorf("ahead %v: never over", ahead)
		}
	}
	old, _ := Holds([]store.Entry{asked})
	if !old.Over(now.Add(2 * time.Hour)) {
		t.Error("a lease that has ended is still held")
	}
}
