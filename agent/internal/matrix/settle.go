package matrix

import (
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// settle looks how many of the inferences at the beginning of the trial's blocks are
// slow, because caches and clock are another trial's when its turn comes. From then on
// as many run in each block before any counts, so that blocks become longer by them; of
// the blocks before, they are taken from those that count to those that settled. The
// first blocks are waited for, and the last is left alone: what it counts is what the
// policy asks for.
func (l *living) settle() {
	n := len(l.result.Blocks)
	if n == 6 || n == l.wanted-1 || n >= 8 && n&(n-1) == 0 {
		l.learnStart()
	}
}

func (l *living) learnStart() {
	start, ok := stats.BlockStart(l.result.Whole())
	if !ok || start.Slow <= l.settles {
		return
	}
	l.settles = start.Slow
	l.uncount(start.Slow)
}

// uncount makes the first inferences of every block ones that settled.
func (l *living) uncount(first int) {
	res := l.result
	whole, blocks := res.Whole(), res.Blocks
	res.LatenciesNS, res.Blocks, l.timed = []int64{}, make([]trial.Block, 0, len(blocks)), 0
	for i, b := range blocks {
		// Half of a block that something made short stays.
		for most := min(first, len(whole[i])/2); b.Settled < most; b.Settled++ {
			b.StartNS += whole[i][b.Settled]
		}
		b.SettledNS, b.First = whole[i][:b.Settled:b.Settled], len(res.LatenciesNS)
		res.LatenciesNS = append(res.LatenciesNS, whole[i][b.Settled:]...)
		b.N = len(res.LatenciesNS) - b.First
		res.Blocks = append(res.Blocks, b)
		for _, ns := range whole[i][b.Settled:] {
			l.timed += time.Duration(ns)
		}
	}
}
