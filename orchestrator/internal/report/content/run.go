package content

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/facts"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/options"
)

// OfRun makes the document of a run. The brief one, for a terminal, leaves out what
// explains nothing unexpected.
func OfRun(t *findings.Table, brief bool) *Document {
	d := &Document{Cautions: t.Caveats, Answer: t.Decision.Text, Details: t.Decision.Details,
		Next:     t.Decision.Next,
		Sections: sections(t, brief), Notes: t.Notes, Legend: []string{legend}, Dir: t.Run.Dir}
	if slices.ContainsFunc(t.Judged.Options, func(o *judge.Option) bool {
		return slices.Contains(o.Verdicts, judge.Elsewhere)
	}) {
		d.Legend = append(d.Legend, batchesLegend)
	}
	name := words.When(t.Run.ID != "", "run "+t.Run.ID)
	if t.Run.Experiment != "" {
		name = t.Run.Experiment + words.When(name != "", ", ") + name
	}
	d.Headline = []string{name}
	for _, s := range []string{t.Run.Where(), t.Run.When()} {
		if s != "" {
			d.Headline = append(d.Headline, s)
		}
	}
	if len(t.Rows) > 0 {
		d.Tables = []Table{OptionsTable(t)}
	}
	if len(t.Rows) > 0 && !brief {
		trials := RunTable(t)
		d.Trials = &trials
	}
	if s := facts.HarnessCost(t.Facts); s != "" {
		d.Legend = append(d.Legend, s)
	}
	return d
}

const legend = "Latency is the time of one inference of a whole batch; inputs/s counts single inputs. " +
	"p50 is the median, p95 the time that 95 % of inferences stay below. 1 MB = 10⁶ bytes."

const batchesLegend = "Latency budgets are answered by batch 1, throughput budgets by larger batches: an option " +
	"meets both if its batch 1 meets the one and one of its larger batches the other."

// RunTable has a row for each trial. Numbers of a column share one unit, which
// stands in its head.
func RunTable(t *findings.Table) Table {
	out := tabulate(t.Rows, runFields(t))
	out.Title = "Every trial"
	return out
}

type rowField = field[*findings.Row]

// runFields returns the columns of a run's table.
func runFields(t *findings.Table) []rowField {
	out := []rowField{
		textField(Column{Key: "model", Head: "model"}, func(r *findings.Row) string { return r.Model }),
		textField(Column{Key: "provider", Head: "provider", Fold: 4},
			func(r *findings.Row) string { return r.Provider }),
		countField(Column{Key: "threads", Head: "threads", Fold: 2}, func(r *findings.Row) int { return r.Threads }),
		countField(Column{Key: "batch", Head: "batch", Fold: 1}, func(r *findings.Row) int { return r.Batch }),
	}
	if t.Judged.DevicesVary() {
		out = append(out, textField(Column{Key: "device", Head: "device"},
			func(r *findings.Row) string { return cmp.Or(r.Origin.Device, Dash) }))
	}
	if slices.ContainsFunc(t.Rows, func(r *findings.Row) bool { return r.Repetition > 1 }) {
		out = append(out, countField(Column{Key: "repetition", Head: "rep"},
			func(r *findings.Row) int { return r.Repetition }))
	}
	out = append(out, textField(Column{Key: "size", Head: "size MB", Right: true, Leave: 7},
		func(r *findings.Row) string { return megabytes(r.Bytes) }),
		textField(Column{Key: "n", Head: "n", Right: true, Fold: 3, Leave: 3}, func(r *findings.Row) string {
			if r.Outcome != trial.OK {
				return Dash
			}
			return strconv.Itoa(r.N)
		}))
	u := LatencyUnit(t)
	leave := map[*judge.Metric]int{judge.P99: 2, judge.P90: 5, judge.P95: 6}
	for _, m := range t.Percentiles() {
		out = append(out, numberField(Column{Key: m.String(), Head: m.String() + " " + u.Name, Leave: leave[m]}, u.Size,
			func(r *findings.Row) trial.Reading[float64] { return m.Read(r.Trial) }))
	}
	out = append(out, numberField(Column{Key: "throughput", Head: "inputs/s", Leave: 4}, 1,
		func(r *findings.Row) trial.Reading[float64] { return r.Throughput }))
	if slices.ContainsFunc(t.Rows, func(r *findings.Row) bool { return r.Roof.Value != nil }) {
		out = append(out, numberField(Column{Key: "roof", Head: "% of roof", Leave: 1}, 0.01,
			(*findings.Row).RoofShare))
	}
	if t.WithAccuracy() {
		out = append(out, accuracyField, agreementField)
	}
	for i, b := range t.Budgets {
		c := Column{Key: findings.BudgetColumn(i), Head: b.Text, Short: fmt.Sprintf("B%d", i+1), Means: b.Text}
		out = append(out, rowField{c, func(r *findings.Row) Cell { return verdictCell(r, i) }})
	}
	return append(out, rowField{Column{Key: "validity", Head: "validity"}, Validity})
}

