package models

import (
	"errors"
	"fmt"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/input"
	"chexp/experiments/spec"
	"chexp/models/inputs"
	"chexp/models/onnx"
)

// settle says how the inputs of the i-th model are fed, and counts its work at
// those sizes. Its error holds the problems with their lines.
func (r *Resolver) settle(e *spec.Experiment, i int, found *Resolved) error {
	m := found.parsed
	found.parsed = nil // it may be large
	s := inputs.Settle(m, e.Models[i].Inputs, input.Options{Batches: e.NamedBatches()})
	if len(s.Problems) > 0 {
		var problems spec.Problems
		for _, p := range s.Problems {
			at, whose := fmt.Sprintf("models[%d].inputs", i), "model "+found.Name
			if p.Input != "" {
				at, whose = at+"."+p.Input, fmt.Sprintf("input %q of model %s", p.Input, found.Name)
			}
			problems = append(problems, e.Problemf(at, "%s %s", whose, p.Text))
		}
		return failure.Usage.Wrap(problems)
	}
	found.Inputs, found.Notes = s.Inputs, s.Notes
	fixed, _ := input.Fixed(s.Inputs)
	found.Work = reading(onnx.WorkOf(m, inputs.Sizes(s.Inputs, max(1, fixed)), max(1, fixed)))
	packs, err := s.Store(filepath.Join(r.CacheDir, "inputs"))
	if err != nil {
		return errors.Join(failure.Storage.Errorf("the values of model %s's inputs cannot be kept in %s", found.Name,
			r.CacheDir).Advise("make room or make it writable").Because(err))
	}
	found.Packs = packs
	return nil
}
