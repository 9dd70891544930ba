package chiedge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
)

func refusing(text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		reply(w, 500, map[string]any{"error_code": 500, "error_message": text, "error_name": "InternalServerError"})
		return true
	}
}

// Two chexp at once draw boards that meet: Blazar refuses the later one when it looks
// at each reservation alone, which leaves nothing behind. It draws anew.
func TestSeveralAreDrawnAnewWhenSomebodyWasFaster(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	s.Pace.Most = time.Millisecond
	faulty(c, 2, "POST", "/v1/leases", refusing(`Not enough resources available with query {'min': 1}`))
	req := run.LeaseRequest{Name: "chexp-s", MachineName: "raspberrypi5", Devices: 3, End: time.Now().Add(time.Hour)}
	l, err := s.Reserve(t.Context(), req)
	if err != nil || l.ID != "lease-1" {
		t.Fatalf("%+v, %v", l, err)
	}
	if n := strings.Count(strings.Join(c.calls, "\n"), "POST /v1/leases"); n != 3 {
		t.Errorf("%d leases were asked for", n)
	}
}

// It ends, and a refusal that leaks boards is not repeated.
func TestSeveralAreNotDrawnForEver(t *testing.T) {
	for text, want := range map[string]int{
		"Not enough resources available with query {}": 5, "Not enough hosts available": 1,
	} {
		c := newCloud(t)
		s := connect(t, c)
		s.Pace.Most = time.Millisecond
		faulty(c, -1, "POST", "/v1/leases", refusing(text))
		req := run.LeaseRequest{Name: "chexp-s", MachineName: "raspberrypi5", Devices: 3, End: time.Now().Add(time.Hour)}
		if _, err := s.Reserve(t.Context(), req); failure.KindOf(err) != failure.Capacity {
			t.Errorf("%s: %v", text, err)
		}
		if n := strings.Count(strings.Join(c.calls, "\n"), "POST /v1/leases"); n != want {
			t.Errorf("%s: %d leases were asked for, want %d", text, n, want)
		}
	}
}

// Two who reserve one board at once both get it: who finds that gives it back and
// draws anew, also for a lease of one device.
func TestOneBoardBookedTwiceIsDrawnAnew(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	rivals := 2
	c.after = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/leases") && rivals > 0 {
			rivals--
			made := c.leases[len(c.leases)-1]
			c.leases = append(c.leases, &fakeLease{id: fmt.Sprintf("rival-%d", rivals), name: "x", user: bob,
				status: "PENDING", device: made.device, start: made.start, end: made.end})
		}
		return false
	}
	l, err := s.Reserve(t.Context(), run.LeaseRequest{Name: "chexp-a", MachineName: "raspberrypi5",
		End: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if n := c.count("DELETE"); n != 2 {
		t.Errorf("%d leases were given back", n)
	}
	if others, err := s.Neighbours(t.Context(), l.ID); err != nil || len(others) > 0 {
		t.Error(others, err)
	}
}

// Boards that the user has right before or after are drawn last; one that the site does not
// have, and more than it has, is bad input, and nobody waits for it.
func TestWhichOfSeveralAreDrawn(t *testing.T) {
	end := time.Now().Add(time.Hour)
	c := newCloud(t)
	s := connect(t, c)
	req := run.LeaseRequest{Name: "chexp-b", MachineName: "raspberrypi5", Devices: 1, End: end}
	for i := range 6 {
		req.Beside = append(req.Beside, fmt.Sprintf("nyu-rpi5-%02d", i+1))
	}
	if _, err := s.Reserve(t.Context(), req); err != nil || !strings.Contains(c.leases[0].properties, "uid-7") {
		t.Errorf("%v, asked for %s", err, c.leases[0].properties)
	}
	for text, req := range map[string]run.LeaseRequest{
		"nyu-rpi5-99: this site has no such device": {Devices: 2, Boards: []string{"nyu-rpi5-02", "nyu-rpi5-99"}, End: end},
		"of the 8 wanted": {Devices: 8, MachineName: "raspberrypi5", End: end},
	} {
		_, err := s.CheckFree(t.Context(), req)
		if failure.KindOf(err) != failure.Usage || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", req, err)
		}
	}
	taken := run.LeaseRequest{Devices: 7, MachineName: "raspberrypi5", End: end}
	if _, err := s.CheckFree(t.Context(), taken); failure.KindOf(err) != failure.Capacity {
		t.Error(err)
	}
	taken.AllFree = true
	if _, err := s.CheckFree(t.Context(), taken); err != nil {
		t.Error(err)
	}
}
