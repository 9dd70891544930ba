package stats

import (
	"math"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/trial"
)

// inBlocks draws a sample of blocks that differ by sd, each multiplied by what
// factor says of its place among them, and its cuts.
func inBlocks(d noise, k, size int, sd float64, factor func(block int) float64) ([]int64, []trial.Block) {
	var all []int64
	var cuts []trial.Block
	for b := range k {
		level := factor(b) * math.Exp(sd*d.rng.NormFloat64())
		cuts = append(cuts, trial.Block{Round: b + 1, Turn: b + 1, First: len(all), N: size})
		all = append(all, d.draw(size, func(int) float64 { return level })...)
	}
	return all, cuts
}

func cut(t testing.TB, all []int64, cuts []trial.Block) Sample {
	t.Helper()
	s, err := NewSample(all).Cut(cuts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The true median of blocks that differ lies within the interval in 95 of 100
// samples (92 allows for chance among 300); the order statistics alone miss it
// far more often.
func TestMedianIntervalCovers(t *testing.T) {
	for _, c := range []struct {
		name     string
		sd, like float64
		k, size  int
		naive    float64 // what order statistics must stay below, to show the need
	}{
		{"blocks alike", 0, 0, 10, 30, 101},
		{"blocks differ by 2 %", 0.02, 0.2, 10, 30, 75},
		{"many short ones", 0.02, 0.2, 30, 10, 90},
		{"seven", 0.02, 0.3, 7, 50, 70},
		{"three", 0.02, 0.3, 3, 100, 70},
	} {
		d := newNoise(uint64(70+c.k), 0.03, c.like, 0)
		naive := 0.0
		holds := rate(300, func() bool {
			all, cuts := inBlocks(d, c.k, c.size, c.sd, steady)
			s := cut(t, all, cuts)
			if i, _ := s.Interval(50).Get(); i.Low <= 1e7 && 1e7 <= i.High {
				naive += 100.0 / 300
			}
			i, ok := s.MedianInterval().Get()
			return ok && i.Low <= 1e7 && 1e7 <= i.High
		})
		t.Logf("%s: over blocks %.1f %%, order statistics %.1f %%", c.name, holds, naive)
		if holds < 92 {
			t.Errorf("%s: the interval holds the median in %.1f %%", c.name, holds)
		}
		if naive > c.naive {
			t.Errorf("%s: order statistics hold it in %.1f %%: this test shows nothing", c.name, naive)
		}
	}
}

// Without blocks, latencies like the one before make the interval wider.
func TestMedianIntervalOfDependentValues(t *testing.T) {
	d := newNoise(81, 0.05, 0.6, 0)
	holds := rate(300, func() bool {
		i, _ := NewSample(d.draw(300, steady)).MedianInterval().Get()
		return i.Low <= 1e7 && 1e7 <= i.High
	})
	if holds < 92 {
		t.Errorf("the interval holds the median in %.1f %%", holds)
	}
}

func TestCutRefuses(t *testing.T) {
	s := NewSample([]int64{1, 2, 3, 4})
	for want, blocks := range map[string][]trial.Block{
		"2 blocks hold 3 of 4":     {{First: 0, N: 2}, {First: 2, N: 1}},
		"block 2 of 2 holds":       {{First: 0, N: 2}, {First: 1, N: 3}},
		"block 1 of 1 holds":       {{First: 0, N: 0}},
		"latencies 0 to 4 of 4":    {{First: 0, N: 5}},
		"latencies -1 to 2 of 4":   {{First: -1, N: 4}},
		"1 blocks hold 1 of 4":     {{First: 0, N: 1}},
		"latencies 0 to -3 of 4: ": {{First: 0, N: -2}},
	} {
		if _, err := s.Cut(blocks); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", blocks, err, want)
		}
	}
	if got, err := s.Cut(nil); err != nil || got.Blocks() != nil {
		t.Errorf("no blocks: %v", err)
	}
	if got := cut(t, []int64{1, 2, 3}, []trial.Block{{N: 1}, {First: 1, N: 2}}); !slices.Equal(got.Blocks()[1],
		[]int64{2, 3}) {
		t.Errorf("%v", got.Blocks())
	}
}

// Ranks 1 to 7 in order: six differences of 1, and squares of 9 4 1 0 1 4 9
// around the mean: 6/28.
func TestUnsteadyByHand(t *testing.T) {
	far, p, ok := Unsteady([]float64{10, 11, 12, 13, 14, 15, 16})
	z := (6.0/28 - 2) / math.Sqrt(4*5*(5*49-14-9)/(5.0*7*8*36))
	if !ok || math.Abs(far-(15.0/11-1)) > 1e-12 || math.Abs(p-normalCDF(z)) > 1e-12 {
		t.Errorf("far %v, p %v", far, p)
	}
	if _, p, _ := Unsteady([]float64{5, 5, 5, 5, 5, 5, 5}); p != 1 {
		t.Errorf("equal values have p = %v", p)
	}
	if _, _, ok := Unsteady([]float64{1, 2, 3}); ok {
		t.Error("three blocks have an answer")
	}
}

// Without any order it raises an alarm in as few samples as its level says, for
// few blocks too; a wave, a slope and a step are found.
func TestUnsteadyRates(t *testing.T) {
	d := newNoise(83, 0, 0, 0)
	series := func(n int, f func(i int) float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = f(i) * math.Exp(0.02*d.rng.NormFloat64())
		}
		return out
	}
	for _, n := range []int{7, 10, 30, 100} {
		alarms := rate(2000, func() bool { _, p, _ := Unsteady(series(n, steady)); return p < 0.01 })
		if alarms > 1.6 {
			t.Errorf("%d blocks: %.1f %% alarms at 1 %%", n, alarms)
		}
	}
	for name, f := range map[string]func(i int) float64{
		"wave":  func(i int) float64 { return 1 + 0.06*math.Sin(float64(i)/3) },
		"slope": func(i int) float64 { return 1 + 0.15*float64(i)/30 },
		"step":  func(i int) float64 { return when(i > 18, 1.1) },
	} {
		if found := rate(300, func() bool { _, p, _ := Unsteady(series(30, f)); return p < 0.01 }); found < 95 {
			t.Errorf("a %s is found in %.1f %%", name, found)
		}
	}
}

