// Package matrix carries out a plan: every trial in a process of its own, in a
// fixed interleaved order, each ending in exactly one result file whatever
// happens to the process. It decides nothing about measuring (package session
// does) and writes nothing itself (package outdir does).
package matrix

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// Supervisor has everything that carrying out a plan needs.
type Supervisor struct {
	Plan     *trial.Plan
	Dir      string // the bundle's
	Recorder *outdir.Recorder
	Runner   Runner
	Device   func() trial.Device
	Agent    trial.Agent
	Runtime  trial.Runtime // for the results of trials whose process did not tell

	// Before is what is found out about a variant apart from its timed
	// inferences: which provider really runs it, how accurate it is.
	Before []Examination

	found map[variant][]Finding
}

// Run runs every trial that has no result yet. A failed trial is no error: the
// error is ctx's if the run was stopped, and another one only if events or results
// cannot be written.
func (s *Supervisor) Run(ctx context.Context) error {
	order := Order(s.Plan)
	done := 0
	for _, t := range order {
		if s.Recorder.Has(t.ID) {
			done++
		}
	}
	begin := trial.Event{Type: trial.RunStarted, Total: len(order)}
	if done > 0 {
		begin.Text = fmt.Sprintf("resumed: %d of %d trials have their result", done, len(order))
	}
	if err := s.Recorder.Event(begin); err != nil {
		return err
	}
	for i, t := range order {
		if err := s.examine(ctx, t); err != nil {
			return err
		}
		if err := s.one(ctx, t, i+1, len(order)); err != nil {
			return err
		}
	}
	if err := s.Recorder.Sums(); err != nil {
		return err
	}
	return s.Recorder.Event(trial.Event{Type: trial.RunFinished, Total: len(order)})
}

// one brings one trial to its result and announces it.
func (s *Supervisor) one(ctx context.Context, t trial.Trial, index, total int) error {
	finished := trial.Event{Type: trial.TrialFinished, Trial: t.ID, Index: index, Total: total}
	if s.Recorder.Has(t.ID) {
		if s.Recorder.Announced(t.ID) {
			return nil
		}
		// Killed between the result and its event.
		finished.SHA256, finished.Text = s.Recorder.Sum(t.ID), "measured before the agent was interrupted"
		res, err := outdir.ReadResult(s.Dir, t.ID)
		if err != nil {
			return err
		}
		return s.announce(finished, res)
	}
	if err := s.Recorder.Event(trial.Event{Type: trial.TrialStarted, Trial: t.ID, Index: index, Total: total}); err != nil {
		return err
	}
	res, err := s.measure(ctx, t)
	if err != nil {
		return err
	}
	if finished.SHA256, err = s.Recorder.Result(res); err != nil {
		return fmt.Errorf("the result of %s cannot be written: %w", t.ID, err)
	}
	return s.announce(finished, res)
}

func (s *Supervisor) announce(e trial.Event, res *trial.Result) error {
	e.Outcome, e.Reasons = res.Outcome, res.Reasons
	if res.Summary != nil {
		e.MedianNS = res.Summary.MedianNS
	}
	return s.Recorder.Event(e)
}

// measure runs the trial's process and completes what it says with what only
// the supervisor knows.
func (s *Supervisor) measure(ctx context.Context, t trial.Trial) (*trial.Result, error) {
	device := s.Device()
	start := time.Now().UTC()
	model := s.model(t.Model)
	var res *trial.Result
	if t.Skip != "" {
		res = failed(reason.SkippedByPlan, t.Skip, "")
		res.Outcome = trial.Skipped
	} else {
		var err error
		res, err = s.Runner.Run(ctx, session.Request{
			ModelPath: filepath.Join(s.Dir, filepath.FromSlash(model.Path())),
			Provider:  t.Provider, Threads: t.Threads, Batch: t.Batch,
			// Every trial of a model sees the same inputs, so that
			// alternatives are compared on the same work.
			Policy: s.Plan.Policy, Seed: s.Plan.Seed, TrialID: t.ID,
		})
		if err != nil {
			return nil, err
		}
	}
	if res.Outcome == trial.Failed && t.Provider.Optional && res.Reasons[0].Code == reason.ProviderAbsent {
		res.Outcome = trial.Skipped
	}
	res.Schema, res.RunID, res.TrialID = trial.ResultSchema, s.Plan.RunID, t.ID
	res.Model, res.Provider, res.Threads, res.Batch, res.Repetition = model, t.Provider, t.Threads, t.Batch, t.Repetition
	res.Policy, res.Seed = s.Plan.Policy, s.Plan.Seed
	res.Summary = stats.Summarize(res.LatenciesNS, t.Batch)
	res.Agent, res.Device = s.Agent, device
	if res.Runtime.Name == "" {
		res.Runtime = s.Runtime
	}
	res.Start, res.End = start, time.Now().UTC()
	s.report(res, t)
	return res, nil
}

func (s *Supervisor) model(name string) trial.Model {
	for _, m := range s.Plan.Models {
		if m.Name == name {
			return m
		}
	}
	return trial.Model{} // Plan.Check excludes it
}
