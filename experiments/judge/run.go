package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Run is a judged run.
type Run struct {
	Budgets []Budget
	// Trials has one entry per planned trial, grouped by model, provider, threads
	// and batch in the order of the plan; repetitions are entries of their own,
	// because the spread between them is part of the answer.
	Trials  []*Trial
	Options []*Option
	Foreign []string // results that were left out, because the plan has no such trial

	seed uint64 // of the ratios' intervals
}

// Results judges the results of a run. It never fails: what is wrong with a
// result becomes a reason or a doubt. Model, provider, threads and batch come
// from the plan, only the measurement from the device. Without a plan the
// trials are those of the results, in the order of their names. Entries of
// results may be nil. Trials of several devices are several options: a median over
// boards that differ would be of none of them.
func Results(plan *trial.Plan, results []*trial.Result, origins Origins, budgets []Budget) *Run {
	r := &Run{Budgets: slices.Clone(budgets)}
	for i, b := range budgets {
		r.Budgets[i].Text = words.Line(b.Text, words.MaxName)
	}
	if plan != nil {
		r.seed = plan.Seed
		r.planned(plan, results)
	} else {
		for _, x := range sorted(results) {
			r.Trials = append(r.Trials, newTrial(asked(x), x.Model, x))
		}
	}
	asked := r.scenarios()
	for _, t := range r.Trials {
		if t.Result != nil {
			t.Origin = origins.of(t.Result)
		}
		t.check()
		for _, b := range r.Budgets {
			t.Answers = append(t.Answers, t.answer(b, asked[t.choice().anyBatch()]))
		}
	}
	r.options()
	return r
}

// asked is the trial that a result says it is of.
func asked(r *trial.Result) trial.Trial {
	return trial.Trial{ID: r.TrialID, Model: r.Model.Name, Provider: r.Provider, Threads: r.Threads, Batch: r.Batch,
		Repetition: r.Repetition}
}

// sorted are the results that are there, by model, provider, threads, batch and
// repetition.
func sorted(in []*trial.Result) []*trial.Result {
	out := slices.DeleteFunc(slices.Clone(in), func(r *trial.Result) bool { return r == nil })
	slices.SortStableFunc(out, func(a, b *trial.Result) int {
		return cmp.Or(
			strings.Compare(a.Model.Name, b.Model.Name), strings.Compare(a.Provider.Name, b.Provider.Name),
			cmp.Compare(a.Threads, b.Threads), cmp.Compare(a.Batch, b.Batch),
			cmp.Compare(a.Repetition, b.Repetition), strings.Compare(a.TrialID, b.TrialID))
	})
	return out
}

// planned pairs the plan's trials with their results.
func (r *Run) planned(plan *trial.Plan, in []*trial.Result) {
	results := map[string][]*trial.Result{}
	for _, x := range in {
		if x != nil {
			results[x.TrialID] = append(results[x.TrialID], x)
		}
	}
	models := map[string]trial.Model{}
	for _, m := range plan.Models {
		models[m.Name] = m
	}
	for _, p := range inOrder(plan.Trials) {
		var x *trial.Result
		if all := results[p.ID]; len(all) > 0 {
			x = all[0]
		}
		t := newTrial(p, models[p.Model], x)
		if n := len(results[p.ID]); n > 1 {
			t.Doubts = append(t.Doubts, fmt.Sprintf("%d results carry its name", n))
		}
		if x != nil && x.RunID != plan.RunID {
			t.Doubts = append(t.Doubts,
				fmt.Sprintf("it says that it belongs to run %q", words.Line(x.RunID, words.MaxName)))
		}
		r.Trials = append(r.Trials, t)
		delete(results, p.ID)
	}
	for id := range results {
		r.Foreign = append(r.Foreign, words.Line(id, words.MaxName))
	}
	slices.Sort(r.Foreign)
}

