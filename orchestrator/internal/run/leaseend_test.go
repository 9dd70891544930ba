package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
)

// impatient is DefaultPatience with a lease's end that a test can wait for.
func impatient() Patience {
	p := DefaultPatience()
	p.PollMin, p.PollMax = 5*time.Millisecond, 20*time.Millisecond
	p.LeaseTail, p.LeaseLook, p.LeaseGrace = time.Second, time.Minute, 100*time.Millisecond
	return p
}

// timedAgent measures until it is told to stop, or, with ENDS, until the time is
// up that start gave it: that is when the file "up" is there.
const timedAgent = `#!/bin/sh
lab=LAB verb=$1 dir=$2
shift 2
mkdir -p "$dir/out/results" "$dir/out/journal"
phase=running why=
case $verb in
start) rm -f "$dir/stopped" "$lab/up" ;;
stop) [ -e "$lab/dead" ] || { touch "$dir/stopped"; cp "$lab"/partial/*.json "$dir/out/results/"; } ;;
esac
[ -e "$dir/stopped" ] && phase=stopped
if [ -e "$lab/up" ]; then
	phase=stopped why=',"why":{"code":"deadline","text":"the lease ends"}'
	cp "$lab"/partial/*.json "$dir/out/results/"
fi
[ -e "$lab/copies" ] && cp "$lab"/journal/*.jsonl "$dir/out/journal/"
if [ -e "$lab/dead" ]; then phase=dead; cp "$lab"/journal/*.jsonl "$dir/out/journal/"; fi
if [ -e "$lab/finish" ]; then phase=finished; cp "$lab"/results/*.json "$dir/out/results/"; fi
echo "$verb $*" >>"$lab/calls"
echo '{"state":{"schema":"chexp.event/v1","phase":"'$phase'"'$why',"last_seq":0}}'
`

// newTimedLab has an agent that ends by no other way than those above.
func newTimedLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.patience = impatient()
	write(t, l.agent, strings.ReplaceAll(timedAgent, "LAB", l.dir))
	for _, tr := range l.plan.Trials {
		begun := &trial.Result{
			Schema: trial.ResultSchema, RunID: l.plan.RunID, TrialID: tr.ID,
			Model: l.plan.Models[0], Provider: tr.Provider, Threads: 1, Batch: 1, Repetition: tr.Repetition,
			Outcome: trial.OK, LatenciesNS: []int64{}, WarmupNS: []int64{},
		}
		line, err := journal.Begun{Result: begun, Rounds: 12}.Line()
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= 4; i++ {
			b := journal.Block{Block: trial.Block{Round: i, Turn: i, N: 3}, LatenciesNS: []int64{1, 2, 3}}
			block, err := b.Line()
			if err != nil {
				t.Fatal(err)
			}
			line = append(line, block...)
		}
		write(t, filepath.Join(l.dir, "journal", tr.ID+".jsonl"), string(line))
		log, err := journal.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		res, err := log.Partial("the lease ends")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(l.dir, "partial", tr.ID+".json"), asJSON(t, res))
	}
	return l
}

// ending is a cloud whose leases end soon. extend is when they are found to end
// later, after so many looks.
type ending struct {
	*cloud
	left   time.Duration
	extend int
	looks  int
	later  time.Time
	onLook func()
}

func (e *ending) Reserve(ctx context.Context, req LeaseRequest) (Lease, error) {
	req.End = time.Now().Add(e.left)
	return e.cloud.Reserve(ctx, req)
}

func (e *ending) FindLease(ctx context.Context, name string) (Lease, bool, error) {
	l, found, err := e.cloud.FindLease(ctx, name)
	if e.looks++; found && e.looks >= e.extend && e.extend > 0 {
		if e.later.IsZero() {
			e.later = time.Now().Add(time.Hour)
		}
		l.End = e.later
		if e.onLook != nil {
			e.onLook()
		}
	}
	return l, found, err
}

// said keeps what the run says.
type said struct {
	quiet
	lines *[]string
}

