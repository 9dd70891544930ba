package page

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
)

var comparisonTemplate = template.Must(template.Must(pageTemplate.Clone()).ParseFS(files, "comparison.html.tmpl"))

// How much of a comparison is drawn; the table and the JSON document hold all.
const (
	maxFigures       = 36
	maxFigureDevices = 60
	maxFigureDots    = 60 // of one device
)

// sideBySide is what the template draws.
type sideBySide struct {
	*content.Document
	CSS         template.CSS
	Title       string
	Tables      []acrossTable
	Changes     []changeFigure
	Figures     []deviceFigure
	FiguresNote string
	Keys        []key
}

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

// key names a colour.
type key struct{ Name, Series string }

// across draws the figures of a comparison.
type across struct{ content.Across }

// Comparison writes a comparison as one file that needs nothing else, as [Run]
// does a run.
func Comparison(w io.Writer, c *compare.Comparison) error {
	v := across{content.Across{Comparison: c}}
	own, err := files.ReadFile("comparison.css")
	if err != nil {
		return err
	}
	page := sideBySide{Document: content.OfComparison(c, false), CSS: css + template.CSS(own), Title: v.Title()}
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

// sub is what a row is besides its model.
func (v across) sub(r compare.Row) string {
	s := fmt.Sprintf("%s, %s, batch %d", r.Provider, words.Plural(r.Threads, "thread"), r.Batch)
	if v.Varies(func(r compare.Row) string { return r.Shape }) {
		s += words.When(r.Shape != "", ", "+r.Shape)
	}
	if v.Varies(func(r compare.Row) string { return r.Board }) {
		s += ", " + r.Board
	}
	return s
}

// changeFigure holds the ratios of one group against the first.
type changeFigure struct {
	Title, AxisName string
	Rows            []ratioRow
	Axis            drawing
}

// changeFigure draws all rows' ratios on one axis that holds 1.
func (v across) changeFigure(g int) changeFigure {
	label := v.Groups[g].Label
	f := changeFigure{Title: label + " against " + v.Groups[0].Label, AxisName: "times " + v.Groups[0].Label}
	type line struct {
		row compare.Row
		c   compare.Change
	}
	var lines []line
	low, high := 0.98, 1.02
	for _, r := range v.Rows {
		for _, c := range r.Changes {
			if c.Group != label {
				continue
			}
			lines = append(lines, line{r, c})
			low, high = min(low, c.Ratio), max(high, c.Ratio)
			if i, ok := c.Interval.Get(); ok {
				low, high = min(low, max(i.Low, c.Ratio/3)), max(high, min(i.High, 3*c.Ratio))
			}
		}
	}
	s := scale{lo: max(0, low-0.06*(high-low)), hi: high + 0.06*(high-low)}
	if high/low > 3 {
		s = scale{lo: low / 1.15, hi: high * 1.15, log: true}
	}
	const height = 26
	series := fmt.Sprintf("s%d", g%6)
	for _, l := range lines {
		row := ratioRow{Name: strings.TrimPrefix(v.Where(l.row, compare.Pool{}), " for "), Value: ratioText(l.c.Ratio), Remark: l.c.Text, Text: l.c.Text}
		d := drawing{Height: height, Label: row.Name + ": " + l.c.Text}
		d.line(s.at(1), 0, s.at(1), height, "limit")
		if i, ok := l.c.Interval.Get(); ok {
			row.Value += " [" + ratioText(i.Low) + ", " + ratioText(i.High) + "]"
			d.interval(s, i.Low, i.High, height/2, "interval "+series)
		}
		if l.c.Finding == compare.Faster || l.c.Finding == compare.Slower {
			row.Remark = "" // the interval says it
		}
		d.circle(s.at(l.c.Ratio), height/2, 4.5, "dot "+series)
		row.Plot = d
		f.Rows = append(f.Rows, row)
	}
	f.Axis = drawing{Height: 20, Label: "Axis: ratio of medians"}
	for _, tick := range s.ticks(6) {
		f.Axis.line(s.at(tick), 0, s.at(tick), 5, "base")
		f.Axis.text(s.at(tick), 0, 17, "middle", "tick", fmt.Sprintf("%.4g", tick))
	}
	return f
}

// ratioText shows on which side of 1 a ratio is.
func ratioText(v float64) string {
	if v > 0.9 && v < 1.1 {
		return fmt.Sprintf("%.3f", v)
	}
	return words.Digits(v)
}

// interval with its ends, as far as they lie on the scale.
func (d *drawing) interval(s scale, low, high, y float64, class string) {
	a, b := math.Max(0, s.at(low)), math.Min(1, s.at(high))
	d.line(a, y, b, y, class)
	if s.at(low) >= 0 {
		d.line(a, y-4, a, y+4, class)
	}
	if s.at(high) <= 1 {
		d.line(b, y-4, b, y+4, class)
	}
}