// inOrder groups trials by model, provider, threads and batch, models and
// providers in the order of their first appearance, then by repetition.
func inOrder(in []trial.Trial) []trial.Trial {
	models, providers := map[string]int{}, map[string]int{}
	meet := func(order map[string]int, name string) {
		if _, ok := order[name]; !ok {
			order[name] = len(order)
		}
	}
	for _, t := range in {
		meet(models, t.Model)
		meet(providers, t.Provider.Label())
	}
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b trial.Trial) int {
		return cmp.Or(
			cmp.Compare(models[a.Model], models[b.Model]),
			cmp.Compare(providers[a.Provider.Label()], providers[b.Provider.Label()]),
			cmp.Compare(a.Threads, b.Threads), cmp.Compare(a.Batch, b.Batch),
			cmp.Compare(a.Repetition, b.Repetition))
	})
	return out
}

// newTrial holds a result against what was planned; r is nil when there is none.
func newTrial(p trial.Trial, m trial.Model, r *trial.Result) *Trial {
	t := &Trial{ID: words.Line(p.ID, 3*words.MaxName), Model: trial.ShowName(p.Model), Bytes: m.Bytes,
		Provider: trial.ShowName(p.Provider.Label()), Threads: p.Threads, Batch: p.Batch, Repetition: p.Repetition,
		Outcome: Missing}
	if r == nil {
		t.Reasons = []trial.Reason{{Code: "no_result", Text: "no result came back for this trial"}}
		if p.Skip != "" {
			t.Outcome = trial.Skipped
			t.Reasons = []trial.Reason{{Code: "skipped", Text: sentence(p.Skip)}}
		}
		for _, f := range t.numbers() {
			*f = trial.Unread[float64]("the trial has no result")
		}
		return t
	}
	var contradiction error
	t.Result = r
	t.Sample, contradiction = stats.SampleOf(r)
	t.N, t.Partial = len(r.LatenciesNS), cleanPartial(r.Partial)
	t.ended(r)
	if r.Outcome == trial.OK {
		t.Doubts = contradictions(r.Summary, r.LatenciesNS, t.Sample.Sorted(), p.Batch)
		if contradiction != nil {
			t.Doubts = append(t.Doubts, contradiction.Error())
		}
	}
	if r.Model.SHA256 != m.SHA256 {
		t.Doubts = append(t.Doubts,
			"it was measured with another model file (sha256 "+words.Line(r.Model.SHA256, 12)+")")
	}
	if r.Provider.Label() != p.Provider.Label() || r.Threads != p.Threads || r.Batch != p.Batch {
		t.Doubts = append(t.Doubts, fmt.Sprintf("it was measured with %s, %s, batch %d",
			words.Line(r.Provider.Label(), words.MaxName), words.Plural(r.Threads, "thread"), r.Batch))
	}
	t.measured(p.Batch)
	if _, ok := r.Accuracy.Get(); ok || r.Accuracy.Unavailable != "" {
		t.Accuracy = accuracy(r.Accuracy)
	}
	return t
}

// ended says how a trial ended, and why where it did not go well.
func (t *Trial) ended(r *trial.Result) {
	t.Outcome, t.Reasons = r.Outcome, cleanReasons(r.Reasons)
	switch r.Outcome {
	case trial.OK:
	case trial.Failed, trial.Skipped:
		if r.Partial != nil && len(r.Reasons) > 0 && r.Reasons[0].Code == trial.ReasonStopped {
			t.Outcome = Missing // too few blocks to be measured
		}
		if len(t.Reasons) == 0 {
			t.Reasons = []trial.Reason{{Code: "no_reason", Text: "the result gives no reason"}}
		}
	default:
		t.Outcome = trial.Failed
		t.Reasons = append(t.Reasons, trial.Reason{Code: "unknown_outcome",
			Text: fmt.Sprintf("the result has outcome %q, which this program does not know",
				words.Line(string(r.Outcome), words.MaxName))})
	}
}

func cleanPartial(p *trial.Partial) *trial.Partial {
	if p == nil {
		return nil
	}
	out := *p
	out.Why = sentence(out.Why)
	return &out
}

func cleanReasons(in []trial.Reason) []trial.Reason {
	const most = 8
	var out []trial.Reason
	for i, r := range in {
		if i == most {
			out = append(out, trial.Reason{Code: "more", Text: fmt.Sprintf("and %d more reasons", len(in)-most)})
			break
		}
		out = append(out, trial.Reason{Code: words.Line(r.Code, words.MaxName), Text: sentence(r.Text),
			Next: sentence(r.Next)})
	}
	return out
}
