package matrix

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"chexp/experiments/trial"
)

// Order is the order of execution: all first repetitions, then all second ones,
// each round shuffled by the plan's seed. Alternatives that are compared are so
// measured close to one another, and a drift of the device (heat, load) falls on
// all of them instead of on whichever came last. The same plan has the same
// order always.
func Order(p *trial.Plan) []trial.Trial {
	order := slices.Clone(p.Trials)
	rng := rand.New(rand.NewPCG(p.Seed, 0x6f72646572))
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b trial.Trial) int { return cmp.Compare(a.Repetition, b.Repetition) })
	return order
}
