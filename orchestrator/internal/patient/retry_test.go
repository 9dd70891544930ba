package patient

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-3": 0, "soon": 0,
		"99999999":                      24 * time.Hour,
		"Tue, 01 Dec 2026 12:00:30 GMT": 30 * time.Second, "Tue, 01 Dec 2026 11:00:30 GMT": 0} {
		if got := retryAfter(v, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	for try := 1; try < 80; try++ {
		if d := jitter(time.Second, try); d <= 0 || d > time.Second<<min(try-1, 16) {
			t.Errorf("try %d waits %v", try, d)
		}
	}
}
