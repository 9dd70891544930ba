package chiedge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

func TestNextSlot(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	now := time.Now().UTC().Truncate(time.Minute)
	hour := now.Truncate(time.Hour)
	for i := 1; i <= 5; i++ { // dev-3 is free again first
		end := hour.Add(time.Duration(10-i)*time.Hour + 55*time.Minute)
		if i == 3 {
			end = hour.Add(2*time.Hour + 55*time.Minute)
		}
		c.leases = append(c.leases, &fakeLease{id: fmt.Sprint(i), name: "x", user: bob, status: "ACTIVE",
			device: fmt.Sprintf("dev-%d", i), start: now.Add(-time.Hour), end: end})
	}
	c.devices[5]["reservable"] = false
	c.devices[6]["authorized_projects"] = "somebody,else"
	twoHours := func(start time.Time) time.Time { return site.EndOf(start, 2*time.Hour, 55*time.Minute) }
	before := len(c.calls)
	got, err := s.NextSlot(t.Context(), run.LeaseRequest{MachineName: "raspberrypi5"}, twoHours)
	if err != nil || !got.Start.Equal(hour.Add(3*time.Hour)) || got.End.Sub(got.Start) != 115*time.Minute ||
		got.Device.Name != "nyu-rpi5-03" {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(c.calls) - before; n != 2 {
		t.Errorf("%d requests", n)
	}
	got, err = s.NextSlot(t.Context(), run.LeaseRequest{MachineName: "raspberrypi4-64"}, twoHours)
	if err != nil || !got.Start.IsZero() || got.Device.Name != "iot-rpi4-01" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = s.NextSlot(t.Context(), run.LeaseRequest{DeviceName: "nyu-rpi5-06"}, twoHours)
	check(t, err, failure.Capacity, "no device nyu-rpi5-06 can be reserved", "out of service")
	_, err = s.NextSlot(t.Context(), run.LeaseRequest{MachineName: "raspberrypi6"}, twoHours)
	check(t, err, failure.Usage, "this site has no raspberrypi6")
}

func TestCheckFree(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	now := time.Now().UTC().Truncate(time.Minute)
	start, end := now.Add(24*time.Hour), now.Add(26*time.Hour)
	add := func(id, user string, from, to time.Time) {
		c.leases = append(c.leases, &fakeLease{id: id, name: "x", user: user, status: "PENDING", device: "dev-1",
			start: from, end: to})
	}
	ask := func() error {
		unread, err := s.CheckFree(t.Context(), run.LeaseRequest{Name: "n", DeviceName: "nyu-rpi5-01", Start: start,
			End: end})
		if unread != "" {
			t.Errorf("unread: %s", unread)
		}
		return err
	}
	add("before", bob, start.Add(-2*time.Hour), start.Add(-time.Minute))
	add("after", bob, end.Add(time.Minute), end.Add(time.Hour))
	if err := ask(); err != nil {
		t.Errorf("between two leases: %v", err)
	}
	c.leases[0].end = start // they meet in one minute
	check(t, ask(), failure.Capacity, "no device nyu-rpi5-01 is free from "+start.Format("2006-01-02 15:04"),
		"the minute in which they meet", "--at next")
	c.leases[0].end = start.Add(-time.Minute)
	c.leases[1].start = end
	check(t, ask(), failure.Capacity, "the minute in which they meet")
	if n := c.count("POST /v1/leases"); n != 0 {
		t.Errorf("%d creations", n)
	}

	// A calendar that cannot be read stops nobody.
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/v1/devices") && status(403)(w)
	}
	unread, err := s.CheckFree(t.Context(), run.LeaseRequest{Name: "n", DeviceName: "nyu-rpi5-01", Start: start,
		End: end})
	if unread == "" || err != nil {
		t.Errorf("unread %q, %v", unread, err)
	}
}
