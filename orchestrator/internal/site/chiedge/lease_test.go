package chiedge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
)

func pi5(name string) run.LeaseRequest {
	return run.LeaseRequest{Name: name, MachineName: "raspberrypi5", End: time.Now().Add(2 * time.Hour)}
}

func quiet(string) {}

func isPost(r *http.Request, path string) bool { return r.Method == "POST" && r.URL.Path == path }

// reserved is a cloud in which the site holds a lease, chexp-a.
func reserved(t *testing.T) (*cloud, *Site, run.Lease) {
	t.Helper()
	c := newCloud(t)
	s := connect(t, c)
	l, err := s.Reserve(t.Context(), pi5("chexp-a"))
	if err != nil {
		t.Fatal(err)
	}
	return c, s, l
}

func TestReserveAwaitRelease(t *testing.T) {
	c, s, l := reserved(t)
	if l.ID != "lease-1" || l.ReservationID != "res-of-lease-1" || l.Status != "PENDING" || l.End.Before(time.Now()) {
		t.Errorf("%+v", l)
	}
	if p := c.leases[0].properties; p != `["==","$machine_name","raspberrypi5"]` {
		t.Errorf("asked for %s", p)
	}
	var said []string
	l, err := s.Await(t.Context(), l.ID, func(m string) { said = append(said, m) })
	if err != nil {
		t.Fatal(err)
	}
	want := run.Device{ID: "dev-7", Name: "nyu-rpi5-07", UID: "uid-7", MachineName: "raspberrypi5", Arch: "arm64"}
	if l.Status != "ACTIVE" || l.Device != want {
		t.Errorf("%+v", l)
	}
	if got := strings.Join(said, "; "); got != "lease chexp-a is PENDING; lease chexp-a is STARTING; lease "+
		"chexp-a is ACTIVE" {
		t.Errorf("said %s", got)
	}
	for range 2 { // the second finds it gone
		if err := s.Release(t.Context(), l.ID); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.leases) != 0 {
		t.Error("the lease is still there")
	}
}

