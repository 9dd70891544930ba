package chiedge

import (
	"net/http"
	"testing"
	"time"

	"chexp/experiments/failure"
)

func TestReleaseFailures(t *testing.T) {
	for name, f := range map[string]struct {
		answer func(n int, w http.ResponseWriter) bool
		kind   failure.Kind // 0: it works
		words  []string
	}{
		"the answer is lost, then it is gone": {answer: func(n int, w http.ResponseWriter) bool {
			return n == 1 &&
				hangUp(w)
		}},
		"in transition": {answer: func(n int, w http.ResponseWriter) bool {
			if n < 3 {
				blazarError(w, 500, "Invalid lease status.")
			}
			return n < 3
		}},
		"the node is away": {answer: func(_ int, w http.ResponseWriter) bool {
			blazarError(w, 500, "Internal Server Error")
			return true
		},
			kind: failure.Cloud, words: []string{"giving back the lease lease-1", "ends by itself"}},
		"a 404 of a proxy proves nothing": {answer: func(_ int, w http.ResponseWriter) bool {
			w.WriteHeader(404)
			_, _ = w.Write([]byte("<html><title>404</title></html>"))
			return true
		}, kind: failure.Cloud, words: []string{"giving back"}},
		"not allowed": {answer: func(_ int, w http.ResponseWriter) bool { blazarError(w, 403, "Policy"); return true },
			kind: failure.Auth, words: []string{"Policy"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, l := reserved(t)
			n := 0
			c.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != "DELETE" {
					return false
				}
				n++
				return f.answer(n, w)
			}
			err := s.Release(t.Context(), l.ID)
			if f.kind == 0 {
				if err != nil || len(c.leases) != 0 {
					t.Errorf("%d leases left, %v", len(c.leases), err)
				}
				return
			}
			check(t, err, f.kind, f.words...)
		})
	}
}

func TestLeaseCommands(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	if _, err := s.Reserve(t.Context(), pi5("chexp-a")); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	c.leases = append(c.leases, &fakeLease{id: "bobs", name: "b", user: bob, status: "ACTIVE", resStatus: "active",
		start: now.Add(-time.Hour), end: now})
	all, err := s.Leases(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != "bobs" || all[0].Mine || !all[1].Mine {
		t.Errorf("%+v, %v", all, err)
	}
	l, err := s.ShowLease(t.Context(), "chexp-a")
	if err != nil || l.Device.Name != "nyu-rpi5-07" || l.Asked == "" {
		t.Errorf("%+v, %v", l, err)
	}
	_, err = s.ShowLease(t.Context(), "nothing")
	check(t, err, failure.Usage, `"nothing"`, "chexp lease list")
	check(t, s.DeleteLease(t.Context(), "b"), failure.Usage, "another member")
	if err := s.DeleteLease(t.Context(), "chexp-a"); err != nil || len(c.leases) != 1 {
		t.Errorf("%d leases, %v", len(c.leases), err)
	}
	c.leases = append(c.leases, &fakeLease{id: "bobs2", name: "b", user: bob, status: "PENDING"})
	_, err = s.ShowLease(t.Context(), "b")
	check(t, err, failure.Usage, "2 leases", "bobs (ACTIVE)", "bobs2 (PENDING)")
}

func TestDevices(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	now := time.Now().UTC().Truncate(time.Minute)
	c.leases = append(c.leases, &fakeLease{id: "1", name: "x", user: bob, device: "dev-1", start: now.Add(-time.Hour),
		end: now.Add(time.Hour)},
		&fakeLease{id: "2", name: "x", user: bob, device: "dev-1", start: now.Add(61 * time.Minute),
			end: now.Add(2 * time.Hour)},
		&fakeLease{id: "3", name: "x", user: bob, device: "dev-2", start: now.Add(time.Hour),
			end: now.Add(2 * time.Hour)})
	all, err := s.Devices(t.Context())
	if err != nil || len(all) != 8 || all[0].Name != "iot-rpi4-01" {
		t.Fatalf("%+v, %v", all, err)
	}
	one, two := all[1], all[2]
	if one.FreeNow || !one.NextFree.Equal(now.Add(2*time.Hour+time.Minute)) || !one.FreeUntil.IsZero() {
		t.Errorf("%+v", one)
	}
	if !two.FreeNow || !two.NextFree.IsZero() || !two.FreeUntil.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", two)
	}
}
