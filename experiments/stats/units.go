package stats

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/trial"
)

// Units are what a number is to hold for beyond those that were measured:
// devices, or the runs (days) on one device, or process starts. Each counts
// once, however many inferences it has: a thousand more on the same board tell
// nothing about the next board. Their values are medians, in nanoseconds.

// FewestUnits is the least number of units whose scatter gives an interval. Two
// would give one by Student's t that reaches twelve standard errors to either
// side, which says nothing.
const FewestUnits = 3

// fewestForRanks is the number of units from which order statistics give an
// interval of 95 %, and from which one unit can be told to be unlike the others.
const fewestForRanks = 6

// Middle is the median over units.
type Middle struct {
	Value    float64                       `json:"value"`
	Interval trial.Reading[trial.Interval] `json:"interval"` // 95 %, of the median over all such units
	Units    int                           `json:"units"`
}

// MiddleOf is the median over units, all values positive; what names a unit in
// the reason why there is no interval ("device"). ok is false without a value.
//
// From six units on, the interval lies between order statistics, interpolated
// to 95 % [Hettmansperger and Sheather, Confidence Intervals Based on
// Interpolated Order Statistics, Statistics & Probability Letters 4, 1986]:
// whatever the distribution, a board that is slower than all others included.
// Three to five units carry no such interval, so it is Student's t over their
// logarithms, which supposes that units scatter about normally.
func MiddleOf(values []float64, what string) (m Middle, ok bool) {
	logs := logsOf(values)
	n := len(logs)
	if n == 0 {
		return m, false
	}
	slices.Sort(logs)
	m = Middle{Value: math.Exp((logs[(n-1)/2] + logs[n/2]) / 2), Units: n}
	switch {
	case n < FewestUnits:
		m.Interval = trial.Unread[trial.Interval](fmt.Sprintf("%s: no interval, it takes %d", count(n, what), FewestUnits))
	case n < fewestForRanks:
		center, se := meanError(logs)
		half := studentTail(float64(n-1)) * se
		m.Interval = trial.Read(trial.Interval{Low: math.Exp(center - half), High: math.Exp(center + half)})
	default:
		low, high := interpolatedRanks(logs)
		m.Interval = trial.Read(trial.Interval{Low: math.Exp(low), High: math.Exp(high)})
	}
	return m, true
}

// interpolatedRanks of six sorted values or more. The k-th smallest and largest
// value hold the median with more than 95 %, the next ones inwards with less;
// the interval lies between them, nearer to the inner ones than a straight line
// says, which is right for any symmetric distribution and almost for others.
func interpolatedRanks(sorted []float64) (low, high float64) {
	n := len(sorted)
	k, _ := ranks(n, 0.5)
	outer := 1 - 2*binomialBelow(n, k)
	inner := 1 - 2*binomialBelow(n, k+1)
	i := (outer - (1 - 2*tail)) / (outer - inner)
	nf, kf := float64(n), float64(k)
	inwards := (nf - kf) * i / (kf + (nf-2*kf)*i)
	between := func(a, b int) float64 { return sorted[a-1] + inwards*(sorted[b-1]-sorted[a-1]) }
	return between(k, k+1), between(n+1-k, n-k)
}

// binomialBelow is P(B < k), B being Binomial(n, 1/2).
func binomialBelow(n, k int) (p float64) {
	for i := range k {
		p += binomial(n, i, 0.5)
	}
	return p
}

// RatioOfUnits compares two sets of units that have nothing to do with each
// other: ten runs of one week with twelve of the next. The estimate is the ratio
// of their medians, the interval Welch's over the logarithms. For units that
// are in both sets, such as the same devices before and after, use MiddleOf
// over their ratios: how boards differ is then in no ratio.
func RatioOfUnits(a, b []float64, what string) (c Estimate, ok bool) {
	la, lb := logsOf(a), logsOf(b)
	if len(la) == 0 || len(lb) == 0 {
		return c, false
	}
	slices.Sort(la)
	slices.Sort(lb)
	center := middle(la) - middle(lb)
	c.Ratio = math.Exp(center)
	fewer := min(len(la), len(lb))
	if fewer < FewestUnits {
		c.Interval = trial.Unread[trial.Interval](fmt.Sprintf("%s on one side: no interval, it takes %d", count(fewer, what),
			FewestUnits))
		return c, true
	}
	ma, ea := meanError(la)
	mb, eb := meanError(lb)
	va, vb := ea*ea, eb*eb
	half := 0.0
	if va+vb > 0 {
		// Satterthwaite's degrees of freedom, rounded down: the wider interval.
		df := math.Floor((va + vb) * (va + vb) / (va*va/float64(len(la)-1) + vb*vb/float64(len(lb)-1)))
		half = studentTail(max(1, df)) * math.Sqrt(va+vb)
	}
	c.Interval = trial.Read(trial.Interval{
		Low:  math.Exp(min(center, ma-mb-half)),
		High: math.Exp(max(center, ma-mb+half)),
	})
	return c, true
}

// Detectable is the smallest relative difference that a comparison with an
// interval of this width finds four times out of five: the interval has to
// exclude 1 by 0.84 standard errors more than the 1.96 that it reaches. With three
// units on a side it is two times out of three.
func Detectable(i trial.Interval) float64 {
	return math.Exp((1+0.84/1.96)*math.Log(i.High/i.Low)/2) - 1
}

// Outliers tells which units are unlike the others: further from the median
// than nine times the median of such distances and than 5 %, which is what this
// package calls a difference that matters. Of sets of equals at most 5 in 100
// have any; in fewer than six it is not told. Two slow boards in seven do not
// hide each other, as they do from tests that go by the standard deviation.
func Outliers(values []float64) (out []int) {
	logs := make([]float64, len(values))
	for i, v := range values {
		logs[i] = math.Log(v)
	}
	if len(logs) < fewestForRanks {
		return nil
	}
	center := middle(slices.Sorted(slices.Values(logs)))
	away := make([]float64, len(logs))
	for i, l := range logs {
		away[i] = math.Abs(l - center)
	}
	typical := middle(slices.Sorted(slices.Values(away)))
	for i, d := range away {
		if d > 9*typical && d > math.Log1p(large) {
			out = append(out, i)
		}
	}
	return out
}

// meanError is the mean and its standard error.
func meanError(values []float64) (m, se float64) {
	m = mean(values)
	n := float64(len(values))
	squares := 0.0
	for _, v := range values {
		squares += (v - m) * (v - m)
	}
	return m, math.Sqrt(squares / (n - 1) / n)
}

// middle of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func logsOf(values []float64) (out []float64) {
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			out = append(out, math.Log(v))
		}
	}
	return out
}

// count writes "one device", "two devices".
func count(n int, what string) string {
	words := [...]string{"no", "one", "two"}
	if n == 1 {
		return "one " + what
	}
	if n < len(words) {
		return words[n] + " " + what + "s"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
