package page

import (
	"fmt"
	"html/template"
	"io"
	"math"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
)

var trendTemplate = template.Must(template.Must(pageTemplate.Clone()).ParseFS(files, "trend.html.tmpl"))

// trendPage is what the template draws.
type trendPage struct {
	CSS         template.CSS
	Title       string
	Headline    []string
	Answers     []string
	Figures     []trendFigure
	FiguresNote string
	Notes       []string
}

type trendFigure struct {
	Name, AxisName, From, Until string
	Plot                        drawing
	Points                      []trendCell
}

type trendCell struct{ Started, Run, Device, Median, Interval, Validity string }

// Trend writes a trend as one file that needs nothing else.
func Trend(w io.Writer, t *compare.Trend) error {
	style, err := files.ReadFile("comparison.css")
	if err != nil {
		return err
	}
	p := trendPage{CSS: css + template.CSS(style), Title: "Trend",
		Headline: []string{words.Plural(len(t.Runs), "run")}, Answers: content.TrendLines(t)}
	if t.Experiment != "" {
		p.Title = "Trend of " + t.Experiment
	}
	if n := len(t.Runs); n > 0 {
		p.Headline = append(p.Headline, words.Time(t.Runs[0].Started)+" to "+words.Time(t.Runs[n-1].Started))
	}
	for _, r := range t.Rows[:min(len(t.Rows), maxFigures)] {
		p.Figures = append(p.Figures, newTrendFigure(r))
	}
	if n := len(t.Rows) - maxFigures; n > 0 {
		p.FiguresNote = words.Plural(n, "more trial") + " in -f json."
	}
	return trendTemplate.ExecuteTemplate(w, "trend.html.tmpl", p)
}

const (
	trendHeight = 190.0
	trendTop    = 12.0
	trendLeft   = 0.02
)

func newTrendFigure(r compare.TrendRow) trendFigure {
	s, u := trendScale(r)
	f := trendFigure{Name: content.TrendName(r), AxisName: "p50, " + u.Name}
	f.Plot = drawing{Height: int(trendHeight) + 4,
		Label: fmt.Sprintf("%s: median of %s, %s", f.Name, words.Plural(len(r.Points), "run"),
			words.Plural(len(r.Steps), "change point"))}
	y := func(v float64) float64 {
		return trendTop + (trendHeight-trendTop)*(1-min(1, max(0, s.at(v))))
	}
	x := func(i float64) float64 { return trendLeft + (1-2*trendLeft)*(i+0.5)/float64(max(1, len(r.Points))) }
	for _, tick := range s.ticks(4) {
		f.Plot.line(0, y(tick), 1, y(tick), "grid")
		f.Plot.text(0, 2, y(tick)-3, "start", "tick", tickText(tick, u))
	}
	from := 0
	for i := 0; i <= len(r.Steps); i++ {
		to, level := len(r.Points), 0.0
		if i < len(r.Steps) {
			to, level = r.Steps[i].First, r.Steps[i].MedianBefore
			f.Plot.line(x(float64(to)-0.5), 0, x(float64(to)-0.5), trendHeight, "limit")
			f.Plot.text(x(float64(to)-0.5), 4, 11, "start", "limit-name",
				fmt.Sprintf("%+.3g %%", 100*(r.Steps[i].MedianAfter/level-1)))
		} else if i > 0 {
			level = r.Steps[i-1].MedianAfter
		}
		if len(r.Steps) > 0 {
			f.Plot.line(x(float64(from)-0.4), y(level), x(float64(to)-0.6), y(level), "middle s1")
		}
		from = to
	}
	for i, p := range r.Points {
		at := x(float64(i))
		if in, ok := p.Interval.Get(); ok {
			f.Plot.line(at, y(in.Low), at, y(in.High), "whisker s0")
		}
		kind := "dot s0"
		if p.Validity != stats.Valid {
			kind = "ring s0"
		}
		f.Plot.circle(at, y(p.Median), 4, kind)
		f.Points = append(f.Points, trendCell{words.Time(p.Started), p.Run, p.Device, words.Digits(p.Median / u.Size),
			content.IntervalText(p.Interval, u), string(p.Validity)})
	}
	if n := len(f.Points); n > 0 {
		const day = "2006-01-02"
		f.From, f.Until = r.Points[0].Started.UTC().Format(day), r.Points[n-1].Started.UTC().Format(day)
	}
	return f
}

// trendScale begins where the data begin.
func trendScale(r compare.TrendRow) (scale, words.Unit) {
	low, high := math.Inf(1), 0.0
	for _, p := range r.Points {
		low, high = min(low, p.Median), max(high, p.Median)
	}
	if high == 0 {
		return scale{lo: 0, hi: 1}, words.Times[0]
	}
	span := max(high-low, 0.02*high)
	for _, p := range r.Points {
		if in, ok := p.Interval.Get(); ok {
			low, high = min(low, max(in.Low, p.Median-span)), max(high, min(in.High, p.Median+span))
		}
	}
	pad := 0.06 * (high - low)
	return scale{lo: max(0, low-pad), hi: high + pad}, words.UnitFor(high, words.Times)
}
