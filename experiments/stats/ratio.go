package stats

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"chexp/experiments/trial"
)

// FewestBlocks is the least number of blocks (or pairs of them) from which a
// ratio gets an interval. From six, more than 6 of 100 comparisons between
// equals differ, from seven on at most 5 (by simulation): resamples of so few
// seldom reach as far as the truth may lie.
const FewestBlocks = 7

// resamples of a bootstrap over k things: enough for the 0.4 % tails that seven
// need, and for the 1.6 % of fifteen and more.
func resamples(k int) int {
	if k < 15 {
		return 2000
	}
	return 1000
}

// An Estimate says how the latency of one variant relates to another's.
type Estimate struct {
	Ratio    float64                       `json:"ratio"`    // median latency of a over that of b; below 1, a is faster
	Interval trial.Reading[trial.Interval] `json:"interval"` // of the ratio, 95 %
	Pairs    int                           `json:"pairs,omitempty"`
	Starts   int                           `json:"process_starts,omitempty"` // of each variant
}

// Differs reports whether the interval excludes 1. Of comparisons between
// equals, at most 5 in 100 differ.
func (c Estimate) Differs() bool {
	i, ok := c.Interval.Get()
	return ok && (i.Low > 1 || i.High < 1)
}

// PairedRatio compares two variants whose blocks were measured in turns: a[i]
// and b[i] next to each other, in random order. What drifts slower than a pair
// lasts (heat, clock, neighbours) hits both and cancels.
//
// Each pair gives the ratio of its two medians; the estimate is the
// Hodges-Lehmann centre of their logarithms (the median of the means of every
// two), which one disturbed block in five does not move far. The interval is
// the expanded percentile bootstrap over pairs [Hesterberg 2015, What Teachers
// Should Know About the Bootstrap]: the plain one is too narrow for few pairs.
// The same seed gives the same interval. ok is false without a usable pair.
func PairedRatio(a, b [][]int64, seed uint64) (c Estimate, ok bool) {
	var logs []float64
	for i := range min(len(a), len(b)) {
		la, lb := logMedians(a[i:i+1]), logMedians(b[i:i+1])
		if len(la)+len(lb) == 2 {
			logs = append(logs, la[0]-lb[0])
		}
	}
	if len(logs) == 0 {
		return c, false
	}
	c = bootstrapCenter(logs, seed)
	c.Pairs = len(logs)
	return c, true
}

// bootstrapCenter is the Hodges-Lehmann centre of logarithms of ratios, with
// its interval.
func bootstrapCenter(logs []float64, seed uint64) Estimate {
	k := len(logs)
	var means []center
	for i := range logs {
		for j := range i + 1 {
			means = append(means, center{(logs[i] + logs[j]) / 2, i, j})
		}
	}
	times := make([]int, k)
	count := func(m center) int {
		if m.i == m.j {
			return times[m.i] * (times[m.i] + 1) / 2
		}
		return times[m.i] * times[m.j]
	}
	return bootstrap(means, k, count, seed, times)
}

// hodgesLehmann is the median of the means of every two values.
func hodgesLehmann(values []float64) float64 {
	var means []float64
	for i := range values {
		for j := range i + 1 {
			means = append(means, (values[i]+values[j])/2)
		}
	}
	slices.Sort(means)
	n := len(means)
	return (means[(n-1)/2] + means[n/2]) / 2
}

// Ratio compares two variants whose blocks have nothing to do with each other:
// processes of two runs, say. The estimate is the median of the ratios of every
// block of a to every block of b; the bootstrap resamples both sides. Whatever
// changed between the two is in the ratio, so prefer PairedRatio.
func Ratio(a, b [][]int64, seed uint64) (c Estimate, ok bool) {
	la, lb := logMedians(a), logMedians(b)
	if len(la) == 0 || len(lb) == 0 {
		return c, false
	}
	var differences []center
	for i, x := range la {
		for j, y := range lb {
			differences = append(differences, center{x - y, i, j})
		}
	}
	ta, tb := make([]int, len(la)), make([]int, len(lb))
	count := func(m center) int { return ta[m.i] * tb[m.j] }
	return bootstrap(differences, min(len(la), len(lb)), count, seed, ta, tb), true
}

// center is a candidate for the centre, and the blocks that it comes from.
type center struct {
	v    float64
	i, j int
}

// bootstrap takes the weighted median of the candidates, first of all of them,
// then of each resample: times counts how often each block was drawn, count
// how often a candidate then occurs.
func bootstrap(cs []center, k int, count func(center) int, seed uint64, times ...[]int) Estimate {
	slices.SortFunc(cs, func(x, y center) int { return cmp.Compare(x.v, y.v) })
	middle := func() float64 {
		// Draws are as many as blocks, so the counts always add up to this.
		total := len(cs)
		// The mean of the two middle ones, the same one if the total is odd.
		seen, low := 0, math.NaN()
		for _, c := range cs {
			seen += count(c)
			if math.IsNaN(low) && 2*seen >= total {
				low = c.v
			}
			if 2*seen > total {
				return (low + c.v) / 2
			}
		}
		return low
	}
	for _, t := range times {
		for i := range t {
			t[i] = 1
		}
	}
	out := Estimate{Ratio: math.Exp(middle())}
	if k < FewestBlocks {
		out.Interval = trial.Unread[trial.Interval](fmt.Sprintf("needs %d blocks of each, has %d", FewestBlocks, k))
		return out
	}
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	centers := make([]float64, resamples(k))
	for r := range centers {
		for _, t := range times {
			clear(t)
			for range t {
				t[rng.IntN(len(t))]++
			}
		}
		centers[r] = middle()
	}
	slices.Sort(centers)
	cut := expandedTail(k)
	out.Interval = trial.Read(trial.Interval{Low: math.Exp(centers[cut]), High: math.Exp(centers[len(centers)-1-cut])})
	return out
}

// logMedians are the logarithms of the medians of the blocks that hold any
// positive time.
func logMedians(blocks [][]int64) (out []float64) {
	for _, b := range blocks {
		if len(b) > 0 {
			if m := medianOf(b); m > 0 {
				out = append(out, math.Log(m))
			}
		}
	}
	return out
}

// expandedTail is how many of the sorted resamples lie outside either end of the
// expanded percentile interval over k things.
func expandedTail(k int) int {
	kf := float64(k)
	return int(normalCDF(-math.Sqrt(kf/(kf-1))*studentQuantile(1-tail, kf-1)) * float64(resamples(k)))
}
