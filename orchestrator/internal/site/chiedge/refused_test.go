package chiedge

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
)

// One refusal of a DELETE, whichever it is, is not final: it is read back whether the
// thing is gone, and asked again.
func TestARefusedDeletionIsAskedAgain(t *testing.T) {
	for _, status := range []int{200, 302, 400, 403, 404, 409, 413, 500} {
		c, s, l := reserved(t)
		k, err := s.Launch(t.Context(), bench(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		refused := map[string]bool{}
		c.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "DELETE" || refused[r.URL.Path] {
				return false
			}
			refused[r.URL.Path] = true
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error": {"code": 404, "message": "not now"}}`))
			return true
		}
		if err := s.Destroy(t.Context(), k.ID); err != nil || len(c.containers) != 0 {
			t.Errorf("%d: the container: %v, %d left", status, err, len(c.containers))
		}
		if err := s.Release(t.Context(), l.ID); err != nil || len(c.leases) != 0 {
			t.Errorf("%d: the lease: %v", status, err)
		}
		if len(refused) != 2 {
			t.Errorf("%d: %v were refused", status, refused)
		}
	}
}

// A lease in ERROR that refuses every deletion is called wedged soon, and nobody is
// told to try again later.
func TestAWedgedLeaseIsSaid(t *testing.T) {
	c, s, l := reserved(t)
	c.leases[0].status, c.leases[0].next = "ERROR", nil
	asked := 0
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			asked++
			blazarError(w, 500, "Invalid lease status.")
			return true
		}
		return false
	}
	err := s.Release(t.Context(), l.ID)
	if failure.KindOf(err) != failure.Cloud || !errors.Is(err, run.ErrWedged) || asked != 4 {
		t.Errorf("%d deletions, %v", asked, err)
	}
	for _, want := range []string{"wedged in ERROR", l.ID} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if next := strings.Join(failure.Advice(err), "; "); strings.Contains(next, "later") ||
		!strings.Contains(next, "operator") {
		t.Errorf("advice: %s", next)
	}
}
