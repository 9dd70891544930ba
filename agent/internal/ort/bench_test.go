//go:build cgo

package ort

import (
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"chexp/experiments/stats"

	"chexp/models/builtin"
)

// `make bench-harness` runs these.

// A model that does next to nothing: what one call costs in our loop, and in C
// over the same library. Minima, because the clock of a shared machine has two
// speeds.
func BenchmarkHarness(b *testing.B) {
	l := library(b)
	var calls int
	var allocations int64
	ours, theirs := int64(1<<62), int64(1<<62)
	for range 15 * b.N {
		h, ok := l.Harness().Get()
		c, inC := h.NullCNS.Get()
		if !ok || !inC {
			b.Fatalf("%+v", h)
		}
		ours, theirs, calls, allocations = min(ours, h.NullNS), min(theirs, c), calls+h.Calls, allocations+h.Allocations
	}
	b.ReportMetric(float64(ours), "go-ns/call")
	b.ReportMetric(float64(theirs), "c-ns/call")
	b.ReportMetric(float64(ours)/float64(theirs), "go/c")
	b.ReportMetric(float64(allocations), "allocs")
	b.ReportMetric(0, "ns/op") // not reported: it would be the time of all calls
	b.Logf("least time of one call in %d: %d ns in our loop, %d ns in C: %d ns over it (bar: 500), "+
		"%d in all (bar: 2000), %d allocations (bar: 0)",
		calls, ours, theirs, ours-theirs, ours, allocations)
}

// The real INT8 model in both loops, in turns: no difference to be seen.
func BenchmarkRealModel(b *testing.B) {
	content, err := builtin.Generate("plates11-int8-static")
	if err != nil {
		b.Fatal(err)
	}
	s, err := library(b).Open(model(b, content), cpu)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	bare := s.bare()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const blocks, runs = 120, 10
	one := make([]int64, 1)
	inC := func() int64 {
		if err := bare(one); err != nil {
			b.Fatal(err)
		}
		return one[0]
	}
	inGo := func() int64 {
		ns, err := s.Timed()
		if err != nil {
			b.Fatal(err)
		}
		return ns
	}
	inC()
	inGo()
	// Inference by inference, in random order: what disturbs a shared machine
	// lasts longer than one of them.
	rng := rand.New(rand.NewPCG(1, 2))
	ours, theirs := make([][]int64, blocks*b.N), make([][]int64, blocks*b.N)
	for i := range ours {
		for range runs {
			if rng.IntN(2) == 0 {
				theirs[i] = append(theirs[i], inC())
				ours[i] = append(ours[i], inGo())
			} else {
				ours[i] = append(ours[i], inGo())
				theirs[i] = append(theirs[i], inC())
			}
		}
	}
	c, ok := stats.PairedRatio(ours, theirs, 1)
	interval, known := c.Interval.Get()
	if !ok || !known {
		b.Fatal("too few blocks")
	}
	g, m := stats.NewSample(slices.Concat(ours...)).Median(), stats.NewSample(slices.Concat(theirs...)).Median()
	b.ReportMetric(g/1e6, "go-ms")
	b.ReportMetric(m/1e6, "c-ms")
	b.ReportMetric(c.Ratio, "go/c")
	b.ReportMetric(0, "ns/op")
	b.Logf("median of %d inferences each: %.3f ms in our loop, %.3f ms in C; "+
		"ratio %.4f, 95 %% interval %.4f to %.4f, holds 1: %v",
		blocks*runs*b.N, g/1e6, m/1e6, c.Ratio, interval.Low, interval.High, !c.Differs())
}
