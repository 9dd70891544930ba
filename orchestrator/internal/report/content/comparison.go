package content

import (
	"fmt"

	"chexp/experiments/compare"
	"chexp/experiments/words"
)

// maxProblemLines is how many problems a terminal shows; the page and the JSON
// document hold all.
const maxProblemLines = 40

// OfComparison makes the document of a comparison of runs. The brief one, for a
// terminal, bounds its lists and says in tables what a page shows in pictures.
func OfComparison(c *compare.Comparison, brief bool) *Document {
	v := Across{c}
	d := &Document{Headline: v.headline(), Cautions: c.Notes, Legend: []string{v.legend()}}
	for g := range max(1, len(c.Groups)-1) {
		if len(c.Rows) == 0 {
			continue
		}
		t := tabulate(c.Rows, v.fields(g))
		t.Title = "Every trial"
		if v.Changed() {
			t.Title = c.Groups[g+1].Label + " against " + c.Groups[0].Label
			if !brief {
				t.Foot = v.basis(c.Groups[g+1].Label)
			}
		}
		d.Tables = append(d.Tables, t)
	}
	if !v.Changed() && brief {
		d.Scatter = v.scatter()
	}
	add := func(head string, lines []string) {
		s := Section{Head: head}
		for _, l := range lines {
			s.Lines = append(s.Lines, Line{Text: l})
		}
		if len(lines) > 0 {
			d.Sections = append(d.Sections, s)
		}
	}
	if brief {
		add("What the change holds for", v.basis(""))
	}
	add("How devices differ", v.deviceLines())
	add("What differs between the runs", v.differenceLines())
	problems := v.problemLines()
	if n := len(problems); brief && n > maxProblemLines {
		problems = append(problems[:maxProblemLines], fmt.Sprintf("and %d more: --html or -f json", n-maxProblemLines))
	}
	add("Left out, or marked", problems)
	return d
}

// maxAnswers bounds the lines of the answer; the table has all.
const maxAnswers = 8

// Answer says what a comparison comes to, before its tables: how each group relates to
// the first, or where nothing is compared, how the runs scatter.
func (v Across) Answer() (lines []string) {
	if !v.Changed() {
		for _, r := range v.Rows {
			p := r.Pools[0]
			m, ok := p.Median.Get()
			if !ok {
				continue
			}
			line := fmt.Sprintf("%s: p50 %s over %s", rowName(r), words.Nanoseconds(m), words.Plural(p.Devices, "device"))
			if i, ok := p.Interval.Get(); ok {
				line += fmt.Sprintf(" (95 %%: %s to %s)", words.Nanoseconds(i.Low), words.Nanoseconds(i.High))
			}
			for _, b := range p.Budgets {
				line += fmt.Sprintf("; %s: met in %d of %s", b.Budget, b.Met, words.Plural(b.Runs(), "run"))
			}
			lines = append(lines, line)
		}
		return clipped(lines)
	}
	for g := 1; g < len(v.Groups); g++ {
		for _, r := range v.Rows {
			for _, c := range r.Changes {
				if c.Group == v.Groups[g].Label {
					lines = append(lines, fmt.Sprintf("%s: %s against %s: %s", rowName(r), c.Group, c.Base, c.Text))
				}
			}
		}
	}
	return clipped(lines)
}

func rowName(r compare.Row) string {
	return fmt.Sprintf("%s on %s, %s, batch %d", r.Model, r.Provider, words.Plural(r.Threads, "thread"), r.Batch)
}

func clipped(lines []string) []string {
	if n := len(lines); n > maxAnswers {
		return append(lines[:maxAnswers:maxAnswers], fmt.Sprintf("and %d more in the table", n-maxAnswers))
	}
	return lines
}

func (v Across) headline() (out []string) {
	for _, g := range v.Groups {
		s := words.Plural(len(g.Runs), "run") + " on " + words.Plural(len(g.Devices), "device")
		if len(g.Runs) == 0 {
			s = "no result counts" + words.When(len(v.Problems) > 0, ": what is left out has its reasons below")
		}
		if g.Label != "" {
			s = g.Label + ": " + s
		}
		if from, to := days(g); from != "" {
			s += ", " + words.FromTo(from, to)
		}
		out = append(out, s)
	}
	return out
}

// days returns the first and the last day on which a group was measured, in UTC;
// both are empty if no run says when it started.
func days(g compare.Summary) (from, to string) {
	for _, r := range g.Runs {
		if r.Started.IsZero() {
			continue
		}
		d := r.Started.UTC().Format("2006-01-02")
		if from == "" || d < from {
			from = d
		}
		to = max(to, d)
	}
	return from, to
}
