package clock

import (
	"testing"
	"time"
)

func TestClockAndWindow(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skipf("no time zones on this machine: %v", err)
	}
	from := time.Date(2026, 12, 1, 19, 0, 0, 0, time.UTC)
	for want, got := range map[string]string{
		"2026-12-01 19:00 UTC (14:00 EST)":            both(from, zone),
		"2026-12-02 03:00 UTC (2026-12-01 22:00 EST)": both(from.Add(8*time.Hour), zone),
		"2026-12-01 19:00 to 20:55 UTC (14:00 to 15:55 EST)": window(from,
			from.Add(115*time.Minute), zone),
		"2026-12-01 23:00 to 2026-12-02 00:55 UTC (18:00 to 19:55 EST)": window(from.Add(4*time.Hour),
			from.Add(355*time.Minute), zone),
		"2026-12-02 03:00 to 06:00 UTC (2026-12-01 22:00 to 2026-12-02 01:00 EST)": window(from.Add(8*time.Hour),
			from.Add(11*time.Hour), zone),
		"1 h 55 min": Span(115 * time.Minute), "2 h": Span(2 * time.Hour), "7 d": Span(7 * 24 * time.Hour),
		"12 s": Span(12 * time.Second), "1 d 1 min": Span(24*time.Hour + time.Minute),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := both(from, time.UTC); got != "2026-12-01 19:00 UTC" {
		t.Errorf("%q", got)
	}
	if got := window(from, from.Add(time.Hour), time.UTC); got != "2026-12-01 19:00 to 20:00 UTC" {
		t.Errorf("%q", got)
	}
}
