package chiedge

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
)

// A stuck service is told from a container that is gone by what was recorded of both.
func TestStuckServiceOrLostContainer(t *testing.T) {
	for name, tc := range map[string]struct {
		stats, logs int
		body        any
		once        bool
		want        bool
	}{
		"stuck":             {stats: 200, body: map[string]any{"cpu": "1n", "memory": "2Ki"}, logs: 500, want: true},
		"one collision":     {stats: 200, body: map[string]any{"cpu": "1n", "memory": "2Ki"}, logs: 500, once: true},
		"works":             {stats: 200, body: map[string]any{"cpu": "1n", "memory": "2Ki"}, logs: 200},
		"no pod":            {stats: 200, logs: 500},
		"gone":              {stats: 404, logs: 404},
		"not running":       {stats: 409, logs: 200},
		"nothing works":     {stats: 500, logs: 500},
		"gone, logs refuse": {stats: 409, logs: 500},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			s := connect(t, c)
			asked := 0
			c.before = func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.HasSuffix(r.URL.Path, "/stats"):
					if tc.stats == 200 {
						reply(w, 200, tc.body)
					} else {
						zunError(w, tc.stats, "x", "x")
					}
				case strings.HasSuffix(r.URL.Path, "/logs"):
					asked++
					if tc.logs == 200 || tc.once && asked > 1 {
						reply(w, 200, "text")
					} else {
						zunError(w, tc.logs, "", "Internal Server Error")
					}
				default:
					return false
				}
				return true
			}
			if got := s.Stuck(t.Context(), run.Container{ID: "c"}); got != tc.want {
				t.Errorf("stuck: %v", got)
			}
		})
	}
}

// A service that is stuck before there is a container takes the creation and the
// deletion and does neither: it is to blame, not the board. When it works again, what
// was asked for is gone, and the next try gets a container.
func TestStuckBeforeTheFirstContainer(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	s.opts.ClaimTime, s.Pace.Cleanup = 10*time.Millisecond, 200*time.Millisecond
	stuck := true
	c.after = func(_ http.ResponseWriter, r *http.Request) bool {
		if k := len(c.containers) - 1; stuck && k >= 0 {
			switch r.Method {
			case "POST":
				c.containers[k].now, c.containers[k].next = state{status: "Creating", unclaimed: true}, nil
			case "DELETE":
				c.containers[k].deleting = false // said, and not done
			}
		}
		return false
	}
	for try := range 2 {
		k, err := s.Launch(t.Context(), bench(), quiet)
		if !errors.Is(err, run.ErrStuck) || k.ID != c.containers[0].id {
			t.Fatalf("try %d: %+v, %v", try, k, err)
		}
		check(t, err, failure.Cloud, "it deletes the container", "may be stuck")
	}
	if n := c.count("POST /v1/containers/"); n != 1 {
		t.Errorf("%d creations while the first stays", n)
	}
	stuck = false
	c.containers[0].deleting = true
	if k, err := s.Launch(t.Context(), bench(), quiet); err != nil || k.Status != "Running" || len(c.containers) != 1 {
		t.Errorf("%+v, %v, %d containers", k, err, len(c.containers))
	}
}

// The container's main command prints the agent's events, so that they can be read
// without a command in it; by ssh they are asked for.
func TestMainCommandFollowsTheAgent(t *testing.T) {
	req := run.ContainerRequest{Name: "x", Command: []string{"sleep", "infinity"}, Follow: "out/events.jsonl"}
	got := mainCommand(req)
	if len(got) != 5 || got[3] != "/tmp/x/out" || got[4] != "/tmp/x/out/events.jsonl" ||
		!strings.HasSuffix(got[2], "exec sleep infinity") {
		t.Errorf("%q", got)
	}
	req.Transport = transportSSH
	if got := mainCommand(req); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
