package chiedge

import (
	"testing"
	"time"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// Every status that Blazar has [BLZ:blazar/status.py (LeaseStatus)], and
// whether a lease in it still serves: seen from outside, a lease that is being
// ended or deleted is over.
func TestStatesOfALease(t *testing.T) {
	for status, want := range map[string]run.LeaseState{
		"CREATING": run.LeasePending, "PENDING": run.LeasePending, "STARTING": run.LeasePending,
		"UPDATING": run.LeasePending,
		"ACTIVE":   run.LeaseActive, "TERMINATING": run.LeaseEnding, "DELETING": run.LeaseEnding,
		"TERMINATED": run.LeaseOver, "ERROR": run.LeaseFailed,
	} {
		c := newCloud(t)
		s := connect(t, c)
		now := time.Now().UTC().Truncate(time.Minute)
		c.leases = append(c.leases, &fakeLease{
			id: "l1", name: "chexp-a", user: alice, status: status, start: now.Add(-time.Minute),
			end: now.Add(time.Hour),
		})
		l, found, err := s.FindLease(t.Context(), "chexp-a")
		if err != nil || !found || l.State != want || l.Status != status {
			t.Errorf("%s: %+v, %t, %v; want state %d", status, l, found, err, want)
		}
		_, live, err := s.LiveLease(t.Context(), "chexp-a")
		if err != nil || live != want.Serves() {
			t.Errorf("%s: live %t, %v", status, live, err)
		}
		if left := site.Left(l, now); left > 0 != want.Serves() {
			t.Errorf("%s: %s left", status, left)
		}
	}
}
