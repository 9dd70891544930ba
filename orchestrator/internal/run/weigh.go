package run

import (
	"fmt"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
)

// worthStarting refuses to begin what the lease leaves no time for: not one trial
// would be whole. An agent that was started before has its trials begun.
func (a *attempt) worthStarting() error {
	end, ok := a.deadline()
	if !ok || a.held.Started || len(a.todo.trials) == 0 {
		return nil
	}
	rest := *a.Plan
	rest.Trials = a.todo.trials
	least, _ := spec.EstimateTime(&rest)
	one := least / time.Duration(len(rest.Trials))
	left := a.until(end)
	if left >= one {
		return nil
	}
	return failure.Trials.
		Errorf("the lease ends at %s and leaves %s to measure, and a trial takes %s at least: none was begun",
			timeOfDay(a.lease.End), clock.Span(left), clock.Span(one)).
		Advise("`%s` measures in a new lease; or give the lease a longer duration", a.Commands.Resume())
}

// weigh says, once the device has shown how fast it is, how long the rest takes, and
// whether the lease has time for it.
func (f *follower) weigh(reply trial.StatusReply) {
	if f.weighed {
		return
	}
	for _, ev := range reply.Events {
		rest := time.Duration(ev.LeftNS)
		if rest <= 0 {
			continue
		}
		f.weighed = true
		text := "by what the device has shown so far, the rest takes about " + clock.Span(rest)
		end, ok := f.deadline()
		switch left := f.until(end); {
		case !ok:
			f.Observe.Say(text)
		case rest > left:
			f.Observe.Warn(fmt.Sprintf("%s, and the lease leaves %s: what is not whole by then is left for `%s`. "+
				"`%s` gives it more time, and the run takes it", text, clock.Span(max(left, 0)), f.Commands.Resume(),
				f.Commands.Line("lease", "extend", f.held.Lease.Key(), "--hours",
					fmt.Sprintf("%.1f", (rest-left).Hours()+0.1))))
		default:
			f.Observe.Say(fmt.Sprintf("%s; the lease leaves %s for it", text, clock.Span(left)))
		}
		return
	}
}

// leftOut is the error of a run whose agent has left whole trials out, as the lease has
// no time for them; nil when it left out none.
func (a homing) leftOut() error {
	needs := map[string]int64{}
	for _, ev := range a.events() {
		if ev.Type == trial.TrialFinished {
			needs[ev.Trial] = ev.NeedsNS // of its last end
		}
	}
	var names []string
	var sum time.Duration
	first := 0 // repetition of which a trial is left out
	for _, t := range a.Plan.Trials {
		if n := needs[t.ID]; n > 0 {
			names = append(names, t.ID)
			sum += time.Duration(n)
			if first == 0 || t.Repetition < first {
				first = t.Repetition
			}
		}
	}
	if names == nil {
		return nil
	}
	var advice []string
	window := time.Duration(0)
	switch {
	case !a.lease.Start.IsZero():
		window = a.lease.End.Sub(a.lease.Start)
	case a.Experiment != nil:
		window = a.Experiment.Lease.Duration
	}
	if all := window + sum; window > 0 {
		advice = append(advice, fmt.Sprintf("a lease of %s holds all of them (lease.duration)",
			clock.Span(all.Truncate(5*time.Minute)+5*time.Minute)))
	}
	if first > 1 {
		advice = append(advice, fmt.Sprintf("this one holds trials.repetitions: %d", first-1))
	} else {
		advice = append(advice, "fewer models, providers, threads or repetitions, or a shorter trials.min_time, fit this one")
	}
	return failure.Trials.
		Errorf("%d of %s left out, as the lease (until %s) has no time for them, about %s: %s", len(names),
			words.Plural(len(a.Plan.Trials), "trial"), timeOfDay(a.lease.End), clock.Span(sum), words.List(names, ", ", 8)).
		Advise("`%s` measures them in a new lease; %s", a.Commands.Resume(), strings.Join(advice, "; "))
}
