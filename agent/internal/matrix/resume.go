package matrix

import (
	"fmt"
	"strings"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

// past is how far earlier starts of the agent came.
type past struct {
	given int           // the last turn that they handed out
	ended time.Duration // of their last block, since the run began
}

// add takes a block with these latencies.
func (e *past) add(b trial.Block, latencies []int64) {
	e.given = max(e.given, b.Turn)
	end := b.StartNS
	for _, ns := range latencies {
		end += ns
	}
	e.ended = max(e.ended, time.Duration(end))
}

// open reads what earlier starts of the agent have left and says how the run begins.
func (r *record) open(order []trial.Trial) (earlier past, err error) {
	var done int
	var strange []string // trials whose journal is another agent's or machine's
	for _, t := range order {
		if !r.out.Has(t.ID) {
			log, ours, err := r.recall(t)
			switch {
			case err != nil:
				return earlier, err
			case !ours:
				r.out.Forget(t.ID)
				strange = append(strange, t.ID)
			case log != nil:
				r.logs[t.ID] = log
				for _, b := range log.Blocks {
					earlier.add(b.Block, b.LatenciesNS)
				}
			}
			continue
		}
		done++
		r.left.over(t)
		res, err := outdir.ReadResult(r.dir, t.ID)
		if err != nil {
			return earlier, err
		}
		for _, b := range res.Blocks {
			earlier.add(b, b.Of(res.LatenciesNS))
		}
		r.pools.add(t, res)
	}
	begin := trial.Event{Type: trial.RunStarted, Total: len(order)}
	if done+len(r.logs) > 0 {
		begin.Text = fmt.Sprintf("resumed: %d of %d trials have their result, %d go on from their blocks on record",
			done, len(order), len(r.logs))
	}
	r.event(begin)
	if len(strange) > 0 {
		r.note("started over, as another agent or machine began them: %s", strings.Join(strange, ", "))
	}
	return earlier, r.err
}

// recall returns what an earlier start has of a trial, nil if that is nothing.
// ours is false if another agent or machine measured it.
func (r *record) recall(t trial.Trial) (log *journal.Log, ours bool, err error) {
	log, err = r.out.Journal(t.ID)
	if err != nil {
		return nil, true, fmt.Errorf("the journal of %s: %w", t.ID, err)
	}
	if log == nil || t.Skip != "" {
		return nil, true, nil
	}
	was := log.Begun[0].Result
	return log, was.Agent.SHA256 == r.agent.SHA256 && sameMachine(was.Device, r.device()), nil
}

// sameMachine: blocks of two machines, or of two kernels, make no sample.
func sameMachine(a, b trial.Device) bool {
	same := func(x, y trial.Reading[string]) bool {
		v, _ := x.Get()
		w, _ := y.Get()
		return v == w
	}
	return a.Cores == b.Cores && same(a.Model, b.Model) && same(a.CPU, b.CPU) && same(a.Board, b.Board) &&
		same(a.Kernel, b.Kernel)
}

// split separates the trials that go on from their blocks on record.
func (r *record) split(pending []trial.Trial) (interrupted, fresh []trial.Trial) {
	for _, t := range pending {
		if r.logs[t.ID] != nil {
			interrupted = append(interrupted, t)
		} else {
			fresh = append(fresh, t)
		}
	}
	return interrupted, fresh
}

// resume gives a trial, whose new process is ready or has failed to become so, its
// blocks on record.
func (r *record) resume(l *living) {
	if log := r.logs[l.ID]; log != nil {
		delete(r.logs, l.ID)
		l.resume(log)
	}
}

// resume takes what was measured before. A process start keeps for its life where
// things lie in memory, so what this one measures counts as another start's: the
// blocks say which.
func (l *living) resume(log *journal.Log) {
	now, before := l.result, log.Result()
	before.Outcome, before.Reasons = now.Outcome, now.Reasons
	if now.Outcome == trial.OK {
		again := *now
		again.Start = l.start
		before.Restarts = append(before.Restarts, journal.Restart(&again))
	}
	l.result, l.device, l.start = before, before.Device, before.Start
	l.wanted, l.restarts = log.Begun[len(log.Begun)-1].Rounds, len(log.Begun)
	for _, b := range log.Blocks {
		l.measured += b.Took
		l.longest = max(l.longest, b.Took)
		for _, ns := range b.LatenciesNS {
			l.timed += time.Duration(ns)
		}
	}
	l.learnStart()
}

// keep writes, when the run is stopped for this reason, partial results of the
// trials that an earlier start has begun and that this one has not come to.
func (r *record) keep(why string) error {
	for _, t := range r.plan.Trials {
		log := r.logs[t.ID]
		if log == nil {
			continue
		}
		res, err := log.Partial(why)
		if err != nil {
			return fmt.Errorf("the journal of %s: %w", t.ID, err)
		}
		r.write(t, res)
	}
	return r.err
}
