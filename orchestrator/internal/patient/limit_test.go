package patient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hasty gives every exchange a moment.
func hasty(d time.Duration) func(*http.Request) time.Duration {
	return func(*http.Request) time.Duration { return d }
}

func request(t *testing.T, ctx context.Context, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// A poll that hangs is given up within its own limit, not its caller's, and asked again.
func TestAPollThatHangsIsAskedAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= 1 {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "well")
	}))
	defer s.Close()
	rt := &Retry{Next: limited{http.DefaultTransport, hasty(50 * time.Millisecond)}, Pace: func() Pace {
		return Pace{Retries: 4, RetryFirst: time.Millisecond, RetryMost: time.Second}
	}}
	resp, err := rt.RoundTrip(request(t, t.Context(), http.MethodGet, s.URL, nil))
	if err != nil || asked.Load() != 2 {
		t.Fatalf("asked %d times: %v", asked.Load(), err)
	}
	resp.Body.Close()
}

// An answer that drips is bounded by its whole time, not by the time between two drops.
func TestAnAnswerThatDripsIsBoundedByItsWholeTime(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	defer s.Close()
	resp, err := limited{http.DefaultTransport, hasty(100 * time.Millisecond)}.
		RoundTrip(request(t, t.Context(), http.MethodDelete, s.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var silent *Silent
	if !errors.As(err, &silent) || !strings.Contains(err.Error(), "DELETE") || len(body) == 0 {
		t.Errorf("%d bytes, then %v", len(body), err)
	}
}

// A caller's own end stays its own: it is no silence of the service.
func TestTheCallersEndIsNoSilence(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := limited{http.DefaultTransport, hasty(time.Minute)}.RoundTrip(request(t, ctx, http.MethodGet, s.URL, nil))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// Each kind of call has a limit of its own, that of an archive by its bytes.
func TestLimitsByKindOfCall(t *testing.T) {
	t.Parallel()
	const zun = "https://edge.example/v1/containers/x"
	for _, c := range []struct {
		method, url string
		bytes       int
		want        time.Duration
	}{
		{"GET", zun, 0, limitLook},
		{"GET", "https://edge.example/v1/leases", 0, limitLook},
		{"DELETE", "https://edge.example/v1/leases/x", 0, limitDelete},
		{"DELETE", zun + "?stop=true", 0, limitDelete},
		{"POST", "https://edge.example/v1/leases", 100, limitChange},
		{"POST", zun + "/execute?command=true", 0, limitExecute},
		{"POST", zun + "/put_archive?path=/x", 5_000_000, limitArchive + 100*time.Second},
		{"GET", zun + "/get_archive?path=/x", 0, limitArchive},
	} {
		req := request(t, t.Context(), c.method, c.url, strings.NewReader(strings.Repeat("x", c.bytes)))
		if got := limitOf(req); got != c.want {
			t.Errorf("%s %s of %d bytes: %s, want %s", c.method, c.url, c.bytes, got, c.want)
		}
		if limitOf(req) > 3*time.Minute {
			t.Errorf("%s %s may take longer than a clean-up", c.method, c.url)
		}
	}
}
