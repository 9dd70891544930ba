// Package matrix carries out a plan. Every trial has a process of its own, and
// each ends in exactly one result file whatever happens to that process. The
// trials of one repetition live at the same time and take turns: in every round
// each has one block of timed inferences, in an order that is balanced, random
// and seeded, while all other processes wait in a read. What changes with time
// (heat, clocks, neighbours) so falls on all of them alike instead of on
// whichever came last.
//
// A [Supervisor] leaves the work to three others: processes knows which trials
// live (as many as the memory holds), turns says whose block is next and when
// the run must stop, record writes what is known so far. How an inference is
// timed is package session's affair, and how files are written package outdir's.
package matrix

import (
	"cmp"
	"context"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// Supervisor has everything that carrying out a plan needs. It runs once, and
// must not be copied once it does.
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
	// Left is how much time the run has; ok is false where that has no end. nil:
	// it has none.
	Left func() (left time.Duration, ok bool)
	// Temperature, in °C, is what a policy's CoolDown waits for; nil: it cannot
	// be read.
	Temperature func() trial.Reading[float64]

	// lookEvery is how often CoolDown reads the temperature, for tests; 0 is once
	// a second.
	lookEvery time.Duration

	record    *record
	processes *processes
	turns     *turns
}

// Run runs every trial that has no result yet, and goes on with those of which an
// earlier start has blocks on record. A failed trial is no error. The error is a
// [Stopped] if the run was stopped: by ctx, whose cause may be one, or because no
// time is Left, also if only some trials were left out for that. Each trial that has
// blocks, or was left out, then has a Partial result. Any other
// error says that events or results cannot be written.
func (s *Supervisor) Run(ctx context.Context) error {
	order := Order(s.Plan)
	if err := s.prepare(order); err != nil {
		return err
	}
	for len(order) > 0 {
		n := sameRepetition(order)
		err := s.wave(ctx, order[:n])
		if stopped := AsStopped(ctx, err); stopped != nil {
			return cmp.Or(s.record.keep(stopped.Text), error(stopped))
		}
		if err != nil {
			return err
		}
		order = order[n:]
	}
	if n := s.record.trimmed; n > 0 {
		return cmp.Or(s.record.err, error(LeftOut(n)))
	}
	return s.record.close()
}

// prepare begins the run, or goes on with it: the count of turns and the clock
// carry on where the killed or stopped agent left them.
func (s *Supervisor) prepare(order []trial.Trial) error {
	s.record = newRecord(s, order)
	earlier, err := s.record.open(order)
	if err != nil {
		return err
	}
	s.processes = &processes{
		plan: s.Plan, dir: s.Dir, runner: s.Runner, device: s.Device, memory: newMemory("/"), record: s.record,
	}
	// After a start by an earlier process only the device's clock tells how long ago
	// the run began. Where that was set back, it is at least as long as to the end of the
	// last block on record.
	ago := max(s.Recorder.Now().Sub(s.Recorder.Started()), earlier.ended)
	origin := session.Monotonic() - int64(ago)
	s.turns = &turns{
		policy: s.Plan.Policy, seed: s.Plan.Seed, given: earlier.given, clock: clock{origin}, record: s.record,
		cooling: newCooling(s), observe: s.Observe, left: s.Left,
	}
	return nil
}

// wave measures the trials of one repetition, in one group or, where the memory
// does not hold them all, in several.
func (s *Supervisor) wave(ctx context.Context, trials []trial.Trial) error {
	var pending []trial.Trial
	for _, t := range trials {
		if err := ctx.Err(); err != nil {
			return err
		}
		needed, err := s.record.needsProcess(t)
		if err != nil {
			return err
		}
		if needed {
			pending = append(pending, t)
		}
	}
	pending = s.turns.unloaded(pending)
	for _, t := range pending {
		if err := s.examine(ctx, t); err != nil {
			return err
		}
	}
	// Trials that were interrupted together go on together: the others of their
	// repetition would have rounds that these had before.
	interrupted, fresh := s.record.split(pending)
	for _, part := range [][]trial.Trial{interrupted, fresh} {
		for number := 1; len(part) > 0; number++ {
			rest, err := s.group(ctx, part, number)
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
	group, rest, err := s.processes.load(ctx, trials, number)
	if err == nil {
		s.turns.loaded(group)
		err = s.turns.measure(ctx, group)
	}
	if stopped := AsStopped(ctx, err); stopped != nil {
		for _, l := range group {
			s.turns.interrupt(l, stopped.Text)
		}
	}
	for _, l := range group {
		l.process.kill() // what has ended is not harmed
	}
	return rest, cmp.Or(s.record.err, err)
}
