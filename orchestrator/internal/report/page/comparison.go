package page

import (
	"fmt"
	"html/template"
	"io"

	"chexp/experiments/compare"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
)

var comparisonTemplate = template.Must(template.Must(pageTemplate.Clone()).ParseFS(files, "comparison.html.tmpl"))

// maxFigures bounds the figures of trials. The table and the JSON document hold all
// trials.
const maxFigures = 36

// sideBySide is what the template draws.
type sideBySide struct {
	*content.Document
	CSS         template.CSS
	Title       string
	Answer      []string
	Tables      []acrossTable
	Changes     []changeFigure
	Figures     []deviceFigure
	FiguresNote string
	Keys        []key
	Own         []Link
}

// Link is one device's own page, relative to the page across the devices.
type Link struct{ Device, To string }

// acrossTable is a table with what names a trial in the first cell of each row.
type acrossTable struct {
	content.Table
	ID    string
	Lines []acrossLine
}

type acrossLine struct {
	Name, Sub string
	Cells     []cell
}

// Comparison writes a comparison as one file that needs nothing else, as [Run]
// does a run.
func Comparison(w io.Writer, c *compare.Comparison) error { return Devices(w, c, nil) }

// Devices is [Comparison] for the devices of one run, each with a link to its own
// page, which lies beside this one.
func Devices(w io.Writer, c *compare.Comparison, own []Link) error {
	v := across{content.Across{Comparison: c}}
	style, err := files.ReadFile("comparison.css")
	if err != nil {
		return err
	}
	page := sideBySide{Document: content.OfComparison(c, false), CSS: css + template.CSS(style), Title: v.Title(),
		Answer: v.Answer(), Own: own}
	for i, t := range page.Document.Tables {
		page.Tables = append(page.Tables, v.table(i, t.Without(content.Identity...)))
	}
	if v.Changed() {
		for i, g := range c.Groups {
			if i > 0 {
				page.Changes = append(page.Changes, v.changeFigure(i))
			}
			page.Keys = append(page.Keys, key{g.Label, fmt.Sprintf("s%d", i%6)})
		}
	}
	for _, r := range c.Rows[:min(len(c.Rows), maxFigures)] {
		page.Figures = append(page.Figures, v.deviceFigure(r))
	}
	if n := len(c.Rows) - maxFigures; n > 0 {
		page.FiguresNote = words.Plural(n, "more trial") + " in the table and in -f json."
	}
	return comparisonTemplate.ExecuteTemplate(w, "comparison.html.tmpl", page)
}

func (v across) table(i int, t content.Table) acrossTable {
	out := acrossTable{Table: t, ID: fmt.Sprintf("table%d", i)}
	for i, r := range v.Rows {
		out.Lines = append(out.Lines, acrossLine{Name: r.Model, Sub: v.sub(r), Cells: cells(t, i)})
	}
	return out
}
