package session

import (
	"runtime"
	"slices"
	"time"

	"chexp/experiments/trial"
)

const (
	// chunk is how many calls of one loop follow each other before it is the
	// other loop's turn, so that a change of the clock meets both.
	chunk = 100
	// The comparison ends after so many calls of each loop, or when the time is
	// spent: 20 ms where a call takes 1 µs, and 60 ms where it takes more.
	mostChunks    = 200
	harnessBudget = 60 * time.Millisecond
)

// Bare runs calls inferences in a loop of its own, without Go, and puts their
// times into latencies.
type Bare func(latencies []int64) error

// MeasureHarness finds what measuring costs, with an engine whose model does next
// to nothing: the least time of one call in our loop, and in the bare one over
// the same library.
func MeasureHarness(engine Engine, bare Bare) (trial.Harness, error) {
	h := trial.Harness{}
	feed, err := newFeed(engine.Inputs(), 1)
	if err != nil {
		return h, err
	}
	m := &measurement{engine: engine, timed: timer(engine), feed: feed}
	ours, theirs := make([]int64, chunk), make([]int64, chunk)
	var leastC int64
	var before, after runtime.MemStats
	for begin := time.Now(); h.Calls < mostChunks*chunk &&
		(h.Calls == 0 || time.Since(begin) < harnessBudget); h.Calls += chunk {
		runtime.ReadMemStats(&before)
		for i := range ours {
			if ours[i], err = m.one(); err != nil {
				return h, err
			}
		}
		runtime.ReadMemStats(&after)
		h.Allocations += int64(after.Mallocs - before.Mallocs)
		if err := bare(theirs); err != nil {
			return h, err
		}
		if h.Calls == 0 {
			h.NullNS, leastC = slices.Min(ours), slices.Min(theirs)
		}
		h.NullNS, leastC = min(h.NullNS, slices.Min(ours)), min(leastC, slices.Min(theirs))
	}
	h.NullCNS = trial.Read(leastC)
	return h, nil
}
