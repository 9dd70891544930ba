package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/input"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// Runtime is what is known about an ONNX Runtime before anything is reserved.
type Runtime struct {
	trial.NamedRuntime          // Name "": the one that the agent carries
	Version            string   // as far as it is known
	Providers          []string // that it has; plugins' are added
}

// has reports whether trials can name the provider.
func (r Runtime) has(provider string) bool { return slices.Contains(r.all(), provider) }

func (r Runtime) all() []string {
	all := slices.Clone(r.Providers)
	for _, p := range r.Plugins {
		all = append(all, p.Provider)
	}
	return all
}

// describe names it in a sentence.
func (r Runtime) describe() string {
	if r.Name == "" {
		return "this ONNX Runtime"
	}
	return strings.TrimSpace("runtime " + r.Name + " (ONNX Runtime " + r.Version + ")")
}

// NamedBatches are the batches that the file names, nil where it names none.
func (e *Experiment) NamedBatches() []int {
	if _, ok := e.positions["batches"]; !ok {
		return nil
	}
	return e.Batches
}

// Expand makes the plan: every model × provider × threads × batch × repetition, in
// the order of the file, repetitions innermost. models are e.Models as resolved to
// files, found by name. runtimes are e.Runtimes as resolved, and the agent's own,
// whose name is empty; without the agent's own nothing is known about its
// providers, and the agent decides. An optional provider that its runtime lacks
// gives trials with Skip; a required one is a problem, so that nothing is created
// for it.
func Expand(e *Experiment, models []trial.Model, runID string, runtimes []Runtime) (*trial.Plan, error) {
	plan := &trial.Plan{
		Schema: trial.PlanSchema, Experiment: e.Name, RunID: runID,
		Seed: e.Trials.Seed, Policy: e.Trials.Policy,
	}
	var problems Problems
	resolved := map[string]trial.Model{}
	for _, m := range models {
		resolved[m.Name] = m
	}
	for i, source := range e.Models {
		m, ok := resolved[source.Name]
		if !ok {
			problems = append(problems, e.Problemf(fmt.Sprintf("models[%d]", i), "model %s was not resolved to a file",
				source.Name))
			continue
		}
		plan.Models = append(plan.Models, m)
	}
	known := byName(runtimes)
	for _, source := range e.Runtimes {
		r, ok := known[source.Name]
		if !ok {
			problems = append(problems, e.Problemf(source.at, "runtime %s was not resolved to a file", source.Name))
			continue
		}
		plan.Runtimes = append(plan.Runtimes, r.NamedRuntime)
	}
	skip, absent := e.absent(known, runtimes)
	problems = append(problems, absent...)
	if err := problems.err(e.file); err != nil {
		return nil, err
	}
	var err error
	if plan.Accuracy, err = e.evaluation(); err != nil {
		return nil, err
	}
	for _, m := range plan.Models {
		for _, p := range e.Providers {
			plan.Trials = append(plan.Trials, expandOne(e, m, p, skip[p.Label()])...)
		}
	}
	if err := plan.Check(); err != nil {
		return nil, fmt.Errorf("experiment %s: %w", e.Name, err)
	}
	return plan, nil
}

func byName(runtimes []Runtime) map[string]Runtime {
	known := map[string]Runtime{}
	for _, r := range runtimes {
		known[r.Name] = r
	}
	return known
}

// CheckProviders reports the providers that their runtimes lack, unless they are
// optional.
func (e *Experiment) CheckProviders(runtimes []Runtime) error {
	_, problems := e.absent(byName(runtimes), runtimes)
	return problems.err(e.file)
}

// expandOne asks for batches only where the model has a batch axis.
func expandOne(e *Experiment, model trial.Model, p trial.Provider, skip string) (out []trial.Trial) {
	for _, threads := range e.Threads {
		for _, batch := range input.Batches(model.Inputs, e.Batches) {
			for r := 1; r <= e.Trials.Repetitions; r++ {
				out = append(out, trial.Trial{
					ID:    trial.NewID(model.Name, p.Label(), threads, batch, r),
					Model: model.Name, Provider: p, Threads: threads, Batch: batch, Repetition: r, Skip: skip,
				})
			}
		}
	}
	return out
}

// absent finds the providers that their runtimes lack: why to skip the optional
// ones, and the others' problems.
func (e *Experiment) absent(known map[string]Runtime, all []Runtime) (skip map[string]string, problems Problems) {
	skip = map[string]string{}
	for _, p := range e.Providers {
		r, ok := known[p.Runtime]
		if !ok || r.has(p.Name) {
			continue
		}
		why := fmt.Sprintf("%s has no provider %q; it has: %s", r.describe(), p.Name, strings.Join(r.all(), ", "))
		if p.Optional {
			skip[p.Label()] = why
			continue
		}
		at, ok := e.providers[p.Label()]
		if !ok {
			at = "providers" // cpu, by default or added
		}
		problems = append(problems, e.Problemf(at,
			"%s. Remove it, %sor write {name: %s, optional: true} to have its trials skipped",
			why, elsewhere(p.Name, all), p.Name))
	}
	return skip, problems
}

// elsewhere suggests a runtime that has the provider.
func elsewhere(name string, all []Runtime) string {
	for _, r := range all {
		if r.has(name) {
			return fmt.Sprintf("take it from one that has it ({name: %s, runtime: %s}), ", name, cmp.Or(r.Name, trial.Stock))
		}
	}
	if built := provider.Named(name).Built; built != "" {
		return fmt.Sprintf("take it from a runtime that has it (runtimes: [%s], and {name: %s, runtime: %s}, after `make "+
			"runtime-%s`), ", built, name, built, built)
	}
	return ""
}

// EstimateTime bounds the time on the device from the policy alone: no speed
// is guessed. A trial that succeeds times at least min_time of inferences, and
// none has the device for longer than its timeout; skipped trials take no time.
// Before each block it may have to cool down. What is around the trials (lease,
// container, transfer) comes on top, and a trial that fails at once may end
// below the minimum.
func EstimateTime(plan *trial.Plan) (least, most time.Duration) {
	p := plan.Policy
	shortest, longest := p.MinTime, p.Timeout
	if p.MaxTime > 0 {
		shortest = min(shortest, p.MaxTime)
	}
	if p.CoolDown > 0 {
		blocks := time.Duration(1)
		if p.Block > 0 { // all of the longest time, where a precision is asked for
			work := p.MinTime
			if p.Precision > 0 {
				work = max(work, p.MaxTime)
			}
			blocks = max(1, (work+p.Block-1)/p.Block)
		}
		longest += blocks * p.CoolDown
	}
	evaluated := map[string]bool{}
	for _, t := range plan.Trials {
		if t.Skip == "" {
			least += shortest
			most += longest
			if on := t.Model + " " + t.Provider.Label(); plan.Accuracy != nil && !evaluated[on] {
				evaluated[on] = true
				most += plan.Accuracy.Timeout
			}
		}
	}
	return least, most
}

// CheckStart reports a lease that should have begun before now. It is no part
// of Parse: a run that is resumed reads its file again, hours later.
func (e *Experiment) CheckStart(now time.Time) error {
	// Blazar counts in whole minutes; the current one still passes
	// [BLZ:blazar/manager/service.py (356-366)].
	if !e.SiteKind().Leases || e.Lease.Start.IsZero() || !e.Lease.Start.Before(now.Truncate(time.Minute)) {
		return nil
	}
	return Problems{e.Problemf("lease.start", "is %s, which is in the past (it is %s): write now, or a later time",
		e.Lease.Start.Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
}
