package validity

import (
	"slices"
	"strings"
	"testing"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// What the first inferences of blocks cost is named, and whether they count.
func TestBlockStartCheck(t *testing.T) {
	slowFirst := func(n int, by float64) fault {
		return fault{inBlocks: 40, factor: func(b, _, i int) float64 {
			if i < n {
				return 1 + by
			}
			return 1
		}}
	}
	for name, c := range map[string]struct {
		result *trial.Result
		want   stats.Validity
		text   string
	}{
		"quiet":      {newDevice(1).trial(fault{inBlocks: 40}), stats.Valid, "are as fast as the others"},
		"they count": {newDevice(2).trial(slowFirst(9, 0.2)), stats.Suspect, "inferences of that count, which makes"},
		"one counts": {newDevice(3).trial(slowFirst(1, 0.3)), stats.Valid, "the first inference of a block, after"},
		"settled":    {settled(newDevice(2).trial(slowFirst(9, 0.2)), 9), stats.Valid, "what is slower is not counted"},
		"no turns":   {&trial.Result{Blocks: make([]trial.Block, 1)}, stats.Unavailable, "took no turns"},
		"few": {newDevice(4).trial(fault{result: func(r *trial.Result) {
			r.Blocks, r.LatenciesNS = r.Blocks[:5], r.LatenciesNS[:125]
		}}), stats.Unavailable, "six blocks"},
	} {
		got := checkBlockStart(c.result, stats.NewSample(c.result.LatenciesNS))
		if got.Outcome != c.want || !strings.Contains(got.Text, c.text) || bad(got.Outcome) != (got.Remedy != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// settled takes the first n of each block's inferences from those that count.
func settled(r *trial.Result, n int) *trial.Result {
	whole := r.Whole()
	r.LatenciesNS = nil
	for i := range r.Blocks {
		b := &r.Blocks[i]
		b.Settled, b.SettledNS, b.First, b.N = n, whole[i][:n], len(r.LatenciesNS), len(whole[i])-n
		r.LatenciesNS = slices.Concat(r.LatenciesNS, whole[i][n:])
	}
	return r
}
