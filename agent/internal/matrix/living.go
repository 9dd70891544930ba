package matrix

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

// living is a trial whose process is there.
type living struct {
	trial.Trial
	process *process
	result  *trial.Result
	device  trial.Device // when it started
	start   time.Time

	loading  time.Duration // until it was ready
	measured time.Duration // in its blocks, everything between question and answer included
	longest  time.Duration // of those
	timed    time.Duration // sum of the latencies
	over     bool
	restless bool // threads of it run after its turn, and that has been told

	// asked is how many blocks it is to have, 0 before that is known. restarts is
	// which of its process starts this is, from 0.
	asked, restarts int
	journalled      bool
	stopped         string // why the run ended before the trial did

	imprecise string // how well its median is known, if not as well as the policy asks for
}

// used is the time for which the trial had the device, which Timeout bounds.
// Its waiting for other trials' blocks is not in it.
func (l *living) used() time.Duration { return l.loading + l.measured }

// defaultTimeout bounds a trial whose policy sets no limit.
const defaultTimeout = 30 * time.Minute

func timeout(p trial.Policy) time.Duration {
	if p.Timeout <= 0 {
		return defaultTimeout
	}
	return p.Timeout
}

// begin starts a trial's process and waits until it is ready: loaded, warm, and
// blocked. The trial is over if it failed.
func (s *Supervisor) begin(ctx context.Context, t trial.Trial) (*living, error) {
	if err := s.Recorder.Event(s.event(trial.TrialStarted, t)); err != nil {
		return nil, err
	}
	l := &living{Trial: t, device: s.Device(), start: time.Now().UTC()}
	begin := time.Now()
	req := s.request(t)
	p, err := s.Runner.startFor(req)
	if err != nil {
		l.result = failed(trial.Reason{Code: reason.RunnerMissing, Text: "the trial's process did not start: " + err.Error()})
		s.resume(l)
		return l, s.finish(l)
	}
	l.process = p
	line, err := p.ask(ctx, req, timeout(s.Plan.Policy))
	l.loading = time.Since(begin)
	if err == nil {
		if l.result, err = decodeReady(line); err != nil {
			err = p.nonsense(err)
		}
	}
	if err != nil && l.fail(err, s.Plan.Policy) != nil {
		return l, err
	}
	s.resume(l)
	if l.result.Outcome != trial.OK {
		return l, s.finish(l)
	}
	return l, s.quiet(ctx, l)
}

// nonsense kills a process whose answer makes no sense.
func (p *process) nonsense(err error) error {
	p.kill()
	return &Failure{trial.Reason{Code: reason.RunnerCrashed, Text: fmt.Sprintf("the trial's process answered nonsense: %v%s", err, p.words())}}
}

// fail makes a Failure the trial's outcome and keeps what was measured before;
// any other error is returned.
func (l *living) fail(err error, p trial.Policy) error {
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	why := f.Reason
	if why.Code == reason.Timeout {
		why.Text = fmt.Sprintf("the trial took longer than its limit of %v and was killed%s", timeout(p), l.process.words())
		why.Next = "raise the policy's timeout, or ask for fewer runs"
	}
	if l.result == nil {
		l.result = failed(why)
	}
	l.result.Outcome, l.result.Reasons = trial.Failed, []trial.Reason{why}
	return nil
}

