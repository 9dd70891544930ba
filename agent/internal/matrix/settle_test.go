package matrix

import (
	"slices"
	"testing"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// blocksWith is a trial with so many blocks, of which each has two inferences that
// settled and then ten that count; the first of all take longer.
func blocksWith(blocks, slow int) *living { return blocksOf(blocks, 12, slow) }

func blocksOf(blocks, length, slow int) *living {
	l := &living{result: &trial.Result{}, wanted: blocks + 1}
	for b := range blocks {
		var all []int64
		for i := range length {
			v := int64(1_000_000 + 100*((i*7+b*5)%11)) // a little scatter without an order
			if i < slow {
				v += 200_000
			}
			all = append(all, v)
		}
		l.result.Blocks = append(l.result.Blocks, trial.Block{Round: b + 1, Turn: b + 1, N: length - 2,
			First: (length - 2) * b, Settled: 2, SettledNS: all[:2], StartNS: int64(b) * 1e9})
		l.result.LatenciesNS = append(l.result.LatenciesNS, all[2:]...)
		for _, ns := range all[2:] {
			l.timed += time.Duration(ns)
		}
	}
	return l
}

// What has not settled is taken out of the blocks before, and runs uncounted in those to come.
func TestUnsettledInferencesDoNotCount(t *testing.T) {
	l := blocksWith(10, 4)
	before := slices.Concat(l.result.Whole()...)
	l.settle()
	res := l.result
	if l.settles != 4 || len(res.LatenciesNS) != 80 || slices.Max(res.LatenciesNS) > 1_100_000 {
		t.Fatalf("settles %d, %d latencies, the slowest %d", l.settles, len(res.LatenciesNS), slices.Max(res.LatenciesNS))
	}
	if !slices.Equal(slices.Concat(res.Whole()...), before) {
		t.Error("inferences were lost")
	}
	var sum int64
	for i, b := range res.Blocks {
		if b.First != 8*i || b.N != 8 || b.Settled != 4 || len(b.SettledNS) != 4 || b.StartNS <= int64(i)*1e9+2_000_000 {
			t.Errorf("%+v", b)
		}
	}
	for _, ns := range res.LatenciesNS {
		sum += ns
	}
	if l.timed != time.Duration(sum) {
		t.Errorf("timed %v of %d ns", l.timed, sum)
	}
	l.settle()
	if len(res.LatenciesNS) != 80 {
		t.Error("a second look took more away")
	}
}

func TestSettledBlocksStay(t *testing.T) {
	for name, l := range map[string]*living{"settled in time": blocksWith(10, 2), "few": blocksWith(5, 4),
		"not looked at": blocksWith(11, 4)} {
		n := len(l.result.LatenciesNS)
		if l.wanted = 99; name == "few" {
			l.wanted = 6
		}
		l.settle()
		if len(l.result.LatenciesNS) != n {
			t.Errorf("%s: %d of %d latencies are left", name, len(l.result.LatenciesNS), n)
		}
	}
}

// The price of taking turns: with short blocks the slow beginnings were in the median,
// which so depended on trials.block.
func TestTheMedianDoesNotDependOnTheBlock(t *testing.T) {
	median := func(l *living) float64 { return stats.NewSample(l.result.LatenciesNS).Median() }
	var before, after []float64
	for _, length := range []int{8, 12, 24, 48} {
		l := blocksOf(32, length, 5)
		l.wanted = 33
		before = append(before, median(l))
		l.settle()
		after = append(after, median(l))
	}
	if spread := slices.Max(before) / slices.Min(before); spread < 1.01 {
		t.Errorf("without settling the medians are alike as well: %v", before)
	}
	if spread := slices.Max(after) / slices.Min(after); spread > 1.001 {
		t.Errorf("medians of %v", after)
	}
}
