package run

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// cut is a cloud behind a network that can be cut: nothing reaches it then, neither
// its services nor its devices.
type cut struct {
	*cloud
	down     atomic.Bool
	refused  atomic.Int64                    // calls that did not get there
	onRefuse func(n int64)                   // after each of them; may be nil
	destroy  func(ctx context.Context) error // instead of removing a container; may be nil
	deleted  []string                        // what was removed, in order
}

// errCut is what HTTP and SSH alike report of a cut.
var errCut = &netError{errors.New("connection reset by peer")}

type netError struct{ error }

func (*netError) Timeout() bool   { return false }
func (*netError) Temporary() bool { return true }

func (c *cut) check() error {
	if !c.down.Load() {
		return nil
	}
	n := c.refused.Add(1)
	if c.onRefuse != nil {
		c.onRefuse(n)
	}
	return errCut
}

// downFor cuts the network until so many calls have failed.
func (c *cut) downFor(calls int64) {
	c.onRefuse = func(n int64) {
		if n >= calls {
			c.down.Store(false)
		}
	}
	c.down.Store(true)
}

func (c *cut) FindLease(ctx context.Context, name string) (l Lease, found bool, err error) {
	if err := c.check(); err != nil {
		return l, false, err
	}
	return c.cloud.FindLease(ctx, name)
}

func (c *cut) FindContainer(ctx context.Context, name string) (k Container, found bool, err error) {
	if err := c.check(); err != nil {
		return k, false, err
	}
	return c.cloud.FindContainer(ctx, name)
}

func (c *cut) Launch(ctx context.Context, req ContainerRequest, say func(string)) (k Container, err error) {
	if err := c.check(); err != nil {
		return k, err
	}
	return c.cloud.Launch(ctx, req, say)
}

func (c *cut) Destroy(ctx context.Context, id string) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.destroy != nil {
		if err := c.destroy(ctx); err != nil {
			return err
		}
	}
	c.deleted = append(c.deleted, id)
	return c.cloud.Destroy(ctx, id)
}

func (c *cut) Release(ctx context.Context, id string) error {
	if err := c.check(); err != nil {
		return err
	}
	c.deleted = append(c.deleted, id)
	return c.cloud.Release(ctx, id)
}

func (c *cut) Dial(ctx context.Context, k Container, r ContainerRequest,
	say func(string)) (transport.Transport, error) {
	tr, err := c.cloud.Dial(ctx, k, r, say)
	return &cutLine{tr, c}, err
}

type cutLine struct {
	transport.Transport
	cloud *cut
}

func (l *cutLine) Exec(ctx context.Context, cmd transport.Command) (e transport.Exit, err error) {
	if err := l.cloud.check(); err != nil || len(l.cloud.containers) == 0 {
		return e, cmp.Or(err, error(errCut))
	}
	return l.Transport.Exec(ctx, cmd)
}

func (l *cutLine) Put(ctx context.Context, dir string, tar io.Reader) error {
	if err := l.cloud.check(); err != nil {
		return err
	}
	return l.Transport.Put(ctx, dir, tar)
}

func (l *cutLine) Get(ctx context.Context, dir string) (io.ReadCloser, error) {
	if l.cloud.onGet != nil {
		l.cloud.onGet()
	}
	if err := l.cloud.check(); err != nil {
		return nil, err
	}
	return l.Transport.Get(ctx, dir)
}

// newCut is a lab whose outages are longer than any number of tries in a row that
// was once enough, and a cloud that can be cut off.
func newCut(t *testing.T) (*lab, *cut) {
	l := newTimedLab(t)
	l.patience.Polls, l.patience.PollMax = 10*time.Millisecond, 4*time.Millisecond
	return l, &cut{cloud: newCloud(t)}
}

// atHome wants a run that is over, with all results, and nothing left on the cloud.
func (l *lab) atHome(t *testing.T, c *cloud, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	if n := l.wholes(t); n != len(l.plan.Trials) {
		t.Errorf("%d of %d results are home", n, len(l.plan.Trials))
	}
	if len(c.leases)+len(c.containers) > 0 || !l.replay(t).Finished {
		t.Errorf("left on the cloud: %v %v; finished: %v", c.leases, c.containers, l.replay(t).Finished)
	}
}

