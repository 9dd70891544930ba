// Package stats turns raw latencies into what a report may say: the summary of
// a trial with the interval of its median, percentiles or their refusal, how
// two variants compare, where the variance comes from, what holds beyond one
// device and one day (MiddleOf, RatioOfUnits), and whether a trial was
// steady enough to be believed (Checks; package validity adds what the device
// did meanwhile). It is pure arithmetic, shared by both
// halves of chexp so that a reader of a result can check the agent's sums with
// the same code.
//
// Latencies are skewed, have several modes and depend on what came before, so
// nothing here assumes that they are normal: medians, ranks and order statistics
// throughout, and Student's t over what has few medians [Maricq et al., Taming
// Performance Variability, OSDI'18]. Three rules hold. It refuses instead of guessing, and says how many
// more inferences it would take. It never drops a value; outliers are counted.
// A difference is called one only when it is both significant and large enough
// to matter: with many inferences, everything is significant.
//
// Random numbers occur in ratios only; a seed makes them repeatable. The rates
// of false alarms and of misses that the tests name were found by simulation.
package stats

import (
	"math"
	"slices"

	"chexp/experiments/trial"
)

// Sample is the latencies of one trial, in nanoseconds.
type Sample struct {
	ordered []int64 // as they were measured
	sorted  []int64
	blocks  [][]int64 // of ordered, where Cut told
}

// NewSample takes the latencies in the order of measurement; it keeps a
// reference to them and does not change them.
func NewSample(latencies []int64) Sample {
	sorted := slices.Clone(latencies)
	slices.Sort(sorted)
	return Sample{ordered: latencies, sorted: sorted}
}

// SampleOf is the latencies of a trial's result, in their blocks. The error says
// how the blocks contradict the latencies; the sample then has none.
func SampleOf(r *trial.Result) (Sample, error) { return NewSample(r.LatenciesNS).Cut(r.Blocks) }

// N is the number of values.
func (s Sample) N() int { return len(s.sorted) }

// Sorted are the values in ascending order; the caller leaves them alone.
func (s Sample) Sorted() []int64 { return s.sorted }

// Median of the values; it panics when there are none.
func (s Sample) Median() float64 { return Median(s.sorted) }

// Summary of the sample, each value being the time of batch inputs; nil when
// there are none.
func (s Sample) Summary(batch int) *trial.Summary {
	n := s.N()
	if n == 0 {
		return nil
	}
	var sum float64
	for _, v := range s.ordered {
		sum += float64(v)
	}
	out := &trial.Summary{
		N:              n,
		MinNS:          s.sorted[0],
		MaxNS:          s.sorted[n-1],
		MeanNS:         sum / float64(n),
		MedianNS:       s.Median(),
		MedianInterval: s.MedianInterval(),
		P90NS:          s.Percentile(90),
		P95NS:          s.Percentile(95),
		P99NS:          s.Percentile(99),
	}
	if sum > 0 {
		out.Throughput = float64(n) * float64(batch) / (sum / 1e9)
	}
	return out
}

// Median of sorted values: the middle one, or the mean of the middle two. It
// panics on an empty slice.
func Median(sorted []int64) float64 {
	n := len(sorted)
	return float64(sorted[(n-1)/2])/2 + float64(sorted[n/2])/2
}

// NearestRank is the p-th percentile (0 < p <= 100) of sorted values: the
// smallest value that at least p percent of them do not exceed. It is always a
// value that was measured. It panics on an empty slice.
func NearestRank(sorted []int64, p float64) int64 {
	rank := int(math.Ceil(p * float64(len(sorted)) / 100))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// medianOf takes unsorted values.
func medianOf(values []int64) float64 {
	values = slices.Clone(values)
	slices.Sort(values)
	return Median(values)
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
