package session

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// fake is an engine that keeps a fingerprint of what it was fed.
type fake struct {
	in       []float32
	seen     []float32
	runs     int
	fail     int // fail at this run, from 1; 0: never
	delay    time.Duration
	closed   bool
	prepared int
}

func (f *fake) Inputs() []Buffer { return []Buffer{{Name: "x", Float32: f.in}} }
func (f *fake) Prepare() error   { f.prepared++; return nil }
func (f *fake) Close() error     { f.closed = true; return nil }
func (f *fake) Run() error {
	f.runs++
	if f.runs == f.fail {
		return errors.New("boom")
	}
	var sum float32
	for i, v := range f.in {
		sum += v * float32(i+1)
	}
	f.seen = append(f.seen, sum)
	for start := time.Now(); time.Since(start) < f.delay; {
	}
	return nil
}

func run(f *fake, p trial.Policy, seed uint64) *trial.Result {
	f.in = make([]float32, 100)
	return Measure(Request{Policy: p, Seed: seed}, func() (Engine, error) { return f, nil })
}

func TestCounts(t *testing.T) {
	f := &fake{}
	res := run(f, trial.Policy{Warmup: 3, MinRuns: 7}, 1)
	if res.Outcome != trial.OK || len(res.Reasons) != 0 {
		t.Fatalf("outcome %s %v", res.Outcome, res.Reasons)
	}
	if len(res.WarmupNS) != 3 || len(res.LatenciesNS) != 7 || f.runs != 1+3+7 || f.prepared != f.runs || !f.closed {
		t.Errorf("warmup %d, timed %d, runs %d, closed %v", len(res.WarmupNS), len(res.LatenciesNS), f.runs, f.closed)
	}
	if _, ok := res.FirstInferenceNS.Get(); !ok {
		t.Error("no first inference")
	}
	if _, ok := res.SessionCreateNS.Get(); !ok {
		t.Error("no session create time")
	}
}

func TestInputsVaryAndRepeatBySeed(t *testing.T) {
	a, b, c := &fake{}, &fake{}, &fake{}
	run(a, trial.Policy{MinRuns: 50}, 1)
	run(b, trial.Policy{MinRuns: 50}, 1)
	run(c, trial.Policy{MinRuns: 50}, 2)
	if !slices.Equal(a.seen, b.seen) {
		t.Error("the same seed gave other inputs")
	}
	if slices.Equal(a.seen, c.seen) {
		t.Error("another seed gave the same inputs")
	}
	distinct := slices.Clone(a.seen)
	slices.Sort(distinct)
	if n := len(slices.Compact(distinct)); n < 45 {
		t.Errorf("51 inferences saw only %d different inputs", n)
	}
}

func TestBothMinima(t *testing.T) {
	f := &fake{delay: time.Millisecond}
	res := run(f, trial.Policy{MinRuns: 2, MinTime: 20 * time.Millisecond}, 1)
	var sum time.Duration
	for _, ns := range res.LatenciesNS {
		sum += time.Duration(ns)
	}
	if sum < 20*time.Millisecond || sum-time.Duration(res.LatenciesNS[len(res.LatenciesNS)-1]) >= 20*time.Millisecond {
		t.Errorf("stopped at %v of timed work; the minimum is 20ms", sum)
	}
}

func TestMaxTimeCutsShort(t *testing.T) {
	f := &fake{delay: 2 * time.Millisecond}
	res := run(f, trial.Policy{MinRuns: 100000, MaxTime: 10 * time.Millisecond}, 1)
	if res.Outcome != trial.OK || len(res.Reasons) != 1 || res.Reasons[0].Code != reason.CutShort {
		t.Fatalf("outcome %s %v", res.Outcome, res.Reasons)
	}
	if n := len(res.LatenciesNS); n < 1 || n > 6 {
		t.Errorf("%d inferences of 2 ms in 10 ms", n)
	}
}

func TestFailures(t *testing.T) {
	f := &fake{fail: 5}
	res := run(f, trial.Policy{Warmup: 1, MinRuns: 10}, 1)
	if res.Outcome != trial.Failed || res.Reasons[0].Code != reason.InferenceFailed || len(res.LatenciesNS) != 2 {
		t.Errorf("%s %v with %d latencies", res.Outcome, res.Reasons, len(res.LatenciesNS))
	}
	res = Measure(Request{}, func() (Engine, error) { return nil, reason.New(reason.ModelInvalid, "no model", "", nil) })
	if res.Outcome != trial.Failed || res.Reasons[0].Code != reason.ModelInvalid || res.LatenciesNS == nil {
		t.Errorf("%s %v", res.Outcome, res.Reasons)
	}
	if _, ok := res.SessionCreateNS.Get(); ok {
		t.Error("a session that was not created has a create time")
	}
}

func TestPeakMemory(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]int64{"VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 3 kB\n": 1234 * 1024, "VmHWM:\tx kB\n": 0, "": 0} {
		path := filepath.Join(dir, "status")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v, ok := peakMemory(path).Get()
		if v != want || ok != (want != 0) {
			t.Errorf("peak of %q is %d, %v", text, v, ok)
		}
	}
	if r := peakMemory(filepath.Join(dir, "absent")); r.Value != nil || r.Unavailable == "" {
		t.Errorf("peak without a file is %+v", r)
	}
}
