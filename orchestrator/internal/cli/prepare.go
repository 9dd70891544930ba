package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/models"
	"chexp/models/inspect"
	"chexp/models/plates"
	"chexp/orchestrator/internal/runtimes"
)

// prepared is an experiment with all that it needs from this machine.
type prepared struct {
	plan   *trial.Plan
	files  map[string]string // where this machine has each file, by its SHA-256
	models []models.Resolved
	packs  string // folder of the values of inputs
	arch   string
	agent  trial.Manifest // of the agent for that architecture
}

// prepare finds or makes the models, finds the runtimes for the device's
// architecture (Go's word for it), and expands the plan. All that is known to go
// wrong is said at once. standIn is [models.Resolver]'s.
func prepare(
	ctx context.Context, e *spec.Experiment, arch, runID string, say, standIn func(string),
) (*prepared, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	r := resolverIn(cache, say)
	r.StandIn = standIn
	p := &prepared{files: map[string]string{}, packs: r.PacksDir(), arch: arch}
	var problems []error
	p.models, err = r.ResolveAll(ctx, e)
	problems = append(problems, err)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var resolved []trial.Model
	for _, m := range p.models {
		resolved = append(resolved, m.Model)
		maps.Copy(p.files, m.Files)
		maps.Copy(p.files, m.Packs)
	}
	problems = append(problems, packPictures(ctx, e, cache, p.files, say))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if p.agent, err = agentManifest(arch); err != nil {
		return nil, errors.Join(append(problems, err)...)
	}
	named, err := runtimesOf(ctx, e, arch, p.agent, runtimes.Releases{Cache: cache, Say: say})
	problems = append(problems, err, foreseen(e, p.models, named.Runtimes, say))
	if err := errors.Join(problems...); err != nil {
		return nil, asUsage(err)
	}
	maps.Copy(p.files, named.Files)
	if p.plan, err = spec.Expand(e, resolved, runID, named.Runtimes); err != nil {
		return nil, asUsage(err)
	}
	return p, nil
}

func runtimesOf(
	ctx context.Context, e *spec.Experiment, arch string, agent trial.Manifest, releases runtimes.Releases,
) (runtimes.Found, error) {
	return runtimes.Resolver{Arch: arch, Agent: agent, Built: func(name string) (string, error) {
		return carried(filepath.Join("runtimes", name+"-"+arch+".ort")), nil
	}, Released: func(version string) (string, error) { return releases.Library(ctx, version, arch) }}.Resolve(e)
}

// foreseen is what will go wrong by what is known of models, runtimes and
// pictures, without running anything. Where there are no runtimes, nothing is
// known of them.
func foreseen(e *spec.Experiment, found []models.Resolved, known []spec.Runtime, say func(string)) error {
	for _, m := range found {
		for _, note := range m.Notes {
			say(words.Printable("! model " + m.Name + " " + note))
		}
		for _, in := range m.Inputs {
			if in.Guess != "" {
				say(words.Printable(fmt.Sprintf("! input %s of model %s: %s", in.Name, m.Name, in.Guess)))
			}
		}
	}
	var problems spec.Problems
	for _, m := range found {
		problems = append(problems, tooNew(e, m, known)...)
		if name := m.Facts.Shared; name != "" {
			problems = append(problems, e.Problemf(lineOf(e, m.Name), "model %s has two nodes with the name %s, which ONNX "+
				"Runtime refuses: give each node a name of its own, or none", m.Name, words.Line(strconv.Quote(name), 200)))
		}
	}
	problems = append(problems, otherClasses(e, found, say)...)
	var errs []error
	if len(problems) > 0 {
		errs = append(errs, failure.Usage.Wrap(problems))
	}
	if known != nil {
		errs = append(errs, e.CheckProviders(known))
	}
	return errors.Join(errs...)
}

// lineOf is the path of a model in the file.
func lineOf(e *spec.Experiment, name string) string {
	return fmt.Sprintf("models[%d]", slices.IndexFunc(e.Models, func(m spec.ModelSource) bool { return m.Name == name }))
}

// tooNew says which of the runtimes that measure a model cannot read it.
func tooNew(e *spec.Experiment, m models.Resolved, known []spec.Runtime) (problems spec.Problems) {
	for _, r := range known {
		used := slices.ContainsFunc(e.Providers, func(p trial.Provider) bool { return p.Runtime == r.Name && !p.Optional })
		opset, ir, ok := inspect.Newest(r.Version)
		if !used || !ok {
			continue
		}
		name := "the agent's ONNX Runtime " + r.Version
		if r.Name != "" {
			name = fmt.Sprintf("runtime %s (ONNX Runtime %s)", r.Name, r.Version)
		}
		if m.Facts.Opset > opset {
			problems = append(problems, e.Problemf(lineOf(e, m.Name), "model %s has operator set %d, and %s reads up to %d: "+
				"export it with that, or measure it with a newer runtime only", m.Name, m.Facts.Opset, name, opset))
		}
		if m.Facts.IR > ir {
			problems = append(problems, e.Problemf(lineOf(e, m.Name), "model %s has IR version %d, and %s reads up to %d: "+
				"export it with an older onnx package, set model.ir_version = %d if it needs nothing of the newer one, or "+
				"measure it with a newer runtime only", m.Name, m.Facts.IR, name, ir, ir))
		}
	}
	return problems
}

// otherClasses says that the pictures have other classes than a model has outputs:
// a problem if that is so of every model, else a warning, as accuracy is then
// unavailable of that model.
func otherClasses(e *spec.Experiment, found []models.Resolved, say func(string)) (problems spec.Problems) {
	if e.Accuracy == nil {
		return nil
	}
	classes := plates.Classes
	if e.Accuracy.Path != "" {
		if e.Accuracy.Pack == nil {
			return nil
		}
		classes = e.Accuracy.Pack.Classes
	}
	var texts []string
	for _, m := range found {
		if n := m.Facts.Answers; n > 0 && n != int64(classes) {
			texts = append(texts, fmt.Sprintf("the pictures have %d classes, and model %s has %d outputs for a picture",
				classes, m.Name, n))
		}
	}
	if len(texts) > 0 && len(texts) == len(e.Models) {
		for _, text := range texts {
			problems = append(problems, e.Problemf("accuracy.data", "%s: take pictures of the model's own classes, or name "+
				"all of its classes, in the order of its outputs, by classes or labels", text))
		}
		return problems
	}
	for _, text := range texts {
		say("! " + text + ": its accuracy cannot be measured")
	}
	return nil
}
