package matrix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

// Stopped is the error of a run that somebody or its deadline has ended; Text is
// why, in words that the partial results repeat.
type Stopped struct{ trial.Reason }

func (s *Stopped) Error() string { return "the run was stopped: " + s.Text }

// AsStopped is why a run ended with an error, if it was stopped; else nil.
func AsStopped(ctx context.Context, err error) *Stopped {
	var s *Stopped
	switch {
	case err == nil:
	case errors.As(err, &s):
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		if !errors.As(context.Cause(ctx), &s) {
			s = &Stopped{trial.Reason{Code: reason.Stopped, Text: "interrupted"}}
		}
	}
	return s
}

// timeFor ends the run if a trial's next block, as long as its longest so far,
// would not be complete in the time that is left: a block that is cut off is lost.
func (s *Supervisor) timeFor(l *living) error {
	if s.Left == nil {
		return nil
	}
	left, set := s.Left()
	p, one := s.Plan.Policy, l.pace()
	need := max(l.longest, p.Block, few*one)
	if p.Block <= 0 { // one piece
		need = max(p.MinTime, time.Duration(p.MinRuns)*one)
	}
	if !set || left > need {
		return nil
	}
	return Deadline()
}

// Deadline is the Stopped of a run whose time is up.
func Deadline() *Stopped {
	return &Stopped{trial.Reason{Code: trial.ReasonDeadline, Text: "the lease ends"}}
}

// recall reads what an earlier start has of a trial.
func (s *Supervisor) recall(t trial.Trial) error {
	log, err := s.Recorder.Journal(t.ID)
	if err != nil {
		return fmt.Errorf("the journal of %s: %w", t.ID, err)
	}
	if log == nil || t.Skip != "" {
		return nil
	}
	was, now := log.Begun[0].Result, s.Device()
	if was.Agent.SHA256 != s.Agent.SHA256 || !sameMachine(was.Device, now) {
		s.Recorder.Forget(t.ID)
		s.strange = append(s.strange, t.ID)
		return nil
	}
	for _, b := range log.Blocks {
		s.turns = max(s.turns, b.Turn)
	}
	s.logs[t.ID] = log
	return nil
}

// sameMachine: blocks of two machines, or of two kernels, make no sample.
func sameMachine(a, b trial.Device) bool {
	same := func(x, y trial.Reading[string]) bool {
		v, _ := x.Get()
		w, _ := y.Get()
		return v == w
	}
	return a.Cores == b.Cores && same(a.Model, b.Model) && same(a.CPU, b.CPU) && same(a.Board, b.Board) && same(a.Kernel, b.Kernel)
}

// begun separates the trials that go on from a journal.
func (s *Supervisor) begun(pending []trial.Trial) (begun, fresh []trial.Trial) {
	for _, t := range pending {
		if s.logs[t.ID] != nil {
			begun = append(begun, t)
		} else {
			fresh = append(fresh, t)
		}
	}
	return begun, fresh
}

// resume gives a trial, whose new process is ready or has failed to become so, the
// blocks on record. A process start keeps for its life where things lie in memory,
// so what it measures counts as another start's: the blocks say which.
func (s *Supervisor) resume(l *living) {
	log := s.logs[l.ID]
	if log == nil {
		return
	}
	delete(s.logs, l.ID)
	now, before := l.result, log.Result()
	before.Outcome, before.Reasons = now.Outcome, now.Reasons
	if now.Outcome == trial.OK {
		again := *now
		again.Start = l.start
		before.Restarts = append(before.Restarts, journal.Restart(&again))
	}
	l.result, l.device, l.start = before, before.Device, before.Start
	l.asked, l.restarts = log.Begun[len(log.Begun)-1].Rounds, len(log.Begun)
	for _, b := range log.Blocks {
		l.measured += b.Took
		l.longest = max(l.longest, b.Took)
		for _, ns := range b.LatenciesNS {
			l.timed += time.Duration(ns)
		}
	}
}

