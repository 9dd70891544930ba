package stats

import (
	"math"
	"slices"

	"chexp/experiments/trial"
)

// Pair is a block of one variant and one of another, measured in the same round.
type Pair struct{ A, B []int64 }

// RatioOfStarts compares two variants of which each pair of process starts was
// measured in turns: starts[i] are the pairs of the i-th.
//
// A process keeps for its life where the loader and the allocator have put
// things, which can make it faster or slower than its like by more than its
// blocks differ [Kalibera and Jones, Rigorous Benchmarking in Reasonable Time,
// ISMM'13]. From seven starts on, the starts are what the bootstrap resamples.
// With three to six, all pairs are, and the interval is widened to that of
// Student's t over the starts; of comparisons between equals at most 5 in 100
// differ then, too. With two, Student's t alone would reach from a half to
// double, so it counts only where the starts differ by more than their pairs
// explain, and up to 15 in 100 differ if processes vary by 1 %. From one start
// nobody can tell: the interval is then about these two processes, and Starts
// says so.
func RatioOfStarts(starts [][]Pair, seed uint64) (c Estimate, ok bool) {
	var a, b [][]int64
	var centers []float64   // of each start
	var within, all float64 // sum of squares within starts, number of pairs
	starts = merged(starts)
	for _, pairs := range starts {
		logs := logRatios(pairs)
		if len(logs) == 0 {
			continue
		}
		for _, p := range pairs {
			a, b = append(a, p.A), append(b, p.B)
		}
		m := mean(logs)
		for _, l := range logs {
			within += (l - m) * (l - m)
		}
		all += float64(len(logs))
		centers = append(centers, m)
	}
	n := len(centers)
	if n >= FewestBlocks {
		c = bootstrapCenter(startCenters(starts), seed)
		c.Pairs, c.Starts = int(all), n
		return c, true
	}
	c, ok = PairedRatio(a, b, seed)
	c.Starts = n
	i, known := c.Interval.Get()
	if !known || n < 2 {
		return c, ok
	}
	m, between := mean(centers), 0.0
	for _, x := range centers {
		between += (x - m) * (x - m)
	}
	df := float64(n - 1)
	// The F ratio of the analysis of variance; above 1.5 in about one of four
	// comparisons whose starts do not differ.
	if size := all / 2; n == 2 && size*between <= 1.5*within/(all-2) {
		return c, ok
	}
	half := studentTail(df) * math.Sqrt(between/df/float64(n))
	c.Interval = trial.Read(trial.Interval{
		Low:  min(i.Low, math.Exp(m-half)),
		High: max(i.High, math.Exp(m+half)),
	})
	return c, ok
}

// mostPairs bounds the work: the centre looks at every two of them.
const mostPairs = 64

// merged joins neighbouring pairs of each start until there are few enough.
func merged(starts [][]Pair) [][]Pair {
	total := 0
	for _, pairs := range starts {
		total += len(pairs)
	}
	size := (total + mostPairs - 1) / mostPairs
	if size <= 1 {
		return starts
	}
	out := make([][]Pair, len(starts))
	for i, pairs := range starts {
		for part := range slices.Chunk(pairs, size) {
			var p Pair
			for _, x := range part {
				p.A, p.B = append(p.A, x.A...), append(p.B, x.B...)
			}
			out[i] = append(out[i], p)
		}
	}
	return out
}

func logRatios(pairs []Pair) (out []float64) {
	for _, p := range pairs {
		a, b := logMedians([][]int64{p.A}), logMedians([][]int64{p.B})
		if len(a)+len(b) == 2 {
			out = append(out, a[0]-b[0])
		}
	}
	return out
}

// startCenters are the Hodges-Lehmann centres of the starts' pairs.
func startCenters(starts [][]Pair) (out []float64) {
	for _, pairs := range starts {
		if logs := logRatios(pairs); len(logs) > 0 {
			out = append(out, hodgesLehmann(logs))
		}
	}
	return out
}

// studentTail is the 97.5 % quantile of Student's t for few degrees of freedom,
// where the series of studentQuantile does not hold, and 5 or more, where it
// does.
func studentTail(df float64) float64 {
	if few := [...]float64{12.706, 4.303, 3.182, 2.776}; df < 4.5 {
		return few[int(df)-1]
	}
	return studentQuantile(1-tail, df)
}
