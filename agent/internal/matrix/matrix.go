// Package matrix carries out a plan. Every trial has a process of its own, and
// each ends in exactly one result file whatever happens to that process. The
// trials of one repetition live at the same time and take turns: the
// supervisor hands out blocks of timed inferences in balanced, seeded, random
// rounds, while all other processes wait in a read. What changes with time (heat,
// clocks, neighbours) so falls on all of them alike instead of on whichever
// came last.
//
// It decides nothing about how an inference is timed (package session does) and
// writes nothing itself (package outdir does).
package matrix

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/journal"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// Supervisor has everything that carrying out a plan needs. It must not be
// copied once it runs, and runs once.
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
	// Observe is called before every block, with the process that will measure
	// it; the function that it returns is called after it and says what the
	// conditions were. nil: nobody looks.
	Observe func(pid int) (after func() *trial.Conditions)
	// Left is how much time the run has; ok is false where that has no end. nil: none.
	Left func() (left time.Duration, ok bool)
	// Temperature is what a policy's CoolDown waits for; nil: it cannot be read.
	Temperature func() trial.Reading[float64]

	found    map[variant][]Finding
	position map[string]int // of each trial in the order, from 1
	turns    int            // blocks handed out so far, in all starts of the agent
	clock    clock
	pace     pace
	cooling  cooling
	earlier  map[variant]blocks // of the repetitions that are over, where a precision is asked for
	memory   memory
	logs     map[string]*journal.Log // of trials that an earlier start has begun
	synced   time.Time               // when the journals were last brought to the disk
	strange  []string                // trials whose journal is another machine's
	lastSaid time.Time               // of the latest Progress event
}

// clock turns the runners' CLOCK_MONOTONIC into the time since the run began.
type clock struct{ origin int64 }

func (c clock) since(monotonic int64) int64 { return max(monotonic-c.origin, 0) }

// Run runs every trial that has no result yet, and goes on with those of which
// an earlier start has blocks on record. A failed trial is no error. The error is
// a Stopped if the run was stopped: by ctx, whose cause may be one, or because
// no time is Left. Each trial that has blocks then has a Partial result. Any other
// error says that events or results cannot be written.
func (s *Supervisor) Run(ctx context.Context) error {
	order := Order(s.Plan)
	if err := s.prepare(order); err != nil {
		return err
	}
	for len(order) > 0 {
		n := wave(order)
		if err := s.wave(ctx, order[:n]); err != nil {
			if stopped := AsStopped(ctx, err); stopped != nil {
				return cmp.Or(s.keep(stopped.Text), error(stopped))
			}
			return err
		}
		order = order[n:]
	}
	if err := s.Recorder.Sums(); err != nil {
		return err
	}
	return s.Recorder.Event(trial.Event{Type: trial.RunFinished, Total: len(s.Plan.Trials)})
}

// prepare begins the run, or goes on with it: the count of turns and the clock
// carry on where the killed or stopped agent left them.
func (s *Supervisor) prepare(order []trial.Trial) error {
	s.position = map[string]int{}
	s.earlier = map[variant]blocks{}
	s.logs = map[string]*journal.Log{}
	s.pace = newPace(order)
	s.memory = newMemory("/")
	s.clock.origin = session.Monotonic() - int64(time.Since(s.Recorder.Started()))
	begin := trial.Event{Type: trial.RunStarted, Total: len(order)}
	done := 0
	for i, t := range order {
		s.position[t.ID] = i + 1
		if !s.Recorder.Has(t.ID) {
			if err := s.recall(t); err != nil {
				return err
			}
			continue
		}
		done++
		s.pace.over(t)
		res, err := outdir.ReadResult(s.Dir, t.ID)
		if err != nil {
			return err
		}
		for _, b := range res.Blocks {
			s.turns = max(s.turns, b.Turn)
		}
		s.remember(t, res)
	}
	if done+len(s.logs) > 0 {
		begin.Text = fmt.Sprintf("resumed: %d of %d trials have their result, %d go on from their blocks on record", done, len(order), len(s.logs))
	}
	if err := s.Recorder.Event(begin); err != nil || len(s.strange) == 0 {
		return err
	}
	return s.Recorder.Event(trial.Event{Type: trial.Note, Text: "started over, as another agent or machine began them: " + strings.Join(s.strange, ", ")})
}

// remember keeps the latencies that later repetitions' precision counts.
func (s *Supervisor) remember(t trial.Trial, res *trial.Result) {
	if s.Plan.Policy.Precision > 0 {
		v := variantOf(t)
		s.earlier[v] = s.earlier[v].and(res)
	}
}

// wave measures the trials of one repetition, in one group or, where the
// memory does not hold them all, in several.
func (s *Supervisor) wave(ctx context.Context, trials []trial.Trial) error {
	var pending []trial.Trial
	for _, t := range trials {
		if err := ctx.Err(); err != nil {
			return err
		}
		waits, err := s.settleWithout(t)
		if err != nil {
			return err
		}
		if waits {
			pending = append(pending, t)
		}
	}
	for _, t := range pending {
		if err := s.examine(ctx, t); err != nil {
			return err
		}
	}
	// Trials that were interrupted together go on together: the others of their
	// repetition would have rounds that these had before.
	begun, fresh := s.begun(pending)
	for _, part := range [][]trial.Trial{begun, fresh} {
		for groups := 1; len(part) > 0; groups++ {
			rest, err := s.group(ctx, part, groups)
			if err != nil {
				return err
			}
			part = rest
		}
	}
	return nil
}

