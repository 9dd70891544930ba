package run

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
)

// stuckSite carries out no command in a container from its first status on, until
// something has been warned of, as a wedged zun-compute does; its lists still answer.
type stuckSite struct {
	*cloud
	lines *[]string
	lab   *lab
	asked int
}

type stuckLine struct {
	transport.Transport
	site *stuckSite
}

func (s *stuckSite) Dial(ctx context.Context, k Container, r ContainerRequest,
	say func(string)) (transport.Transport, error) {
	tr, err := s.cloud.Dial(ctx, k, r, say)
	return stuckLine{tr, s}, err
}

func (l stuckLine) Exec(ctx context.Context, c transport.Command) (transport.Exit, error) {
	warned := strings.Contains(strings.Join(*l.site.lines, "\n"), "zun-compute")
	if len(c.Args) > 1 && c.Args[1] == "status" && (!warned || l.site.asked < 20) {
		l.site.asked++
		return transport.Exit{}, failure.Cloud.Errorf("container service: 500")
	}
	if warned {
		_ = os.WriteFile(filepath.Join(l.site.lab.dir, "finish"), nil, 0o600)
	}
	return l.Transport.Exec(ctx, c)
}

// The device is not given up while the site's own service is stuck: it measures on,
// and its results come home when the service is back.
func TestAStuckServiceIsNoLostDevice(t *testing.T) {
	l := newTimedLab(t)
	l.patience.Polls, l.patience.PollMax = 30*time.Millisecond, 4*time.Millisecond
	var lines []string
	s := &stuckSite{cloud: newCloud(t), lines: &lines, lab: l}
	if err, _ := l.execute(t, t.Context(), s, func(c *Config) { c.Observe = said{lines: &lines} }); err != nil {
		t.Fatal(err)
	}
	if st := l.replay(t); !st.Finished || l.partials(t) != 0 || len(s.leases)+len(s.containers) > 0 {
		t.Errorf("finished %v, %d partial results, left %v %v", st.Finished, l.partials(t), s.leases, s.containers)
	}
	if n := strings.Count(strings.Join(lines, "\n"), "zun-compute"); n != 1 {
		t.Errorf("said %d times what an operator must do: %q", n, lines)
	}
}
