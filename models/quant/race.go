package quant

import (
	"context"
	"math/rand/v2"

	"chexp/models/infer"
	"chexp/models/onnx"
)

// Race runs models in turns on the same samples: rounds blocks for each, in a
// new random order every round, so that what drifts on the machine hits all
// alike. It returns nanoseconds by model, block and inference.
func Race(ctx context.Context, r infer.Runner, o infer.Options, models []*onnx.Model, samples []Sample, rounds,
	runs int, seed uint64) ([][][]int64, error) {
	var sessions []infer.Session
	defer func() {
		for _, s := range sessions {
			s.Close()
		}
	}()
	times := make([][][]int64, len(models))
	for _, m := range models {
		b, err := m.Marshal()
		if err != nil {
			return nil, err
		}
		s, err := r.Open(ctx, b, o)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, s)
	}
	order := rand.New(rand.NewPCG(seed, 0))
	const warm = 3 // inferences that do not count, at the start of each block
	for round := range rounds {
		for _, i := range order.Perm(len(models)) {
			var block []int64
			for k := range warm + runs {
				_, took, err := sessions[i].Run(ctx, samples[(round*runs+k)%len(samples)])
				if err != nil {
					return nil, err
				}
				if k >= warm {
					block = append(block, int64(took))
				}
			}
			times[i] = append(times[i], block)
		}
	}
	return times, nil
}
