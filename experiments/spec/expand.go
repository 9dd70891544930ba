package spec

import (
	"fmt"
	"strings"
	"time"

	"chexp/experiments/trial"
)

// providersKnown are the execution providers that a runtime is asked about
// when the one that an experiment names is absent: only to tell people what
// there is instead.
var providersKnown = []string{
	"cpu", "acl", "xnnpack", "armnn", "dnnl", "openvino", "cuda", "tensorrt", "nvtensorrtrtx",
	"migraphx", "rocm", "coreml", "qnn", "nnapi", "webgpu", "vsinpu", "cann", "azure",
}

// Expand makes the plan: every model × provider × threads × batch ×
// repetition, in the order of the file, repetitions innermost. models are the
// resolved ones of e.Models, found by name. available tells which providers
// the runtime that will be used has; nil when that is not known, and then the
// agent decides. An optional provider that is absent gives trials with Skip;
// a required one is a problem, so that nothing is created for it.
func Expand(e *Experiment, models []trial.Model, runID string, available func(provider string) bool) (*trial.Plan, error) {
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
			problems = append(problems, e.Problemf(fmt.Sprintf("models[%d]", i), "model %s was not resolved to a file", source.Name))
			continue
		}
		plan.Models = append(plan.Models, m)
	}
	skip := map[string]string{}
	for i, p := range e.Providers {
		if available == nil || available(p.Name) {
			continue
		}
		why := fmt.Sprintf("this ONNX Runtime has no provider %q; it has: %s", p.Name, has(available))
		if p.Optional {
			skip[p.Name] = why
			continue
		}
		problems = append(problems, e.Problemf(fmt.Sprintf("providers[%d]", i),
			"%s. Remove it, or write {name: %s, optional: true} to have its trials skipped", why, p.Name))
	}
	if err := problems.err(e.file); err != nil {
		return nil, err
	}
	var err error
	if plan.Accuracy, err = e.evaluation(); err != nil {
		return nil, err
	}
	for _, m := range e.Models {
		for _, p := range e.Providers {
			plan.Trials = append(plan.Trials, expandOne(e, m.Name, p, skip[p.Name])...)
		}
	}
	if err := plan.Check(); err != nil {
		return nil, fmt.Errorf("experiment %s: %w", e.Name, err)
	}
	return plan, nil
}

func expandOne(e *Experiment, model string, p trial.Provider, skip string) (out []trial.Trial) {
	for _, threads := range e.Threads {
		for _, batch := range e.Batches {
			for r := 1; r <= e.Trials.Repetitions; r++ {
				out = append(out, trial.Trial{
					ID:    trial.NewID(model, p.Name, threads, batch, r),
					Model: model, Provider: p, Threads: threads, Batch: batch, Repetition: r, Skip: skip,
				})
			}
		}
	}
	return out
}

func has(available func(string) bool) string {
	var names []string
	for _, p := range providersKnown {
		if available(p) {
			names = append(names, p)
		}
	}
	if names == nil {
		return "none that chexp knows"
	}
	return strings.Join(names, ", ")
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
	if e.Site != SiteEdge || e.Lease.Start.IsZero() || !e.Lease.Start.Before(now.Truncate(time.Minute)) {
		return nil
	}
	return Problems{e.Problemf("lease.start", "is %s, which is in the past (it is %s): write now, or a later time",
		e.Lease.Start.Format(time.RFC3339), now.UTC().Format(time.RFC3339))}
}
