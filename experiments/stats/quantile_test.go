package stats

import (
	"math"
	"testing"

	"golang.org/x/perf/benchmath"
)

// The numbers of queries that MLPerf demands [mlcommons/inference #1629: 64
// and 662], and the rule behind them.
func TestNeeded(t *testing.T) {
	for percent, want := range map[float64]int{90: 64, 95: 130, 99: 662} {
		if got := Needed(percent); got != want {
			t.Errorf("p%v needs %d, want %d", percent, got, want)
		}
	}
	for _, percent := range []float64{50, 75, 90, 95, 97.5, 99, 99.9} {
		n, over := Needed(percent), 1-percent/100
		atMostOne := func(n int) float64 { return binomial(n, 0, over) + binomial(n, 1, over) }
		if atMostOne(n) > 0.01 || atMostOne(n-1) <= 0.01 {
			t.Errorf("p%v: at most one of %d is slower with probability %v, of %d with %v; want the step over 1 %%",
				percent, n, atMostOne(n), n-1, atMostOne(n-1))
		}
	}
}

func TestPercentileSaysHowManyMore(t *testing.T) {
	got := NewSample(make([]int64, 150)).Percentile(99)
	if got.Value != nil || got.Unavailable != "needs 662 inferences, has 150: 512 more" {
		t.Errorf("p99 of 150 is %+v", got)
	}
}

// The pairs for the median are those of any table of the sign test; for p99 of
// 100 values there is no upper end.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		n         int
		p         float64
		low, high int
	}{
		{1, 0.5, 0, 2}, {5, 0.5, 0, 6}, {6, 0.5, 1, 6}, {8, 0.5, 1, 8}, {9, 0.5, 2, 8}, {10, 0.5, 2, 9}, {20, 0.5, 6, 15},
		{50, 0.5, 18, 33}, {100, 0.5, 40, 61}, {10000, 0.5, 4902, 5099}, {40000, 0.5, 19804, 20197},
		{100, 0.99, 97, 101}, {662, 0.99, 650, 661},
	} {
		if low, high := ranks(c.n, c.p); low != c.low || high != c.high {
			t.Errorf("n = %d, p = %v: ranks %d to %d, want %d to %d", c.n, c.p, low, high, c.low, c.high)
		}
	}
}

// P(low <= B < high) is the coverage; a rank less on either side breaks the
// 2.5 % there.
func TestRanksCover(t *testing.T) {
	for _, p := range []float64{0.5, 0.9, 0.95, 0.99} {
		for n := 1; n <= 800; n += 1 + n/20 {
			low, high := ranks(n, p)
			below, above := 0.0, 0.0 // P(B < low), P(B >= high)
			for k := 0; k <= n; k++ {
				if k < low {
					below += binomial(n, k, p)
				}
				if k >= high {
					above += binomial(n, k, p)
				}
			}
			if below > 0.025+1e-12 || above > 0.025+1e-12 {
				t.Errorf("n = %d, p = %v: ranks %d to %d miss with %v and %v", n, p, low, high, below, above)
			}
			if below+binomial(n, low, p) <= 0.025 || above+binomial(n, high-1, p) <= 0.025 {
				t.Errorf("n = %d, p = %v: ranks %d to %d are wider than need be", n, p, low, high)
			}
		}
	}
}

// Large samples take a short cut; it must agree with the normal approximation.
func TestRanksOfManyValues(t *testing.T) {
	for _, n := range []int{1e6, 1e9} {
		low, high := ranks(n, 0.5)
		half := 1.959964 * math.Sqrt(float64(n)) / 2
		if d := float64(n)/2 - half - float64(low); math.Abs(d) > 2 {
			t.Errorf("n = %d: rank %d is %.1f off the normal approximation", n, low, d)
		}
		if low+high != n+1 {
			t.Errorf("n = %d: ranks %d and %d are not symmetric", n, low, high)
		}
	}
}

// The Go project's own benchmark statistics find the same interval, or one that
// is a rank off at one end: theirs need not be symmetric.
func TestIntervalAgreesWithBenchmath(t *testing.T) {
	same := 0
	for n := 6; n <= 120; n++ {
		ints, floats := make([]int64, n), make([]float64, n)
		for i := range ints {
			ints[i], floats[i] = int64(i+1), float64(i+1)
		}
		theirs := benchmath.AssumeNothing.Summary(benchmath.NewSample(floats, &benchmath.DefaultThresholds), 0.95)
		ours, ok := NewSample(ints).Interval(50).Get()
		if !ok || math.Abs(theirs.Lo-ours.Low)+math.Abs(theirs.Hi-ours.High) > 1 {
			t.Errorf("n = %d: %+v, benchmath has %v to %v", n, ours, theirs.Lo, theirs.Hi)
		}
		if theirs.Lo == ours.Low && theirs.Hi == ours.High {
			same++
		}
	}
	if same < 60 {
		t.Errorf("only %d of 115 intervals are the same", same)
	}
}

// Values from any table of Student's t and of the normal distribution.
func TestQuantiles(t *testing.T) {
	for df, want := range map[float64]float64{5: 2.5706, 6: 2.4469, 9: 2.2622, 20: 2.0860, 120: 1.9799} {
		if got := studentQuantile(0.975, df); math.Abs(got/want-1) > 0.002 {
			t.Errorf("t of %v degrees of freedom at 97.5 %% is %.4f, want %.4f", df, got, want)
		}
	}
	if got := normalCDF(-2.816); math.Abs(got-0.00243) > 1e-5 {
		t.Errorf("the normal distribution below -2.816 is %v", got)
	}
	if got := normalQuantile(0.975); math.Abs(got-1.959964) > 1e-6 {
		t.Errorf("the 97.5 %% quantile is %v", got)
	}
}
