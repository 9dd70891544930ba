package report

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/trial"
)

// median of an ascending sample that is not empty.
func median(sorted []int64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return float64(sorted[n/2])
	}
	return float64(sorted[n/2-1])/2 + float64(sorted[n/2])/2
}

// rank returns the value below or at which the fraction q of an ascending
// sample lies (nearest rank). It places axes; the percentiles that the report
// prints are the agent's, which refuses those that a sample cannot carry.
func rank(sorted []int64, q float64) int64 {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// medianInterval returns order statistics that enclose the median with at
// least 95 % confidence: the widest pair of ranks (l, n+1-l) with
// P(Binomial(n, ½) < l) <= 2.5 %. It assumes nothing about the distribution,
// but it does assume independent values; latencies that follow one another
// are not quite, so the truth is rather wider. ok is false below n = 6.
func medianInterval(sorted []int64) (low, high int64, ok bool) {
	n := len(sorted)
	l := 0
	if n > 10000 { // the normal approximation is exact to a rank or so
		l = int(float64(n)/2 - 0.98*math.Sqrt(float64(n)))
	} else {
		total, lgN := 0.0, lgamma(n+1)
		for k := 0; k < n; k++ {
			total += math.Exp(lgN - lgamma(k+1) - lgamma(n-k+1) - float64(n)*math.Ln2)
			if total > 0.025 {
				break
			}
			l = k + 1
		}
	}
	if l < 1 {
		return 0, 0, false
	}
	return sorted[l-1], sorted[n-l], true
}

func lgamma(n int) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

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
			doubt("its summary says %s %s, its latencies say %s", what, formatNS(got), formatNS(want))
		}
	}
	check("min", float64(s.MinNS), float64(sorted[0]))
	check("max", float64(s.MaxNS), float64(sorted[n-1]))
	check("mean", s.MeanNS, sum/float64(n))
	if lo, hi := sorted[(n-1)/2], sorted[n/2]; !(s.MedianNS >= float64(lo)-1 && s.MedianNS <= float64(hi)+1) {
		doubt("its summary says p50 %s, its latencies say %s", formatNS(s.MedianNS), formatNS(median(sorted)))
	}
	// Percentile definitions differ by a rank; further off than the
	// neighbouring ranks is no matter of definition.
	for _, p := range []struct {
		name string
		q    float64
		r    trial.Reading[float64]
	}{{"p90", 0.90, s.P90NS}, {"p95", 0.95, s.P95NS}, {"p99", 0.99, s.P99NS}} {
		got, ok := p.r.Get()
		if !ok {
			continue
		}
		i := p.q * float64(n)
		lo, hi := sorted[min(max(int(i)-2, 0), n-1)], sorted[min(int(i)+2, n-1)]
		if !(got >= float64(lo)-1 && got <= float64(hi)+1) {
			doubt("its summary says %s %s, its latencies say %s", p.name, formatNS(got), formatNS(float64(rank(sorted, p.q))))
		}
	}
	if want := float64(n) * float64(batch) / (sum / 1e9); !(math.Abs(s.Throughput-want) <= 1e-3*want) {
		doubt("its summary says %s, its latencies say %s", formatRate(s.Throughput), formatRate(want))
	}
	return doubts
}

func ascending(v []int64) []int64 {
	s := slices.Clone(v)
	slices.Sort(s)
	return s
}
