package run

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
)

// killed stands for kill -9: it unwinds the execution without any cleaning up.
type killed struct{}

// cloud is a Site in memory that counts what is made, and kills the caller
// before or after its n-th call.
type cloud struct {
	t          *testing.T
	dir        string // of the device
	leases     map[string]Lease
	containers map[string]Container
	ahead      time.Duration // of this machine's clock
	made       int           // leases and containers ever created

	onGet func() // before each Get of a container's files; may be nil

	calls, killAt int
	after         bool
}

func newCloud(t *testing.T) *cloud {
	return &cloud{t: t, dir: t.TempDir(), leases: map[string]Lease{}, containers: map[string]Container{}}
}

func (c *cloud) call(effect func()) {
	c.calls++
	if c.calls == c.killAt && !c.after {
		panic(killed{})
	}
	effect()
	if c.calls == c.killAt && c.after {
		panic(killed{})
	}
}

func (c *cloud) Describe() map[string]string { return map[string]string{"site": "test"} }

func (c *cloud) Now() time.Time { return time.Now().UTC().Add(c.ahead) }

func (c *cloud) WarningsUntil(time.Time) []string { return nil }

func (c *cloud) Reserve(_ context.Context, req LeaseRequest) (l Lease, err error) {
	c.call(func() {
		for _, have := range c.leases {
			if have.Name == req.Name {
				l = have
				return
			}
		}
		c.made++
		l = Lease{
			ID: fmt.Sprintf("lease-%d", c.made), Name: req.Name, Status: "ACTIVE", ReservationID: "r",
			End: req.End, Device: Device{Name: "nyu-rpi5-01"},
		}
		c.leases[l.ID] = l
	})
	return l, err
}

func (c *cloud) FindLease(_ context.Context, name string) (l Lease, found bool, err error) {
	c.call(func() {
		for _, have := range c.leases {
			if have.Name == name || have.ID == name {
				l, found = have, true
			}
		}
	})
	return l, found, nil
}

func (c *cloud) Await(_ context.Context, id string, _ func(string)) (l Lease, err error) {
	c.call(func() { l = c.leases[id] })
	return l, nil
}

func (c *cloud) Release(_ context.Context, id string) error {
	c.call(func() { delete(c.leases, id) })
	return nil
}

func (c *cloud) Launch(_ context.Context, req ContainerRequest, _ func(string)) (k Container, err error) {
	c.call(func() {
		for _, have := range c.containers {
			if have.Name == req.Name {
				k = have
				return
			}
		}
		c.made++
		k = Container{
			ID: fmt.Sprintf("container-%d", c.made), Name: req.Name, Status: "Running",
			Dir: filepath.Join(c.dir, req.Name),
		}
		c.containers[k.ID] = k
	})
	return k, nil
}

func (c *cloud) FindContainer(_ context.Context, name string) (k Container, found bool, err error) {
	c.call(func() {
		for _, have := range c.containers {
			if have.Name == name {
				k, found = have, true
			}
		}
	})
	return k, found, nil
}

func (c *cloud) Destroy(_ context.Context, id string) error {
	c.call(func() { delete(c.containers, id) })
	return nil
}

func (c *cloud) Dial(context.Context, Container, ContainerRequest, func(string)) (transport.Transport, error) {
	return &line{Transport: localexec.New(c.dir), cloud: c}, nil
}

// line is a transport whose calls count as calls to the cloud.
type line struct {
	*localexec.Transport
	cloud *cloud
}

func (l *line) Put(ctx context.Context, dir string, tar io.Reader) (err error) {
	l.cloud.call(func() { err = l.Transport.Put(ctx, dir, tar) })
	return err
}

func (l *line) Get(ctx context.Context, dir string) (rc io.ReadCloser, err error) {
	if l.cloud.onGet != nil {
		l.cloud.onGet()
	}
	l.cloud.call(func() { rc, err = l.Transport.Get(ctx, dir) })
	return rc, err
}

func (l *line) Exec(ctx context.Context, cmd transport.Command) (e transport.Exit, err error) {
	l.cloud.call(func() { e, err = l.Transport.Exec(ctx, cmd) })
	return e, err
}

// fakeAgent "measures" a trial by copying a result that the test prepared, and
// notes that it did. It speaks the agent's protocol.
const fakeAgent = `#!/bin/sh
lab=LAB verb=$1 dir=$2
res=$dir/out/results
if [ "$verb" = start ]; then
	mkdir -p "$res"
	for f in "$lab"/results/*.json; do
		n=$(basename "$f")
		if grep -q "\"${n%.json}\"" "$dir/plan.json" && [ ! -e "$res/$n" ]; then
			echo "$n" >>"$lab/measured"
			cp "$f" "$res/$n"
		fi
	done
	(cd "$res" && sha256sum *.json >SHA256SUMS)
fi
phase=not_started
[ -e "$res/SHA256SUMS" ] && phase=finished
echo '{"state":{"schema":"chexp.event/v1","phase":"'$phase'","last_seq":0}}'
`

