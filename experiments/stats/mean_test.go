package stats

import (
	"math"
	"testing"
)

// The true mean lies within the interval in 95 of 100 samples (92 allows for
// chance among 300), with blocks that differ and with values like the one before.
func TestMeanIntervalCovers(t *testing.T) {
	for _, c := range []struct {
		name     string
		sd, like float64
		k, size  int // k = 1: no blocks
	}{
		{"blocks differ by 2 %", 0.02, 0.2, 10, 30},
		{"three blocks", 0.02, 0.3, 3, 100},
		{"no blocks", 0, 0.3, 1, 300},
	} {
		d := newNoise(uint64(90+c.k), 0.03, c.like, 0)
		truth := 1e7 * math.Exp((0.03*0.03+c.sd*c.sd)/2) // of lognormal values
		holds := rate(300, func() bool {
			all, cuts := inBlocks(d, c.k, c.size, c.sd, steady)
			i, ok := cut(t, all, cuts).MeanInterval().Get()
			return ok && i.Low <= truth && truth <= i.High
		})
		if holds < 92 {
			t.Errorf("%s: the interval holds the mean in %.1f %%", c.name, holds)
		}
	}
	if _, ok := NewSample(make([]int64, 29)).MeanInterval().Get(); ok {
		t.Error("29 inferences have an interval")
	}
}
