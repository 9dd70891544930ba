package findings

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// What a decision can come to.
const (
	DecisionMet       = "met"        // at least one option meets every budget
	DecisionNone      = "none"       // every option is known to miss a budget
	DecisionUndecided = "undecided"  // none is known to meet every budget, but not all are known to miss one
	DecisionNoBudget  = "no_budget"  // nothing was asked for
	DecisionNoResult  = "no_results" // no trial may be decided from
)

// Decision is the table in words.
type Decision struct {
	Verdict string `json:"verdict"`
	// RealDevice is false for a rehearsal or an emulated processor: the
	// decision then says how the report reads and nothing about a device.
	RealDevice bool     `json:"real_device"`
	Text       string   `json:"text"`
	Details    []string `json:"details,omitempty"`
	Options    []string `json:"options,omitempty"` // letters of the options that meet every budget
	Smallest   string   `json:"smallest,omitempty"`
	Fastest    string   `json:"fastest,omitempty"`
}

// Choice is one option with all its repetitions.
type Choice struct {
	Letter, Label string
	model         string
	bytes         int64
	Rows          []*Row
	verdicts      []string // per budget, over all repetitions
	p50           trial.Reading[float64]
	low, high     float64
}

// decide takes the decision. An option counts as meeting a budget when every
// one of its repetitions ran and met it, as missing it when one valid
// repetition missed it, and as unknown otherwise.
func decide(t *Table) Decision {
	d := Decision{RealDevice: len(t.Rows) > 0 && !t.Run.Rehearsal && !emulated(t)}
	all := Choices(t)
	valid := slices.DeleteFunc(slices.Clone(all), func(c *Choice) bool { _, ok := c.p50.Get(); return !ok })
	switch {
	case len(valid) == 0:
		d.Verdict, d.Text = DecisionNoResult, "No decision: "+noResult(t)+"."
	case len(t.Budgets) == 0:
		d.Verdict, d.Text = DecisionNoBudget, "No budget was set, so there is nothing to decide. "+best(&d, valid)
	default:
		d.budgets(t, all, valid)
	}
	if n := len(all) - len(valid); n > 0 && len(valid) > 0 {
		d.Details = append(d.Details, "Without a usable result, so not counted: "+labels(all, func(c *Choice) bool { _, ok := c.p50.Get(); return !ok })+".")
	}
	if !d.RealDevice && len(valid) > 0 {
		what := "Emulated processor"
		if t.Run.Rehearsal {
			what = "Rehearsal"
		}
		d.Text = what + ", no verdict about the real device: " + d.Text
	}
	return d
}

func emulated(t *Table) bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool { return r.Result.Device.Emulated != "" })
}

