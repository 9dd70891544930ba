package chameleon

import (
	"testing"
	"time"

	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/site"
)

func utcTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestFirstFit(t *testing.T) {
	now := utcTime(t, "2026-12-01 14:20")
	book := func(from, to string) site.Booking { return site.Booking{Start: utcTime(t, from), End: utcTime(t, to)} }
	twoHours := func(start time.Time) time.Time { return site.EndOf(start, 2*time.Hour, 55*time.Minute) }
	for name, c := range map[string]struct {
		taken []site.Booking
		want  string
	}{
		"free":                  {nil, "2026-12-01 14:20"},
		"free for long enough":  {[]site.Booking{book("2026-12-01 15:56", "2026-12-01 20:00")}, "2026-12-01 14:20"},
		"the next minute taken": {[]site.Booking{book("2026-12-01 15:55", "2026-12-01 20:00")}, "2026-12-01 21:00"},
		"ends at :55":           {[]site.Booking{book("2026-12-01 13:00", "2026-12-01 15:55")}, "2026-12-01 16:00"},
		"ends on the hour":      {[]site.Booking{book("2026-12-01 13:00", "2026-12-01 16:00")}, "2026-12-01 17:00"},
		"over":                  {[]site.Booking{book("2026-12-01 13:00", "2026-12-01 14:19")}, "2026-12-01 14:20"},
		"over in this minute":   {[]site.Booking{book("2026-12-01 13:00", "2026-12-01 14:20")}, "2026-12-01 15:00"},
		"a gap that is too small": {[]site.Booking{book("2026-12-01 13:00", "2026-12-01 15:55"),
			book("2026-12-01 17:00", "2026-12-01 17:55")}, "2026-12-01 18:00"},
		"a gap that is just right": {[]site.Booking{book("2026-12-01 13:00", "2026-12-01 15:55"),
			book("2026-12-01 18:00", "2026-12-01 19:55")}, "2026-12-01 16:00"},
	} {
		if got := firstFit(c.taken, now, twoHours); !got.Equal(utcTime(t, c.want)) {
			t.Errorf("%s: %s, want %s", name, clock.UTC(got), c.want)
		}
	}
}

func TestCountdown(t *testing.T) {
	// Every step is a line of a log: a day's wait must not fill it.
	lines := map[string]bool{}
	for left := 24 * time.Hour; left > 0; left -= 7 * time.Second {
		lines[countdown(left)] = true
	}
	if len(lines) > 120 || !lines["1 min"] || !lines["10 s"] || !lines["30 min"] {
		t.Errorf("%d lines: %v", len(lines), lines)
	}
}
