package compare_test

import (
	"strings"
	"testing"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
)

// again compares a run with one that is so many times as slow.
func again(factor float64) compare.Change {
	first, second := simulated.Quiet(3, 1, 1), simulated.Quiet(4, 1, 1)
	second.Factor = func(int, int) float64 { return factor }
	r := compare.Runs([]compare.Group{first.Group("first"), second.Group("again")}, 1)
	return r.Rows[0].Changes[0]
}

func TestAReplaySaysWhetherItIsTheSame(t *testing.T) {
	for factor, says := range map[float64]string{
		1: "the same within the interval: ratio 1.0", 1.2: "not the same: ratio 1.2", 0.8: "not the same: ratio 0.8",
	} {
		if got := again(factor).Again(); !strings.HasPrefix(got, says) && !(factor == 1 && strings.HasPrefix(got,
			"the same within the interval: ratio 0.99")) || !strings.Contains(got, "; of these runs only") {
			t.Errorf("%v times as slow: %s", factor, got)
		}
	}
	other := simulated.Quiet(5, 2, 2)
	groups := []compare.Group{simulated.Quiet(3, 1, 1).Group("first"), other.Group("again")}
	groups[1].Runs = groups[1].Runs[1:] // on another device
	r := compare.Runs(groups, 1)
	if got := r.Rows[0].Changes[0].Again(); !strings.HasPrefix(got, "cannot be told: ratio") ||
		!strings.Contains(got, "the groups share no device") {
		t.Errorf("on another device: %s", got)
	}
}