// lab is one experiment with two trials and its fake agent.
type lab struct {
	dir      string
	root     *store.Root
	plan     *trial.Plan
	agent    string
	model    string
	patience Patience // zero: the default
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{dir: t.TempDir()}
	l.root = store.At(filepath.Join(l.dir, "runs"))
	l.agent, l.model = filepath.Join(l.dir, "agent"), filepath.Join(l.dir, "m.onnx")
	write(t, l.agent, strings.ReplaceAll(fakeAgent, "LAB", l.dir))
	write(t, l.model, "model")
	id := store.NewID("crash", time.Now())
	m := trial.Model{Name: "m", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("model"))), Bytes: 5}
	l.plan = &trial.Plan{Schema: trial.PlanSchema, Experiment: "crash", RunID: id, Models: []trial.Model{m}}
	for rep := 1; rep <= 2; rep++ {
		tr := trial.Trial{
			ID: trial.NewID("m", "cpu", 1, 1, rep), Model: "m", Provider: trial.Provider{Name: "cpu"},
			Threads: 1, Batch: 1, Repetition: rep,
		}
		l.plan.Trials = append(l.plan.Trials, tr)
		res := trial.Result{
			Schema: trial.ResultSchema, RunID: id, TrialID: tr.ID, Model: m, Provider: tr.Provider,
			Threads: 1, Batch: 1, Repetition: rep,
			Outcome: trial.OK, LatenciesNS: []int64{1}, Summary: &trial.Summary{N: 1},
		}
		data, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(l.dir, "results", tr.ID+".json"), string(data))
	}
	s, err := l.root.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	if err := s.Record(store.Entry{Kind: store.Ended, Phase: string(PhasePlan)}); err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// execute runs the experiment as one process would; killed reports whether it
// was killed.
func (l *lab) execute(t *testing.T, ctx context.Context, site Site, edit func(*Config)) (err error, dead bool) {
	t.Helper()
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(); err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			dead = true
		}
	}()
	cfg := Config{
		Run: &Run{
			Store: s,
			Plan:  l.plan,
			Experiment: &spec.Experiment{
				Name:      "crash",
				Lease:     spec.Lease{Duration: time.Hour},
				Container: spec.Container{Image: "debian:12", Transport: "zun"},
			},
			Files:    map[string]string{l.plan.Models[0].SHA256: l.model},
			Commands: Commands{Run: s.ID},
		},
		Site:      site,
		AgentFile: func(string) (string, error) { return l.agent, nil },
		Report:    func() error { return nil },
		Observe:   quiet{},
		Patience:  l.patience,
	}
	if edit != nil {
		edit(&cfg)
	}
	return Execute(ctx, context.Background(), cfg), false
}

type quiet struct{}

func (quiet) Phase(Phase, string)         {}
func (quiet) PhaseEnd(Phase, string)      {}
func (quiet) Say(string)                  {}
func (quiet) Again(string)                {}
func (quiet) Bytes(int64, int64)          {}
func (quiet) Trial(trial.Event, int, int) {}
func (quiet) MustEnd(time.Time)           {}
func (quiet) Warn(string)                 {}

// check asserts what must hold at the end, whatever happened before.
func (l *lab) check(t *testing.T, c *cloud) {
	t.Helper()
	if len(c.leases)+len(c.containers) > 0 {
		t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
	}
	if c.made != 2 {
		t.Errorf("%d things were created, want one lease and one container", c.made)
	}
	measured, _ := os.ReadFile(filepath.Join(l.dir, "measured"))
	if n := strings.Count(string(measured), "\n"); n != len(l.plan.Trials) {
		t.Errorf("%d trials were measured, want %d once each", n, len(l.plan.Trials))
	}
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	if results, err := s.Results(l.plan); err != nil || len(results) != len(l.plan.Trials) {
		t.Errorf("%d results at home, %v", len(results), err)
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if !Replay(entries).Finished {
		t.Error("the journal does not say that the run is finished")
	}
}

// TestKilledAtEveryCall kills the run before and after the effect of each call
// to the cloud and to the device, resumes it, and wants the same end every
// time: one lease, one container, each trial measured once, nothing left.
func TestKilledAtEveryCall(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	l.check(t, c)
	total := c.calls
	if total < 10 {
		t.Fatalf("only %d calls: the test kills nothing", total)
	}
	for at := 1; at <= total; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d after=%v", at, after), func(t *testing.T) {
				l, c := newLab(t), newCloud(t)
				c.killAt, c.after = at, after
				if _, dead := l.execute(t, t.Context(), c, nil); !dead {
					t.Fatal("was not killed")
				}
				if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
					t.Fatalf("resume: %v", err)
				}
				l.check(t, c)
			})
		}
	}
}

// A cancelled run gives everything back and can be resumed with a new lease.
func TestInterruptedThenResumed(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	err, _ := l.execute(t, ctx, c, func(cfg *Config) {
		agent := cfg.AgentFile
		cfg.AgentFile = func(arch string) (string, error) { cancel(); return agent(arch) }
	})
	if failure.KindOf(err) != failure.Interrupted {
		t.Fatalf("interrupted run: %v", err)
	}
	if len(c.leases)+len(c.containers) > 0 {
		t.Fatalf("left on the cloud: %v %v", c.leases, c.containers)
	}
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatalf("resume: %v", err)
	}
	if c.made != 4 {
		t.Errorf("%d things were created, want two leases and two containers", c.made)
	}
	c.made = 2
	l.check(t, c)
}

// --keep and --until leave everything; a resume without them finishes.
func TestKeepAndUntil(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Config)
	}{
		{"keep", func(c *Config) { c.Keep = true }},
		{"until push", func(c *Config) { c.Until = PhasePush }},
		{"detach", func(c *Config) { c.Detach = true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, c := newLab(t), newCloud(t)
			if err, _ := l.execute(t, t.Context(), c, tc.edit); err != nil {
				t.Fatal(err)
			}
			if len(c.leases) != 1 || len(c.containers) != 1 {
				t.Fatalf("not kept: %v %v", c.leases, c.containers)
			}
			if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
				t.Fatalf("resume: %v", err)
			}
			l.check(t, c)
		})
	}
}
