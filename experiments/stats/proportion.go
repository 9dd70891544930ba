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

// atMostOf is the chance of k or fewer of n, each with chance p. Only the smaller
// tail is summed, from its largest term on: a device may name any n.
func atMostOf(n, k int, p float64) float64 {
	switch {
	case k >= n || p <= 0:
		return 1
	case p >= 1:
		return 0
	case float64(k+1) > float64(n)*p:
		return 1 - tailFrom(n, k+1, 1, p)
	}
	return tailFrom(n, k, -1, p)
}

// tailFrom adds the chances of first, first + step, … while they matter.
func tailFrom(n, first, step int, p float64) (sum float64) {
	odds := p / (1 - p)
	for i, term := first, binomial(n, first, p); i >= 0 && i <= n && term > sum*1e-17; i += step {
		sum += term
		if step > 0 {
			term *= float64(n-i) / float64(i+1) * odds
		} else {
			term *= float64(i) / float64(n-i+1) / odds
		}
	}
	return sum
}