func (s said) Say(text string)  { *s.lines = append(*s.lines, text) }
func (s said) Warn(text string) { *s.lines = append(*s.lines, text) }

func (l *lab) partials(t *testing.T) (n int) {
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
		if r.Partial != nil && r.Outcome == trial.OK && len(r.LatenciesNS) == 12 {
			n++
		}
	}
	return n
}

// The lease draws to its end: one that ends by itself in time is waited for, one
// that does not is stopped, and of one that is dead the record is taken.
func TestLeaseEnds(t *testing.T) {
	for _, how := range []string{"up", "", "dead"} {
		t.Run("agent "+how, func(t *testing.T) {
			t.Parallel()
			l := newTimedLab(t)
			c := &ending{cloud: newCloud(t), left: 6 * time.Second}
			var lines []string
			err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
				cfg.Observe = said{lines: &lines}
				if how == "dead" {
					write(t, filepath.Join(l.dir, "dead"), "")
				}
				if how == "up" {
					// As soon as it runs; what start was given is checked below.
					go touchWhen(filepath.Join(l.dir, "calls"), "status", filepath.Join(l.dir, "up"))
				}
			})
			want := failure.Trials
			if how == "dead" {
				want = failure.Device
			}
			if failure.KindOf(err) != want {
				t.Errorf("%v", err)
			}
			if n := l.partials(t); n != 2 {
				t.Errorf("%d partial results at home, want 2; said %q", n, lines)
			}
			all := strings.Join(lines, "\n")
			if how != "dead" && !strings.Contains(all, "stopping to bring home what is measured") ||
				!strings.Contains(all, "brought home: 2 partial results") {
				t.Errorf("said %q", lines)
			}
			if len(c.leases)+len(c.containers) > 0 {
				t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
			}
			calls, _ := os.ReadFile(filepath.Join(l.dir, "calls"))
			var limit time.Duration
			_, err = fmt.Sscanf(string(calls), "start --for %s", &text{&limit})
			if err != nil || limit <= 0 || limit > 5*time.Second {
				t.Errorf("the agent was given %v (%v), five seconds at most were left:\n%s", limit, err, calls)
			}
			if how == "" && !strings.Contains(string(calls), "stop --why the lease ends") {
				t.Errorf("calls:\n%s", calls)
			}
		})
	}
}

// text scans a duration.
type text struct{ d *time.Duration }

func (x *text) Scan(state fmt.ScanState, _ rune) error {
	word, err := state.Token(true, nil)
	if err != nil {
		return err
	}
	*x.d, err = time.ParseDuration(string(word))
	return err
}

// touchWhen makes a file as soon as another holds a word, or gives up after a while.
func touchWhen(path, word, file string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if data, _ := os.ReadFile(path); strings.Contains(string(data), word) {
			os.WriteFile(file, nil, 0o644)
			return
		}
	}
}

// Somebody extends the lease while the run goes on: the agent is told, and goes on
// also where it had just ended.
func TestLeaseIsExtended(t *testing.T) {
	for _, how := range []string{"before", "after"} {
		t.Run(how+" the agent has ended", func(t *testing.T) {
			l := newTimedLab(t)
			c := &ending{cloud: newCloud(t), left: 30 * time.Second, extend: 1}
			c.onLook = func() { write(t, filepath.Join(l.dir, "finish"), "") }
			if how == "after" {
				c.left = 90 * time.Second // not looked at before
				go touchWhen(filepath.Join(l.dir, "calls"), "status", filepath.Join(l.dir, "up"))
			}
			if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
				t.Fatal(err)
			}
			calls, _ := os.ReadFile(filepath.Join(l.dir, "calls"))
			if !strings.Contains(string(calls), "start --for 59m") {
				t.Errorf("calls:\n%s", calls)
			}
			if n := l.partials(t); n != 0 {
				t.Errorf("%d partial results of a run that was finished", n)
			}
		})
	}
}