// turn gives a trial one block. A trial that fails in it is over.
func (s *Supervisor) turn(ctx context.Context, l *living, t session.Turn, round int) error {
	if err := s.coolDown(ctx); err != nil {
		return err
	}
	if err := s.timeFor(l); err != nil {
		return err
	}
	t.MaxRuns = session.MaxRuns - len(l.result.LatenciesNS)
	var after func() *trial.Conditions
	if s.Observe != nil {
		after = s.Observe(l.process.cmd.Process.Pid)
	}
	s.turns++
	// This process's own collector must not run beside the block either: the
	// runtime starts one every two minutes, needed or not, unless it is off.
	percent := debug.SetGCPercent(-1)
	begin := time.Now()
	line, err := l.process.ask(ctx, t, timeout(s.Plan.Policy)-l.used())
	took := time.Since(begin)
	debug.SetGCPercent(percent)
	if err == nil { // before anybody looks at the clock
		if err := s.quiet(ctx, l); err != nil {
			return err
		}
	}
	b := trial.Block{Round: round, Turn: s.turns, First: len(l.result.LatenciesNS), Restarts: l.restarts}
	if after != nil {
		b.Conditions = after()
	}
	l.measured += took
	l.longest = max(l.longest, took)
	var stretch *session.Stretch
	if err == nil {
		if stretch, err = decodeBlock(line, t.MaxRuns); err != nil {
			err = l.process.nonsense(err)
		}
	}
	if err != nil {
		if err := l.fail(err, s.Plan.Policy); err != nil {
			return err
		}
		return s.finish(l)
	}
	l.add(b, stretch, s.clock)
	if stretch.Failed != nil {
		l.result.Outcome, l.result.Reasons = trial.Failed, []trial.Reason{*stretch.Failed}
		return s.finish(l)
	}
	s.pace.block(l.Trial, l.loading, l.measured, len(l.result.Blocks))
	return s.journalBlock(l, stretch.LatenciesNS, stretch.Peak, took)
}

// add puts a block into the result.
func (l *living) add(b trial.Block, s *session.Stretch, c clock) {
	b.N, b.Settled, b.StartNS = len(s.LatenciesNS), max(s.Settled, 0), c.since(s.StartNS)
	res := l.result
	if b.N > 0 {
		res.Blocks = append(res.Blocks, b)
	}
	res.LatenciesNS = append(res.LatenciesNS, s.LatenciesNS...)
	for _, ns := range s.LatenciesNS {
		l.timed += time.Duration(ns)
	}
	res.PeakMemoryBytes = journal.Peak(res.PeakMemoryBytes, s.Peak)
}

// met reports whether the trial has both minima, or has as many latencies as a
// result can hold.
func (l *living) met(p trial.Policy) bool {
	n := len(l.result.LatenciesNS)
	return n >= p.MinRuns && l.timed >= p.MinTime
}

// finish ends the trial's process and writes the result.
func (s *Supervisor) finish(l *living) error {
	l.over = true
	res := l.result
	if l.process != nil && !l.process.end() && res.Outcome == trial.OK {
		res.Reasons = append(res.Reasons, trial.Reason{Code: reason.RunnerCrashed, Text: fmt.Sprintf("after its last inference the trial's process did not end within %v and was killed", drain)})
	} else if l.process != nil && l.process.err != nil && res.Outcome == trial.OK {
		why := l.process.why()
		why.Text = "after its last inference: " + why.Text
		res.Reasons = append(res.Reasons, why)
	}
	p, n := s.Plan.Policy, len(res.LatenciesNS)
	if res.Outcome == trial.OK && !l.met(p) {
		limit := "after " + p.MaxTime.String()
		if n >= session.MaxRuns {
			limit = "at the most inferences that a result can hold"
		}
		res.Reasons = append(res.Reasons, trial.Reason{
			Code: reason.CutShort,
			Text: fmt.Sprintf("the trial ended %s with %d inferences in %v; the policy wanted %d in %v", limit, n, l.timed.Round(time.Millisecond), p.MinRuns, p.MinTime),
			Next: "raise the policy's longest time, or lower its minima",
		})
	}
	if res.Outcome == trial.OK && l.imprecise != "" {
		res.Reasons = append(res.Reasons, trial.Reason{
			Code: reason.Imprecise,
			Text: fmt.Sprintf("its median is known to %s, ±%.3g %% was asked for", l.imprecise, 100*p.Precision),
			Next: "raise the policy's longest time, or make the device quieter",
		})
	}
	return s.record(l)
}
