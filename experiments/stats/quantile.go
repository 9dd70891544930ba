package stats

import (
	"fmt"
	"math"

	"chexp/experiments/trial"
)

// Levels of confidence. Intervals are printed at 95 %; whether a sample carries
// a percentile at all is decided at 99 %, as MLPerf does.
const (
	tail         = 0.025 // on either side of an interval
	refusalAlpha = 0.01
)

// Needed is the smallest sample that carries a percentile (0 < percent < 100):
// the n at which the second slowest value lies at or above the true percentile
// with 99 % confidence, that is P(Binomial(n, 1-p) <= 1) <= 1 %. This is the
// early-stopping rule of MLPerf's LoadGen for one discarded query
// [mlcommons/inference: loadgen/early_stopping.cc, odds(h, t=1, p, d=0)]. It
// gives 64 for p90, 130 for p95 and 662 for p99.
func Needed(percent float64) int {
	p := percent / 100
	enough := func(n int) bool {
		below := math.Pow(p, float64(n-1)) // of n values all but one are certainly below
		return below*(p+float64(n)*(1-p)) <= refusalAlpha
	}
	high := 2
	for !enough(high) {
		high *= 2
	}
	low := high / 2
	for low+1 < high {
		if mid := (low + high) / 2; enough(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// Percentile is the nearest-rank percentile, or how many more inferences it
// would take.
func (s Sample) Percentile(percent float64) trial.Reading[float64] {
	if n, needed := s.N(), Needed(percent); n < needed {
		return trial.Unread[float64](fmt.Sprintf("needs %d inferences, has %d: %d more", needed, n, needed-n))
	}
	return trial.Read(float64(NearestRank(s.sorted, percent)))
}

// Interval holds the true percentile (the median is 50) with at least 95 %
// confidence, whatever the distribution: it lies between two order statistics.
// It assumes independent values; the neighbours in a sequence of latencies are
// not quite, so the truth is rather wider (for the median see MedianInterval).
func (s Sample) Interval(percent float64) trial.Reading[trial.Interval] {
	low, high := ranks(s.N(), percent/100)
	if low < 1 || high > s.N() {
		return trial.Unread[trial.Interval](fmt.Sprintf("%d inferences are too few for a 95 %% interval", s.N()))
	}
	return trial.Read(trial.Interval{Low: float64(s.sorted[low-1]), High: float64(s.sorted[high-1])})
}

// ranks are the order statistics, counted from 1, that enclose the p-quantile
// of n values: the highest low with P(B < low) <= 2.5 % and the lowest high
// with P(B >= high) <= 2.5 %, B being Binomial(n, p), the number of values
// below the quantile. low is 0, or high n+1, where there is no such value.
func ranks(n int, p float64) (low, high int) {
	return lowRankAt(n, p, tail), n + 1 - lowRankAt(n, 1-p, tail)
}

// lowRankAt is the highest k with P(B < k) <= alpha, B being Binomial(n, p).
func lowRankAt(n int, p, alpha float64) int {
	// Twelve standard deviations below the mean there is nothing to add up.
	mean, sd := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	k := max(0, int(mean-12*sd)-1)
	for total := 0.0; k < n; k++ {
		if total += binomial(n, k, p); total > alpha {
			break
		}
	}
	return k
}

// binomial is P(B = k), B being Binomial(n, p).
func binomial(n, k int, p float64) float64 {
	return math.Exp(lgamma(n+1) - lgamma(k+1) - lgamma(n-k+1) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

func lgamma(n int) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

// normalCDF and normalQuantile are those of the standard normal distribution.
func normalCDF(z float64) float64      { return math.Erfc(-z/math.Sqrt2) / 2 }
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// studentQuantile is that of Student's t by the series of Abramowitz and
// Stegun, 26.7.5; from 5 degrees of freedom on it is right to 0.2 % at 97.5 %.
func studentQuantile(p, df float64) float64 { //nolint:unparam // a quantile without its p reads wrong
	z := normalQuantile(p)
	z2 := z * z
	return z + z*(z2+1)/(4*df) +
		z*((5*z2+16)*z2+3)/(96*df*df) +
		z*(((3*z2+19)*z2+17)*z2-15)/(384*df*df*df)
}