func TestReserveFilters(t *testing.T) {
	for want, req := range map[string]run.LeaseRequest{
		`["==","$name","nyu-rpi5-01"]`: {Name: "n", DeviceName: "nyu-rpi5-01"},
		`["==","$uid","uid-1"]`:        {Name: "n", DeviceUID: "uid-1"},
	} {
		c := newCloud(t)
		s := connect(t, c)
		req.End = time.Now().Add(time.Hour)
		if _, err := s.Reserve(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if got := c.leases[0].properties; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	}
}

func TestReserveRefusesNonsense(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	for name, spoil := range map[string]func(*run.LeaseRequest){
		"no name":     func(r *run.LeaseRequest) { r.Name = "" },
		"long name":   func(r *run.LeaseRequest) { r.Name = strings.Repeat("x", 81) },
		"nothing":     func(r *run.LeaseRequest) { r.MachineName = "" },
		"two filters": func(r *run.LeaseRequest) { r.DeviceUID = "u" },
		"over":        func(r *run.LeaseRequest) { r.End = time.Now().Add(-time.Minute) },
		"before start": func(r *run.LeaseRequest) {
			r.Start = time.Now().Add(3 * time.Hour)
		},
	} {
		req := pi5("chexp-a")
		spoil(&req)
		_, err := s.Reserve(t.Context(), req)
		if failure.KindOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := c.count("POST /v1/leases"); n != 0 {
		t.Errorf("%d leases were asked for", n)
	}
}

func TestReserveAdopts(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	now := time.Now().UTC()
	add := func(id, user, status string) {
		c.leases = append(c.leases, &fakeLease{id: id, name: "chexp-a", user: user, status: status,
			resStatus: "pending", start: now, end: now.Add(time.Hour)})
	}
	add("others", bob, "ACTIVE")
	add("over", alice, "TERMINATED")
	add("failed", alice, "ERROR")

	// Nothing of these can be adopted; to release, the failed ones are found.
	l, found, err := s.FindLease(t.Context(), "chexp-a")
	if err != nil || !found || l.ID == "others" {
		t.Errorf("found %t, %+v, %v", found, l, err)
	}
	if _, found, err := s.FindLease(t.Context(), "chexp"); found || err != nil {
		t.Errorf("a prefix was found, %v", err)
	}
	made, err := s.Reserve(t.Context(), pi5("chexp-a"))
	if err != nil || made.ID != "lease-4" {
		t.Fatalf("%+v, %v", made, err)
	}
	again, err := s.Reserve(t.Context(), pi5("chexp-a"))
	if err != nil || again.ID != made.ID || c.count("POST /v1/leases") != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	add("twin", alice, "PENDING")
	_, err = s.Reserve(t.Context(), pi5("chexp-a"))
	check(t, err, failure.Cloud, "2 leases are named chexp-a", "lease-4", "twin", "chexp lease delete")
	if _, _, err := s.FindLease(t.Context(), "chexp-a"); err == nil {
		t.Error("FindLease chose one of two")
	}
}

// The answer to the creation gets lost, in the ways it can; there must be one
// lease in the end, and no second creation where the first worked.
func TestReserveLostAnswer(t *testing.T) {
	late := &fakeLease{id: "late", name: "chexp-a", user: alice, status: "PENDING", start: time.Now().UTC(),
		end: time.Now().UTC().Add(time.Hour)}
	for name, f := range map[string]struct {
		// before the answer is lost; later, when the list is asked for the third time
		made, late bool
		answer     func(w http.ResponseWriter) bool // what comes in place of it
		posts      int
	}{
		"made, then the connection breaks":       {made: true, answer: hangUp, posts: 1},
		"made, then the proxy times out":         {made: true, answer: status(504), posts: 1},
		"made, but half of the answer comes":     {made: true, answer: halfAnAnswer(201), posts: 1},
		"made later than the connection breaks":  {late: true, answer: hangUp, posts: 1},
		"not made: the connection breaks before": {answer: hangUp, posts: 2},
		"not made: 503 with a page":              {answer: status(503), posts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			s := connect(t, c)
			lost, lists := false, 0
			lose := answering(1, "POST", "/v1/leases", func(w http.ResponseWriter) bool {
				lost = true
				return f.answer(w)
			})
			if f.made {
				c.after = lose
			} else {
				c.before = func(w http.ResponseWriter, r *http.Request) bool {
					if f.late && lost && r.Method == "GET" && r.URL.Path == "/v1/leases" {
						if lists++; lists == 3 {
							c.leases = append(c.leases, late)
						}
					}
					return lose(w, r)
				}
			}
			l, err := s.Reserve(t.Context(), pi5("chexp-a"))
			if err != nil {
				t.Fatal(err)
			}
			if !lost {
				t.Fatal("nothing got lost")
			}
			if len(c.leases) != 1 || c.leases[0].id != l.ID || c.count("POST /v1/leases") != f.posts {
				t.Errorf("%d leases, %d creations, got %s", len(c.leases), c.count("POST /v1/leases"), l.ID)
			}
		})
	}
}

// A service that stays away is tried twice, not for ever.
func TestReserveGivesUp(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		return isPost(r, "/v1/leases") && hangUp(w)
	}
	_, err := s.Reserve(t.Context(), pi5("chexp-a"))
	check(t, err, failure.Cloud, "making the lease chexp-a")
	if n := c.count("POST /v1/leases"); n != 2 {
		t.Errorf("%d creations", n)
	}
}

// When the list cannot be had either, nothing may be created again.
func TestReserveUnknown(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	posted := false
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		posted = posted || isPost(r, "/v1/leases")
		return posted && hangUp(w)
	}
	_, err := s.Reserve(t.Context(), pi5("chexp-a"))
	check(t, err, failure.Cloud, "whether it exists cannot be found out", "chexp lease list")
	if n := c.count("POST /v1/leases"); n != 1 {
		t.Errorf("%d creations", n)
	}
}

