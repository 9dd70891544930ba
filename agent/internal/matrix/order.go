package matrix

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"chexp/experiments/trial"
)

// Order is the order in which trials are loaded: all first repetitions, then all
// second ones, each wave shuffled by the plan's seed. The same plan always has
// the same order.
func Order(p *trial.Plan) []trial.Trial {
	order := slices.Clone(p.Trials)
	rng := rand.New(rand.NewPCG(p.Seed, 0x6f72646572))
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b trial.Trial) int { return cmp.Compare(a.Repetition, b.Repetition) })
	return order
}

// sameRepetition is how many trials at the beginning of an order belong to its
// first repetition.
func sameRepetition(order []trial.Trial) int {
	n := slices.IndexFunc(order, func(t trial.Trial) bool { return t.Repetition != order[0].Repetition })
	if n < 0 {
		return len(order)
	}
	return n
}

// sets puts the trials of one model next to each other, the models in the order
// of their first trial: those are compared most closely, and so are measured in
// the same group if any are.
func sets(trials []trial.Trial) [][]trial.Trial {
	var out [][]trial.Trial
	at := map[string]int{}
	for _, t := range trials {
		i, ok := at[t.Model]
		if !ok {
			i = len(out)
			at[t.Model] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], t)
	}
	return out
}
