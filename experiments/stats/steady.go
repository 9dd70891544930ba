package stats

import (
	"cmp"
	"math"
	"slices"
)

// Autocorrelation of neighbours in the sequence, from -1 to 1: the correlation
// of ranks (Spearman's), which no outlier can make or hide. 0 below four values.
func (s Sample) Autocorrelation() float64 {
	n := len(s.ordered)
	if n < 4 {
		return 0
	}
	r := rankOf(s.ordered)
	m := float64(n+1) / 2
	var both, all float64
	for i, v := range r {
		all += (v - m) * (v - m)
		if i > 0 {
			both += (v - m) * (r[i-1] - m)
		}
	}
	if all == 0 {
		return 0
	}
	return both / all
}

// Precision is half the width of the median's interval, relative to the median.
// ok is false where there is no interval.
func (s Sample) Precision() (relative float64, ok bool) {
	i, ok := s.MedianInterval().Get()
	m := 0.0
	if ok {
		m = s.Median()
	}
	if !(m > 0) {
		return 0, false
	}
	return (i.High - i.Low) / 2 / m, true
}

// dependence is how much wider than for independent values an interval must be
// for latencies that resemble the one before: those carry less than as many
// independent ones, n(1-r)/(1+r) of them with a first-order autocorrelation r. A
// positive r counts where chance explains it in fewer than one of twenty
// samples.
func (s Sample) dependence() float64 {
	if r := min(s.Autocorrelation(), 0.95); r > 1.645/math.Sqrt(float64(s.N())) {
		return math.Sqrt((1 + r) / (1 - r))
	}
	return 1
}

// thirds are the medians of the first, the middle and the last third, and the
// probability of such a difference between them in a steady sequence.
//
// The three windows are those of Triton's perf_analyzer [docs/measurements_
// metrics.md], which calls a measurement stable when the largest is no more
// than 10 % above the smallest. That alone raises a false alarm for any small
// noisy sample, so the Kruskal-Wallis test has to agree. It finds a slope, a
// step and a hump alike, where a test for a trend (Mann-Kendall) would miss the
// hump; with three groups its p is simply exp(-H/2). It too wants independent
// values: the medians of the blocks, or of 30 to 60 equal stretches where there
// are fewer than nine. The first slow values are left out.
func (s Sample) thirds(slow int) (medians [3]float64, p float64) {
	ordered := s.ordered[slow:]
	n := len(ordered)
	for i := range medians {
		medians[i] = medianOf(ordered[i*n/3 : (i+1)*n/3])
	}
	late := 0 // blocks that begin before the first values are left out
	for at := 0; late < len(s.blocks) && at < slow; late++ {
		at += len(s.blocks[late])
	}
	if len(s.blocks)-late >= 9 {
		return medians, kruskalWallis(s.blockMedians()[late:])
	}
	blocks := min(n, min(60, max(30, n/5)))
	values := make([]float64, blocks)
	for i := range values {
		values[i] = medianOf(ordered[i*n/blocks : (i+1)*n/blocks])
	}
	return medians, kruskalWallis(values)
}

// kruskalWallis tests whether the three thirds of a sequence have one location.
func kruskalWallis(values []float64) (p float64) {
	n := len(values)
	ranks := rankOf(values)
	nf := float64(n)
	var between, all float64
	for i := range 3 {
		part := ranks[i*n/3 : (i+1)*n/3]
		d := mean(part) - (nf+1)/2
		between += float64(len(part)) * d * d
	}
	for _, r := range ranks { // less than n(n²-1)/12 where values are equal
		all += (r - (nf+1)/2) * (r - (nf+1)/2)
	}
	if all == 0 {
		return 1
	}
	h := between / all * (nf - 1)
	return math.Exp(-h / 2)
}

// warmth is the critical value of the scan in slowStart: among sequences
// without any order, one in two hundred exceeds it (by simulation, for 30 to
// 10,000 values).
const warmth = 3.55

// slowStart finds how many values at the beginning are slower than the rest,
// at most a third of them, and how much slower their median is. It is a scan
// for one change-point with the rank-sum statistic, standardized, so that it
// asks about the order and not about the size; the size is for the caller to
// judge. Fewer than five slow ones are never found: they cannot be told from
// outliers, as which they are counted.
func slowStart(ordered []int64) (length int, ratio float64) {
	n := len(ordered)
	ranks := rankOf(ordered)
	nf := float64(n)
	sum, best := 0.0, warmth
	for i := range n / 3 {
		sum += ranks[i]
		k := float64(i + 1)
		z := (sum - k*(nf+1)/2) / math.Sqrt(k*(nf-k)*(nf+1)/12)
		if k >= 5 && z > best {
			length, best = i+1, z
		}
	}
	if length == 0 {
		return 0, 1
	}
	return length, medianOf(ordered[:length]) / medianOf(ordered[length:])
}

