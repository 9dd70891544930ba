package stats

import (
	"math"
	"slices"
)

// Moments are what is said of a sample where nothing better is asked for: mean, median,
// least and greatest, and the standard deviation, nil for fewer than two values. The
// sample has at least one.
func Moments(values []float64) (mean, median, least, greatest float64, deviation *float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	sorted := slices.Sorted(slices.Values(values))
	median, least, greatest = middle(sorted), sorted[0], sorted[len(sorted)-1]
	if len(values) > 1 {
		sum := 0.0
		for _, v := range values {
			sum += (v - mean) * (v - mean)
		}
		deviation = new(math.Sqrt(sum / (n - 1)))
	}
	return mean, median, least, greatest, deviation
}
