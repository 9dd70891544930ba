package findings

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/validity"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/options"
)

// A sentence above the table carries a number only if somebody may rely on it: one
// of a real device, VALID, and of a provider whose share of the model is known. What
// speaks against any other stands in its place; the table has the number.

// about names an option for a headline, with what it may say of it: "(2.42 MB, p50
// 8.13 ms)".
func (d *Decision) about(o *judge.Option) string {
	return o.Label + " (" + strings.Join(words.Present(Size(o.Bytes), d.speed(o)), ", ") + ")"
}

// speed is how fast a usable option is: its median and, of one for more than one
// batch, what the larger one handles. "" where no real device measured it.
func (d *Decision) speed(o *judge.Option) string {
	if !d.RealDevice {
		return ""
	}
	if why := unsure(o); why != "" {
		return "latency " + why
	}
	s := "p50 " + words.Nanoseconds(*o.P50.Value)
	if o.Batched != nil {
		s = fmt.Sprintf("%s; %s in batches of %d", s, words.Rate(*options.Throughput(o.Batched.Trials).Value),
			o.Batched.Trials[0].Batch)
	}
	return strings.Join(words.Present(s, share(o)), ", ")
}

// counted are the trials that an option's numbers are over.
func counted(o *judge.Option) []*judge.Trial {
	all := o.Trials
	if o.Batched != nil {
		all = slices.Concat(all, o.Batched.Trials)
	}
	return slices.DeleteFunc(slices.Clone(all), func(t *judge.Trial) bool { return !t.Valid() })
}

// unsure says what speaks against an option's numbers: "SUSPECT: clock, drift"; ""
// if all that they are over is VALID.
func unsure(o *judge.Option) string {
	var names []string
	for _, t := range counted(o) {
		for _, c := range t.Failing() {
			if !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return string(stats.Suspect) + ": " + words.List(names, ", ", 3)
}

// share says how much of the model a provider other than cpu ran, the least of all
// trials: "acl: 60 of 68 nodes, 88 % of the time". Where nothing shows it, the trial
// is SUSPECT.
func share(o *judge.Option) string {
	var least *validity.Truth
	for _, t := range counted(o) {
		ran, ok := t.Ran.Get()
		if ok && !t.OnCPU() && (least == nil || ran.Time < least.Time) {
			least = &ran
		}
	}
	if least == nil {
		return ""
	}
	return least.String()
}

// best names the smallest model and the fastest option, and the options that
// these samples cannot tell from the fastest.
func (d *Decision) best(j judge.Decision) string {
	s := fmt.Sprintf("Smallest model: %s (%s). Fastest: %s.", j.Smallest.Model, Size(j.Smallest.Bytes), j.Fastest.Label)
	if speed := d.speed(j.Fastest); speed != "" {
		s = strings.TrimSuffix(s, ".") + " (" + speed + ")."
	}
	if len(j.Alike) > 0 {
		s += " These samples cannot tell it from " + judge.Labels(j.Alike) + "."
	}
	return s
}

// tally says how near the options came to one budget.
func (d *Decision) tally(x judge.Tally, of int) string {
	switch {
	case x.Nearest == nil:
		return x.Budget.Text + ": could not be judged."
	case x.Met > 0:
		return fmt.Sprintf("%s: met by %d of %d.", x.Budget.Text, x.Met, of)
	}
	s := fmt.Sprintf("%s: met by none; nearest is %s", x.Budget.Text, x.Nearest.Label)
	if x.Open > 0 {
		s = fmt.Sprintf("%s: not known to be met by any (open for %d of %d); nearest is %s", x.Budget.Text, x.Open, of,
			x.Nearest.Label)
	}
	switch why := unsure(x.Nearest); {
	case x.Budget.Metric.Apart():
	case !d.RealDevice:
		return s + "."
	case why != "":
		return s + " (" + why + ")."
	}
	s += " with " + x.Budget.Metric.Format(x.Value)
	if who := share(x.Nearest); who != "" && !x.Budget.Metric.Apart() {
		s += " (" + who + ")"
	}
	return s + "."
}

// doubtful says what to do first where every option that meets the budgets does so
// by SUSPECT results; "" where one does not.
func doubtful(meeting []*judge.Option) string {
	remedy := ""
	for _, o := range meeting {
		if unsure(o) == "" {
			return ""
		}
		for _, t := range counted(o) {
			if bad := t.Failing(); len(bad) > 0 && remedy == "" {
				remedy = bad[0].Remedy
			}
		}
	}
	return remedy
}
