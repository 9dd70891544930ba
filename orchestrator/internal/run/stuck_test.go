package run

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
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
	l.patience.Polls, l.patience.Stuck = 30*time.Millisecond, 2*time.Millisecond
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

// stuckPush is a site whose service gets stuck while the bundle goes up, and stays so
// for some tries.
type stuckPush struct {
	*cloud
	fails int
	gone  bool // it is the container that is gone
	puts  int
}

type stuckPutLine struct {
	transport.Transport
	site *stuckPush
}

func (s *stuckPush) Stuck(context.Context, Container) bool { return !s.gone }

func (s *stuckPush) Dial(ctx context.Context, k Container, r ContainerRequest,
	say func(string)) (transport.Transport, error) {
	tr, err := s.cloud.Dial(ctx, k, r, say)
	return stuckPutLine{tr, s}, err
}

func (l stuckPutLine) Put(ctx context.Context, dir string, in io.Reader) error {
	if l.site.puts++; l.site.puts <= l.site.fails {
		return failure.Cloud.Errorf("container service: 500")
	}
	return l.Transport.Put(ctx, dir, in)
}

// A service that gets stuck during the push does not cost the board: it is tried again
// until it is served, the user is told once what an operator must do, and nothing is
// made anew.
func TestStuckDuringPush(t *testing.T) {
	l := newLab(t)
	l.patience = impatient()
	l.patience.Stuck = 2 * time.Millisecond
	var lines []string
	s := &stuckPush{cloud: newCloud(t), fails: 12}
	if err, _ := l.execute(t, t.Context(), s, func(c *Config) { c.Observe = said{lines: &lines} }); err != nil {
		t.Fatal(err)
	}
	if st := l.replay(t); !st.Finished || s.puts != 13 || s.made != 2 {
		t.Errorf("finished %v after %d tries, %d things made", st.Finished, s.puts, s.made)
	}
	if n := strings.Count(strings.Join(lines, "\n"), "zun-compute"); n != 1 {
		t.Errorf("said %d times what an operator must do: %q", n, lines)
	}
	// A container that is gone is no stuck service.
	l = newLab(t)
	gone := &stuckPush{cloud: newCloud(t), fails: 1 << 30, gone: true}
	err, _ := l.execute(t, t.Context(), gone, func(*Config) {})
	if failure.KindOf(err) != failure.Cloud || gone.puts != 1 {
		t.Errorf("%v after %d tries", err, gone.puts)
	}
}

// When it is stuck until the lease ends, the run says what is on the device alone.
func TestStuckToTheEnd(t *testing.T) {
	l := newTimedLab(t)
	l.patience.Stuck, l.patience.Salvage = 2*time.Millisecond, 50*time.Millisecond
	var lines []string
	s := &stuckFor{ending: ending{cloud: newCloud(t), left: 2 * time.Second}}
	err, _ := l.execute(t, t.Context(), s, func(c *Config) { c.Observe = said{lines: &lines} })
	if failure.KindOf(err) != failure.Trials {
		t.Error(err)
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "1 of 2 trials have their results on ") ||
		!strings.Contains(text, "they are lost when it goes at ") || strings.Count(text, "zun-compute") != 1 {
		t.Errorf("said %q", lines)
	}
	if len(s.leases)+len(s.containers) > 0 {
		t.Errorf("left %v %v", s.leases, s.containers)
	}
}

// stuckFor is stuck from the second status on, the first of which says that one trial
// is done.
type stuckFor struct {
	ending
	asked int
}

func (s *stuckFor) Stuck(context.Context, Container) bool { return true }

type stuckForLine struct {
	transport.Transport
	site *stuckFor
}

func (s *stuckFor) Dial(ctx context.Context, k Container, r ContainerRequest,
	say func(string)) (transport.Transport, error) {
	tr, err := s.cloud.Dial(ctx, k, r, say)
	return stuckForLine{tr, s}, err
}

func (l stuckForLine) Exec(ctx context.Context, c transport.Command) (transport.Exit, error) {
	if len(c.Args) > 1 && c.Args[1] == "status" || l.site.asked > 1 {
		if l.site.asked++; l.site.asked > 1 {
			return transport.Exit{}, failure.Cloud.Errorf("container service: 500")
		}
		var out bytes.Buffer
		err := trial.StatusReply{State: trial.State{Schema: trial.EventSchema, Phase: trial.Running, Done: 1,
			Total: 2}}.Write(&out)
		return transport.Exit{Output: out.Bytes()}, err
	}
	return l.Transport.Exec(ctx, c)
}

func (l stuckForLine) Get(context.Context, string) (io.ReadCloser, error) {
	return nil, failure.Cloud.Errorf("container service: 500")
}