// lastRound is the last one in which the trial had a block, or was to have one.
func (l *living) lastRound() (last int) {
	for _, b := range l.result.Blocks {
		last = max(last, b.Round)
	}
	return last
}

// journal begins, or goes on with, a trial's journal. What it cannot hold costs no
// measurement: it is told, once a trial.
func (s *Supervisor) journal(l *living, rounds int) error {
	l.asked, l.journalled = rounds, true
	soFar := *l.result
	if l.restarts > 0 { // the newest start's own
		r := soFar.Restarts[len(soFar.Restarts)-1]
		soFar.WarmupNS, soFar.WarmUp, soFar.SessionCreateNS, soFar.FirstInferenceNS = r.WarmupNS, r.WarmUp, r.SessionCreateNS, r.FirstInferenceNS
	}
	soFar.LatenciesNS, soFar.Blocks, soFar.Restarts = []int64{}, nil, nil
	s.complete(l, &soFar)
	if l.restarts > 0 {
		soFar.Start = l.result.Restarts[len(l.result.Restarts)-1].Time
	}
	return s.journalled(l, s.Recorder.Begun(journal.Begun{Result: &soFar, Rounds: rounds}))
}

// journalBlock adds the block that the trial has just had.
func (s *Supervisor) journalBlock(l *living, latencies []int64, peak trial.Reading[int64], took time.Duration) error {
	if !l.journalled {
		return nil
	}
	last := l.result.Blocks[len(l.result.Blocks)-1]
	return s.journalled(l, s.Recorder.Block(l.ID, journal.Block{Block: last, LatenciesNS: latencies, Peak: peak, Took: took}))
}

func (s *Supervisor) journalled(l *living, err error) error {
	if err == nil {
		return nil
	}
	l.journalled = false // a gap would be worse than an end
	return s.Recorder.Event(trial.Event{Type: trial.Note, Text: fmt.Sprintf("%s: its blocks are not on record from here on, should the agent be killed: %v", l.ID, err)})
}

// syncEvery is how old a block may get that is not on the disk, but for the round
// that it is in. Syncing a file took 0.6 to 3 ms on a virtual disk; a memory card, not
// measured, may be far slower, and with this stays a small share. The kernel would
// begin by itself after 30 s (dirty_expire_centisecs), in the middle of a block.
const syncEvery = 5 * time.Second

// rounded ends a round: journals go to the disk, pauses are told.
func (s *Supervisor) rounded(round int) error {
	if time.Since(s.synced) < syncEvery {
		return s.cooled(round)
	}
	s.synced = time.Now()
	if err := s.Recorder.Sync(); err != nil {
		if err := s.Recorder.Event(trial.Event{Type: trial.Note, Text: "the journals cannot be brought to the disk: " + err.Error()}); err != nil {
			return err
		}
	}
	return s.cooled(round)
}

// interrupt ends a trial whose run is stopped, with what it has.
func (s *Supervisor) interrupt(l *living, why string) error {
	if l.over || l.result == nil {
		return nil
	}
	p := s.Plan.Policy
	if p.Precision > 0 && l.asked > 0 && len(l.result.Blocks) >= l.asked && s.width(l) <= p.Precision {
		return s.finish(l) // it only waited for the others
	}
	l.over, l.stopped = true, why
	l.process.kill()
	return s.record(l)
}

// keep writes partial results of the trials that an earlier start has begun and
// that this one has not come to.
func (s *Supervisor) keep(why string) error {
	for _, t := range s.Plan.Trials {
		log := s.logs[t.ID]
		if log == nil {
			continue
		}
		res, err := log.Partial(why)
		if err != nil {
			return fmt.Errorf("the journal of %s: %w", t.ID, err)
		}
		if _, err := s.Recorder.Result(res); err != nil {
			return fmt.Errorf("the result of %s cannot be written: %w", t.ID, err)
		}
		if err := s.announce(t, res, ""); err != nil {
			return err
		}
	}
	return nil
}
