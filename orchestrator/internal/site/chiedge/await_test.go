package chiedge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
)

// A bad minute of the service is sat out; a bad hour is not.
func TestAwaitIsPatient(t *testing.T) {
	c, s, l := reserved(t)
	bad := 4
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/v1/leases/") || bad == 0 {
			return false
		}
		bad--
		if bad%2 == 0 {
			return hangUp(w)
		}
		w.WriteHeader(502)
		return true
	}
	if l, err := s.Await(t.Context(), l.ID, quiet); err != nil || l.Status != "ACTIVE" {
		t.Fatalf("%+v, %v", l, err)
	}
	bad = 1 << 20
	_, err := s.Await(t.Context(), l.ID, quiet)
	check(t, err, failure.Cloud, "waiting for the lease")
}

// Upstream's Blazar has no route from a lease to its devices.
func TestDeviceByAllocation(t *testing.T) {
	c, s, l := reserved(t)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/devices") && strings.HasPrefix(r.URL.Path, "/v1/leases/") {
			w.WriteHeader(404)
			return true
		}
		return false
	}
	if l, err := s.Await(t.Context(), l.ID, quiet); err != nil || l.Device.Name != "nyu-rpi5-07" {
		t.Errorf("%+v, %v", l, err)
	}
	c.devices = nil // and where not even that is known, the run can go on
	said := ""
	l, err := s.Await(t.Context(), l.ID, func(m string) { said = m })
	if err != nil || l.Device != (run.Device{}) || !strings.Contains(said, "unknown") {
		t.Errorf("%+v, %v, said %q", l, err, said)
	}
}

func TestArchOfDevice(t *testing.T) {
	for _, f := range []struct{ key, value, want string }{
		{"x", "", "arm64"}, {"cpu_arch", "x86_64", "amd64"}, {"architecture", "aarch64", "arm64"},
		{"cpu_arch", "riscv64", "riscv64"},
	} {
		c := newCloud(t)
		s := connect(t, c)
		c.devices[0][f.key] = f.value
		all, err := s.Devices(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := all[1].Arch; all[1].Name != "nyu-rpi5-01" || got != f.want {
			t.Errorf("%s %s: %s, want %s", f.key, f.value, got, f.want)
		}
	}
}

func TestAwaitFailures(t *testing.T) {
	for name, f := range map[string]struct {
		next  []string
		words []string
	}{
		"error": {[]string{"PENDING", "STARTING", "ERROR"}, []string{"lease chexp-a failed: its status is ERROR",
			"start_lease failed", "another device"}},
		"terminated": {[]string{"ACTIVE"}, nil},
	} {
		c, s, l := reserved(t)
		c.leases[0].next = f.next
		if name == "terminated" {
			c.leases[0].next = []string{"PENDING", "TERMINATED"}
			f.words = []string{"has ended (TERMINATED"}
		}
		_, err := s.Await(t.Context(), l.ID, quiet)
		check(t, err, failure.Cloud, f.words...)
	}
}

func TestAwaitBounds(t *testing.T) {
	c, s, l := reserved(t)
	c.leases[0].next = nil // for ever PENDING
	s.Pace.Lease = 20 * time.Millisecond
	_, err := s.Await(t.Context(), l.ID, quiet)
	check(t, err, failure.Cloud, "still PENDING")

	_, err = s.Await(t.Context(), "nowhere", quiet)
	check(t, err, failure.Cloud, "somebody deleted it")

	// A lease of tomorrow is waited for.
	c.leases[0].start = time.Now().Add(24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	var said string
	_, err = s.Await(ctx, l.ID, func(m string) { said = m; cancel() })
	if !errors.Is(err, context.Canceled) || !strings.Contains(said, "starts at") {
		t.Errorf("%v, said %q", err, said)
	}
}

// A reservation of several devices, as the web page makes: which of them a container
// runs on, nobody can say, so no board is claimed.
func TestBoardOfAReservationOfSeveralIsNotClaimed(t *testing.T) {
	c, s, l := reserved(t)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/devices/allocations" {
			return false
		}
		var all []any
		for _, id := range []string{"dev-6", "dev-7"} {
			all = append(all, map[string]any{"resource_id": id, "reservations": []any{map[string]any{
				"id": "res-of-" + l.ID, "lease_id": l.ID}}})
		}
		reply(w, 200, map[string]any{"allocations": all})
		return true
	}
	got, err := s.Await(t.Context(), l.ID, quiet)
	if err != nil || got.Device != (run.Device{}) || len(got.Boards) != 1 ||
		!strings.Contains(got.Boards[0].Unproven, "several devices") {
		t.Errorf("%+v, %v", got, err)
	}
}

// A run with several devices that lacks one makes a lease of one: it has its board.
func TestALeaseOfOneHasItsBoard(t *testing.T) {
	_, s, l := reserved(t)
	got, err := s.Await(t.Context(), l.ID, quiet)
	if err != nil || len(got.Boards) != 1 || got.Boards[0].Device != got.Device || got.Device.Name == "" ||
		got.Boards[0].ReservationID != l.ReservationID || got.Boards[0].Unproven != "" {
		t.Errorf("%+v, %v", got, err)
	}
}
