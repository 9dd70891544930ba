package judge

import (
	"cmp"
	"fmt"
	"slices"

	"chexp/experiments/trial"
)

// A latency budget is about inputs that come one after the other, a throughput
// budget about inputs that are all there before, as MLPerf's scenarios are. So where
// a model on a provider was asked for both at batch 1 and at larger batches, batch 1
// answers the one and the larger batches the other. Where only one of them was asked
// for, it answers both.

// anyBatch is the choice without its batch.
func (c choice) anyBatch() choice {
	c.batch = 0
	return c
}

// scenarios are those that each choice was asked for in, over all its batches.
func (r *Run) scenarios() map[choice][]trial.Scenario {
	out := map[choice][]trial.Scenario{}
	for _, t := range r.Trials {
		c := t.choice().anyBatch()
		out[c] = append(out[c], trial.ScenarioOf(t.Batch))
	}
	return out
}

// elsewhere says which batches answer a budget that the trial's does not; "" if its
// own does.
func (t *Trial) elsewhere(b Budget, asked []trial.Scenario) string {
	want := b.Metric.scenario
	if want == "" || want == trial.ScenarioOf(t.Batch) || !slices.Contains(asked, want) {
		return ""
	}
	if want == trial.SingleStream {
		return "batch 1 answers it"
	}
	return "larger batches answer it"
}

// splits reports whether another batch answers one of the budgets.
func (o *Option) splits() bool { return slices.Contains(o.Verdicts, Elsewhere) }

// batches are the options that differ from o in nothing but the batch, itself among
// them. One without a result has no device, and belongs to any.
func (r *Run) batches(o *Option) (out []*Option) {
	for _, x := range r.Options {
		if x.choice().anyBatch() == o.choice().anyBatch() &&
			(x.Device == o.Device || x.Device == "" || o.Device == "") {
			out = append(out, x)
		}
	}
	return out
}

// choices are what a person chooses between. Where all budgets are answered by each
// batch, that is every option; else it is one for all its batches.
func (r *Run) choices() (out []*Option) {
	done := map[*Option]bool{}
	for _, o := range r.Options {
		all := r.batches(o)
		switch whole := slices.DeleteFunc(slices.Clone(all), (*Option).splits); {
		case done[o]:
		case len(whole) == len(all):
			out = append(out, o)
		default:
			if len(whole) == 0 {
				whole = r.pairs(o)
			}
			out = append(out, nearest(whole))
			for _, x := range all {
				done[x] = true
			}
		}
	}
	return out
}

// nearest is the first of those that come nearest to meeting every budget. One with a
// result comes before one without: a batch that failed says nothing of the others.
func nearest(among []*Option) *Option {
	silent := func(o *Option) int {
		if o.Usable() && (o.Batched == nil || o.Batched.Usable()) {
			return 0
		}
		return 1
	}
	return slices.MinFunc(among, func(a, b *Option) int {
		return cmp.Or(silent(a)-silent(b), verdicts[a.Verdict()].bad-verdicts[b.Verdict()].bad)
	})
}

// pairs are the option with each of the batches that answer what it does not. Where
// its device measured none of them, that is unknown.
func (r *Run) pairs(o *Option) (out []*Option) {
	for _, x := range r.batches(o) {
		single, batched := o, x
		if o.batch() > 1 {
			single, batched = x, o
		}
		if single.batch() == 1 && batched.batch() > 1 {
			out = append(out, r.pair(single, batched))
		}
	}
	if len(out) > 0 {
		return out
	}
	open := *o
	open.Verdicts = slices.Clone(o.Verdicts)
	for i, v := range open.Verdicts {
		if v == Elsewhere {
			open.Verdicts[i] = Unknown
		}
	}
	open.verdict = Worst(open.Verdicts...)
	return []*Option{&open}
}

// pair is an option at batch 1 together with one of its larger batches.
func (r *Run) pair(single, batched *Option) *Option {
	o := *single
	o.Batched = batched
	o.Label = o.Model + " on " + o.Trials[0].Provider +
		r.setting(o.Trials[0], fmt.Sprintf("batches of %d and %d", o.batch(), batched.batch()), o.Device)
	o.Verdicts = slices.Clone(o.Verdicts)
	for i, v := range batched.Verdicts {
		switch {
		case o.Verdicts[i] == Elsewhere:
			o.Verdicts[i] = v
		case v != Elsewhere: // both batches must keep it
			o.Verdicts[i] = Worst(o.Verdicts[i], v)
		}
	}
	o.verdict = Worst(o.Verdicts...)
	return &o
}

func (o *Option) batch() int { return o.Trials[0].Batch }

// Evidence are the trials that answer the i-th budget.
func (o *Option) Evidence(i int) []*Trial {
	all := o.Trials
	if o.Batched != nil {
		all = slices.Concat(all, o.Batched.Trials)
	}
	return slices.DeleteFunc(slices.Clone(all), func(t *Trial) bool { return t.Answers[i].Verdict == Elsewhere })
}
