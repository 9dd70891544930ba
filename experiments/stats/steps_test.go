package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func series(rng *rand.Rand, sd float64, levels ...float64) (values []float64) {
	for _, level := range levels {
		values = append(values, level*math.Exp(sd*rng.NormFloat64()))
	}
	return values
}

func repeated(level float64, n int) []float64 { return slices.Repeat([]float64{level}, n) }

// By simulation: a series without a step has one in at most 1 of 25, and a step of 5 %
// where runs scatter by 1 % is found where it is.
func TestSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 4))
	const times = 200
	alarms, found, both := 0, 0, 0
	for i := range times {
		seed := uint64(i)
		if len(Steps(series(rng, 0.02, repeated(10, 16)...), seed)) > 0 {
			alarms++
		}
		if slices.Equal(Steps(series(rng, 0.01, append(repeated(10, 8), repeated(10.5, 8)...)...), seed), []int{8}) {
			found++
		}
		three := slices.Concat(repeated(10, 8), repeated(12, 8), repeated(11, 8))
		if slices.Equal(Steps(series(rng, 0.01, three...), seed), []int{8, 16}) {
			both++
		}
	}
	t.Logf("of %d: %d alarms, one step %d, two steps %d", times, alarms, found, both)
	if alarms > times/25 || found < times*9/10 || both < times*9/10 {
		t.Errorf("of %d: %d alarms, one step %d, two steps %d", times, alarms, found, both)
	}
}

func TestStepsOfLittle(t *testing.T) {
	for name, values := range map[string][]float64{
		"none": nil, "one": {1}, "eight": {1, 1.01, 1.02, 1.03, 2, 2.01, 2.02, 2.03},
		"the same": repeated(5, 30), "a small one": slices.Concat(repeated(10, 20), repeated(10.05, 20)),
		"an outlier": slices.Concat(repeated(10, 9), []float64{99}, repeated(10, 9)),
	} {
		if at := Steps(values, 1); len(at) > 0 {
			t.Errorf("%s: %v", name, at)
		}
	}
}