func TestReserveInterrupted(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	c.after = func(_ http.ResponseWriter, r *http.Request) bool {
		if isPost(r, "/v1/leases") {
			cancel() // Ctrl-C while Blazar is at it: the answer still counts
		}
		return false
	}
	l, err := s.Reserve(ctx, pi5("chexp-a"))
	if err != nil || l.ID != "lease-1" {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := s.Await(ctx, l.ID, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := s.Reserve(ctx, pi5("chexp-b")); err == nil || len(c.leases) != 1 {
		t.Errorf("%d leases, %v", len(c.leases), err)
	}
}

func TestReserveRefused(t *testing.T) {
	full := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
	bare := `{"error_code": 500, "error_message": "Internal Server Error", "error_name": "INTERNAL_SERVER_ERROR"}`
	for name, f := range map[string]struct {
		status int
		body   string
		kind   failure.Kind
		words  []string
	}{
		"bare 500": {500, bare, failure.Auth, []string{"name-of-ac1", "may not make trusts", "Unrestricted"}},
		"past": {400, `{"error_code": 400, "error_message": "Start date must be later than current ` +
			`date", "error_name": 400}`, failure.Usage, []string{"Start date must be later"}},
		"allocation": {400, `{"error_code": 400, "error_message": "would spend 48 SUs, only 3 left", ` +
			`"error_name": 400}`, failure.Capacity, []string{"48 SUs", "PI"}},
		"policy": {403, `{"error_code": 403, "error_message": "Policy doesn't allow it", "error_name": 403}`,
			failure.Auth, []string{"roles"}},
		"wrong route": {404, `{"error": 404, "error_message": "The requested URL was not found"}`, failure.Cloud,
			[]string{"catalog"}},
		"another 500": {500, `{"error_code": 500, "error_message": "Something broke", "error_name": 500}`,
			failure.Cloud, []string{"Something broke"}},
		"not a device": {500, `{"error_code": 500, "error_message": "colour DeviceExtraCapability was not ` +
			`found", "error_name": 500}`, failure.Usage, []string{"colour"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			s := connect(t, c)
			c.before = func(w http.ResponseWriter, r *http.Request) bool {
				if !isPost(r, "/v1/leases") {
					return false
				}
				full(w, f.status, f.body)
				return true
			}
			_, err := s.Reserve(t.Context(), pi5("chexp-a"))
			check(t, err, f.kind, f.words...)
			if n := c.count("POST /v1/leases"); n != 1 {
				t.Errorf("%d creations", n)
			}
		})
	}
}

func TestReserveTooLong(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	req := pi5("chexp-a")
	req.End = time.Now().Add(8 * 24 * time.Hour)
	_, err := s.Reserve(t.Context(), req)
	check(t, err, failure.Usage, "too long", "this site allows 168 hours")
}

func TestReserveNoCapacity(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	now := time.Now().UTC().Truncate(time.Minute)
	c.free = 0
	for i := 1; i <= 5; i++ { // the first is free again soonest
		c.leases = append(c.leases, &fakeLease{id: fmt.Sprint(i), name: "x", user: bob, status: "ACTIVE",
			device: fmt.Sprintf("dev-%d", i), start: now.Add(-time.Hour), end: now.Add(time.Duration(i) * time.Hour)})
	}
	// Between its leases there is not enough time: the second is next.
	c.leases = append(c.leases, &fakeLease{id: "y", name: "y", user: bob, status: "PENDING", device: "dev-1",
		start: now.Add(2 * time.Hour), end: now.Add(9 * time.Hour)})
	c.devices[5]["reservable"] = false
	c.devices[6]["authorized_projects"] = "somebody,else"
	req := pi5("chexp-a")
	_, err := s.Reserve(t.Context(), req)
	check(t, err, failure.Capacity, "no raspberrypi5 is free from", "7 match", "5 reserved then", "1 out of service",
		"1 kept for other projects",
		"nyu-rpi5-02 is free for that long from "+clock.UTC(now.Add(2*time.Hour+time.Minute)), "Not enough resources")

	req.MachineName = "raspberrypi6"
	_, err = s.Reserve(t.Context(), req)
	check(t, err, failure.Usage, "this site has no raspberrypi6", "raspberrypi4-64 (1), raspberrypi5 (7)")

	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/devices") {
			w.WriteHeader(403)
			return true
		}
		return false
	}
	_, err = s.Reserve(t.Context(), req)
	check(t, err, failure.Capacity, "no raspberrypi6 is free", "chexp device list")
}
