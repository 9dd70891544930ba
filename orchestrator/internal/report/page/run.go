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
	Columns     []content.Column
	Lines       []trialLine
	Left        int // rows that are not shown
	Versus      []versus
	CompareNote string
	Strips      *strips
	Scatter     *scatter
	Options     []badge
	Cards       []card
	CardNote    string
	Timeline    []bar
	Total       string
	Troubles    []*findings.Row
	Legend      string
}

// trialLine is a row of the table, with what names its option in its first cell.
type trialLine struct {
	*findings.Row
	Sub                  string // threads, batch, repetition
	Marks, ProviderMarks []int
	Cells                []cell
	Series               string
	NewFrom              bool // the first of its model
}

type badge struct{ Letter, Label, Series string }

// Run writes the report of a run as one file that needs nothing else: no script,
// no font, no picture from anywhere. It follows the reader's light or dark
// setting, fits a phone, and prints.
func Run(w io.Writer, t *findings.Table) error {
	r, said := run{t}, content.OfRun(t, false)
	v := view{run: r, CSS: css, Where: t.Run.Where(), When: t.Run.When(), Legend: said.Legend[0],
		Strips: r.strips(), Scatter: r.scatter(), Versus: r.versuses(), CompareNote: content.RatiosNote(t)}
	v.Title = cmp.Or(t.Run.Experiment, "A run of chexp")
	v.Sign, v.Tone = sign(t.Decision)
	v.Cards, v.CardNote = r.cards()
	v.Timeline, v.Total = r.timeline()
	if len(said.Tables) > 0 {
		v.table(said.Tables[0])
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

// table merges what names an option into the first cell of each row.
func (v *view) table(t content.Table) {
	reps := slices.ContainsFunc(t.Columns, func(c content.Column) bool { return c.Key == "repetition" })
	t = t.Without(content.Identity...)
	v.Columns, v.Left = t.Columns, max(0, len(v.Rows)-maxRows)
	for i, r := range v.Rows[:len(v.Rows)-v.Left] {
		l := trialLine{Row: r, Series: v.series(r.Provider), NewFrom: i > 0 && v.Rows[i-1].Model != r.Model,
			Marks: r.Marks["model"], ProviderMarks: r.Marks["provider"], Cells: cells(t, i)}
		l.Sub = fmt.Sprintf(", %s, batch %d", words.Plural(r.Threads, "thread"), r.Batch)
		if reps {
			l.Sub += fmt.Sprintf(", rep %d", r.Repetition)
		}
		v.Lines = append(v.Lines, l)
	}
}
