// Package session is the timed part of a trial, in the trial's own process:
// load a model once, run the first inference and the warm-up, and then wait for
// turns, each a block of timed inferences (Serve). It knows ONNX Runtime only as
// an Engine, so the loop's rules are tested without one; package ort is the real
// engine.
//
// What one latency covers: one call of the library's run function, between two
// readings of the monotonic clock in C (Timer), on a locked thread with the
// garbage collector off. The clock is not read in Go, because after a call of
// many milliseconds Go's scheduler may have to be asked before the thread goes on,
// which on a busy machine made medians 3 to 20 % longer. Filling the inputs
// happens between inferences and is not timed. Every inference gets other
// values (from the plan's seed), so nothing can be served from a cache of
// results. Between its turns the process is blocked in a read and runs nothing.
package session

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/input"
	"chexp/experiments/trial"
)

// Request is the first document that the runner process gets on its standard
// input; after it come Turns, until the end of the input.
type Request struct {
	ModelPath string         `json:"model_path"`
	Provider  trial.Provider `json:"provider"`
	Threads   int            `json:"threads"`
	Batch     int            `json:"batch"`
	// Inputs say how the model's inputs are fed; empty: by the rules of package
	// input alone. Packs is the folder of the files that they name.
	Inputs  []input.Input `json:"inputs,omitempty"`
	Packs   string        `json:"packs,omitempty"`
	Policy  trial.Policy  `json:"policy"`
	Seed    uint64        `json:"seed"`
	TrialID string        `json:"trial_id"`
}

// Turn asks for one block.
type Turn struct {
	// A block ends when it has both MinRuns inferences and MinTime of timed
	// work; or after MaxRuns, or when Limit has passed since it began.
	MinRuns int           `json:"min_runs"`
	MinTime time.Duration `json:"min_time_ns"`
	MaxRuns int           `json:"max_runs"`
	Limit   time.Duration `json:"limit_ns"` // 0: none
	// Settle is for how long inferences run first that do not count, at least
	// one; 0: none. The caches, and on many machines the clock, are not the
	// trial's own when its turn comes.
	Settle time.Duration `json:"settle_ns"`
	// SettleRuns is how many do so at least, where blocks have shown how many it takes.
	SettleRuns int `json:"settle_runs,omitempty"`
}

// Answer is one document of the runner: Ready once, then a Block for each turn.
type Answer struct {
	Ready *trial.Result `json:"ready,omitempty"`
	Block *Stretch      `json:"block,omitempty"`
}

// Stretch is what was measured in one turn.
type Stretch struct {
	StartNS     int64                `json:"start_ns"` // of the first timed inference, as Monotonic counts
	SettledNS   []int64              `json:"settled_ns,omitempty"`
	LatenciesNS []int64              `json:"latencies_ns"`
	Peak        trial.Reading[int64] `json:"peak_memory_bytes"`
	Failed      *trial.Reason        `json:"failed,omitempty"` // the inference after these
}

// Engine is one loaded model. It is used from one goroutine.
type Engine interface {
	// Inputs are the model's inputs: memory that the engine reads from at
	// every Run and that the caller fills.
	Inputs() []Buffer
	// Prepare does what must be done before every inference; it is not timed.
	Prepare() error
	// Run is one inference.
	Run() error
	Close() error
}

// Timer is an Engine that can tell how long one inference took without the way
// from Go to it and back.
type Timer interface {
	Timed() (ns int64, err error)
}

// timer is the engine's own, or Go's clock around its Run.
func timer(e Engine) func() (int64, error) {
	if t, ok := e.(Timer); ok {
		return t.Timed
	}
	return func() (int64, error) {
		start := time.Now()
		err := e.Run()
		return int64(time.Since(start)), err
	}
}

// MaxRuns bounds the latencies of one trial: 4 Mi values are 32 MiB, and half
// an hour of inferences that take 0.4 ms.
const MaxRuns = 4 << 20

// measurement is a loaded model that is being measured.
type measurement struct {
	engine  Engine
	timed   func() (int64, error)
	feed    *feed
	fastest int64
	buffer  []int64 // the latencies of one block
}

