package site

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"chexp/orchestrator/internal/clock"
)

func utcTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestEndOf(t *testing.T) {
	for _, c := range []struct {
		start, length, want string
	}{
		{"2026-12-01 14:00", "2h", "2026-12-01 15:55"},
		{"2026-12-01 14:20", "2h", "2026-12-01 15:55"},
		{"2026-12-01 14:54", "2h", "2026-12-01 15:55"}, // 61 of 120 minutes
		{"2026-12-01 14:55", "2h", "2026-12-01 16:55"},
		{"2026-12-01 23:30", "2h", "2026-12-02 00:55"},
		{"2026-12-01 14:00", "1h", "2026-12-01 14:55"},
		{"2026-12-01 14:40", "1h", "2026-12-01 15:40"}, // to end at :55 would cost more than half
		{"2026-12-01 14:00", "30m", "2026-12-01 14:30"},
		{"2026-12-01 14:00", "168h", "2026-12-08 13:55"},
	} {
		length, err := time.ParseDuration(c.length)
		if err != nil {
			t.Fatal(err)
		}
		start := utcTime(t, c.start)
		if got := EndOf(start, length, 55*time.Minute); !got.Equal(utcTime(t, c.want)) {
			t.Errorf("%s from %s: %s, want %s", c.length, c.start, clock.UTC(got), c.want)
		}
	}
	// Whatever the minute: never longer than asked, never less than half, and
	// never at an hour, where the next lease begins.
	for minute := range 60 {
		start := utcTime(t, "2026-12-01 14:00").Add(time.Duration(minute) * time.Minute)
		for _, length := range []time.Duration{2 * time.Hour, 3 * time.Hour, 5 * time.Hour} {
			end := EndOf(start, length, 55*time.Minute)
			if end.Minute() != 55 || end.Sub(start) > length || end.Sub(start) < length/2 {
				t.Errorf("%v from minute %d ends at %s", length, minute, clock.UTC(end))
			}
		}
	}
}

func TestTaken(t *testing.T) {
	noon := utcTime(t, "2026-12-01 12:00")
	d := Device{Bookings: []Booking{
		{Start: noon, End: noon.Add(55 * time.Minute), Mine: true},
		{Start: noon.Add(3 * time.Hour), End: noon.Add(5 * time.Hour)},
	}}
	for at, want := range map[time.Duration][2]time.Duration{
		-time.Hour:    {0, 0},
		0:             {56 * time.Minute, 0}, // its last minute counts
		time.Hour:     {0, 0},
		3 * time.Hour: {0, time.Hour},
		5 * time.Hour: {0, time.Minute},
	} {
		mine, others := d.Taken(noon.Add(at), noon.Add(at+time.Hour))
		if mine != want[0] || others != want[1] {
			t.Errorf("%v: %v and %v, want %v", at, mine, others, want)
		}
	}
}

// Bookings come out as JSON with both times in UTC.
func TestBookingJSON(t *testing.T) {
	b, err := json.Marshal(Booking{Start: utcTime(t, "2026-12-01 12:00"), End: utcTime(t, "2026-12-01 12:55"),
		LeaseID: "l", Mine: true})
	if want := `{"start":"2026-12-01T12:00:00Z","end":"2026-12-01T12:55:00Z","lease_id":"l","mine":true}`; err != nil ||
		!bytes.Equal(b, []byte(want)) {
		t.Errorf("%s, %v", b, err)
	}
}
