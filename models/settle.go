package models

import (
	"fmt"
	"path/filepath"
	"slices"

	"chexp/experiments/failure"
	"chexp/experiments/input"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/models/inputs"
	"chexp/models/onnx"
)

// Facts are what is known of a model beforehand, by its file alone.
type Facts struct {
	IR, Opset int64
	// Answers are the values of the first output for one input; 0: not known.
	Answers int64
	// Rows are the outputs that the file gives the batch's own symbol on an axis.
	Rows map[string]int
	// Shared is a name that two of its nodes have, of which ONNX Runtime takes no
	// model; "": there is none.
	Shared string
}

// PacksDir is the folder in which the values of inputs lie, by their SHA-256.
func (r *Resolver) PacksDir() string { return filepath.Join(r.CacheDir, "inputs") }

// settle says how the inputs of the i-th model are fed, and what is known of it at
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
			// Names in it are the model's, which is somebody else's.
			problems = append(problems, e.Problemf(words.Line(at, 200), "%s", words.Line(whose+" "+p.Text, 2000)))
		}
		return failure.Usage.Wrap(problems)
	}
	found.Inputs, found.Notes = s.Inputs, s.Notes
	fixed, _ := input.Fixed(s.Inputs)
	own := max(1, fixed)
	found.Work = reading(onnx.WorkOf(m, inputs.Sizes(s.Inputs, own), own))
	found.Facts = Facts{IR: m.IRVersion, Opset: m.Opset(), Rows: rows(m, s.Inputs)}
	_, found.Facts.Shared = m.Graph.SharedNames()
	if shapes, err := onnx.Infer(m, own, inputs.Sizes(s.Inputs, own)); err == nil && len(m.Graph.Outputs) > 0 {
		if dims, err := shapes.Of(m.Graph.Outputs[0].Name); err == nil {
			found.Facts.Answers = max(0, onnx.Elements(dims)) / own
		}
	}
	if why := fixedInside(m, found, e.Batches); why != "" {
		return failure.Usage.Wrap(spec.Problems{e.Problemf(fmt.Sprintf("models[%d]", i), "model %s %s", found.Name, why)})
	}
	packs, err := s.Store(r.PacksDir())
	if err != nil {
		return failure.Storage.Errorf("the values of model %s's inputs cannot be kept in %s", found.Name, r.CacheDir).
			Advise("make room or make it writable").Because(err)
	}
	found.Packs = packs
	return nil
}

// rows finds the outputs that have the batch's symbol.
func rows(m *onnx.Model, list []input.Input) map[string]int {
	symbols := map[string]bool{}
	for _, v := range m.Graph.RealInputs() {
		i := slices.IndexFunc(list, func(in input.Input) bool { return in.Name == v.Name })
		if i < 0 {
			continue
		}
		if a := list[i].Axis(); a >= 0 && a < len(v.Shape) && v.Shape[a].Param != "" {
			symbols[v.Shape[a].Param] = true
		}
	}
	out := map[string]int{}
	for _, v := range m.Graph.Outputs {
		for a, d := range v.Shape {
			if symbols[d.Param] {
				out[v.Name] = a
				break
			}
		}
	}
	return out
}

// fixedInside says why a batch that is asked for cannot be, where the shapes of the
// graph tell: an output that the file gives the batch has another size, or a node's
// inputs do not fit together any more, as they do with a batch of 1.
func fixedInside(m *onnx.Model, found *Resolved, batches []int) string {
	for _, b := range input.Batches(found.Inputs, batches) {
		shapes, err := onnx.Infer(m, int64(b), inputs.Sizes(found.Inputs, int64(b)))
		if err != nil {
			return ""
		}
		for name, axis := range found.Facts.Rows {
			if dims, err := shapes.Of(name); err == nil && axis < len(dims) && dims[axis] != int64(b) {
				return fmt.Sprintf("fixes the batch inside its graph: with batch %d its output %q has the shape %v. %s", b, name,
					dims, openThroughout)
			}
		}
		if why := shapes.Broken(); why != "" && b != 1 {
			one, err := onnx.Infer(m, 1, inputs.Sizes(found.Inputs, 1))
			if err == nil && one.Broken() == "" {
				return fmt.Sprintf("fixes the batch inside its graph: with batch %d, %s. %s", b, why, openThroughout)
			}
		}
	}
	return ""
}

const openThroughout = "Export it with a batch that is open throughout, or write batches: [1]"