func (l *lab) wholes(t *testing.T) (n int) {
	t.Helper()
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Results(l.plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Partial == nil {
			n++
		}
	}
	return n
}

const manyTries = 60 // 8 of a transport times 4 of a fetch were once the most

// A network cut at the fetch, with time left in the lease, costs nothing.
func TestNetworkCutAtTheFetchLosesNothing(t *testing.T) {
	l, c := newCut(t)
	write(t, filepath.Join(l.dir, "finish"), "")
	once := false
	c.onGet = func() {
		if !once {
			once = true
			c.downFor(manyTries)
		}
	}
	err, _ := l.execute(t, t.Context(), c, nil)
	l.atHome(t, c.cloud, err)
	if c.refused.Load() < manyTries {
		t.Errorf("only %d calls failed", c.refused.Load())
	}
}

// A network cut while the device measures, longer than any patience with polls: the
// device measures on, and all of it comes home.
func TestNetworkCutWhileMeasuringLosesNothing(t *testing.T) {
	l, c := newCut(t)
	var lines []string
	go touchWhen(filepath.Join(l.dir, "calls"), "status", filepath.Join(l.dir, "polled"))
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		cfg.Observe = said{lines: &lines}
		cfg.AgentFile = func(string) (string, error) {
			c.onRefuse = func(n int64) {
				if n == manyTries {
					write(t, filepath.Join(l.dir, "finish"), "")
					c.down.Store(false)
				}
			}
			go func() {
				touchWhen(filepath.Join(l.dir, "calls"), "status", filepath.Join(l.dir, "measuring"))
				c.down.Store(true)
			}()
			return l.agent, nil
		}
	})
	l.atHome(t, c.cloud, err)
	all := strings.Join(lines, "\n")
	if !strings.Contains(all, "It may be measuring all the same: chexp goes on asking until") {
		t.Errorf("it does not say what it waits for:\n%s", all)
	}
}

// Each finished trial is at home before the next: a device that vanishes then takes
// nothing finished with it.
func TestFinishedTrialsComeHomeAtOnce(t *testing.T) {
	l, c := newCut(t)
	first := l.plan.Trials[0].ID
	agent := strings.ReplaceAll(timedAgent, "LAB", l.dir)
	event := `{"schema":"chexp.event/v1","seq":1,"type":"trial_finished","trial":"` + first + `"}`
	write(t, l.agent, strings.Replace(agent, `echo '{"state"`, `
if [ "$verb" = status ]; then
	cp "$lab/results/`+first+`.json" "$dir/out/results/"
	[ "$2" = 0 ] && echo '`+event+`'
fi
echo '{"state"`, 1))
	home := func() bool { return l.wholes(t) == 1 }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err, _ := l.execute(t, ctx, c, func(cfg *Config) {
		cfg.Observe = hearing{say: func(text string) {
			if text == "home: 1 result" {
				if !home() {
					t.Error("it says that a result is home, and none is")
				}
				clear(c.containers)
			}
		}}
	})
	if failure.KindOf(err) != failure.Device || !strings.Contains(err.Error(), "vanished") || !home() {
		t.Errorf("home: %d; %v", l.wholes(t), err)
	}
}

// hearing calls functions with what a run says; nil: it is not heard.
type hearing struct {
	quiet
	say, warn func(text string)
	phase     func(Phase)
}

func (h hearing) Say(text string) {
	if h.say != nil {
		h.say(text)
	}
}

func (h hearing) Warn(text string) {
	if h.warn != nil {
		h.warn(text)
	}
}

func (h hearing) Phase(p Phase, _ string) {
	if h.phase != nil {
		h.phase(p)
	}
}