// Whole results take the place of partial ones, which stay on record.
func TestResumeAfterPartial(t *testing.T) {
	l := newTimedLab(t)
	c := &ending{cloud: newCloud(t), left: 6 * time.Second}
	if err, _ := l.execute(t, t.Context(), c, nil); failure.KindOf(err) != failure.Trials {
		t.Fatal(err)
	}
	if l.partials(t) != 2 {
		t.Fatal("no partial results")
	}
	write(t, filepath.Join(l.dir, "finish"), "")
	c.left = time.Hour
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	results, err := s.Results(l.plan)
	if err != nil || len(results) != 2 || l.partials(t) != 0 {
		t.Errorf("%d results, %d of them partial, %v", len(results), l.partials(t), err)
	}
	kept, _ := filepath.Glob(filepath.Join(s.Dir, "partial", "*.json"))
	incomplete := (&Run{Plan: l.plan}).Incomplete(results)
	if len(kept) != 2 || incomplete != nil {
		t.Errorf("kept %v, %v", kept, incomplete)
	}
}

// A device that is lost takes with it what was measured since the last copy, and no
// more.
func TestDeviceIsLost(t *testing.T) {
	l := newTimedLab(t)
	l.patience.Backup = 0
	c := newCloud(t)
	write(t, filepath.Join(l.dir, "copies"), "")
	lost := &losing{cloud: c}
	err, _ := l.execute(t, t.Context(), lost, func(cfg *Config) { cfg.Observe = losingOn{lost: lost} })
	if failure.KindOf(err) != failure.Device || !strings.Contains(err.Error(), "vanished") {
		t.Errorf("%v", err)
	}
	if n := l.partials(t); n != 2 {
		t.Errorf("%d partial results at home, want 2", n)
	}
}

// losing loses its containers when told.
type losing struct {
	*cloud
	gone bool
}

func (c *losing) FindContainer(ctx context.Context, name string) (Container, bool, error) {
	if c.gone {
		return Container{}, false, nil
	}
	return c.cloud.FindContainer(ctx, name)
}

func (c *losing) Dial(context.Context, Container, ContainerRequest, func(string)) (transport.Transport, error) {
	return &losingLine{Transport: localexec.New(c.dir), cloud: c}, nil
}

type losingLine struct {
	*localexec.Transport
	cloud *losing
}

func (l *losingLine) Exec(ctx context.Context, cmd transport.Command) (transport.Exit, error) {
	if l.cloud.gone {
		return transport.Exit{}, errors.New("no such container")
	}
	return l.Transport.Exec(ctx, cmd)
}

func (l *losingLine) Get(ctx context.Context, dir string) (io.ReadCloser, error) {
	if l.cloud.gone {
		return nil, errors.New("no such container")
	}
	return l.Transport.Get(ctx, dir)
}

// losingOn loses the device once a copy is home.
type losingOn struct {
	quiet
	lost *losing
}

func (o losingOn) Say(text string) {
	if strings.HasPrefix(text, "copied in case the device is lost: 2 partial results") {
		o.lost.gone = true
	}
}

// chexp dies, the agent ends with the lease, and chexp comes back before the lease
// is over: what the agent has is brought home before the lease is given back.
func TestLastCall(t *testing.T) {
	l := newTimedLab(t)
	c := &ending{cloud: newCloud(t), left: time.Hour}
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Detach = true })
	if err != nil {
		t.Fatal(err)
	}
	for id, lease := range c.leases {
		lease.End = time.Now().Add(900 * time.Millisecond)
		c.leases[id] = lease
	}
	ctx, cancel := context.WithCancel(t.Context())
	err, _ = l.execute(t, ctx, c, func(cfg *Config) {
		cfg.AgentFile = func(string) (string, error) { cancel(); return "", errors.New("enough") }
	})
	if failure.KindOf(err) != failure.Interrupted || l.partials(t) != 2 {
		t.Errorf("%d partial results at home; %v", l.partials(t), err)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