func textField(c Column, text func(*findings.Row) string) rowField {
	return rowField{c, func(r *findings.Row) Cell { return Cell{Text: text(r), Marks: r.Marks[c.Key]} }}
}

func countField(c Column, count func(*findings.Row) int) rowField {
	c.Right = true
	return textField(c, func(r *findings.Row) string { return strconv.Itoa(count(r)) })
}

// numberField shows a dash where a trial has no number: a failed trial's partial
// latencies stay in its result file, where nobody takes them for one.
func numberField(c Column, scale float64, value func(*findings.Row) trial.Reading[float64]) rowField {
	c.Right = true
	return textField(c, func(r *findings.Row) string {
		if v, ok := value(r).Get(); ok && r.Outcome == trial.OK {
			return words.Digits(v / scale)
		}
		return Dash
	})
}

// accuracyField shows the share of right answers with its 95 % interval.
var accuracyField = textField(Column{Key: "accuracy", Head: "top-1 % (95 %)", Right: true},
	func(r *findings.Row) string { return accuracyText(r.Accuracy) })

func accuracyText(accuracy trial.Reading[trial.Accuracy]) string {
	a, ok := accuracy.Get()
	if !ok {
		return Dash
	}
	return fmt.Sprintf("%.1f (%.1f-%.1f)", 100*a.Top1, 100*a.Interval.Low, 100*a.Interval.High)
}

// agreementField shows how near the outputs were to those of the reference.
var agreementField = textField(Column{Key: "agreement", Head: "agrees %, cos", Right: true},
	func(r *findings.Row) string {
		if g, ok := r.Agreement(); ok {
			return fmt.Sprintf("%.1f, %.4f", 100*float64(g.Same)/float64(g.Pictures), g.Cosine)
		}
		return Dash
	})

func verdictCell(r *findings.Row, i int) Cell {
	marks, v := r.Marks[findings.BudgetColumn(i)], r.Answers[i].Verdict
	if v == judge.Unknown && r.Outcome != trial.OK {
		return Cell{Text: Dash, Marks: marks} // the last column says why
	}
	return verdictOf(v, marks)
}

func verdictOf(v judge.Verdict, marks []int) Cell {
	c := Cell{Text: v.String(), Marks: marks}
	switch v {
	case judge.Met:
		c.Sign, c.Tone = "✓", Good
	case judge.NotMet:
		c.Sign, c.Tone = "✗", Bad
	case judge.Undecided:
		c.Sign, c.Tone = "±", Open
	case judge.Elsewhere:
		c.Text = Dash
	default:
		c.Sign, c.Tone = "?", Open
	}
	return c
}