// Trials in blocks that differ by 1 %, with nothing wrong, raise an alarm in at
// most 5 of 100 (7.5 allows for chance); a wave is named, and so is a drift.
func TestChecksOfBlocks(t *testing.T) {
	d := newNoise(84, 0.03, 0.2, 0.02)
	checks := func(factor func(int) float64) []Check {
		all, cuts := inBlocks(d, 24, 25, 0.01, factor)
		return cut(t, all, cuts).Checks()
	}
	by := map[string]int{}
	alarms := rate(150, func() bool {
		c := checks(steady)
		for _, k := range c {
			if k.Outcome != Valid {
				by[k.Name]++
			}
		}
		return Worst(c) != Valid
	})
	t.Logf("clean: %.1f %% %v", alarms, by)
	if alarms > 7.5 {
		t.Errorf("%.1f %% false alarms: %v", alarms, by)
	}
	for name, c := range map[string]struct {
		check  string
		factor func(i int) float64
	}{
		"wave":              {Stationarity, func(i int) float64 { return 1 + 0.08*math.Sin(float64(i)/2) }},
		"slope of 20 %":     {Drift, func(i int) float64 { return 1 + 0.2*float64(i)/24 }},
		"step at two fifth": {Stationarity, func(i int) float64 { return when(i > 9, 1.15) }},
	} {
		if named := rate(60, func() bool { return find(t, checks(c.factor), c.check).Outcome != Valid }); named < 95 {
			t.Errorf("a %s is named %q in %.1f %%", name, c.check, named)
		}
	}
}
