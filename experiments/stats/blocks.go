package stats

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/trial"
)

// Cut tells the sample in which blocks it was measured: stretches during which
// the trial had the device to itself, with other trials' between them. What
// lies within one block is more alike than what lies in two, so with blocks the
// median's interval and the test for drift are taken over blocks. It is an
// error if they do not cover the values one after the other.
func (s Sample) Cut(blocks []trial.Block) (Sample, error) {
	at := 0
	var out [][]int64
	for i, b := range blocks {
		if b.First != at || b.N < 1 || b.N > len(s.ordered)-at {
			return s, fmt.Errorf("block %d of %d holds latencies %d to %d of %d: not those after the block before it",
				i+1, len(blocks), b.First, b.First+b.N-1, len(s.ordered))
		}
		out = append(out, s.ordered[at:at+b.N])
		at += b.N
	}
	if at != len(s.ordered) && len(blocks) > 0 {
		return s, fmt.Errorf("%d blocks hold %d of %d latencies", len(blocks), at, len(s.ordered))
	}
	s.blocks = out
	return s, nil
}

// Blocks in the order of measurement; nil when the sample was not cut.
func (s Sample) Blocks() [][]int64 { return s.blocks }

// fewestClusters is the least number of blocks whose scatter gives the ranks of
// an interval, and fewestForStudent of those whose medians give one.
const (
	fewestClusters   = 10
	fewestForStudent = 3
)

// MedianInterval holds the true median with 95 % confidence. Order statistics
// for independent values (Interval) miss it in half of all samples where blocks
// differ by as much as their values scatter (by simulation:
// TestMedianIntervalCovers). So with blocks it is Woodruff's interval for
// clusters, from ten of them on: of each block it counts how many values lie
// below the median beyond its half, and what these counts scatter, times
// Student's t, is how far the interval reaches in ranks [Woodruff, Confidence
// Intervals for Medians and Other Position Measures, JASA 47, 1952]. With three
// to nine blocks it is Student's t over the logarithms of the blocks' medians.
// Below that it lies between two order statistics, further apart where each
// latency resembles the one before.
func (s Sample) MedianInterval() trial.Reading[trial.Interval] {
	n, k := s.N(), len(s.blocks)
	middle := float64(n+1) / 2
	if n >= fewest && k >= fewestForStudent && k < fewestClusters && s.sorted[0] > 0 {
		return trial.Read(s.studentInterval())
	}
	lowRank, highRank := ranks(n, 0.5)
	reach := s.dependence() * (middle - float64(lowRank))
	if k >= fewestClusters {
		// Independent values are the least that blocks can be.
		reach = max(middle-float64(lowRank), s.rankReach())
	}
	low, high := int(math.Floor(middle-reach+1e-9)), int(math.Ceil(middle+reach-1e-9))
	if lowRank < 1 || highRank > n || low < 1 || high > n {
		return trial.Unread[trial.Interval](fmt.Sprintf("%d inferences are too few for a 95 %% interval", n))
	}
	return trial.Read(trial.Interval{Low: float64(s.sorted[low-1]), High: float64(s.sorted[high-1])})
}

func (s Sample) rankReach() float64 {
	m, squares, k := s.Median(), 0.0, float64(len(s.blocks))
	for _, b := range s.blocks {
		d := -float64(len(b)) / 2
		for _, v := range b {
			if v := float64(v); v < m {
				d++
			} else if v == m {
				d += 0.5
			}
		}
		squares += d * d
	}
	return studentQuantile(1-tail, k-1) * math.Sqrt(squares*k/(k-1))
}

func (s Sample) studentInterval() trial.Interval {
	logs := logMedians(s.blocks)
	m, squares, k := mean(logs), 0.0, float64(len(logs))
	for _, l := range logs {
		squares += (l - m) * (l - m)
	}
	half := studentTail(k-1) * math.Sqrt(squares/(k-1)/k)
	return trial.Interval{Low: s.Median() * math.Exp(-half), High: s.Median() * math.Exp(half)}
}

// Unsteady tells whether a series of block medians, in the order of
// measurement, has any order: a slope, a step, a wave. p is the probability of
// such an order by chance; far is how much the slowest part of the series lies
// above the fastest, each part being the median of three blocks in a row. ok is
// false below FewestBlocks.
//
// It is Bartels' rank version of von Neumann's ratio [JASA 77, 1982]: the sum of
// squares of the differences between neighbours' ranks, over that of the ranks
// around their mean. 2 on average where there is no order, less where neighbours
// are alike. From 10 values on it is normal enough with variance
// 4(n-2)(5n²-2n-9)/(5n(n+1)(n-1)²); for 7 to 9 values the tail is a little
// cautious.
func Unsteady(medians []float64) (far, p float64, ok bool) {
	n := len(medians)
	if n < FewestBlocks {
		return 0, 1, false
	}
	r := rankOf(medians)
	nf := float64(n)
	var neighbours, all float64
	for i, v := range r {
		all += (v - (nf+1)/2) * (v - (nf+1)/2)
		if i > 0 {
			neighbours += (v - r[i-1]) * (v - r[i-1])
		}
	}
	if all == 0 {
		return 0, 1, true
	}
	sd := math.Sqrt(4 * (nf - 2) * (5*nf*nf - 2*nf - 9) / (5 * nf * (nf + 1) * (nf - 1) * (nf - 1)))
	p = normalCDF((neighbours/all - 2) / sd)
	low, high := math.Inf(1), 0.0
	for i := range n - 2 {
		three := slices.Sorted(slices.Values(medians[i : i+3]))
		low, high = min(low, three[1]), max(high, three[1])
	}
	return high/low - 1, p, true
}

// blockMedians of the sample, in the order of measurement.
func (s Sample) blockMedians() (out []float64) {
	for _, b := range s.blocks {
		out = append(out, medianOf(b))
	}
	return out
}