// Validity says whether a trial can be believed; one that did not end well has no
// validity, only how it ended.
func Validity(r *findings.Row) Cell {
	c := Cell{Text: string(r.Outcome), Marks: r.Marks["validity"], Tone: Open}
	switch {
	case r.Sound():
		c.Text = string(r.Validity)
		if bad := r.Failing(); len(bad) > 0 {
			c.Why = bad[0].Name
		}
		c.Tone = map[stats.Validity]Tone{stats.Suspect: Open, stats.Invalid: Bad}[r.Validity]
	case r.Outcome == trial.OK:
		c.Text = "doubtful"
	case r.Outcome == trial.Failed:
		c.Tone = Bad
	}
	return c
}

// LatencyUnit returns the unit in which the middle one of the medians reads best.
func LatencyUnit(t *findings.Table) words.Unit {
	var p50s []float64
	for _, r := range t.Rows {
		if v, ok := r.P50.Get(); ok && r.Outcome == trial.OK {
			p50s = append(p50s, v)
		}
	}
	return middleUnit(p50s)
}

// middleUnit returns the unit that suits the middle one of times given in
// nanoseconds. Without any it is milliseconds.
func middleUnit(times []float64) words.Unit {
	if len(times) == 0 {
		return words.Times[2]
	}
	slices.Sort(times)
	return words.UnitFor(times[len(times)/2], words.Times)
}

// sections say what the table does not show: how the options compare, which
// provider ran them, and where their latencies scatter.
func sections(t *findings.Table, brief bool) (out []Section) {
	add := func(s Section) {
		if len(s.Lines) > 0 {
			out = append(out, s)
		}
	}
	s := Section{Head: "How they compare", Foot: RatiosNote(t)}
	for _, c := range t.Ratios {
		s.Lines = append(s.Lines, Line{Text: c.Text})
	}
	add(s)
	s = Section{Head: "Which provider ran the model"}
	for _, p := range t.Placements {
		s.Lines = append(s.Lines, placementLines(t, p, brief)...)
	}
	add(s)
	if !brief {
		s = Section{Head: "Where the latencies scatter"}
		for _, x := range t.Spreads {
			s.Lines = append(s.Lines, Line{Text: x.Text})
		}
		add(s)
	}
	return out
}

// RatiosNote explains the intervals of the ratios: what they are taken over, and what
// would make them hold for more than these process starts.
func RatiosNote(t *findings.Table) string {
	fewest := 0
	for _, c := range t.Ratios {
		if c.Interval.Value != nil && (fewest == 0 || c.Starts < fewest) {
			fewest = c.Starts
		}
	}
	if fewest == 0 {
		return ""
	}
	note := "Ratios of medians, from blocks measured in turns; in brackets the 95 % interval."
	if len(t.Ratios) >= 5 {
		note += " One interval in twenty misses by chance alone."
	}
	switch fewest {
	case 1:
		note += " They speak of these processes: another start may differ by more, " +
			"so set trials.repetitions to 3 or more."
	case 2:
		note += " They are from two process starts, which is too few to know how starts differ: " +
			"set trials.repetitions to 3 or more."
	}
	return note
}

// placementLines say which provider ran an option. The brief ones have none for a
// cpu provider that ran everything without detours.
func placementLines(t *findings.Table, p options.Placement, brief bool) []Line {
	who := p.Model
	for _, r := range t.Rows {
		if r.Option == p.Option {
			who += t.Judged.Setting(r.Trial)
			break
		}
	}
	who += ", " + p.Provider + ": "
	if p.Unavailable != "" {
		return []Line{{Text: who + "unavailable: " + p.Unavailable}}
	}
	if brief && !p.Odd && len(p.Left) == 0 {
		return nil
	}
	s := who + p.Truth
	if len(p.Left) > 0 {
		s += "; left to the CPU provider: " + strings.Join(p.Left, ", ")
	}
	out := []Line{{Text: s}}
	if p.Why != "" && (!brief || p.Odd) {
		out = append(out, Line{Text: p.Why, Below: true})
	}
	return out
}
