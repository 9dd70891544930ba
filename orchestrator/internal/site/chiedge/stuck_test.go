package chiedge

import (
	"net/http"
	"strings"
	"testing"

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
