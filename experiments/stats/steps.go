package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// leastSide is how many values a level has at least: one or two are outliers.
	leastSide = 3
	// stepAlpha is the level of the test for a step, in a series that has none.
	stepAlpha = 0.02
	// stepShuffles is by how many orders drawn by chance a step is held.
	stepShuffles = 1999
	// stepSize is the least step that is named: 2 %.
	stepSize = 0.02
)

// Steps finds where the level of a series changes: at[i] is the index of the first value
// of a new level. The place at which the ranks before and after differ most
// (Wilcoxon's statistic, standardized) is a step if, of orders drawn by chance, at most
// one in fifty has such a place anywhere, and the medians differ by 2 %; then both parts
// are searched. It takes nine values to find one. The seed makes it repeatable.
func Steps(values []float64, seed uint64) (at []int) {
	rng := rand.New(rand.NewPCG(seed, 0x57e9))
	var search func(from, to int)
	search = func(from, to int) {
		part := values[from:to]
		k, far := stepOf(rankOf(part))
		if k == 0 || !stepIsReal(rng, rankOf(part), far) {
			return
		}
		before, after := middleOf(part[:k]), middleOf(part[k:])
		if math.Abs(math.Log(after/before)) < math.Log1p(stepSize) {
			return
		}
		at = append(at, from+k)
		search(from, from+k)
		search(from+k, to)
	}
	search(0, len(values))
	slices.Sort(at)
	return at
}

// stepOf is the place at which ranks before and after differ most, and how far, in
// standard deviations; 0 where there are too few.
func stepOf(ranks []float64) (at int, far float64) {
	n := float64(len(ranks))
	sum := 0.0
	for i, r := range ranks {
		sum += r
		k := float64(i + 1)
		if i+1 < leastSide || len(ranks)-i-1 < leastSide {
			continue
		}
		if z := math.Abs(sum-k*(n+1)/2) / math.Sqrt(k*(n-k)*(n+1)/12); z > far {
			at, far = i+1, z
		}
	}
	return at, far
}

func stepIsReal(rng *rand.Rand, ranks []float64, far float64) bool {
	above := 1
	for range stepShuffles {
		rng.Shuffle(len(ranks), func(i, j int) { ranks[i], ranks[j] = ranks[j], ranks[i] })
		if _, z := stepOf(ranks); z >= far-1e-9 {
			above++
		}
	}
	return float64(above)/(stepShuffles+1) <= stepAlpha
}
