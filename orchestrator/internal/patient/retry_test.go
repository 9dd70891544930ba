package patient

import (
	"errors"
	"net/http"
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

// A request that is given up at its own limit is not asked again for minutes: a read
// once more, a deletion not at all, as who deletes looks what came of it.
func TestSilenceIsBorneTwiceAtMost(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{http.MethodGet: 2, http.MethodDelete: 1} {
		asked := 0
		silent := tripper(func(*http.Request) (*http.Response, error) {
			asked++
			return nil, &Silent{method, time.Minute}
		})
		rt := &Retry{Next: silent, Pace: func() Pace {
			return Pace{Retries: 4, RetryFirst: time.Millisecond, RetryMost: time.Second}
		}}
		_, err := rt.RoundTrip(request(t, t.Context(), method, "https://edge.example/v1/leases/x", nil))
		if asked != want || !errors.As(err, new(*Silent)) {
			t.Errorf("%s: asked %d times: %v", method, asked, err)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
