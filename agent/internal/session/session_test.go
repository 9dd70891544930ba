package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/input"
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

func (f *fake) Inputs() []Buffer {
	in := input.Input{Name: "x", Type: input.Float32, Shape: []int64{int64(len(f.in))},
		Values: input.Values{Kind: input.Normal}}
	b := NewBuffer(in, in.Shape, make([]byte, 4*len(f.in)))
	f.in = b.Float32
	return []Buffer{b}
}
func (f *fake) Prepare() error { f.prepared++; return nil }
func (f *fake) Close() error   { f.closed = true; return nil }
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

// serve runs a trial with the given turns and returns what it said.
func serve(t *testing.T, f *fake, p trial.Policy, seed uint64, turns ...Turn) (*trial.Result, []Stretch) {
	t.Helper()
	f.in = make([]float32, 100)
	return serveWith(t, p, seed, func() (Engine, error) { return f, nil }, turns...)
}

func serveWith(t *testing.T, p trial.Policy, seed uint64, open func() (Engine, error), turns ...Turn) (*trial.Result,
	[]Stretch) {
	t.Helper()
	var in, out bytes.Buffer
	for _, turn := range turns {
		if turn.MaxRuns == 0 {
			turn.MaxRuns = MaxRuns
		}
		if err := json.NewEncoder(&in).Encode(turn); err != nil {
			t.Fatal(err)
		}
	}
	if err := Serve(Request{Policy: p, Seed: seed}, json.NewDecoder(&in), &out, open,
		func(*trial.Result) {}); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(&out)
	var first Answer
	if err := answers.Decode(&first); err != nil || first.Ready == nil {
		t.Fatalf("%v: %+v", err, first)
	}
	var blocks []Stretch
	for answers.More() {
		var a Answer
		if err := answers.Decode(&a); err != nil || a.Block == nil {
			t.Fatalf("%v: %+v", err, a)
		}
		blocks = append(blocks, *a.Block)
	}
	return first.Ready, blocks
}

func TestCounts(t *testing.T) {
	f := &fake{}
	before := Monotonic()
	res, blocks := serve(t, f, trial.Policy{Warmup: 3, MinRuns: 7}, 1, Turn{MinRuns: 7}, Turn{MinRuns: 2, Settle: 1})
	if res.Outcome != trial.OK || len(res.Reasons) != 0 || len(blocks) != 2 {
		t.Fatalf("outcome %s %v, %d blocks", res.Outcome, res.Reasons, len(blocks))
	}
	if len(res.WarmupNS) != 3 || len(blocks[0].LatenciesNS) != 7 || len(blocks[1].LatenciesNS) != 2 ||
		f.runs != 1+3+7+1+2 || f.prepared != f.runs || !f.closed {
		t.Errorf("warmup %d, timed %v, runs %d, closed %v", len(res.WarmupNS), blocks, f.runs, f.closed)
	}
	if len(blocks[0].SettledNS) != 0 || len(blocks[1].SettledNS) != 1 {
		t.Errorf("settled %v and %v", blocks[0].SettledNS, blocks[1].SettledNS)
	}
	if a, b := blocks[0].StartNS, blocks[1].StartNS; a < before || b <= a || b > Monotonic() {
		t.Errorf("blocks at %d and %d, the test began at %d", a, b, before)
	}
	if _, ok := res.FirstInferenceNS.Get(); !ok {
		t.Error("no first inference")
	}
	if _, ok := res.SessionCreateNS.Get(); !ok {
		t.Error("no session create time")
	}
	if _, ok := res.WarmUp.Get(); ok || res.WarmUp.Unavailable == "" {
		t.Errorf("three inferences show a warm-up: %+v", res.WarmUp)
	}
}

func TestInputsVaryAndRepeatBySeed(t *testing.T) {
	a, b, c := &fake{}, &fake{}, &fake{}
	serve(t, a, trial.Policy{}, 1, Turn{MinRuns: 50})
	serve(t, b, trial.Policy{}, 1, Turn{MinRuns: 20}, Turn{MinRuns: 30})
	serve(t, c, trial.Policy{}, 2, Turn{MinRuns: 50})
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
	_, blocks := serve(t, f, trial.Policy{}, 1, Turn{MinRuns: 2, MinTime: 20 * time.Millisecond})
	var sum time.Duration
	latencies := blocks[0].LatenciesNS
	for _, ns := range latencies {
		sum += time.Duration(ns)
	}
	if sum < 20*time.Millisecond || sum-time.Duration(latencies[len(latencies)-1]) >= 20*time.Millisecond {
		t.Errorf("stopped at %v of timed work; the minimum is 20ms", sum)
	}
}

func TestLimitsEndABlock(t *testing.T) {
	f := &fake{delay: 2 * time.Millisecond}
	_, blocks := serve(t, f, trial.Policy{}, 1,
		Turn{MinRuns: 100000, Limit: 10 * time.Millisecond}, Turn{MinRuns: 100000, MaxRuns: 3},
		Turn{MinRuns: 100000, Limit: 1})
	if n := len(blocks[0].LatenciesNS); n < 1 || n > 6 {
		t.Errorf("%d inferences of 2 ms in 10 ms", n)
	}
	if n := len(blocks[1].LatenciesNS); n != 3 {
		t.Errorf("%d inferences, at most 3 were asked for", n)
	}
	if n := len(blocks[2].LatenciesNS); n != 1 {
		t.Errorf("%d inferences in no time: a block has at least one", n)
	}
}

