package stats

import (
	"math"
	"testing"
)

// The first three have closed forms: (tail)^(1/n) and its mirror; the others
// were computed with exact fractions.
func TestProportion(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{10, 10, math.Pow(0.025, 0.1), 1},
		{0, 10, 0, 1 - math.Pow(0.025, 0.1)},
		{0, 100000, 0, 1 - math.Pow(0.025, 1e-5)},
		{1, 1, 0.025, 1},
		{5, 10, 0.187086, 0.812914},
		{457, 500, 0.885906, 0.937063},
	} {
		got := Proportion(c.k, c.n)
		if math.Abs(got.Low-c.low) > 2e-6 || math.Abs(got.High-c.high) > 2e-6 {
			t.Errorf("%d of %d: %.6f to %.6f, want %.6f to %.6f", c.k, c.n, got.Low, got.High, c.low, c.high)
		}
	}
	// Near the textbook's interval where that is good, and in no time.
	for _, n := range []int{100000, 1 << 30} {
		got, half := Proportion(n*9/10, n), 1.96*math.Sqrt(0.9*0.1/float64(n))
		if math.Abs(got.Low-(0.9-half)) > half/50 || math.Abs(got.High-(0.9+half)) > half/50 {
			t.Errorf("of %d: %v, want about 0.9 ± %g", n, got, half)
		}
	}
	for _, bad := range [][2]int{{1, 0}, {-1, 5}, {6, 5}} {
		if got := Proportion(bad[0], bad[1]); got.Low != 0 || got.High != 1 {
			t.Errorf("%v: %v", bad, got)
		}
	}
}

// The promise itself: whatever the true share, at least 95 of 100 intervals
// hold it. Exact, by summing over what can be observed.
func TestProportionCovers(t *testing.T) {
	const n = 60
	for p := 0.01; p < 1; p += 0.01 {
		covered := 0.0
		for k := range n + 1 {
			if i := Proportion(k, n); i.Low <= p && p <= i.High {
				covered += binomial(n, k, p)
			}
		}
		if covered < 0.95 {
			t.Errorf("share %.2f: covered with %.4f", p, covered)
		}
	}
}
