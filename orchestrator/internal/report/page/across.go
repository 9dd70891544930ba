package page

import (
	"fmt"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
)

// across draws the figures of a comparison.
type across struct{ content.Across }

// sub names what a row is besides its model: provider, threads, batch.
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
		row := ratioRow{Name: strings.TrimPrefix(v.Where(l.row, compare.Pool{}), " for "),
			Value: ratioText(l.c.Ratio), Remark: l.c.Text, Text: l.c.Text}
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
	f.Axis = ratioAxis(s)
	return f
}

// ratioText shows on which side of 1 a ratio is.
func ratioText(v float64) string {
	if v > 0.9 && v < 1.1 {
		return fmt.Sprintf("%.3f", v)
	}
	return words.Digits(v)
}