func TestFailures(t *testing.T) {
	f := &fake{fail: 5}
	_, blocks := serve(t, f, trial.Policy{Warmup: 1}, 1, Turn{MinRuns: 10}, Turn{MinRuns: 10})
	if len(blocks) != 1 || blocks[0].Failed == nil || blocks[0].Failed.Code != reason.InferenceFailed ||
		len(blocks[0].LatenciesNS) != 2 || !f.closed {
		t.Errorf("%+v", blocks)
	}
	f = &fake{fail: 2}
	if res, blocks := serve(t, f, trial.Policy{Warmup: 1}, 1, Turn{MinRuns: 10}); res.Outcome != trial.Failed ||
		res.Reasons[0].Code != reason.InferenceFailed || blocks != nil || !f.closed {
		t.Errorf("%s %v", res.Outcome, res.Reasons)
	}
	res, _ := serveWith(t, trial.Policy{}, 1, func() (Engine, error) {
		return nil, reason.Errorf(reason.ModelInvalid, "no model")
	}, Turn{MinRuns: 1})
	if res.Outcome != trial.Failed || res.Reasons[0].Code != reason.ModelInvalid || res.LatenciesNS == nil {
		t.Errorf("%s %v", res.Outcome, res.Reasons)
	}
	if _, ok := res.SessionCreateNS.Get(); ok {
		t.Error("a session that was not created has a create time")
	}
}

// A warm-up goes on until it is over, within its bounds, and says what it saw.
func TestWarmUpIsDetected(t *testing.T) {
	falling := func(halves float64) func() (int64, error) { // in so many inferences
		run := 0.0
		return func() (int64, error) {
			run++
			return int64((1 + 4*math.Exp2(-run/halves)) * 1e6), nil
		}
	}
	policy := trial.Policy{Warmup: 10, MinTime: 4 * time.Second}
	took, r, err := warmUp(policy, falling(4))
	if w, ok := r.Get(); err != nil || !ok || !w.Steady || w.Slow < 10 || w.Ratio < 1.1 ||
		len(took) < w.Slow+leastSeen {
		t.Errorf("a slow start: %+v %+v in %d", r, w, len(took))
	}
	took, r, _ = warmUp(policy, falling(50))
	if w, ok := r.Get(); !ok || w.Steady || len(took) != mostWarmup*10 {
		t.Errorf("a slow start without end: %+v in %d", w, len(took))
	}
	steady := func() (int64, error) { return 1e6, nil }
	took, r, _ = warmUp(policy, steady)
	if w, ok := r.Get(); !ok || w != (trial.WarmUp{Steady: true, Ratio: 1}) || len(took) != leastSeen {
		t.Errorf("none: %+v in %d", w, len(took))
	}
	// No time for more than was asked for, or for enough.
	for _, p := range []trial.Policy{{Warmup: 12}, {Warmup: 12, MinTime: 4 * time.Millisecond}} {
		want := 12 + int(p.MinTime/(2*time.Millisecond))
		if took, r, _ = warmUp(p, steady); len(took) != want || r.Unavailable == "" {
			t.Errorf("%d inferences, want %d, %+v", len(took), want, r)
		}
	}
	if took, _, err := warmUp(policy, func() (int64, error) { return 0, errors.New("boom") }); err == nil ||
		len(took) != 0 {
		t.Errorf("%v %v", took, err)
	}
	if r := seen([]int64{9, 9, 9, 9, 9, 3, 3}, 5); r.Value == nil ||
		*r.Value != (trial.WarmUp{Steady: false, Slow: 5, Ratio: 3}) {
		t.Errorf("a warm-up that was cut: %+v", r.Value)
	}
}

// ticking is an engine with a clock of its own.
type ticking struct{ *fake }

func (ticking) Timed() (int64, error) { return 4711, nil }

// What an engine times itself is what is reported.
func TestEngineTimesItself(t *testing.T) {
	f := ticking{&fake{in: make([]float32, 4)}}
	_, blocks := serveWith(t, trial.Policy{}, 1, func() (Engine, error) { return f, nil }, Turn{MinRuns: 3})
	if got := blocks[0].LatenciesNS; !slices.Equal(got, []int64{4711, 4711, 4711}) {
		t.Errorf("latencies %v", got)
	}
}

func TestHarness(t *testing.T) {
	f := &fake{in: make([]float32, 1), delay: 2 * time.Microsecond}
	f.seen = make([]float32, 0, mostChunks*chunk) // so that the fake allocates nothing
	bare := func(latencies []int64) error {
		for i := range latencies {
			latencies[i] = 1500 + int64(i)
		}
		return nil
	}
	h, err := MeasureHarness(f, bare)
	if c, ok := h.NullCNS.Get(); err != nil || !ok || c != 1500 || h.NullNS < 2000 || h.Calls != f.runs ||
		h.Calls < chunk {
		t.Errorf("%v %+v, C %d", err, h, c)
	}
	if h.Allocations > int64(h.Calls/100) {
		t.Errorf("%d allocations in %d calls", h.Allocations, h.Calls)
	}
	f.fail = f.runs + 3
	if _, err := MeasureHarness(f, bare); err == nil {
		t.Error("a failed inference went unseen")
	}
}

func TestPeakMemory(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]int64{"VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 3 kB\n": 1234 * 1024,
		"VmHWM:\tx kB\n": 0, "": 0} {
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
