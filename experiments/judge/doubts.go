package judge

import (
	"fmt"
	"math"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// contradictions holds a result's summary against its raw latencies. The agent
// computes the summary; a report that is decided from checks it.
func contradictions(s *trial.Summary, latencies, sorted []int64, batch int) (doubts []string) {
	doubt := func(format string, args ...any) { doubts = append(doubts, fmt.Sprintf(format, args...)) }
	if len(latencies) == 0 {
		return []string{"it says ok but holds no latency"}
	}
	if sorted[0] <= 0 {
		return []string{fmt.Sprintf("it holds a latency of %d ns, which no clock gives", sorted[0])}
	}
	if s == nil {
		return []string{"it says ok but has no summary"}
	}
	sum := 0.0
	for _, v := range latencies {
		sum += float64(v)
	}
	n := len(latencies)
	if s.N != n {
		doubt("its summary says n = %d, it holds %d latencies", s.N, n)
	}
	check := func(what string, got, want float64) {
		if !(math.Abs(got-want) <= 1e-6*want+1) { // also true for NaN
			doubt("its summary says %s %s, its latencies say %s", what, words.Nanoseconds(got), words.Nanoseconds(want))
		}
	}
	check("min", float64(s.MinNS), float64(sorted[0]))
	check("max", float64(s.MaxNS), float64(sorted[n-1]))
	check("mean", s.MeanNS, sum/float64(n))
	if lo, hi := sorted[(n-1)/2], sorted[n/2]; !(s.MedianNS >= float64(lo)-1 && s.MedianNS <= float64(hi)+1) {
		doubt("its summary says p50 %s, its latencies say %s", words.Nanoseconds(s.MedianNS),
			words.Nanoseconds(stats.Median(sorted)))
	}
	doubts = append(doubts, percentileDoubts(s, sorted)...)
	if want := float64(n) * float64(batch) / (sum / 1e9); !(math.Abs(s.Throughput-want) <= 1e-3*want) {
		doubt("its summary says %s, its latencies say %s", words.Rate(s.Throughput), words.Rate(want))
	}
	return doubts
}

// percentileDoubts allow for other definitions of a percentile, which differ by a
// rank; what is further off than the neighbouring ranks is no matter of
// definition.
func percentileDoubts(s *trial.Summary, sorted []int64) (doubts []string) {
	n := len(sorted)
	for _, p := range []struct {
		name    string
		percent float64
		value   trial.Reading[float64]
	}{{"p90", 90, s.P90NS}, {"p95", 95, s.P95NS}, {"p99", 99, s.P99NS}} {
		got, ok := p.value.Get()
		if !ok {
			continue
		}
		i := int(p.percent / 100 * float64(n))
		lo, hi := sorted[min(max(i-2, 0), n-1)], sorted[min(i+2, n-1)]
		if !(got >= float64(lo)-1 && got <= float64(hi)+1) { // also true for NaN
			doubts = append(doubts, fmt.Sprintf("its summary says %s %s, its latencies say %s", p.name,
				words.Nanoseconds(got), words.Nanoseconds(float64(stats.NearestRank(sorted, p.percent)))))
		}
	}
	return doubts
}