// modes are two heaps of values with a gap between them.
type modes struct {
	Fast, Slow float64 // the median of each
	Share      float64 // of the smaller one
}

// gapAlpha is the level of the test in twoModes. Since the place of the gap is
// searched for, the rate of false alarms is another: by simulation at most 1 in
// 100 for samples with one mode, skewed and heavy-tailed ones among them.
const gapAlpha = 0.01

// twoModes tells whether the values have two modes.
//
// A density with one mode is, between any two points, nowhere lower than at the
// lower of the two. So: cut the values in two where the variance within the
// parts is least (Otsu's threshold; 5 % at either end are set aside, and a part
// has at least a tenth of the values); take three windows of one width, around
// the median of each part and half-way between. If the middle one holds
// significantly fewer values than the emptier of the outer two (one-sided
// binomial test), there are two modes. The dip test of Hartigan and Hartigan
// asks the same more generally, with far more code.
func twoModes(sorted []int64) (modes, bool) {
	n := len(sorted)
	trim, least := n/20, max(5, n/10)
	cut := otsu(sorted, trim, least)
	if cut == 0 {
		return modes{}, false
	}
	m := modes{Fast: Median(sorted[:cut]), Slow: Median(sorted[cut:]), Share: float64(min(cut, n-cut)) / float64(n)}
	width := (m.Slow - m.Fast) / 3
	if width <= 0 {
		return modes{}, false
	}
	within := func(center float64) int {
		below := func(limit float64) int {
			return int(countBelow(sorted, limit))
		}
		return below(center+width/2) - below(center-width/2)
	}
	outer, gap := min(within(m.Fast), within(m.Slow)), within((m.Fast+m.Slow)/2)
	return m, atMost(gap, outer+gap) < gapAlpha
}

// otsu returns the length of the lower part, 0 when there is no cut.
func otsu(sorted []int64, trim, least int) (cut int) {
	n := len(sorted)
	origin := float64(sorted[n/2]) // keeps the sums small
	var total float64
	for _, v := range sorted[trim : n-trim] {
		total += float64(v) - origin
	}
	count := float64(n - 2*trim)
	sum, best := 0.0, 0.0
	for i := trim; i < n-trim-1; i++ {
		sum += float64(sorted[i]) - origin
		k := float64(i - trim + 1)
		d := sum/k - (total-sum)/(count-k)
		if between := k * (count - k) * d * d; i+1 >= least && n-i-1 >= least && between > best {
			cut, best = i+1, between
		}
	}
	return cut
}

func countBelow(sorted []int64, limit float64) int {
	i, _ := slices.BinarySearchFunc(sorted, limit, func(v int64, t float64) int {
		if float64(v) < t {
			return -1
		}
		return 1
	})
	return i
}

// atMost is P(B <= k), B being Binomial(n, 1/2).
func atMost(k, n int) float64 {
	p := 0.0
	for i := max(0, k-int(12*math.Sqrt(float64(n)))-1); i <= k; i++ {
		p += binomial(n, i, 0.5)
	}
	return min(p, 1)
}

// strays are values far off the median.
type strays struct {
	Slow, Fast int
	Slowest    float64 // the slowest value over the median
}

// outliers counts the values whose modified z-score, 0.6745 |x - median| / MAD,
// exceeds 3.5 [Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993].
// Where more than half of the values are equal the MAD is 0 and 1.253314 times
// the mean deviation takes its place, as they recommend.
func outliers(sorted []int64) (o strays) {
	m := Median(sorted)
	o.Slowest = float64(sorted[len(sorted)-1]) / m
	deviations := make([]float64, len(sorted))
	for i, v := range sorted {
		deviations[i] = math.Abs(float64(v) - m)
	}
	slices.Sort(deviations)
	n := len(deviations)
	sd := (deviations[(n-1)/2] + deviations[n/2]) / 2 / 0.6745
	if sd == 0 {
		sd = 1.253314 * mean(deviations)
	}
	for _, v := range sorted {
		switch d := float64(v) - m; {
		case d > 3.5*sd:
			o.Slow++
		case d < -3.5*sd:
			o.Fast++
		}
	}
	return o
}

// rankOf gives each value its rank from 1; equal ones share the mean of theirs.
func rankOf[T cmp.Ordered](values []T) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, at := range order[i:j] {
			ranks[at] = float64(i+j+1) / 2
		}
		i = j
	}
	return ranks
}