// one runs one inference.
func (m *measurement) one() (int64, error) {
	err := m.feed.next()
	if err == nil {
		err = m.engine.Prepare()
	}
	if err != nil {
		return 0, reason.Wrap(err, reason.InferenceFailed, "an inference could not be prepared")
	}
	ns, err := m.timed()
	if err != nil {
		return 0, reason.Wrap(err, reason.InferenceFailed, "an inference failed")
	}
	return ns, nil
}

// begin loads the model, and runs the first inference and the warm-up. The
// result holds only what this process knows. A measurement is there even when
// it failed, to be closed.
func begin(req Request, open func() (Engine, error)) (*measurement, *trial.Result) {
	res := &trial.Result{
		LatenciesNS:      []int64{},
		WarmupNS:         []int64{},
		SessionCreateNS:  trial.Unread[int64]("the session was not created"),
		FirstInferenceNS: trial.Unread[int64]("no inference ran"),
		WarmUp:           trial.Unread[trial.WarmUp]("no warm-up ran"),
		Outcome:          trial.OK,
	}
	m := &measurement{}
	if err := m.begin(req, open, res); err != nil {
		res.Outcome = trial.Failed
		res.Reasons = append(res.Reasons, reason.Of(err, reason.RuntimeFailed))
	}
	res.PeakMemoryBytes = peakMemory("/proc/self/status")
	return m, res
}

func (m *measurement) begin(req Request, open func() (Engine, error), res *trial.Result) (err error) {
	start := time.Now()
	if m.engine, err = open(); err != nil {
		return err
	}
	res.SessionCreateNS = trial.Read(int64(time.Since(start)))
	m.timed = timer(m.engine)
	if m.feed, err = newFeed(m.engine.Inputs(), req.Seed); err != nil {
		return err
	}
	// One collection now and one after each block, none during it: a collector
	// thread would compete with the inference for a core.
	runtime.GC()
	debug.SetGCPercent(-1)
	first, err := m.one()
	if err != nil {
		return err
	}
	res.FirstInferenceNS = trial.Read(first)
	res.WarmupNS, res.WarmUp, err = warmUp(req.Policy, m.one)
	m.fastest = slices.Min(append([]int64{first}, res.WarmupNS...))
	return err
}

func (m *measurement) close() {
	if m.engine != nil {
		m.engine.Close()
	}
}

// block takes one turn. The latencies are valid until the next.
func (m *measurement) block(t Turn) Stretch {
	s := Stretch{}
	if n := expectedRuns(t, m.fastest); cap(m.buffer) < n {
		m.buffer = make([]int64, 0, n)
	}
	latencies := m.buffer[:0]
	// The first use of memory must not fall into an inference.
	clear(latencies[:cap(latencies)])
	runtime.GC()
	err := m.settle(t, &s)
	s.StartNS = Monotonic()
	var timed time.Duration // sum of the latencies, what MinTime means
	for start := time.Now(); err == nil; {
		var ns int64
		if ns, err = m.one(); err != nil {
			break
		}
		latencies = append(latencies, ns)
		timed += time.Duration(ns)
		if len(latencies) >= t.MinRuns && timed >= t.MinTime ||
			len(latencies) >= t.MaxRuns || t.Limit > 0 && time.Since(start) >= t.Limit {
			break
		}
	}
	if err != nil {
		why := reason.Of(err, reason.InferenceFailed)
		s.Failed = &why
	}
	m.buffer, s.LatenciesNS = latencies, latencies
	s.Peak = peakMemory("/proc/self/status")
	return s
}

// settle runs what does not count, and keeps how long it took.
func (m *measurement) settle(t Turn, s *Stretch) error {
	start := time.Now()
	for n := 0; t.Settle > 0 && (n == 0 || n < t.SettleRuns || time.Since(start) < t.Settle); n++ {
		ns, err := m.one()
		if err != nil {
			return err
		}
		s.SettledNS = append(s.SettledNS, ns)
	}
	return nil
}

// expectedRuns sizes the buffer so that the loop need not grow it: twice what
// MinTime takes at the fastest speed seen so far.
func expectedRuns(t Turn, fastestNS int64) int {
	runs := max(16, t.MinRuns)
	if fastestNS > 0 {
		runs = max(runs, int(min(2*t.MinTime.Nanoseconds()/fastestNS, MaxRuns)))
	}
	return min(runs, max(t.MaxRuns, 1))
}
