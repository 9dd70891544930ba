// Package session is the timed part of a trial: load a model once, run the
// first inference, the warm-up, and then timed inferences until the policy's
// minima are met. It knows ONNX Runtime only as an Engine, so the loop's rules
// are tested without one; package ort is the real engine.
//
// What one latency covers: one call of Engine.Run, measured with Go's monotonic
// clock on a locked thread with the garbage collector off. Filling the inputs
// happens between inferences and is not timed. Every inference gets other
// values (from the plan's seed), so nothing can be served from a cache of
// results.
package session

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// Request is what the runner process gets on its standard input.
type Request struct {
	ModelPath string         `json:"model_path"`
	Provider  trial.Provider `json:"provider"`
	Threads   int            `json:"threads"`
	Batch     int            `json:"batch"`
	Policy    trial.Policy   `json:"policy"`
	Seed      uint64         `json:"seed"`
	TrialID   string         `json:"trial_id"`
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

// maxRuns bounds the latencies kept: 4 Mi values are 32 MiB, and half an hour of
// inferences that take 0.4 ms.
const maxRuns = 4 << 20

// Measure runs one trial. The result holds only what the measuring process
// knows: latencies, times, memory, outcome and reasons; the supervisor adds who,
// where and when.
func Measure(req Request, open func() (Engine, error)) *trial.Result {
	res := &trial.Result{
		LatenciesNS:      []int64{},
		WarmupNS:         []int64{},
		SessionCreateNS:  trial.Unread[int64]("the session was not created"),
		FirstInferenceNS: trial.Unread[int64]("no inference ran"),
	}
	if err := measure(req, open, res); err != nil {
		res.Outcome = trial.Failed
		res.Reasons = append(res.Reasons, reason.Of(err, reason.RuntimeFailed))
	} else {
		res.Outcome = trial.OK
	}
	res.PeakMemoryBytes = peakMemory("/proc/self/status")
	return res
}

func measure(req Request, open func() (Engine, error), res *trial.Result) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	begin := time.Now()
	engine, err := open()
	if err != nil {
		return err
	}
	defer engine.Close()
	res.SessionCreateNS = trial.Read(int64(time.Since(begin)))

	feed, err := newFeed(engine.Inputs(), req.Seed)
	if err != nil {
		return err
	}

	// One collection now, none during the loop: it allocates nothing, and a
	// collector thread would compete with the inference for a core.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	one := func() (int64, error) {
		feed.next()
		if err := engine.Prepare(); err != nil {
			return 0, reason.New(reason.InferenceFailed, "an inference could not be prepared", "", err)
		}
		start := time.Now()
		err := engine.Run()
		took := time.Since(start)
		if err != nil {
			return 0, reason.New(reason.InferenceFailed, "an inference failed", "", err)
		}
		return int64(took), nil
	}

	first, err := one()
	if err != nil {
		return err
	}
	res.FirstInferenceNS = trial.Read(first)
	fastest := first
	res.WarmupNS = make([]int64, 0, min(req.Policy.Warmup, maxRuns))
	for range min(req.Policy.Warmup, maxRuns) {
		ns, err := one()
		if err != nil {
			return err
		}
		res.WarmupNS = append(res.WarmupNS, ns)
		fastest = min(fastest, ns)
	}

	latencies := make([]int64, 0, expectedRuns(req.Policy, fastest))
	defer func() { res.LatenciesNS = latencies }()
	var timed time.Duration // sum of the latencies, what MinTime means
	for start := time.Now(); ; {
		ns, err := one()
		if err != nil {
			return err
		}
		latencies = append(latencies, ns)
		timed += time.Duration(ns)
		if len(latencies) >= req.Policy.MinRuns && timed >= req.Policy.MinTime {
			return nil
		}
		limit := ""
		if req.Policy.MaxTime > 0 && time.Since(start) >= req.Policy.MaxTime {
			limit = "after " + req.Policy.MaxTime.String()
		} else if len(latencies) == maxRuns {
			limit = "at the most inferences that a result can hold"
		}
		if limit != "" {
			res.Reasons = append(res.Reasons, trial.Reason{
				Code: reason.CutShort,
				Text: fmt.Sprintf("the trial ended %s with %d inferences in %v; the policy wanted %d in %v",
					limit, len(latencies), timed.Round(time.Millisecond), req.Policy.MinRuns, req.Policy.MinTime),
				Next: "raise the policy's longest time, or lower its minima",
			})
			return nil
		}
	}
}

// expectedRuns sizes the slice of latencies so that the loop need not grow it:
// twice what MinTime takes at the fastest speed seen so far.
func expectedRuns(p trial.Policy, fastestNS int64) int {
	runs := float64(p.MinRuns)
	if fastestNS > 0 {
		runs = math.Max(runs, 2*float64(p.MinTime)/float64(fastestNS))
	}
	return int(math.Min(math.Max(runs, 16), maxRuns))
}

// peakMemory reads VmHWM. getrusage is no substitute: its maximum survives exec
// and so starts at the size of the process that forked this one.
func peakMemory(path string) trial.Reading[int64] {
	data, err := os.ReadFile(path)
	if err != nil {
		return trial.Unread[int64](err.Error())
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return trial.Unread[int64](fmt.Sprintf("%s: VmHWM is %q", path, strings.TrimSpace(rest)))
			}
			return trial.Read(kib * 1024)
		}
	}
	return trial.Unread[int64](path + " has no VmHWM")
}
