package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/words"
)

//go:embed comparison.html.tmpl comparison.css
var comparisonPage embed.FS

var comparisonTemplate = template.Must(template.Must(pageTemplate.Clone()).ParseFS(comparisonPage, "comparison.html.tmpl"))

// How much of a comparison is drawn; the table and the JSON document hold all.
const (
	maxFigures       = 36
	maxFigureDevices = 60
	maxFigureDots    = 60 // of one device
)

// acrossView is what the template draws.
type acrossView struct {
	CSS         template.CSS
	Title       string
	Headline    []string
	Notes       []string
	Tables      []acrossTable
	Legend      string
	Changes     []changeFigure
	Figures     []deviceFigure
	FiguresNote string
	Keys        []viewSeries
	Sections    []acrossSection
}

type acrossSection struct {
	Head  string
	Lines []string
}

type acrossTable struct {
	ID, Title string
	Columns   []viewCell
	Lines     []acrossLine
	Basis     []string
}

type acrossLine struct {
	Name, Sub string
	Cells     []viewCell
}

// changeFigure holds the ratios of one group against the first.
type changeFigure struct {
	Title, AxisName string
	Rows            []ratioRow
	Axis            drawing
}

// deviceFigure is one trial: every run of every device on one axis.
type deviceFigure struct {
	Name, Sub, AxisName string
	Rows                []deviceStrip
	Axis                drawing
	Remarks             []string
}

type deviceStrip struct {
	Name, Value string
	Over, Odd   bool
	Plot        drawing
}

// ComparisonHTML writes a comparison as one file that needs nothing else, like
// HTML does a run.
func ComparisonHTML(w io.Writer, c *compare.Comparison) error {
	v := across{c}
	own, err := comparisonPage.ReadFile("comparison.css")
	if err != nil {
		return err
	}
	page := acrossView{CSS: css + template.CSS(own), Headline: v.headline(), Notes: c.Notes, Legend: v.legend(), Title: v.title()}
	for g := range max(1, len(c.Groups)-1) {
		page.Tables = append(page.Tables, v.htmlTable(g))
	}
	if v.changed() {
		for g := range c.Groups[1:] {
			page.Changes = append(page.Changes, v.changeFigure(g+1))
		}
		for i, g := range c.Groups {
			page.Keys = append(page.Keys, viewSeries{Name: g.Label, Series: fmt.Sprintf("s%d", i%6)})
		}
	}
	for _, r := range c.Rows[:min(len(c.Rows), maxFigures)] {
		page.Figures = append(page.Figures, v.deviceFigure(r))
	}
	if n := len(c.Rows) - maxFigures; n > 0 {
		page.FiguresNote = words.Plural(n, "more trial") + " in the table and in -f json."
	}
	add := func(head string, lines []string) {
		if len(lines) > 0 {
			page.Sections = append(page.Sections, acrossSection{head, lines})
		}
	}
	add("How devices differ", v.deviceLines())
	add("What differs between the runs", v.differenceLines())
	add("Left out, or marked", v.problemLines())
	return comparisonTemplate.ExecuteTemplate(w, "comparison.html.tmpl", page)
}

func (v across) title() string {
	if !v.changed() {
		return "Runs side by side"
	}
	var labels []string
	for _, g := range v.Groups {
		labels = append(labels, g.Label)
	}
	return strings.Join(labels[1:], ", ") + " against " + labels[0]
}

func (v across) htmlTable(g int) acrossTable {
	t := acrossTable{ID: fmt.Sprintf("table%d", g), Title: "Every trial"}
	if v.changed() {
		t.Title = v.Groups[g+1].Label + " against " + v.Groups[0].Label
		t.Basis = v.basisLines(v.Groups[g+1].Label)
	}
	var cols []meshColumn
	for _, c := range v.mesh(g) {
		if !slices.Contains([]string{"model", "provider", "threads", "batch", "shape", "board"}, c.key) {
			cols = append(cols, c)
			t.Columns = append(t.Columns, viewCell{Head: c.head, Right: c.right})
		}
	}
	for _, r := range v.Rows {
		line := acrossLine{Name: r.Model, Sub: v.sub(r)}
		for _, c := range cols {
			x := c.cell(r)
			line.Cells = append(line.Cells, viewCell{Text: x.text, Tone: x.tone, Head: c.head, Key: c.key, Right: c.right, None: x.text == "-"})
		}
		t.Lines = append(t.Lines, line)
	}
	return t
}

