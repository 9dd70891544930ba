package report

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

//go:embed report.html.tmpl report.css
var page embed.FS

// css is ours, so it may go into the page unescaped; nothing else may.
var css = func() template.CSS {
	b, err := page.ReadFile("report.css")
	if err != nil {
		panic(err)
	}
	return template.CSS(b)
}()

var pageTemplate = template.Must(template.New("report.html.tmpl").Funcs(template.FuncMap{
	"plural": words.Plural, "percent": words.Percent, "verdict": verdictWord, "value": valueText, "limit": limitText,
	"size": size, "tie": words.Tie,
}).ParseFS(page, "report.html.tmpl"))

// maxHTMLRows bounds the table of the page; a browser chokes on more.
const maxHTMLRows = 2000

// view is what the template draws: the table and the figures made from it.
type view struct {
	*Table
	CSS         template.CSS
	Title       string
	Where       string
	When        string
	Sign, Tone  string // of the decision
	Columns     []column
	Lines       []viewRow
	Left        int // rows that are not shown
	Versus      []versus
	CompareNote string
	Strips      *strips
	Scatter     *scatter
	Options     []viewOption
	Series      []viewSeries
	Cards       []card
	CardNote    string
	Timeline    []bar
	Total       string
	Troubles    []*Row
	Legend      string
}

type viewRow struct {
	*Row
	Sub                  string // threads, batch, repetition
	Marks, ProviderMarks []int
	Cells                []viewCell
	Series               string
	NewFrom              bool // the first of its model
}

type viewCell struct {
	Text   string
	Reason string // under the text
	Marks  []int
	Tone   tone
	Sign   string
	Head   string
	Key    string
	Right  bool
	None   bool // nothing to say: a phone leaves it out
}

type viewOption struct{ Letter, Label, Series string }
type viewSeries struct{ Name, Series string }

// HTML writes the report as one file that needs nothing else: no script, no
// font, no picture from anywhere. It follows the reader's light or dark
// setting, fits a phone, and prints.
func HTML(w io.Writer, t *Table) error {
	v := view{Table: t, CSS: css, Where: t.Run.where(), When: t.Run.when(), Legend: legend,
		Strips: t.strips(), Scatter: t.scatter(), Versus: t.versuses(), CompareNote: t.comparisonNote()}
	v.Title = t.Run.Experiment
	if v.Title == "" {
		v.Title = "A run of chexp"
	}
	v.Sign, v.Tone = t.Decision.sign()
	v.Cards, v.CardNote = t.cards()
	v.Timeline, v.Total = t.timeline()
	v.table()
	for _, c := range t.run.Options {
		v.Options = append(v.Options, viewOption{c.Letter, c.Label, t.series(c.Trials[0].Provider)})
	}
	for _, r := range t.Rows {
		if s := (viewSeries{r.Provider, t.series(r.Provider)}); !slices.Contains(v.Series, s) {
			v.Series = append(v.Series, s)
		}
		if !r.Valid() {
			v.Troubles = append(v.Troubles, r)
		}
	}
	if len(v.Troubles) > maxHTMLRows {
		v.Troubles = v.Troubles[:maxHTMLRows]
	}
	return pageTemplate.Execute(w, v)
}

func (d Decision) sign() (sign, tone string) {
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

// table merges what names an option into the first column of each row.
func (v *view) table() {
	named := []string{"model", "provider", "threads", "batch", "repetition"}
	reps := false
	for _, c := range v.Table.columns() {
		if !slices.Contains(named, c.key) {
			v.Columns = append(v.Columns, c)
		}
		reps = reps || c.key == "repetition"
	}
	rows := v.Rows
	if len(rows) > maxHTMLRows {
		rows, v.Left = rows[:maxHTMLRows], len(rows)-maxHTMLRows
	}
	for i, r := range rows {
		line := viewRow{Row: r, Series: v.series(r.Provider), NewFrom: i > 0 && rows[i-1].Model != r.Model,
			Marks: r.marks["model"], ProviderMarks: r.marks["provider"]}
		line.Sub = fmt.Sprintf(", %s, batch %d", words.Plural(r.Threads, "thread"), r.Batch)
		if reps {
			line.Sub += fmt.Sprintf(", rep %d", r.Repetition)
		}
		for _, c := range v.Columns {
			x := c.cell(r)
			line.Cells = append(line.Cells, viewCell{Text: cmp.Or(x.word, x.text), Reason: x.reason, Marks: x.marks,
				Tone: x.tone, Sign: x.sign, Head: c.head, Key: c.key, Right: c.right,
				None: x.text == "-" && len(x.marks) == 0})
		}
		v.Lines = append(v.Lines, line)
	}
}

// Head and Key let the template name a column.
func (c column) Head() string { return c.head }

// Right says that a column holds numbers.
func (c column) Right() bool { return c.right }

// Trouble says in one line why a row is not decided from.
func (r *Row) Trouble() string {
	if r.Sound() && !r.Own() {
		return words.List(r.complaints(), "; ", 5)
	}
	if r.Sound() { // its card says the rest
		var names []string
		for _, c := range r.Failing() {
			names = append(names, string(c.Outcome)+" "+c.Name)
		}
		return words.List(names, ", ", 10)
	}
	if r.Outcome == trial.OK {
		return "Doubtful: " + words.List(r.Doubts, "; ", 5)
	}
	return outcomeWord(r) + ": " + words.List(texts(r.Reasons), "; ", 5)
}

// Remedies of the checks that speak against a row that has no card.
func (r *Row) Remedies() (out []string) {
	if r.Sound() && !r.Own() {
		for _, c := range r.Failing() {
			out = append(out, c.Remedy)
		}
	}
	return out
}

func texts(reasons []trial.Reason) (out []string) {
	for _, r := range reasons {
		s := r.Text
		if s == "" {
			s = r.Code
		}
		out = append(out, s)
	}
	return out
}