func noResult(t *Table) string {
	if len(t.Rows) == 0 {
		return "there are no results"
	}
	count := map[string]int{}
	for _, r := range t.Rows {
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
	return fmt.Sprintf("none of the %s gave a usable result (%s)", words.Plural(len(t.Rows), "trial"), strings.Join(parts, ", "))
}

func (d *Decision) budgets(t *Table, all, valid []*Choice) {
	is := func(want string) func(*Choice) bool {
		return func(c *Choice) bool { return c.Overall() == want }
	}
	meeting := slices.DeleteFunc(slices.Clone(valid), func(c *Choice) bool { return c.Overall() != Met })
	for _, c := range meeting {
		d.Options = append(d.Options, c.Letter)
	}
	switch n := len(meeting); {
	case n == 1:
		d.Verdict = DecisionMet
		d.Smallest, d.Fastest = meeting[0].Letter, meeting[0].Letter
		who := fmt.Sprintf("One of %d options meets", len(all))
		if len(all) == 1 {
			who = "The only option meets"
		}
		d.Text = fmt.Sprintf("%s every budget: %s (%s, p50 %s).", who, meeting[0].Label, Size(meeting[0].bytes), words.Nanoseconds(*meeting[0].p50.Value))
	case n > 1:
		d.Verdict = DecisionMet
		d.Text = fmt.Sprintf("%d of %s meet every budget. %s", n, words.Plural(len(all), "option"), best(d, meeting))
		d.Details = append(d.Details, "They are: "+labels(meeting, is(Met))+".")
	case slices.ContainsFunc(valid, is(Unknown)):
		d.Verdict = DecisionUndecided
		d.Text = "Undecided: no option is known to meet every budget, but not every one is known to miss one. Open: " +
			labels(valid, is(Unknown)) + "."
	default:
		d.Verdict, d.Text = DecisionNone, "No option meets every budget."
	}
	if d.Verdict != DecisionMet {
		for i, b := range t.Budgets {
			d.Details = append(d.Details, perBudget(i, b, valid))
		}
	} else if slices.ContainsFunc(valid, is(Unknown)) {
		d.Details = append(d.Details, "Open, because a budget could not be judged: "+labels(valid, is(Unknown))+".")
	}
}

// perBudget says how near the options came to one budget.
func perBudget(i int, b Budget, valid []*Choice) string {
	met := 0
	var bestValue float64
	var bestChoice *Choice
	for _, c := range valid {
		if c.verdicts[i] == Met {
			met++
		}
		for _, r := range c.Rows {
			v, ok := r.Verdicts[i].Value.Get()
			better := bestChoice == nil || (strings.HasPrefix(b.Op, "<") && v < bestValue) || (strings.HasPrefix(b.Op, ">") && v > bestValue)
			if ok && r.Valid() && better {
				bestValue, bestChoice = v, c
			}
		}
	}
	switch {
	case bestChoice == nil:
		return fmt.Sprintf("%s: could not be judged.", b.Text)
	case met == 0:
		return fmt.Sprintf("%s: met by none; nearest is %s with %s.", b.Text, bestChoice.Label, formatMetric(b.Metric, bestValue))
	}
	return fmt.Sprintf("%s: met by %d of %d.", b.Text, met, len(valid))
}

// best names the smallest model and the fastest option, and the options that
// these samples cannot tell from the fastest.
func best(d *Decision, cs []*Choice) string {
	smallest, fastest := cs[0], cs[0]
	for _, c := range cs[1:] {
		if c.bytes < smallest.bytes || (c.bytes == smallest.bytes && *c.p50.Value < *smallest.p50.Value) {
			smallest = c
		}
		if *c.p50.Value < *fastest.p50.Value {
			fastest = c
		}
	}
	d.Smallest, d.Fastest = smallest.Letter, fastest.Letter
	s := fmt.Sprintf("Smallest model: %s (%s). Fastest: %s (p50 %s).", smallest.model, Size(smallest.bytes),
		fastest.Label, words.Nanoseconds(*fastest.p50.Value))
	like := func(c *Choice) bool { return c != fastest && alike(c, fastest) }
	if slices.ContainsFunc(cs, like) {
		s += " These samples cannot tell it from " + labels(cs, like) + "."
	}
	return s
}

// Size writes the size of a model file.
func Size(bytes int64) string {
	if bytes <= 0 {
		return "size unknown"
	}
	return words.Bytes(float64(bytes))
}

func labels(cs []*Choice, which func(*Choice) bool) string {
	var out []string
	for _, c := range cs {
		if which(c) {
			out = append(out, c.Label)
		}
	}
	return words.List(out, "; ", 6)
}

// Overall is the verdict over all budgets.
func (c *Choice) Overall() string {
	switch {
	case slices.Contains(c.verdicts, NotMet):
		return NotMet
	case slices.Contains(c.verdicts, Unknown):
		return Unknown
	}
	return Met
}

// Choices takes the rows of each option together, in the order of the table.
func Choices(t *Table) (out []*Choice) {
	byLetter := map[string]*Choice{}
	for _, r := range t.Rows {
		c := byLetter[r.Option]
		if c == nil {
			c = &Choice{Letter: r.Option, Label: t.label(r), model: r.Model, bytes: r.Bytes}
			byLetter[r.Option] = c
			out = append(out, c)
		}
		c.Rows = append(c.Rows, r)
	}
	for _, c := range out {
		c.combine(len(t.Budgets))
	}
	return out
}

// combine takes the repetitions together: the middle of their medians, and an
// interval that covers all of theirs.
func (c *Choice) combine(budgets int) {
	var p50s []float64
	for _, r := range c.Rows {
		v, ok := r.P50.Get()
		if !r.Valid() || !ok {
			continue
		}
		low, high := *r.Min.Value, *r.Max.Value // all that few inferences can say
		if l, ok := r.P50Low.Get(); ok {
			low, high = l, *r.P50High.Value
		}
		if len(p50s) == 0 {
			c.low, c.high = low, high
		}
		c.low, c.high = min(c.low, low), max(c.high, high)
		p50s = append(p50s, v)
	}
	c.p50 = trial.Unread[float64]("no repetition gave a usable result")
	if len(p50s) > 0 {
		slices.Sort(p50s)
		n := len(p50s)
		c.p50 = trial.Read((p50s[(n-1)/2] + p50s[n/2]) / 2)
	}
	for i := range budgets {
		v := Met
		for _, r := range c.Rows {
			if r.Verdicts[i].Verdict == NotMet {
				v = NotMet
				break
			}
			if r.Verdicts[i].Verdict == Unknown {
				v = Unknown
			}
		}
		c.verdicts = append(c.verdicts, v)
	}
}

// label names an option by what tells it from the others.
func (t *Table) label(r *Row) string {
	return r.Model + " on " + r.Provider + t.Setting(r)
}

// Setting names threads and batch where they differ between rows.
func (t *Table) Setting(r *Row) (s string) {
	if t.Varies(func(r *Row) int { return r.Threads }) {
		s += ", " + words.Plural(r.Threads, "thread")
	}
	if t.Varies(func(r *Row) int { return r.Batch }) {
		s += fmt.Sprintf(", batch %d", r.Batch)
	}
	return s
}

// Varies reports whether a property is not the same in all rows.
func (t *Table) Varies(f func(*Row) int) bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool { return f(r) != f(t.Rows[0]) })
}
