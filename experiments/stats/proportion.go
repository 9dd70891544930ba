package stats

import "chexp/experiments/trial"

// Proportion is the interval of Clopper and Pearson (1934): with at least 95 %
// confidence it holds the true share of which k of n were observed. It is exact,
// from the binomial distribution itself, and never too narrow, also near 0 and
// 1, where the textbook's k/n ± 1.96 s fails.
func Proportion(k, n int) trial.Interval {
	if n < 1 || k < 0 || k > n {
		return trial.Interval{Low: 0, High: 1} // nothing is known
	}
	i := trial.Interval{Low: 0, High: 1}
	if k > 0 { // the share at which k or more would be this rare
		i.Low = bisect(func(p float64) bool { return 1-atMostOf(n, k-1, p) < tail })
	}
	if k < n { // the share at which k or fewer would be
		i.High = bisect(func(p float64) bool { return atMostOf(n, k, p) > tail })
	}
	return i
}

// bisect finds where a condition that holds from 0 on ends to hold.
func bisect(holds func(p float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 60 { // to the last bits of a float64
		if middle := (low + high) / 2; holds(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// atMostOf is the chance of k or fewer of n, each with chance p.
func atMostOf(n, k int, p float64) float64 {
	sum := 0.0
	for i := 0; i <= k; i++ {
		sum += binomial(n, i, p)
	}
	return min(sum, 1)
}
