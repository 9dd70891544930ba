package page

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"

	"chexp/experiments/judge"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
)

// maxRows bounds the table of the page; a browser chokes on more.
const maxRows = 2000

// view is what the template draws: the findings and the figures made from them.
type view struct {
	run
	CSS         template.CSS
	Title       string
	Where       string
	When        string
	Sign, Tone  string // of the decision
	Table       table  // a row for each option
	Trials      table  // a row for each trial, one level below
	Left        int    // trials that are not shown
	Versus      []versus
	CompareNote string
	Strips      *strips
	Scatters    []*scatter
	Options     []badge
	Cards       []card
	CardNote    string
	Timeline    []bar
	Total       string
	Troubles    []*findings.Row
	Legend      string
}

// table is one whose first cell names an option.
type table struct {
	Head    string // of the first cell
	Columns []content.Column
	Lines   []line
	Foot    []string
}

// line is a row of a table, with what names its option in its first cell.
type line struct {
	Letter, Model, Provider, Sub string // Sub: threads, batch, repetition
	Marks, ProviderMarks         []int
	Cells                        []cell
	Series                       string
	NewFrom                      bool // the first of its model
	Off                          bool // nothing is decided from it
}

type badge struct{ Letter, Label, Series string }

// Run writes the report of a run as one file that needs nothing else: no script,
// no font, no picture from anywhere. It follows the reader's light or dark
// setting, fits a phone, and prints.
func Run(w io.Writer, t *findings.Table) error {
	r, said := run{t}, content.OfRun(t, false)
	v := view{run: r, CSS: css, Where: t.Run.Where(), When: t.Run.When(), Legend: said.Legend[0],
		Strips: r.strips(), Versus: r.versuses(), CompareNote: content.RatiosNote(t)}
	v.Title = cmp.Or(t.Run.Experiment, "A run of chexp")
	v.Sign, v.Tone = sign(t.Decision)
	for _, s := range []*scatter{r.scatter(), r.accuracyScatter(), r.costScatter()} {
		if s != nil {
			v.Scatters = append(v.Scatters, s)
		}
	}
	v.Cards, v.CardNote = r.cards()
	v.Timeline, v.Total = r.timeline()
	if len(said.Tables) > 0 {
		v.Table = v.optionTable(said.Tables[0])
		v.Trials = v.trialTable(*said.Trials)
	}
	for _, c := range t.Judged.Options {
		v.Options = append(v.Options, badge{c.Letter, c.Label, r.series(c.Trials[0].Provider)})
	}
	for _, r := range t.Rows {
		if !r.Valid() && len(v.Troubles) < maxRows {
			v.Troubles = append(v.Troubles, r)
		}
	}
	return pageTemplate.Execute(w, v)
}

// sign is what stands beside a decision, in shape and colour.
func sign(d findings.Decision) (sign, tone string) {
	switch {
	case d.Verdict == judge.SomeMeet && d.RealDevice:
		return "✓", "good"
	case d.Verdict == judge.NoneMeets && d.RealDevice:
		return "✗", "bad"
	case d.Verdict == judge.SomeMeet || d.Verdict == judge.NoneMeets:
		return "~", "open"
	}
	return "?", "open"
}

// optionTable merges what names an option into the first cell of its row.
func (v *view) optionTable(t content.Table) table {
	out := table{Head: "option", Foot: t.Foot}
	t = t.Without(content.Identity...)
	out.Columns = t.Columns
	last := ""
	for i, o := range content.Measured(v.run.Table) {
		l := line{Letter: o.Option, Model: o.Model, Provider: o.Provider, Series: v.series(o.Provider),
			NewFrom: i > 0 && o.Model != last, Cells: cells(t, i), Off: o.Usable == 0,
			Sub: fmt.Sprintf(", %s, batch %d", words.Plural(o.Threads, "thread"), o.Batch)}
		last = o.Model
		out.Lines = append(out.Lines, l)
	}
	return out
}

// trialTable merges what names a trial into the first cell of its row.
func (v *view) trialTable(t content.Table) table {
	reps := slices.ContainsFunc(t.Columns, func(c content.Column) bool { return c.Key == "repetition" })
	t = t.Without(content.Identity...)
	out := table{Head: "trial", Columns: t.Columns}
	v.Left = max(0, len(v.Rows)-maxRows)
	for i, r := range v.Rows[:len(v.Rows)-v.Left] {
		l := line{Letter: r.Option, Model: r.Model, Provider: r.Provider, Series: v.series(r.Provider),
			NewFrom: i > 0 && v.Rows[i-1].Model != r.Model, Off: !r.Valid(),
			Marks: r.Marks["model"], ProviderMarks: r.Marks["provider"], Cells: cells(t, i)}
		l.Sub = fmt.Sprintf(", %s, batch %d", words.Plural(r.Threads, "thread"), r.Batch)
		if reps {
			l.Sub += fmt.Sprintf(", rep %d", r.Repetition)
		}
		out.Lines = append(out.Lines, l)
	}
	return out
}
