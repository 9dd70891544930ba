package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
)

// How much of a trial is drawn.
const (
	maxFigureDevices = 60
	maxFigureDots    = 60 // of one device
)

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
		if text := content.ScatterText(p); text != "" {
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
	u := words.UnitFor(high, words.Times)
	if s := newScale(low, high); s.log {
		return s, u
	}
	pad := max(0.05*(high-low), 0.005*high)
	return scale{lo: max(0, low-pad), hi: high + pad}, u
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
		d.Label += ", interval " + content.IntervalText(p.Interval, u)
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
			if compare.DeviceName(x.Device) != device || drawn == maxFigureDots {
				continue
			}
			drawn++
			off := 0.0
			if own.Runs > 5 { // many would hide each other
				off = float64(drawn%3-1) * 5
			}
			d.point(x, s, y+off, series)
		}
		d.line(s.at(own.Median), y-9, s.at(own.Median), y+9, "middle "+series)
		d.Label += strings.TrimSpace(p.Group+" ") + words.Plural(own.Runs, "run") + ", median " +
			u.Format(own.Median) + " "
	}
	d.Label = device + ": " + strings.TrimSpace(d.Label)
	row.Value, row.Plot = strings.Join(values, " "), d
	return row
}

func (d *drawing) point(x compare.Point, s scale, y float64, series string) {
	if i, ok := x.Interval.Get(); ok {
		d.line(math.Max(0, s.at(i.Low)), y, math.Min(1, s.at(i.High)), y, "range "+series)
	}
	class := "dots " + series
	if x.Validity == stats.Suspect {
		class = "ring " + series
	}
	d.circle(s.at(x.Median), y, 3.4, class)
}
