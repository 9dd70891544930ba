package stats

import (
	"math"
	"testing"
)

// startsInTurns measures two variants in several pairs of process starts, each
// process being faster or slower than its like by sd.
func startsInTurns(d noise, starts, pairs int, sd, gain float64) (out [][]Pair) {
	for range starts {
		fa, fb := math.Exp(sd*d.rng.NormFloat64()), math.Exp(sd*d.rng.NormFloat64())/(1+gain)
		a, b := inTurns(d, pairs, 0, 0.05)
		var start []Pair
		for i := range a {
			for j := range a[i] {
				a[i][j], b[i][j] = int64(fa*float64(a[i][j])), int64(fb*float64(b[i][j]))
			}
			start = append(start, Pair{a[i], b[i]})
		}
		out = append(out, start)
	}
	return out
}

// Variants whose processes are faster or slower than their like by 1 %: with
// three starts and more, at most 5 of 100 comparisons between equals differ (9
// allows for chance among 120). One start can't know it, and says that it is
// one.
func TestRatioOfStartsErrorRates(t *testing.T) {
	for _, c := range []struct {
		starts, pairs int
		sd            float64
		power         float64 // of finding 3 %
	}{
		{1, 10, 0, 90}, {3, 6, 0, 90}, {3, 6, 0.005, 70}, {5, 6, 0.01, 80}, {7, 4, 0.01, 85},
	} {
		d := newNoise(uint64(50+c.starts), 0.03, 0.2, 0.02)
		seed := uint64(0)
		differs := func(gain float64) bool {
			seed++
			r, _ := RatioOfStarts(startsInTurns(d, c.starts, c.pairs, c.sd, gain), seed)
			return r.Differs()
		}
		alarms, power := rate(120, func() bool { return differs(0) }), rate(50, func() bool { return differs(0.03) })
		t.Logf("%d starts that differ by %.1f %%: A/A %.1f %%, 3 %% found: %.1f %%", c.starts, 100*c.sd, alarms, power)
		if alarms > 9 || power < c.power {
			t.Errorf("%d starts, %v: %.1f %% of equals differ, 3 %% is found in %.1f %%", c.starts, c.sd, alarms, power)
		}
	}
	d := newNoise(60, 0.03, 0.2, 0.02)
	r, _ := RatioOfStarts(startsInTurns(d, 1, 10, 0.01, 0), 1)
	if r.Starts != 1 || r.Pairs != 10 {
		t.Errorf("%+v", r)
	}
}

// By hand: two starts of one pair each, ratios 2 and 8: the centre is 4.
func TestRatioOfStartsByHand(t *testing.T) {
	pair := func(a, b int64) []Pair { return []Pair{{[]int64{a}, []int64{b}}} }
	c, ok := RatioOfStarts([][]Pair{pair(200, 100), nil, pair(800, 100)}, 1)
	if !ok || math.Abs(c.Ratio-4) > 1e-12 || c.Starts != 2 || c.Pairs != 2 || c.Interval.Value != nil {
		t.Errorf("%+v %v", c, ok)
	}
	if _, ok := RatioOfStarts([][]Pair{{{nil, []int64{1}}}}, 1); ok {
		t.Error("a ratio of nothing")
	}
}

// Of a thousand pairs a few long ones are made; nothing is lost, and the ratio
// stays what it was.
func TestManyPairs(t *testing.T) {
	d := newNoise(61, 0.03, 0.2, 0.02)
	starts := startsInTurns(d, 2, 500, 0, 0.03)
	r, _ := RatioOfStarts(starts, 1)
	if r.Pairs > mostPairs+2 || r.Pairs < mostPairs/2 || math.Abs(r.Ratio/1.03-1) > 0.005 || !r.Differs() {
		t.Errorf("%+v", r)
	}
	n := 0
	for _, s := range merged(starts) {
		for _, p := range s {
			n += len(p.A)
		}
	}
	if n != 20000 {
		t.Errorf("%d of 20000 latencies are left", n)
	}
}
