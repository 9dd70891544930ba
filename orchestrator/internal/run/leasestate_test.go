package run

import "testing"

// A run that goes on uses its lease if that still serves, and makes another if
// not: a lease that is being ended or deleted serves no more.
func TestResumeGoesByTheLeasesState(t *testing.T) {
	for state, want := range map[LeaseState]int{
		LeasePending: 1, LeaseActive: 1, LeaseEnding: 2, LeaseOver: 2, LeaseFailed: 2,
	} {
		l, c := newLab(t), newCloud(t)
		if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Until = PhaseLease }); err != nil {
			t.Fatal(err)
		}
		for id, lease := range c.leases {
			lease.State = state
			c.leases[id] = lease
		}
		if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
			t.Fatalf("state %d: %v", state, err)
		}
		if leases := c.made - 1; leases != want { // one container was made
			t.Errorf("state %d: %d leases, want %d", state, leases, want)
		}
		c.made = 2
		l.check(t, c)
	}
}