// group loads as many of the trials as the memory holds, measures them, and
// returns the others. If the run is stopped meanwhile, what they have is kept.
func (s *Supervisor) group(ctx context.Context, trials []trial.Trial, number int) (rest []trial.Trial, err error) {
	group, rest, err := s.load(ctx, trials, number)
	if err == nil {
		err = s.measure(ctx, group)
	}
	if stopped := AsStopped(ctx, err); stopped != nil {
		for _, l := range group {
			if kept := s.interrupt(l, stopped.Text); kept != nil {
				return nil, kept
			}
		}
	}
	for _, l := range group {
		l.process.kill() // what has ended is not harmed
	}
	return rest, err
}

// settleWithout ends a trial that needs no process: it is skipped, or has its
// result. waits is true for all others.
func (s *Supervisor) settleWithout(t trial.Trial) (waits bool, err error) {
	if s.Recorder.Has(t.ID) {
		if s.Recorder.Announced(t.ID) {
			return false, nil
		}
		// Killed between the result and its event.
		res, err := outdir.ReadResult(s.Dir, t.ID)
		if err != nil {
			return false, err
		}
		return false, s.announce(t, res, "measured before the agent was interrupted")
	}
	if t.Skip == "" {
		return true, nil
	}
	l := &living{Trial: t, device: s.Device(), start: time.Now().UTC()}
	l.result = failed(trial.Reason{Code: reason.SkippedByPlan, Text: t.Skip})
	l.result.Outcome = trial.Skipped
	if err := s.Recorder.Event(s.event(trial.TrialStarted, t)); err != nil {
		return false, err
	}
	return false, s.record(l)
}

func (s *Supervisor) event(kind trial.EventType, t trial.Trial) trial.Event {
	return trial.Event{Type: kind, Trial: t.ID, Index: s.position[t.ID], Total: len(s.position), LeftNS: int64(s.pace.left())}
}

// record completes a result, writes and announces it.
func (s *Supervisor) record(l *living) error {
	t, res := l.Trial, l.result
	if res.Outcome == trial.Failed && t.Provider.Optional && res.Reasons[0].Code == reason.ProviderAbsent {
		res.Outcome = trial.Skipped
	}
	s.complete(l, res)
	if l.stopped != "" {
		if err := journal.Settle(res, l.asked, l.stopped); err != nil {
			return fmt.Errorf("the blocks of %s: %w", t.ID, err)
		}
	} else {
		sample, err := stats.NewSample(res.LatenciesNS).Cut(res.Blocks)
		if err != nil {
			return fmt.Errorf("the blocks of %s: %w", t.ID, err) // our own mistake, never the runner's
		}
		res.Summary = sample.Summary(t.Batch)
	}
	res.End = time.Now().UTC()
	s.remember(t, res)
	s.pace.over(t)
	if _, err := s.Recorder.Result(res); err != nil {
		return fmt.Errorf("the result of %s cannot be written: %w", t.ID, err)
	}
	return s.announce(t, res, "")
}

// complete adds what only the supervisor knows of a trial.
func (s *Supervisor) complete(l *living, res *trial.Result) {
	t := l.Trial
	res.Schema, res.RunID, res.TrialID = trial.ResultSchema, s.Plan.RunID, t.ID
	res.Model, res.Provider, res.Threads, res.Batch, res.Repetition = s.model(t.Model), t.Provider, t.Threads, t.Batch, t.Repetition
	res.Policy, res.Seed, res.Scenario = s.Plan.Policy, s.Plan.Seed, scenario(t)
	res.Agent, res.Device = s.Agent, l.device
	if res.Runtime.Name == "" {
		res.Runtime = trial.Runtime{Name: "onnxruntime"}
		if t.Provider.Runtime == "" {
			res.Runtime = s.Runtime
		}
	}
	res.Start = l.start
	s.report(res, t)
}

// scenario: one input after the other is a stream of requests; inputs that
// come many at a time were all there before.
func scenario(t trial.Trial) trial.Scenario {
	if t.Batch > 1 {
		return trial.Offline
	}
	return trial.SingleStream
}

func (s *Supervisor) announce(t trial.Trial, res *trial.Result, text string) error {
	e := s.event(trial.TrialFinished, t)
	if res.Partial != nil {
		text = res.Partial.String()
	}
	e.SHA256, e.Text = s.Recorder.Sum(t.ID), text
	e.Outcome, e.Reasons = res.Outcome, res.Reasons
	if res.Summary != nil {
		e.MedianNS = res.Summary.MedianNS
	}
	return s.Recorder.Event(e)
}

func (s *Supervisor) request(t trial.Trial) session.Request {
	return session.Request{
		ModelPath: filepath.Join(s.Dir, filepath.FromSlash(s.model(t.Model).Path())),
		Provider:  t.Provider, Threads: t.Threads, Batch: t.Batch,
		// Every trial of a model sees the same inputs, so that
		// alternatives are compared on the same work.
		Policy: s.Plan.Policy, Seed: s.Plan.Seed, TrialID: t.ID,
	}
}

func (s *Supervisor) model(name string) trial.Model {
	for _, m := range s.Plan.Models {
		if m.Name == name {
			return m
		}
	}
	return trial.Model{} // Plan.Check excludes it
}
