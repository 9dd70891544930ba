package chiedge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// withLease is a cloud with one active lease of Alice's on dev-1, from an hour
// ago for two hours.
func withLease(t *testing.T) (*cloud, *Site, site.Lease) {
	t.Helper()
	c := newCloud(t)
	s := connect(t, c)
	now := time.Now().UTC().Truncate(time.Minute)
	c.leases = append(c.leases, &fakeLease{id: "lease-1", name: "mine", user: alice, status: "ACTIVE",
		resStatus: "active", device: "dev-1", start: now.Add(-time.Hour), end: now.Add(time.Hour)})
	l, err := s.OwnLease(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	return c, s, l
}

func TestExtendLease(t *testing.T) {
	c, s, l := withLease(t)
	end := l.End.Add(2 * time.Hour)
	got, err := s.ExtendLease(t.Context(), l, end)
	if err != nil || !got.End.Equal(end) || got.Status != "ACTIVE" { // not UPDATING
		t.Fatalf("%+v, %v", got, err)
	}
	// Somebody is after it.
	c.leases = append(c.leases, &fakeLease{id: "next", name: "x", user: bob, status: "PENDING", device: "dev-1",
		start: end.Add(time.Hour), end: end.Add(2 * time.Hour)})
	_, err = s.ExtendLease(t.Context(), got, end.Add(time.Hour))
	check(t, err, failure.Capacity, "cannot last until", "nyu-rpi5-01", "the minute in which they meet",
		"it can last until "+clock.UTC(end.Add(59*time.Minute)))
	if n := c.count("PUT"); n != 1 {
		t.Errorf("%d updates", n)
	}
	if got, err = s.ExtendLease(t.Context(), got, end.Add(59*time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = s.ExtendLease(t.Context(), got, end.Add(time.Hour))
	check(t, err, failure.Capacity, "it cannot be extended at all")
	_, err = s.ExtendLease(t.Context(), got, got.End)
	check(t, err, failure.Usage, "is not later", "lease shorten")
}

func TestShortenLease(t *testing.T) {
	c, s, l := withLease(t)
	end := l.End.Add(-30 * time.Minute)
	got, err := s.ShortenLease(t.Context(), l, end)
	if err != nil || !got.End.Equal(end) {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = s.ShortenLease(t.Context(), got, end)
	check(t, err, failure.Usage, "is not earlier")
	_, err = s.ShortenLease(t.Context(), got, time.Now().Add(-time.Minute))
	check(t, err, failure.Usage, "has passed")
	got, err = s.ShortenLease(t.Context(), got, time.Time{})
	if err != nil || got.End.After(time.Now()) || len(c.leases) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = s.ShortenLease(t.Context(), got, time.Time{})
	check(t, err, failure.Usage, "has ended")

	c.leases[0].start, c.leases[0].end, c.leases[0].status, c.leases[0].next = time.Now().Add(time.Hour),
		time.Now().Add(3*time.Hour), "PENDING", nil
	l, err = s.OwnLease(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ShortenLease(t.Context(), l, time.Time{})
	check(t, err, failure.Usage, "before it began", "chexp lease delete mine")
}

// In its last minutes a lease is left alone: Blazar leaks the allocation.
func TestTooLateToChange(t *testing.T) {
	c, s, l := withLease(t)
	l.End = time.Now().Add(time.Minute)
	_, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
	check(t, err, failure.Usage, "too late to change it", "make another")
	l.Status, l.State = "ERROR", run.LeaseFailed
	_, err = s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
	check(t, err, failure.Cloud, "its status is ERROR", "lease delete")
	if n := c.count("PUT"); n != 0 {
		t.Errorf("%d updates", n)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	c, s, _ := withLease(t)
	c.leases[0].user = bob
	for _, name := range []string{"mine", "lease-1"} {
		_, err := s.OwnLease(t.Context(), name)
		check(t, err, failure.Usage, "another member of the project", "ask its owner")
		check(t, s.DeleteLease(t.Context(), name), failure.Usage, "another member of the project")
	}
	if c.count("PUT")+c.count("DELETE") != 0 {
		t.Errorf("%v", c.calls)
	}
	all, err := s.Leases(t.Context())
	if err != nil || len(all) != 1 || all[0].Mine || all[0].Device.Name != "nyu-rpi5-01" {
		t.Errorf("%+v, %v", all, err)
	}
}

// The answer to an update gets lost, before or after it was done.
func TestUpdateLostAnswer(t *testing.T) {
	for name, f := range map[string]struct {
		after bool
		puts  int
	}{"done": {true, 1}, "not done": {false, 2}} {
		t.Run(name, func(t *testing.T) {
			c, s, l := withLease(t)
			lost := false
			lose := func(w http.ResponseWriter, r *http.Request) bool {
				if lost || r.Method != "PUT" {
					return false
				}
				lost = true
				return hangUp(w)
			}
			if f.after {
				c.after = lose
			} else {
				c.before = lose
			}
			got, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
			if err != nil || !got.End.Equal(l.End.Add(time.Hour)) || !lost || c.count("PUT") != f.puts {
				t.Errorf("%+v, %v, lost %t, %d updates", got, err, lost, c.count("PUT"))
			}
		})
	}
}

// Looks at a changed lease that fail for ever end when its time is over, though there is
// patience left for more of them: each may have been silent for a minute.
func TestLooksAtAChangeThatFailEnd(t *testing.T) {
	c, s, l := withLease(t)
	s.Pace.Lease, s.Pace.Failures, s.Pace.Retries = 20*time.Millisecond, 1<<30, 0
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/leases/"+l.ID) && hangUp(w)
	}
	if _, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour)); err == nil {
		t.Error("an extension that nobody has seen")
	}
	if c.count("PUT") == 0 {
		t.Error("nothing was asked")
	}
}

func TestUpdateRefused(t *testing.T) {
	for name, f := range map[string]struct {
		status int
		msg    string
		kind   failure.Kind
		words  []string
		puts   int
	}{
		"taken": {500, "Not enough hosts available", failure.Capacity,
			[]string{"reserved by others after it", "device calendar"}, 1},
		"too early": {403, "Lease can only be extended within 172800 seconds of the leases current end time.",
			failure.Usage, []string{"last hours", "172800"}, 1},
		"too long": {403, "Lease duration of 691200 seconds must be less than or equal to the maximum lease " +
			"duration of 604800 seconds.", failure.Usage, []string{"this site allows 168 hours"}, 1},
		"budget": {400, "would spend 48 SUs, only 3 left", failure.Capacity, []string{"48 SUs"}, 1},
		"moment": {500, "Invalid lease status.", failure.Cloud, []string{"Invalid lease status"}, 6}, // five times more
	} {
		t.Run(name, func(t *testing.T) {
			c, s, l := withLease(t)
			c.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != "PUT" {
					return false
				}
				blazarError(w, f.status, f.msg)
				return true
			}
			_, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
			check(t, err, f.kind, append(f.words, "extending the lease mine")...)
			if n := c.count("PUT"); n != f.puts {
				t.Errorf("%d updates", n)
			}
			if strings.Contains(err.Error(), "INTERNAL") {
				t.Error(err)
			}
		})
	}
}

func TestGivenBack(t *testing.T) {
	_, _, l := withLease(t)
	now := l.Start.Add(30 * time.Minute)
	if d := site.Left(l.Lease, now); d != 90*time.Minute {
		t.Errorf("active: %v", d)
	}
	if d := site.Left(l.Lease, l.Start.Add(-time.Hour)); d != 2*time.Hour {
		t.Errorf("future: %v", d)
	}
	if d := site.Left(l.Lease, l.End.Add(time.Hour)); d != 0 {
		t.Errorf("past: %v", d)
	}
	l.Status, l.State = "TERMINATED", run.LeaseOver
	if d := site.Left(l.Lease, now); d != 0 {
		t.Errorf("terminated: %v", d)
	}
}

// A lease that stays in transition is not waited for without end.
func TestUpdateNeverEnds(t *testing.T) {
	c, s, l := withLease(t)
	s.Pace.Lease = 20 * time.Millisecond
	c.after = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PUT" {
			c.leases[0].next = nil
		}
		return false
	}
	_, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
	check(t, err, failure.Cloud, "it is still UPDATING", "lease show")
}

