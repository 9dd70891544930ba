package chiedge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
)

// hurried is a site that retries, quickly, and what it said about it.
func hurried(t *testing.T, c *cloud) (*Site, *[]string) {
	t.Helper()
	s := connect(t, c)
	var said []string
	s.Pace.Retries, s.Pace.RetryFirst, s.Pace.RetryMost = 3, time.Millisecond, 20*time.Millisecond
	s.Session.Provider.HTTPClient.Transport.(*patient.Retry).Notice = func(text string) { said = append(said, text) }
	return s, &said
}

// faulty answers the first n requests for the path with a fault.
func faulty(c *cloud, n int, method, path string, fault func(w http.ResponseWriter) bool) {
	c.before = answering(n, method, path, fault)
}

// answering is a cloud's before or after: it answers the first n requests for
// the path.
func answering(n int, method, path string, answer func(w http.ResponseWriter) bool) func(w http.ResponseWriter,
	r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if n == 0 || r.Method != method || r.URL.Path != path {
			return false
		}
		n--
		return answer(w)
	}
}

func status(code int, header ...string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		_, _ = w.Write([]byte("<html><body><h1>" + http.StatusText(code) +
			"</h1>No server is available.</body></html>"))
		return true
	}
}

func halfAnAnswer(code int) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"lea`))
		return true
	}
}

func TestReadsAreRepeated(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter) bool{
		"429": status(429, "Retry-After", "0"), "502": status(502), "503": status(503), "504": status(504),
		"hang up": hangUp, "half an answer": halfAnAnswer(200),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			s, said := hurried(t, c)
			faulty(c, 2, "GET", "/v1/leases", fault)
			if _, err := s.Leases(t.Context()); err != nil {
				t.Fatal(err)
			}
			// net/http repeats some hang-ups itself
			if n := c.count("GET /v1/leases"); n < 3 || len(*said) < 2 && name != "hang up" {
				t.Errorf("%d requests, said %q", n, *said)
			}
			for _, text := range *said {
				if !strings.Contains(text, c.host()) || !strings.Contains(text, "once more in") ||
					!strings.Contains(text, "of 3)") {
					t.Errorf("said %q", text)
				}
			}
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	c := newCloud(t)
	s, said := hurried(t, c)
	faulty(c, -1, "GET", "/v1/leases", status(503))
	_, err := s.Leases(t.Context())
	check(t, err, failure.Cloud, "listing the leases", "503 Service Unavailable", "try again in some minutes")
	if n := c.count("GET /v1/leases"); n != 4 || len(*said) != 3 {
		t.Errorf("%d requests, said %q", n, *said)
	}
}

// What is not a bad moment is said at once, and so is a server that says it
// will be away for longer than anybody waits.
func TestNotRepeated(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter) bool{
		"500": status(500), "404": status(404), "403": status(403), "back in an hour": status(503, "Retry-After",
			"3600"),
	} {
		c := newCloud(t)
		s, said := hurried(t, c)
		faulty(c, -1, "GET", "/v1/leases", fault)
		if _, err := s.Leases(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := c.count("GET /v1/leases"); n != 1 || len(*said) != 0 {
			t.Errorf("%s: %d requests, said %q", name, n, *said)
		}
	}
}

// A wait for the next try ends with the context.
func TestRetryCancelled(t *testing.T) {
	c := newCloud(t)
	s, _ := hurried(t, c)
	s.Pace.RetryFirst, s.Pace.RetryMost = time.Hour, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	s.Session.Provider.HTTPClient.Transport.(*patient.Retry).Notice = func(string) { cancel() }
	faulty(c, -1, "GET", "/v1/leases", status(503))
	if _, err := s.Leases(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Deletions are repeated; the one that already worked is no failure.
func TestDeletionIsRepeated(t *testing.T) {
	c := newCloud(t)
	s, said := hurried(t, c)
	l, err := s.Reserve(t.Context(), pi5("chexp-a"))
	if err != nil {
		t.Fatal(err)
	}
	lost := false
	c.after = func(w http.ResponseWriter, r *http.Request) bool { // deleted, and then 504
		if lost || r.Method != "DELETE" {
			return false
		}
		lost = true
		return status(504)(w)
	}
	if err := s.Release(t.Context(), l.ID); err != nil {
		t.Fatal(err)
	}
	if !lost || len(c.leases) != 0 || len(*said) != 1 {
		t.Errorf("lost %t, leases %d, said %q", lost, len(c.leases), *said)
	}
}

// No POST and no PUT is ever sent again by this layer.
func TestCreationsAreNotRepeated(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		c := newCloud(t)
		s, said := hurried(t, c)
		faulty(c, -1, method, "/v1/leases", status(503))
		req, err := http.NewRequestWithContext(t.Context(), method, c.srv.URL+"/v1/leases", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Session.Provider.HTTPClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n := c.count(method); n != 1+map[string]int{"POST": 1}[method] || len(*said) != 0 { // one POST signed in
			t.Errorf("%s: %d requests, said %q", method, n, *said)
		}
	}
}
