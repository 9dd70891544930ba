package run

import (
	"encoding/json"
	"slices"
	"time"

	"chexp/orchestrator/internal/store"
)

// Holding is what a run may hold on a cloud, as its journal tells.
type Holding struct {
	Leases []string  // their names
	Begins time.Time // the first of them; zero: unknown, or now
	Ends   time.Time // the last of them; zero: unknown
	Left   string    // the flag by which it is held on purpose; "": by none

	ahead time.Duration // the site's clock is of this machine's, as it was when the leases were made
}

// Holds reads what a run may hold from its journal; ok is false when that is
// nothing.
func Holds(entries []store.Entry) (h Holding, ok bool) {
	st := Replay(entries)
	if !st.Open() {
		return h, false
	}
	h.Leases, h.Left = st.Held(), st.Left
	for _, e := range entries {
		if e.What != aLease || e.Kind != store.Intent && e.Kind != store.Done {
			continue
		}
		if !e.Site.IsZero() {
			h.ahead = e.Site.Sub(e.Time)
		}
		var l struct{ Start, End time.Time }
		if json.Unmarshal(e.Data, &l) != nil || !slices.Contains(h.Leases, leaseOf(st, e)) {
			continue // of a lease of before
		}
		if h.Begins.IsZero() || !l.Start.IsZero() && l.Start.Before(h.Begins) {
			h.Begins = l.Start
		}
		if l.End.After(h.Ends) {
			h.Ends = l.End
		}
	}
	return h, true
}

// leaseOf is the name of the lease that an entry is about.
func leaseOf(st State, e store.Entry) string {
	for _, a := range st.Slots {
		if e.Name == a.Lease.Name || e.ID != "" && e.ID == a.Lease.ID {
			return a.Lease.Name
		}
	}
	return ""
}

// This machine's clock, which the callers ask, may be off, and may have been set since: so
// both have to say that nothing is at stake, it and what was the site's time by it.

// Booked reports whether all that is held begins later: nothing has been held up.
func (h Holding) Booked(here time.Time) bool { return h.Begins.Sub(here.Add(max(0, h.ahead))) > soon }

// Over reports whether all that was held has ended by itself.
func (h Holding) Over(here time.Time) bool {
	return !h.Ends.IsZero() && here.Add(min(0, h.ahead)).After(h.Ends)
}