// Somebody books the board while a lease is extended: Blazar grants both, so the
// extension is taken back.
func TestExtensionIntoABookingIsTakenBack(t *testing.T) {
	c, s, l := withLease(t)
	c.after = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "PUT" && len(c.leases) == 1 {
			c.leases = append(c.leases, &fakeLease{id: "next", name: "x", user: bob, status: "PENDING", device: "dev-1",
				start: l.End.Add(5 * time.Minute), end: l.End.Add(2 * time.Hour)})
		}
		return false
	}
	got, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
	check(t, err, failure.Capacity, "is not extended", "somebody booked its board at the same moment", "nyu-rpi5-01")
	if !got.End.Equal(l.End) || c.count("PUT") != 2 || !c.leases[0].end.Equal(l.End) {
		t.Errorf("it ends at %s after %d updates", got.End, c.count("PUT"))
	}
}

// Where the calendar cannot be read, nobody knows into whose booking a lease would be
// extended.
func TestNoExtensionWithoutACalendar(t *testing.T) {
	c, s, l := withLease(t)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/allocations") {
			return false
		}
		blazarError(w, 403, "policy does not allow this")
		return true
	}
	_, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
	check(t, err, failure.Cloud, "is not extended", "the calendar cannot be read")
	if c.count("PUT") > 0 {
		t.Error("it was extended")
	}
}
