package stats

import (
	"math"
	"testing"
)

func blocks(medians ...int64) (out [][]int64) {
	for _, m := range medians {
		out = append(out, []int64{m - 1, m, m + 1})
	}
	return out
}

// Ratios 1, 2 and 16 have the binary logarithms 0, 1 and 4. The means of every
// two (and of each with itself) are 0, 0.5, 1, 2, 2.5 and 4, their median 1.5.
func TestPairedRatioByHand(t *testing.T) {
	c, ok := PairedRatio(blocks(100, 200, 1600), blocks(100, 100, 100), 1)
	if !ok || math.Abs(c.Ratio-math.Pow(2, 1.5)) > 1e-12 {
		t.Errorf("ratio %v, want 2^1.5", c.Ratio)
	}
	if c.Interval.Unavailable != "needs 7 blocks of each, has 3" || c.Differs() {
		t.Errorf("three pairs have the interval %+v", c.Interval)
	}
	if _, ok := PairedRatio(blocks(1), nil, 1); ok {
		t.Error("a ratio without a pair")
	}
}

// 200/100, 400/100: the logarithms 1 and 2 have the median 1.5.
func TestRatioByHand(t *testing.T) {
	c, ok := Ratio(blocks(200, 400), blocks(100), 1)
	if !ok || math.Abs(c.Ratio-math.Pow(2, 1.5)) > 1e-12 {
		t.Errorf("ratio %v, want 2^1.5", c.Ratio)
	}
}

func TestRatioOfEqualsIsOne(t *testing.T) {
	b := blocks(50, 60, 70, 80, 90, 100, 110)
	c, _ := PairedRatio(b, b, 3)
	if i, ok := c.Interval.Get(); !ok || c.Ratio != 1 || i.Low != 1 || i.High != 1 || c.Differs() {
		t.Errorf("%+v", c)
	}
}

func TestRatioIsRepeatable(t *testing.T) {
	d := newNoise(1, 0.05, 0, 0.03)
	var a, b [][]int64
	for range 10 {
		a, b = append(a, d.draw(20, steady)), append(b, d.draw(20, steady))
	}
	one, _ := PairedRatio(a, b, 5)
	two, _ := PairedRatio(a, b, 5)
	if *one.Interval.Value != *two.Interval.Value || one.Ratio != two.Ratio {
		t.Errorf("the same seed gave %+v and %+v", one, two)
	}
	swapped, _ := PairedRatio(b, a, 5)
	if math.Abs(swapped.Ratio*one.Ratio-1) > 1e-12 {
		t.Errorf("a to b is %v, b to a %v", one.Ratio, swapped.Ratio)
	}
}

// inTurns measures two variants, the second faster by gain, in pairs of blocks
// of 20 in random order, while everything slows down by drift over the whole.
func inTurns(d noise, pairs int, gain, drift float64) (a, b [][]int64) {
	const size = 20
	total := float64(2 * pairs * size)
	for p := range pairs {
		first, second := 2*p*size, (2*p+1)*size
		if d.rng.IntN(2) == 1 {
			first, second = second, first
		}
		slope := func(at int) func(int) float64 {
			return func(i int) float64 { return 1 + drift*float64(at+i)/total }
		}
		a = append(a, d.draw(size, slope(first)))
		b = append(b, d.draw(size, func(i int) float64 { return slope(second)(i) / (1 + gain) }))
	}
	return a, b
}

// Equal variants are said to differ in at most 5 of 100 experiments (8 allows
// for chance among 200), whatever the noise; 3 % is found in nearly all.
func TestPairedRatioErrorRates(t *testing.T) {
	for _, c := range []struct {
		name  string
		d     noise
		pairs int
		power float64
	}{
		{"seven pairs", newNoise(2, 0.04, 0, 0.025), 7, 90},
		{"ten pairs", newNoise(3, 0.04, 0, 0.025), 10, 94},
		{"values like the one before", newNoise(4, 0.02, 0.5, 0.025), 10, 94},
		{"many slow ones", newNoise(5, 0.04, 0, 0.2), 14, 93},
	} {
		t.Run(c.name, func(t *testing.T) {
			seed := uint64(0)
			differs := func(gain float64) bool {
				seed++
				a, b := inTurns(c.d, c.pairs, gain, 0.05)
				r, _ := PairedRatio(a, b, seed)
				return r.Differs()
			}
			alarms, power := rate(200, func() bool { return differs(0) }), rate(60, func() bool { return differs(0.03) })
			t.Logf("A/A: %.1f %%, 3 %% found: %.1f %%", alarms, power)
			if alarms > 8 {
				t.Errorf("%.1f %% of equal pairs differ", alarms)
			}
			if power < c.power {
				t.Errorf("a difference of 3 %% is found in %.1f %%, want %v", power, c.power)
			}
		})
	}
}

func TestRatioErrorRates(t *testing.T) {
	d := newNoise(6, 0.04, 0, 0.025)
	run := func(factor float64) (out [][]int64) {
		for range 8 { // processes differ by 1 %
			start := factor * math.Exp(0.01*d.rng.NormFloat64())
			out = append(out, d.draw(50, func(int) float64 { return start }))
		}
		return out
	}
	seed := uint64(0)
	differs := func(factor float64) bool {
		seed++
		r, _ := Ratio(run(factor), run(1), seed)
		return r.Differs()
	}
	alarms, power := rate(300, func() bool { return differs(1) }), rate(100, func() bool { return differs(1.03) })
	t.Logf("A/A: %.1f %%, 3 %% found: %.1f %%", alarms, power)
	if alarms > 7 || power < 90 {
		t.Errorf("%.1f %% of equal runs differ, 3 %% is found in %.1f %%", alarms, power)
	}
}

// Everything slows down by 20 % meanwhile. Blocks in turns give the ratio
// within 1 %; first all of one and then all of the other does not.
func TestDriftCancelsInPairs(t *testing.T) {
	d := newNoise(7, 0.02, 0, 0.02)
	const gain = 0.03
	worst := 0.0
	for seed := range uint64(20) {
		a, b := inTurns(d, 30, gain, 0.20)
		c, _ := PairedRatio(a, b, seed)
		worst = max(worst, math.Abs(c.Ratio/(1+gain)-1))
	}
	if worst > 0.01 {
		t.Errorf("in turns, the ratio is off by %.2f %%", 100*worst)
	}
	const n = 600
	first := d.draw(n, func(i int) float64 { return 1 + 0.1*float64(i)/n })
	second := d.draw(n, func(i int) float64 { return (1.1 + 0.1*float64(i)/n) / (1 + gain) })
	if off := medianOf(first) / medianOf(second) / (1 + gain); math.Abs(off-1) < 0.05 {
		t.Errorf("one after the other, the ratio is off by only %.2f %%: this test shows nothing", 100*(off-1))
	}
}

// One disturbed pair in five does not move the ratio far.
func TestPairedRatioIsRobust(t *testing.T) {
	d := newNoise(8, 0.02, 0, 0)
	a, b := inTurns(d, 20, 0, 0)
	for i := range 4 {
		for j := range a[i] {
			a[i][j] *= 2
		}
	}
	if c, _ := PairedRatio(a, b, 1); math.Abs(c.Ratio-1) > 0.01 {
		t.Errorf("ratio %v", c.Ratio)
	}
}