// sub is what a row is besides its model.
func (v across) sub(r compare.Row) string {
	s := fmt.Sprintf("%s, %s, batch %d", r.Provider, words.Plural(r.Threads, "thread"), r.Batch)
	if v.varies(func(r compare.Row) string { return r.Shape }) {
		s += words.When(r.Shape != "", ", "+r.Shape)
	}
	if v.varies(func(r compare.Row) string { return r.Board }) {
		s += ", " + r.Board
	}
	return s
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
		row := ratioRow{Name: strings.TrimPrefix(v.where(l.row, compare.Pool{}), " for "), Value: ratioText(l.c.Ratio), Remark: l.c.Text, Text: l.c.Text}
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

// deviceFigure draws one trial.
func (v across) deviceFigure(r compare.Row) deviceFigure {
	s, u := v.figureScale(r)
	f := deviceFigure{Name: r.Model, Sub: v.sub(r), AxisName: "p50, " + u.Name}
	for g, p := range r.Pools {
		if m, ok := p.Median.Get(); ok {
			f.Rows = append(f.Rows, overStrip(p, m, s, u, g))
		}
	}
	devices := deviceOrder(r)
	if n := len(devices) - maxFigureDevices; n > 0 {
		f.Remarks = append(f.Remarks, words.Plural(n, "more device")+" not drawn.")
		devices = devices[:maxFigureDevices]
	}
	for _, d := range devices {
		f.Rows = append(f.Rows, deviceRow(r, d, s, u))
	}
	f.Axis = drawing{Height: 20, Label: "Axis: median latency"}
	for _, tick := range s.ticks(5) {
		f.Axis.line(s.at(tick), 0, s.at(tick), 5, "base")
		f.Axis.text(s.at(tick), 0, 17, "middle", "tick", tickText(tick, u))
	}
	for _, p := range r.Pools {
		if text := scatterText(p); text != "" {
			f.Remarks = append(f.Remarks, words.When(p.Group != "", p.Group+": ")+text+".")
		}
	}
	return f
}

// figureScale covers every run's median, and as much of the intervals as leaves
// the medians readable.
func (v across) figureScale(r compare.Row) (scale, words.Unit) {
	low, high := math.Inf(1), 0.0
	for _, p := range r.Pools {
		for _, x := range p.Points {
			low, high = min(low, x.Median), max(high, x.Median)
		}
	}
	if high == 0 {
		return scale{lo: 0, hi: 1}, words.Times[0]
	}
	span := max(high-low, 0.02*high)
	least, most := low-span, high+span
	for _, p := range r.Pools {
		for _, x := range p.Points {
			if i, ok := x.Interval.Get(); ok {
				low, high = min(low, max(i.Low, least)), max(high, min(i.High, most))
			}
		}
		if i, ok := p.Interval.Get(); ok {
			low, high = min(low, max(i.Low, least)), max(high, min(i.High, most))
		}
	}
	pad := max(0.05*(high-low), 0.005*high)
	return scale{lo: max(0, low-pad), hi: high + pad, log: low > 0 && high/low > 30}, words.UnitFor(high, words.Times)
}

const stripHeight = 22

func overStrip(p compare.Pool, m float64, s scale, u words.Unit, g int) deviceStrip {
	series := fmt.Sprintf("s%d", g%6)
	row := deviceStrip{Name: "all", Value: words.Digits(m / u.Size), Over: true}
	if p.Group != "" {
		row.Name = p.Group
	}
	d := drawing{Height: stripHeight + 4, Label: row.Name + ": median " + u.Format(m)}
	d.grid(s)
	if i, ok := p.Interval.Get(); ok {
		a, b := math.Max(0, s.at(i.Low)), math.Min(1, s.at(i.High))
		d.rect(a, 5, math.Max(0, b-a), 16, "band "+series)
		d.Label += ", interval " + intervalText(p.Interval, u)
	}
	d.line(s.at(m), 3, s.at(m), 23, "middle "+series)
	row.Plot = d
	return row
}

// grid marks the ticks of the figure's axis.
func (d *drawing) grid(s scale) {
	for _, tick := range s.ticks(5) {
		d.line(s.at(tick), 0, s.at(tick), float64(d.Height), "grid")
	}
}

// deviceOrder puts the fastest device first, by the first group that has it.
func deviceOrder(r compare.Row) (out []string) {
	for _, p := range r.Pools {
		for _, d := range p.ByDevice {
			if !slices.Contains(out, d.Device) {
				out = append(out, d.Device)
			}
		}
	}
	return out
}

func deviceRow(r compare.Row, device string, s scale, u words.Unit) deviceStrip {
	row := deviceStrip{Name: device}
	d := drawing{}
	for _, p := range r.Pools {
		if slices.ContainsFunc(p.ByDevice, func(x compare.DeviceMedian) bool { return x.Device == device }) {
			d.Height += stripHeight
		}
	}
	d.grid(s)
	lanes := 0
	var values []string
	for g, p := range r.Pools {
		i := slices.IndexFunc(p.ByDevice, func(x compare.DeviceMedian) bool { return x.Device == device })
		if i < 0 {
			continue
		}
		lanes++
		series := fmt.Sprintf("s%d", g%6)
		y := float64(lanes*stripHeight) - stripHeight/2
		own := p.ByDevice[i]
		row.Odd = row.Odd || own.Outlier
		values = append(values, words.Digits(own.Median/u.Size))
		drawn := 0
		for _, x := range p.Points {
			if deviceLabel(x.Device) != device || drawn == maxFigureDots {
				continue
			}
			drawn++
			off := 0.0
			if own.Runs > 5 { // many would hide each other
				off = float64(drawn%3-1) * 5
			}
			d.run(x, s, y+off, series)
		}
		d.line(s.at(own.Median), y-9, s.at(own.Median), y+9, "middle "+series)
		d.Label += strings.TrimSpace(p.Group+" ") + words.Plural(own.Runs, "run") + ", median " + u.Format(own.Median) + " "
	}
	d.Label = device + ": " + strings.TrimSpace(d.Label)
	row.Value, row.Plot = strings.Join(values, " "), d
	return row
}

func (d *drawing) run(x compare.Point, s scale, y float64, series string) {
	if i, ok := x.Interval.Get(); ok {
		d.line(math.Max(0, s.at(i.Low)), y, math.Min(1, s.at(i.High)), y, "range "+series)
	}
	class := "dots " + series
	if x.Validity == stats.Suspect {
		class = "ring " + series
	}
	d.circle(s.at(x.Median), y, 3.4, class)
}

// deviceLabel is what ByDevice calls a point's device.
func deviceLabel(name string) string {
	if name == "" {
		return compare.Unnamed
	}
	return name
}
