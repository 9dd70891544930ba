package run

import (
	"context"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

// stuckLaunch carries out no creation for some tries.
type stuckLaunch struct {
	ending
	fails, tries int
}

func (s *stuckLaunch) Launch(ctx context.Context, r ContainerRequest, say func(string)) (Container, error) {
	if s.tries++; s.tries <= s.fails {
		return Container{ID: "lost", Name: r.Name}, failure.Cloud.Errorf("the container stays").Because(ErrStuck)
	}
	return s.cloud.Launch(ctx, r, say)
}

// A service that is stuck before the first container does not cost the board: the user
// is told once, the creation is tried again, and the run goes on when it is carried out.
func TestStuckBeforeTheFirstContainer(t *testing.T) {
	for name, tc := range map[string]struct {
		fails int
		left  time.Duration
		want  failure.Kind
	}{
		"comes back":          {fails: 5, left: time.Hour},
		"until the lease end": {fails: 1 << 30, left: 2 * time.Second, want: failure.Cloud},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.patience = impatient()
			l.patience.Stuck = 2 * time.Millisecond
			var lines []string
			s := &stuckLaunch{ending: ending{cloud: newCloud(t), left: tc.left}, fails: tc.fails}
			err, _ := l.execute(t, t.Context(), s, func(c *Config) { c.Observe = said{lines: &lines} })
			if (err == nil) != (tc.want == 0) || err != nil && failure.KindOf(err) != tc.want {
				t.Errorf("%v, want kind %v", err, tc.want)
			}
			if err != nil && !strings.Contains(err.Error(), "was stuck until the lease's end") {
				t.Error(err)
			}
			if n := strings.Count(strings.Join(lines, "\n"), "zun-compute"); n != 1 || s.tries < 2 {
				t.Errorf("said %d times what an operator must do in %d tries: %q", n, s.tries, lines)
			}
			if len(s.leases)+len(s.containers) > 0 {
				t.Errorf("left %v %v", s.leases, s.containers)
			}
		})
	}
}
