package matrix

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// slack is the share of a trial's expected time that is kept free for what is around
// its inferences, and for a device that becomes slower.
const slack = 10

// trim leaves out, before they begin, the trials whose time the run does not have:
// each is measured as a whole or not at all. It goes by the plan's order, in which a
// person has put first what matters most; a later, shorter trial may still fit. Those
// that have blocks on record go on. cost says how long a trial takes from now on.
func (t *turns) trim(trials []trial.Trial, begun func(trial.Trial) bool, cost func(trial.Trial) time.Duration) (
	out map[string]time.Duration,
) {
	if t.left == nil {
		return nil
	}
	left, limited := t.left()
	if !limited {
		return nil
	}
	out = map[string]time.Duration{}
	for _, tr := range t.record.inPlan(trials) {
		need := cost(tr)
		need += need / slack
		if need > left && !begun(tr) {
			out[tr.ID] = need
			t.record.left.over(tr)
			continue
		}
		left -= need
	}
	return out
}

// inPlan sorts trials as the plan has them.
func (r *record) inPlan(trials []trial.Trial) []trial.Trial {
	at := map[string]int{}
	for i, t := range r.plan.Trials {
		at[t.ID] = i
	}
	sorted := slices.Clone(trials)
	slices.SortStableFunc(sorted, func(a, b trial.Trial) int { return at[a.ID] - at[b.ID] })
	return sorted
}

// unloaded leaves out trials that have no process yet: by what another repetition
// took, or else by the least that the policy allows.
func (t *turns) unloaded(trials []trial.Trial) []trial.Trial {
	begun := func(tr trial.Trial) bool { return t.record.logs[tr.ID] != nil }
	out := t.trim(trials, begun, func(tr trial.Trial) time.Duration {
		if whole, known := t.record.left.whole[variantOf(tr)]; known {
			return whole
		}
		return t.policy.Expected(0)
	})
	for _, tr := range t.record.inPlan(trials) {
		if need, ok := out[tr.ID]; ok {
			l := newLiving(tr, t.record.device(), t.record.out.Now())
			l.result = silent(trial.Reason{Code: trial.ReasonStopped})
			l.result.Outcome, l.result.Reasons = trial.OK, nil // until its end is judged
			t.leaveOut(l, need)
		}
	}
	t.tell(trials, out)
	return slices.DeleteFunc(trials, func(tr trial.Trial) bool { _, ok := out[tr.ID]; return ok })
}

// loaded leaves out trials of a group whose processes wait: how long an inference
// takes here is known now.
func (t *turns) loaded(group []*living) {
	var trials []trial.Trial
	of := map[string]*living{}
	for _, l := range group {
		if !l.over {
			trials = append(trials, l.Trial)
			of[l.ID] = l
			t.record.left.foresee(l, t.policy.Expected(l.inferenceTime()))
		}
	}
	begun := func(tr trial.Trial) bool { return len(of[tr.ID].result.Blocks) > 0 }
	out := t.trim(trials, begun, func(tr trial.Trial) time.Duration {
		l := of[tr.ID]
		return max(t.policy.Expected(l.inferenceTime())-l.measured, 0)
	})
	for _, tr := range t.record.inPlan(trials) {
		if need, ok := out[tr.ID]; ok {
			of[tr.ID].process.kill()
			t.leaveOut(of[tr.ID], need)
		}
	}
	t.tell(trials, out)
}

// leaveOut ends a trial that has not begun, with the reason.
func (t *turns) leaveOut(l *living, need time.Duration) {
	left, _ := t.left()
	l.over, l.needs = true, need
	l.stopped = fmt.Sprintf("it takes about %s, and the lease leaves no more than %s for it", words.Span(need),
		words.Span(max(left, 0)))
	t.record.result(l)
}

// tell says what was left out.
func (t *turns) tell(trials []trial.Trial, out map[string]time.Duration) {
	if len(out) == 0 {
		return
	}
	var names []string
	var sum time.Duration
	for _, tr := range t.record.inPlan(trials) {
		if need, ok := out[tr.ID]; ok {
			names = append(names, tr.ID)
			sum += need
		}
	}
	t.record.trimmed += len(names)
	t.record.note("left out, as the lease's time does not hold them (about %s in all): %s", words.Span(sum),
		strings.Join(names, ", "))
}
