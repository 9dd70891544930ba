package findings

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

func decide(t *Table) Decision {
	emulated := slices.ContainsFunc(t.Rows, func(r *Row) bool { return r.Device.EmulatedBy() != "" })
	j := t.Judged.Decide()
	d := Decision{Verdict: j.Conclusion, RealDevice: len(t.Rows) > 0 && !t.Run.Rehearsal && !emulated}
	if j.Fastest != nil {
		d.Smallest, d.Fastest = j.Smallest.Letter, j.Fastest.Letter
	}
	if j.Conclusion == judge.SomeMeet {
		for _, o := range j.Meeting {
			d.Options = append(d.Options, o.Letter)
			if o.Batched != nil {
				d.Options = append(d.Options, o.Batched.Letter)
			}
		}
	}
	d.say(t, j)
	d.Next = d.next(t, j)
	if len(j.Usable) == 0 {
		return d
	}
	if len(j.Unusable) > 0 {
		d.Details = append(d.Details, notCounted(j.Unusable))
	}
	if !d.RealDevice {
		what := "Emulated processor"
		if t.Run.Rehearsal {
			what = "Rehearsal"
		}
		d.Text = what + ", no verdict about the real device: " + d.Text
	}
	return d
}

// notCounted names a few options without a usable result, and counts many: the
// table says why.
func notCounted(options []*judge.Option) string {
	if n := len(options); n > 2 {
		return fmt.Sprintf("%d options have no usable result and are not counted.", n)
	}
	return "Without a usable result, so not counted: " + judge.Labels(options) + "."
}

// say puts the conclusion into a sentence, and what led to it into details.
func (d *Decision) say(t *Table, j judge.Decision) {
	open := openOptions(t, j.Open)
	switch j.Conclusion {
	case judge.NoResults:
		d.Text = "No decision: " + noResult(t.Rows) + "."
		return
	case judge.NoBudget:
		d.Text = "No budget was set, so there is nothing to decide. " + d.best(j)
		return
	case judge.SomeMeet:
		d.sayMeeting(j)
		if len(j.Open) > 0 {
			d.Details = append(d.Details, "Open: "+open+".")
		}
		return
	case judge.NoneKnown:
		d.Text = "UNDECIDED: no option is known to meet every budget, but not every one is known to miss one. Open: " +
			open + "."
	case judge.NoneMeets:
		d.Text = "No option meets every budget."
	}
	for _, x := range j.Tallies {
		d.Details = append(d.Details, d.tally(x, len(j.Usable)))
	}
}

// openOptions names at most six options with what is open about each: the budgets
// that nothing is decided about, and what would probably decide.
func openOptions(t *Table, options []*judge.Option) string {
	var out []string
	for _, o := range options {
		var open []string
		for i, v := range o.Verdicts {
			if v == judge.Undecided || v == judge.Unknown {
				open = append(open, t.Judged.Budgets[i].Text+" "+v.String()+wouldDecide(o, i))
			}
		}
		out = append(out, o.Label+" ("+strings.Join(open, ", ")+")")
	}
	return words.List(out, "; ", 6)
}

// wouldDecide says what would probably decide an option's i-th budget: the most
// that any of its repetitions asks for or, where they disagree, more of them.
func wouldDecide(o *judge.Option, i int) string {
	if o.Verdicts[i] != judge.Undecided {
		return ""
	}
	var most *judge.More
	undecided := false
	for _, t := range o.Evidence(i) {
		a := t.Answers[i]
		undecided = undecided || a.Verdict == judge.Undecided
		if a.More != nil && (most == nil || a.More.N > most.N) {
			most = a.More
		}
	}
	switch {
	case most != nil:
		return ": " + most.String() + " would probably decide"
	case undecided:
		return ": too near the limit to be decided by measuring more"
	}
	return ": its repetitions disagree; more of them would tell"
}

func (d *Decision) sayMeeting(j judge.Decision) {
	all := j.Of
	if n := len(j.Meeting); n > 1 {
		d.Text = fmt.Sprintf("%d of %s meet every budget. %s", n, words.Plural(all, "option"), d.best(j))
		d.Details = append(d.Details, "They are: "+judge.Labels(j.Meeting)+".")
		return
	}
	who, one := fmt.Sprintf("One of %d options meets", all), j.Meeting[0]
	if all == 1 {
		who = "The only option meets"
	}
	d.Text = fmt.Sprintf("%s every budget: %s.", who, d.about(one))
}

func noResult(rows []*Row) string {
	if len(rows) == 0 {
		return "there are no results"
	}
	count := map[string]int{}
	for _, r := range rows {
		switch {
		case r.Sound():
			count["invalid"]++
		case r.Outcome == trial.OK:
			count["doubtful"]++
		default:
			count[string(r.Outcome)]++
		}
	}
	var parts []string
	for _, k := range []string{"failed", "skipped", "missing", "doubtful", "invalid"} {
		if count[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[k], k))
		}
	}
	return fmt.Sprintf("none of the %s gave a usable result (%s)", words.Plural(len(rows), "trial"),
		strings.Join(parts, ", "))
}

// Size writes the size of a model file.
func Size(bytes int64) string {
	if bytes <= 0 {
		return "size unknown"
	}
	return words.Bytes(float64(bytes))
}

// next says what to do now.
func (d *Decision) next(t *Table, j judge.Decision) string {
	switch j.Conclusion {
	case judge.NoResults:
		for _, r := range t.Rows {
			for _, x := range r.Reasons {
				if x.Next != "" {
					return strings.TrimSuffix(x.Next, ".") + "; then run it again."
				}
			}
		}
		return "mend what the table names for each option, and run it again: one usable trial of an option makes a decision."
	case judge.NoBudget:
		return "say in the experiment what it must keep, such as `budgets: [p50 < 15 ms]`, and the next run is judged."
	case judge.NoneMeets:
		return "a smaller model, `chexp model quantize`, another provider or more threads; or a budget that can be kept."
	case judge.NoneKnown:
		return "measure more where it says so: raise trials.min_runs and trials.min_time, or set trials.precision, and " +
			"run it again."
	case judge.SomeMeet:
		if remedy := doubtful(j.Meeting); d.RealDevice && remedy != "" {
			return "before you rely on it, as what meets the budgets is SUSPECT: " + remedy + "; then run it again."
		}
		for _, o := range j.Meeting {
			if len(o.Trials) >= stats.FewestUnits {
				return ""
			}
		}
		return "before you rely on it, set trials.repetitions to 3 or more: another process start may differ."
	}
	return ""
}
