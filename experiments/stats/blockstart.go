package stats

import (
	"slices"
)

// Start is how the inferences at the beginning of blocks compare with those after
// them. What ran before was another trial, whose data is in the caches, or nothing,
// so that the clock had fallen.
type Start struct {
	// Slow is how many of a block's first inferences are slower. It is at most half of
	// a short block.
	Slow int
	// Ratio is the very first inference's time over that of the later ones, as the
	// median over the blocks.
	Ratio float64
	// Half: the blocks are too short to show more. At the end of Slow they were not yet
	// as fast as later.
	Half bool
}

const (
	// blocksForStart is the least number of blocks by which their beginnings can be told
	// from chance, and longForStart the least length of each.
	blocksForStart = 6
	longForStart   = 6
	// tooShort is the share of blocks that may be shorter than others, as one is that
	// something disturbed, and are left out.
	tooShort = 0.1
	// startAlpha is the level of one test, of which there are three for each place.
	startAlpha = 0.001
	// slowerStart is by how much a place must be slower to matter: half of what
	// a warm-up may be.
	slowerStart = 1.01
)

// BlockStart finds the slow beginning of blocks. Each has all its inferences in order,
// also those that are not counted. Each value is taken relative to the median of the
// second half of its block. From the first place on, one to four places in a row are
// slow if, over all blocks, more of their values lie above 1 than chance explains
// (one-sided sign test), and their median does by 1 %. By simulation
// (TestBlockStart) less than 1 in 100 samples without a slow beginning seems to have
// one. ok is false where there are too few blocks, or too short ones.
func BlockStart(blocks [][]int64) (start Start, ok bool) {
	var lengths []int
	for _, b := range blocks {
		lengths = append(lengths, len(b))
	}
	slices.Sort(lengths)
	short := 0
	if len(blocks) >= blocksForStart {
		short = lengths[int(tooShort*float64(len(blocks)))]
	}
	if short < longForStart {
		return Start{}, false
	}
	places := make([][]float64, short/2) // the values of each place, over the blocks
	for _, b := range blocks {
		if len(b) < short {
			continue
		}
		level := medianOf(b[len(b)/2:])
		if level <= 0 {
			return Start{}, false
		}
		for i := range places {
			places[i] = append(places[i], float64(b[i])/level)
		}
	}
	start.Ratio = middleOf(places[0])
	for start.Slow < len(places) && slowFrom(places[start.Slow:]) {
		start.Slow++
	}
	start.Half = start.Slow == len(places)
	return start, true
}

// slowFrom tells whether the first place is slow, by it and up to three after it.
func slowFrom(places [][]float64) bool {
	for width := 1; width <= min(4, len(places)); width *= 2 {
		values := slices.Concat(places[:width]...)
		above := 0
		for _, v := range values {
			if v > 1 {
				above++
			}
		}
		if middleOf(values) > slowerStart && atLeast(len(values), above) < startAlpha {
			return true
		}
	}
	return false
}

// atLeast is the probability of so many heads or more in n throws of a coin.
func atLeast(n, heads int) (p float64) {
	for k := heads; k <= n; k++ {
		p += binomial(n, k, 0.5)
	}
	return p
}

func middleOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