// An interrupt while results are not home keeps the device and prints how to fetch
// and how to give back; with --release it gives back, and says before what is lost.
func TestInterruptWhileResultsAreNotHomeKeepsTheDevice(t *testing.T) {
	for _, release := range []bool{false, true} {
		l, c := newCut(t)
		l.patience.Salvage, l.patience.Cleanup = 50*time.Millisecond, 5*time.Second
		var lines []string
		ctx, cancel := context.WithCancelCause(t.Context())
		write(t, filepath.Join(l.dir, "finish"), "")
		c.onGet = func() {
			c.down.Store(true)
			c.onRefuse = func(n int64) {
				if n == 3 {
					cancel(errors.New("received interrupt"))
				}
			}
		}
		err, _ := l.execute(t, ctx, c, func(cfg *Config) {
			cfg.Observe, cfg.Release = said{lines: &lines}, release
		})
		if !release {
			if failure.KindOf(err) != failure.Interrupted || len(c.leases) != 1 || len(c.containers) != 1 {
				t.Errorf("kind %v, %v, %v: %v", failure.KindOf(err), c.leases, c.containers, err)
			}
			advice := strings.Join(failure.Advice(err), "\n")
			for _, want := range []string{
				"chexp results fetch " + l.plan.RunID, "chexp run --resume " + l.plan.RunID, "chexp lease delete " + l.plan.RunID,
			} {
				if !strings.Contains(advice, want) {
					t.Errorf("the advice lacks %q: %s", want, advice)
				}
			}
			if len(c.deleted) > 0 {
				t.Errorf("%v was deleted", c.deleted)
			}
			c.down.Store(false)
			c.onGet = nil
			err, _ = l.execute(t, t.Context(), c, nil)
			l.atHome(t, c.cloud, err)
			continue
		}
		if !strings.Contains(strings.Join(lines, "\n"), "is lost, as it is given back now") {
			t.Errorf("it does not say that something is lost: %q", lines)
		}
	}
}

// What cannot be fetched before the lease's end is named before anything is deleted.
func TestWhatIsLostIsSaidBeforeAnythingIsDeleted(t *testing.T) {
	l, c := newCut(t)
	write(t, filepath.Join(l.dir, "finish"), "")
	end := &ending{cloud: c.cloud, left: 2 * time.Second}
	site := &endingCut{cut: c, ending: end}
	c.onGet = func() { c.down.Store(true) }
	told := -1
	err, _ := l.execute(t, t.Context(), site, func(cfg *Config) {
		cfg.Observe = hearing{warn: func(text string) {
			if strings.Contains(text, "is lost, as it is given back now") {
				told = len(c.deleted)
				c.down.Store(false)
			}
		}}
	})
	if err == nil || told != 0 || len(c.deleted) != 2 || len(c.leases)+len(c.containers) > 0 {
		t.Errorf("said after %d deletions, deleted %v, left %v %v: %v", told, c.deleted, c.leases, c.containers, err)
	}
}

// endingCut is a cloud that can be cut off and whose leases end soon.
type endingCut struct {
	*cut
	ending *ending
}

func (e *endingCut) Reserve(ctx context.Context, req LeaseRequest) (Lease, error) {
	return e.ending.Reserve(ctx, req)
}

// chexp comes back in the middle of an outage: the container of before is not taken
// for one that was never made, and nothing is deleted.
func TestAResumeInAnOutageDeletesNothing(t *testing.T) {
	l, c := newCut(t)
	if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Detach = true }); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(l.dir, "finish"), "")
	c.downFor(manyTries)
	err, _ := l.execute(t, t.Context(), c, nil)
	l.atHome(t, c.cloud, err)
	if c.made != 2 {
		t.Errorf("%d things were made, want one lease and one container", c.made)
	}
}

