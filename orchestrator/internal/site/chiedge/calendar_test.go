package chiedge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"
)

// crowded is a site with many devices and leases, whose answers are made
// beforehand: what is measured is the reader.
func crowded(c *cloud, devices, leases int, name bool) (now time.Time) {
	now = time.Now().UTC().Truncate(time.Minute)
	var boards, allocations []any
	perDevice := leases / devices
	n := 0
	for i := range devices {
		id := fmt.Sprintf("dev-%d", i)
		boards = append(boards, map[string]any{"id": id, "name": fmt.Sprintf("iot-rpi5-%03d", i), "reservable": true,
			"created_at": "2026-11-23 04:42:38.890640", "updated_at": nil,
			"machine_name": []string{"raspberrypi5", "raspberrypi4-64"}[i%2], "uid": "uid-" + id,
			"device_type": "container", "device_driver": "k8s"})
		booked := []any{}
		for j := range perDevice {
			extras := map[string]any{}
			if name {
				extras["user_name"] = []string{"bob@example.org", "alice@example.org"}[n%10/9]
			}
			start := now.Add(time.Duration(3*j) * time.Hour)
			booked = append(booked, map[string]any{"id": fmt.Sprint("res", n), "lease_id": fmt.Sprint("lease", n),
				"start_date": start.Format(blazarTime),
				"end_date":   start.Add(115 * time.Minute).Format(blazarTime), "extras": extras})
			n++
		}
		allocations = append(allocations, map[string]any{"resource_id": id, "reservations": booked})
	}
	answers := map[string][]byte{}
	for path, body := range map[string]any{"/v1/devices": map[string]any{"devices": boards},
		"/v1/devices/allocations": map[string]any{"allocations": allocations}} {
		var err error
		if answers[path], err = json.Marshal(body); err != nil {
			panic(err)
		}
	}
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		b, ok := answers[r.URL.Path]
		if ok {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(b)
		}
		return ok
	}
	return now
}

// Two requests, whatever the size; a third where bookings have no names.
func TestCalendarRequests(t *testing.T) {
	for _, named := range []bool{true, false} {
		c := newCloud(t)
		s := connect(t, c)
		now := crowded(c, 200, 2000, named)
		c.leases = append(c.leases, &fakeLease{id: "lease9", name: "mine", user: alice, status: "PENDING", start: now,
			end: now.Add(time.Hour)})
		before := len(c.calls)
		all, err := s.Calendar(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bookings, mine := 0, 0
		for _, d := range all {
			for _, b := range d.Bookings {
				bookings++
				if b.Mine {
					mine++
				}
			}
		}
		wantCalls, wantMine := 2, 200
		if !named {
			wantCalls, wantMine = 3, 1
		}
		if calls := c.calls[before:]; len(all) != 200 || bookings != 2000 || mine != wantMine ||
			len(calls) != wantCalls {
			t.Errorf("named %t: %d devices, %d bookings, %d mine; requests %v", named, len(all), bookings, mine, calls)
		}
	}
}

func BenchmarkCalendar(b *testing.B) {
	t := &testing.T{}
	c := &cloud{t: t, tokens: map[string]bool{}, appCreds: map[string]appCred{"ac1": {"s3cret-of-ac1", false}},
		project: true, region: "CHI@Edge",
		types: []string{"identity", "reservation", "container", "network"}}
	c.serveAt(b)
	file := b.TempDir() + "/clouds.yaml"
	if err := os.WriteFile(file, []byte(c.cloudsYAML(appCred1)), 0o600); err != nil {
		b.Fatal(err)
	}
	s, err := Connect(b.Context(), Options{CloudsFile: file, Cloud: "edge", HTTP: http.DefaultTransport})
	if err != nil {
		b.Fatal(err)
	}
	crowded(c, 200, 2000, true)
	for b.Loop() {
		if _, err := s.Calendar(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
