package matrix

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/failure"
	"chexp/experiments/journal"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// living is a trial whose process lives, with what is known of it so far.
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
	over     bool          // it has its result
	restless bool          // threads of it run after its turn, and that has been told

	wanted     int           // how many blocks it is to have, before any for the precision; 0: not yet known
	settles    int           // inferences at the beginning of a block that have been seen not to be settled
	restarts   int           // which of its process starts this is, from 0
	journalled bool          // its blocks go into its journal
	stopped    string        // why the run ended before the trial did
	needs      time.Duration // for which there was no time, so that it was left out; 0: it was not
	imprecise  string        // how well its median is known, if not as well as the policy asks for
}

func newLiving(t trial.Trial, d trial.Device, now time.Time) *living {
	return &living{Trial: t, device: d, start: now}
}

// used is the time for which the trial had the device, which the policy's Timeout
// bounds. Its waiting for other trials' blocks is not in it.
func (l *living) used() time.Duration { return l.loading + l.measured }

func timeout(p trial.Policy) time.Duration { return p.Limit() }

// inferenceTime is how long one inference took before the timed ones.
func (l *living) inferenceTime() time.Duration {
	if warm := l.result.WarmupNS; len(warm) > 0 {
		sorted := slices.Clone(warm[len(warm)/2:])
		slices.Sort(sorted)
		return time.Duration(stats.Median(sorted))
	}
	first, _ := l.result.FirstInferenceNS.Get()
	return time.Duration(max(first, 0))
}

// lastRound is the last round in which the trial had a block.
func (l *living) lastRound() (last int) {
	for _, b := range l.result.Blocks {
		last = max(last, b.Round)
	}
	return last
}

// add puts a block into the result.
func (l *living) add(b trial.Block, s *session.Stretch, c clock) {
	b.N, b.StartNS = len(s.LatenciesNS), c.since(s.StartNS)
	b.Settled, b.SettledNS = len(s.SettledNS), s.SettledNS
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

// fail makes what happened to the process the trial's outcome, and keeps what was
// measured before. An error about anything else is returned.
func (l *living) fail(err error, p trial.Policy) error {
	var e *failure.Error
	if !errors.As(err, &e) || e.Code == "" {
		return err
	}
	why := reason.Of(e, "")
	if why.Code == reason.Timeout {
		why.Text = fmt.Sprintf(
			"the trial took longer than its limit of %v and was killed%s",
			timeout(p),
			l.process.words(),
		)
		why.Next = "raise the policy's timeout, or ask for fewer runs"
	}
	l.failed(why)
	return nil
}

func (l *living) failed(why trial.Reason) {
	why = whyFailed(why, os.DirFS("/"))
	if l.result == nil {
		l.result = silent(why)
	}
	l.result.Outcome, l.result.Reasons = trial.Failed, []trial.Reason{why}
}

// room is how many inferences more the result can hold.
func (l *living) room() int { return session.MaxRuns - len(l.result.LatenciesNS) }

// enough reports whether the trial has both minima.
func (l *living) enough(p trial.Policy) bool {
	return len(l.result.LatenciesNS) >= p.MinRuns && l.timed >= p.MinTime
}

// conclude ends the trial's process and says what the result lacks.
func (l *living) conclude(p trial.Policy) {
	l.over = true
	res := l.result
	if late := l.endProcess(); late != nil && res.Outcome == trial.OK {
		res.Reasons = append(res.Reasons, *late)
	}
	if res.Outcome == trial.OK && !l.enough(p) {
		n, limit := len(res.LatenciesNS), "after "+p.MaxTime.String()
		next := "raise the policy's longest time, or lower its minima"
		if l.room() <= 0 {
			limit, next = "at the most inferences that a result can hold", "lower min_time, or measure larger batches"
		}
		res.Reasons = append(res.Reasons, trial.Reason{
			Code: reason.CutShort,
			Text: fmt.Sprintf("the trial ended %s with %d inferences in %v; the policy wanted %d in %v",
				limit, n, l.timed.Round(time.Millisecond), p.MinRuns, p.MinTime),
			Next: next,
		})
	}
	if res.Outcome == trial.OK && l.imprecise != "" {
		res.Reasons = append(res.Reasons, trial.Reason{
			Code: reason.Imprecise,
			Text: fmt.Sprintf("its median is known to %s, ±%.3g %% was asked for", l.imprecise, 100*p.Precision),
			Next: "raise the policy's longest time, or make the device quieter",
		})
	}
}

// endProcess says what was wrong with how the process ended; nil: nothing.
func (l *living) endProcess() *trial.Reason {
	if l.process == nil {
		return nil
	}
	why := reason.Errorf(reason.RunnerCrashed, "the trial's process did not end within %v and was killed", drain)
	if l.process.end() {
		if l.process.err == nil {
			return nil
		}
		why = l.process.why()
	}
	why.What = "after its last inference: " + why.What
	r := reason.Of(why, "")
	return &r
}

// summarize computes the result's summary from its blocks. Those of a trial that
// was stopped must be enough for one.
func (l *living) summarize() error {
	res := l.result
	switch {
	case l.needs > 0:
		return journal.LeaveOut(res, l.needs, l.stopped)
	case l.stopped != "":
		return journal.Settle(res, l.wanted, l.stopped)
	}
	sample, err := stats.SampleOf(res)
	if err == nil {
		res.Summary = sample.Summary(l.Batch)
	}
	return err
}
