// Package stats turns raw latencies into the summary that reports print. It is
// pure arithmetic over integers of nanoseconds, shared by both halves of chexp
// so that a reader of a result can check the agent's sums with the same code.
//
// It refuses instead of guessing: a percentile that the sample is too small to
// carry is `unavailable` with the number of inferences that it would take.
package stats

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/trial"
)

// The smallest samples that carry each percentile: with nearest rank, p90 of
// fewer than 10 values (p95 of 20, p99 of 100) is merely the maximum.
const (
	MinP90 = 10
	MinP95 = 20
	MinP99 = 100
)

// Summarize derives the summary of one trial from its latencies (nanoseconds,
// one per inference of batch inputs). It returns nil when there are none.
func Summarize(latencies []int64, batch int) *trial.Summary {
	n := len(latencies)
	if n == 0 {
		return nil
	}
	sorted := slices.Clone(latencies)
	slices.Sort(sorted)
	var sum float64
	for _, v := range latencies {
		sum += float64(v)
	}
	s := &trial.Summary{
		N:        n,
		MinNS:    sorted[0],
		MaxNS:    sorted[n-1],
		MeanNS:   sum / float64(n),
		MedianNS: Median(sorted),
		P90NS:    percentile(sorted, 90, MinP90),
		P95NS:    percentile(sorted, 95, MinP95),
		P99NS:    percentile(sorted, 99, MinP99),
	}
	if sum > 0 {
		s.Throughput = float64(n) * float64(batch) / (sum / 1e9)
	}
	return s
}

// Median of sorted values: the middle one, or the mean of the middle two. It
// panics on an empty slice.
func Median(sorted []int64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return float64(sorted[n/2])
	}
	return (float64(sorted[n/2-1]) + float64(sorted[n/2])) / 2
}

// NearestRank is the p-th percentile (0 < p <= 100) of sorted values: the
// smallest value that at least p percent of them do not exceed. It is always a
// value that was measured. It panics on an empty slice.
func NearestRank(sorted []int64, p float64) int64 {
	rank := int(math.Ceil(p * float64(len(sorted)) / 100))
	return sorted[max(rank, 1)-1]
}

func percentile(sorted []int64, p float64, least int) trial.Reading[float64] {
	if len(sorted) < least {
		return trial.Unread[float64](fmt.Sprintf("needs n >= %d inferences, has %d", least, len(sorted)))
	}
	return trial.Read(float64(NearestRank(sorted, p)))
}