// A container whose removal hangs does not keep the lease from its DELETE, and is no
// failure once the lease has taken it along.
func TestTheLeaseGetsItsDeleteThoughTheContainersHangs(t *testing.T) {
	for _, hangs := range []int{1, 2} {
		l, c := newCut(t)
		l.patience.Cleanup = 300 * time.Millisecond
		write(t, filepath.Join(l.dir, "finish"), "")
		asked := 0
		c.destroy = func(ctx context.Context) error {
			if asked++; asked > hangs {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		err, _ := l.execute(t, t.Context(), c, nil)
		if len(c.leases) != 0 {
			t.Fatalf("the lease is still there: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
		switch hangs {
		case 1:
			l.atHome(t, c.cloud, err)
		case 2:
			if err == nil || strings.Contains(err.Error(), "give back lease") || !strings.Contains(err.Error(), "container") {
				t.Errorf("the error is to name the container alone: %v", err)
			}
		}
	}
}

// An outage at the release, longer than the clean-up's time, is waited out: the lease
// has the time for it. Then all is given back.
func TestAnOutageAtTheReleaseIsWaitedOut(t *testing.T) {
	l, c := newCut(t)
	l.patience.Cleanup = 50 * time.Millisecond
	write(t, filepath.Join(l.dir, "finish"), "")
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		cfg.Observe = hearing{phase: func(p Phase) {
			if p == PhaseRelease {
				c.downFor(manyTries)
			}
		}}
	})
	l.atHome(t, c.cloud, err)
	if c.refused.Load() < manyTries {
		t.Errorf("only %d calls failed", c.refused.Load())
	}
}

// Twenty seconds of outage at any call are no failure where everything came home.
func TestAShortOutageAnywhereIsNoFailure(t *testing.T) {
	l, c := newCut(t)
	write(t, filepath.Join(l.dir, "finish"), "")
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	for _, phase := range []Phase{PhasePush, PhaseRun, PhaseFetch, PhaseRelease} {
		t.Run(string(phase), func(t *testing.T) {
			l, c := newCut(t)
			write(t, filepath.Join(l.dir, "finish"), "")
			err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
				cfg.Patience.Polls = time.Minute
				cfg.Observe = hearing{phase: func(p Phase) {
					if p == phase {
						c.downFor(6)
					}
				}}
			})
			l.atHome(t, c.cloud, err)
			if c.refused.Load() < 6 {
				t.Errorf("only %d calls failed", c.refused.Load())
			}
		})
	}
}

// A broken connection to a container that is gone is no outage that may go by.
func TestAnOutageEndsWithItsContainer(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	tr, err := c.Dial(t.Context(), Container{}, ContainerRequest{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var lines []string
	a := &attempt{Config: Config{Site: c, Observe: said{lines: &lines}, Patience: hasty()}, tr: tr}
	a.held.Container.Name = "gone"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = homing{a}.persist(ctx, maxFetches, func() time.Duration { return time.Hour }, nil,
		func(context.Context) error { return errCut })
	if err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("%v", err)
	}
}

// A device that was not heard of for a while and comes back has lost nothing.
func TestADeviceThatIsHeardOfAgainHasNotChanged(t *testing.T) {
	t.Parallel()
	running, unheard := Container{Status: "Running"}, Container{Status: "Unknown", Unheard: true}
	for _, c := range []struct {
		before, now Container
		want        bool
	}{
		{running, running, false}, {running, unheard, false}, {unheard, running, false},
		{running, Container{}, false}, {running, Container{Status: "Stopped"}, true},
	} {
		if changed(c.before, c.now) != c.want {
			t.Errorf("%+v, %+v: %v", c.before, c.now, !c.want)
		}
	}
}

// An error that nobody has a word for has the kind of what its phase speaks to: nobody
// is told of an unexpected error as an answer did not come.
func TestAPhaseThatFailsHasAKind(t *testing.T) {
	for phase, want := range map[Phase]failure.Kind{PhaseContainer: failure.Cloud, PhasePush: failure.Device} {
		l, c := newCut(t)
		err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
			if phase == PhasePush {
				cfg.AgentFile = func(string) (string, error) { return "", errCut }
				return
			}
			cfg.Observe = hearing{phase: func(p Phase) { c.down.Store(p == phase) }}
		})
		if failure.KindOf(err) != want || len(c.leases)+len(c.containers) > 0 {
			t.Errorf("%s: kind %d, left %v %v: %v", phase, failure.KindOf(err), c.leases, c.containers, err)
		}
	}
}

// An agent's start that nobody answered until the lease had no time left is told as
// that: the answers' own kind, not a lease too short for its trials.
func TestAStartThatIsNeverAnsweredIsSaid(t *testing.T) {
	t.Parallel()
	var lines []string
	a := &attempt{Config: Config{Run: &Run{Plan: &trial.Plan{}, Store: &store.Run{Dir: t.TempDir()}},
		Site: newCloud(t), Observe: said{lines: &lines}}}
	refused := failure.Cloud.Errorf("503 Service Unavailable")
	for cause, want := range map[error]failure.Kind{
		nil: failure.Trials, &Unsure{refused}: failure.Cloud, &Unsure{errCut}: failure.Device,
	} {
		err := homing{a}.neverStarted(cause)
		if failure.KindOf(err) != want || cause != nil && !errors.Is(err, cause) {
			t.Errorf("%v: kind %d, %v", cause, failure.KindOf(err), err)
		}
	}
}
