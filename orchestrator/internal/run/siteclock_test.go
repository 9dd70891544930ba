package run

import (
	"testing"
	"time"

	"chexp/orchestrator/internal/store"
)

// The lease is as long as asked by the site's clock, and a run ends well in it,
// however far this machine's clock is off: a lease of an hour was over before it
// began, or lasted four.
func TestTheSitesClockRules(t *testing.T) {
	for _, ahead := range []time.Duration{3 * time.Minute, 3 * time.Hour, -3 * time.Hour} {
		c := newCloud(t)
		c.ahead = ahead
		l := newLab(t)
		var s *store.Run
		if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { s, cfg.Until = cfg.Store, PhaseLease }); err != nil {
			t.Fatalf("%v ahead: %v", ahead, err)
		}
		for _, lease := range c.leases {
			if left := lease.End.Sub(c.Now()); left < 59*time.Minute || left > 61*time.Minute {
				t.Errorf("%v ahead: the lease of an hour lasts %v", ahead, left)
			}
		}
		if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
			t.Errorf("%v ahead: %v", ahead, err)
		}
		if results, err := s.Results(l.plan); err != nil || len(results) != len(l.plan.Trials) || c.made != 2 {
			t.Errorf("%v ahead: %d results, %d things made, %v", ahead, len(results), c.made, err)
		}
	}
}
