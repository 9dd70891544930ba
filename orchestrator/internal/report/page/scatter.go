package page

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/judge"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

// scatter shows size against latency: what budgets usually trade.
type scatter struct {
	ID, Title, XName string
	Explained        string // what is drawn beside the dots

	Y       drawing // the tick labels left of the plot
	Plot    drawing
	YName   string
	Caption string
}

func (t run) scatter() *scatter {
	metric := judge.P50
	if l := t.latencyBudgets(); len(l) > 0 {
		metric = l[0].Metric
	}
	var rows []*findings.Row
	low, high, big, small := math.Inf(1), 0.0, 0.0, math.Inf(1)
	for _, r := range t.drawable() {
		if v, ok := metric.Read(r.Trial).Get(); ok && v > 0 && r.Bytes > 0 {
			rows = append(rows, r)
			low, high = min(low, v), max(high, v)
			if p95, ok := r.P95.Get(); ok {
				high = max(high, p95) // the whisker's end
			}
			small, big = min(small, float64(r.Bytes)), max(big, float64(r.Bytes))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if len(rows) > 4*maxCards {
		rows = rows[:4*maxCards]
	}
	out := &scatter{ID: "scatter", Title: "Size against latency", XName: "model size, MB",
		Explained: "the line above a dot reaches to its p95"}
	yLimit, sizeLimit := t.limit(metric), t.limit(judge.Size)
	low, high = widen(low, high, yLimit)
	small, big = widen(small, big, sizeLimit)
	const height, foot = 300.0, 30.0
	x, y := newScale(small, big), newScale(low, high)
	up := func(v float64) float64 { return height - foot - y.at(v)*(height-foot) }
	u := words.UnitFor(high, words.Times)
	out.YName = metric.String() + " latency, " + u.Name
	d := drawing{Height: int(height), Label: fmt.Sprintf("Model size in MB against %s latency in %s, one dot per "+
		"trial", metric, u.Name)}
	labels := drawing{Height: int(height)}
	for _, v := range y.ticks(6) {
		d.line(0, up(v), 1, up(v), "grid")
		labels.Shapes = append(labels.Shapes, shape{Kind: "text", X: "100%", Dx: "-6", Y: pixel(up(v) + 4),
			Anchor: "end", Class: "tick", Text: tickText(v, u)})
	}
	for _, v := range x.ticks(6) {
		d.line(x.at(v), height-foot, x.at(v), height-foot+5, "base")
		d.text(x.at(v), 0, height-foot+17, "middle", "tick", tickText(v, words.Sizes[2]))
	}
	d.line(0, height-foot, 1, height-foot, "base")
	out.region(&d, x, y, up, sizeLimit, yLimit, height-foot)
	var taken []placed
	for _, r := range rows {
		t.dot(&d, r, x.at(float64(r.Bytes)), metric, up, t.meets(r.Option), &taken)
	}
	out.Y, out.Plot = labels, d
	if x.log || y.log {
		out.Caption = "Logarithmic axes where the values span a factor above 30. "
	}
	return out
}

// accuracyScatter shows accuracy against latency: a model that is fast and wrong is of no
// use. nil where no accuracy was measured.
func (t run) accuracyScatter() *scatter {
	metric := judge.P50
	if l := t.latencyBudgets(); len(l) > 0 {
		metric = l[0].Metric
	}
	var rows []*findings.Row
	low, high, worst, best := math.Inf(1), 0.0, 1.0, 0.0
	for _, r := range t.drawable() {
		v, ok := metric.Read(r.Trial).Get()
		a, known := r.Accuracy.Get()
		if !ok || !known || v <= 0 || len(rows) == 4*maxCards {
			continue
		}
		rows = append(rows, r)
		p95, _ := r.P95.Get()
		low, high = min(low, v), max(high, v, p95)
		worst, best = min(worst, a.Interval.Low), max(best, a.Interval.High)
	}
	if len(rows) == 0 {
		return nil
	}
	yLimit, least := t.limit(metric), t.least(judge.Accuracy)
	low, high = widen(low, high, yLimit)
	if least != nil {
		worst, best = min(worst, least.Limit), max(best, least.Limit)
	}
	const height, foot = 300.0, 30.0
	pad := max(0.02, 0.08*(best-worst))
	x, y := scale{lo: max(0, worst-pad), hi: min(1, best+pad)}, newScale(low, high)
	up := func(v float64) float64 { return height - foot - y.at(v)*(height-foot) }
	u := words.UnitFor(high, words.Times)
	out := &scatter{ID: "accuracy", Title: "Accuracy against latency", XName: "top-1 accuracy, %",
		YName: metric.String() + " latency, " + u.Name, Y: drawing{Height: int(height)},
		Explained: "the line across it is the accuracy's 95 % interval, the one above reaches to its p95"}
	d := drawing{Height: int(height), Label: fmt.Sprintf("Accuracy in %% against %s latency in %s, one dot per trial",
		metric, u.Name)}
	for _, v := range y.ticks(6) {
		d.line(0, up(v), 1, up(v), "grid")
		out.Y.text(1, -6, up(v)+4, "end", "tick", tickText(v, u))
	}
	for _, v := range x.ticks(6) {
		d.line(x.at(v), height-foot, x.at(v), height-foot+5, "base")
		d.text(x.at(v), 0, height-foot+17, "middle", "tick", fmt.Sprintf("%.4g", 100*v))
	}
	d.line(0, height-foot, 1, height-foot, "base")
	d.corner(x, up, least, yLimit, height-foot)
	var taken []placed
	for _, r := range rows {
		a, _ := r.Accuracy.Get()
		v, _ := metric.Read(r.Trial).Get()
		d.line(x.at(a.Interval.Low), up(v), x.at(a.Interval.High), up(v), "whisker "+t.series(r.Provider))
		t.dot(&d, r, x.at(a.Top1), metric, up, t.meets(r.Option), &taken)
	}
	out.Plot = d
	return out
}

// corner draws a least accuracy and a most latency, and shades where both are met.
func (d *drawing) corner(x scale, up func(float64) float64, least, most *judge.Budget, floor float64) {
	left, top := 0.0, 0.0
	if least != nil {
		left = min(1, max(0, x.at(least.Limit)))
		d.line(left, 0, left, floor, "limit")
		d.text(left, -6, floor-8, "end", "limit-name", words.Line(least.Text, 30))
	}
	if most != nil && up(most.Limit) > 0 && up(most.Limit) < floor {
		top = up(most.Limit)
		d.line(0, top, 1, top, "limit")
		d.text(1, -4, top-6, "end", "limit-name", words.Line(most.Text, 30))
	}
	if left > 0 || top > 0 {
		d.rect(left, top, 1-left, floor-top, "region")
	}
}

// meets tells whether every repetition of an option meets every budget.
func (t run) meets(letter string) bool {
	return slices.ContainsFunc(t.Judged.Options, func(o *judge.Option) bool {
		return o.Letter == letter && o.Verdict() == judge.Met
	})
}

// least is the first lower limit on a metric.
func (t run) least(metric *judge.Metric) *judge.Budget {
	for i, b := range t.Budgets {
		if b.Metric == metric && !b.Op.IsUpper() && b.Limit > 0 {
			return &t.Budgets[i]
		}
	}
	return nil
}

// limit is the first upper limit on a metric.
func (t run) limit(metric *judge.Metric) *judge.Budget {
	for i, b := range t.Budgets {
		if b.Metric == metric && b.Op.IsUpper() && b.Limit > 0 {
			return &t.Budgets[i]
		}
	}
	return nil
}

// widen makes room for a limit that is not far off the data.
func widen(low, high float64, b *judge.Budget) (float64, float64) {
	if b == nil || b.Limit > 3*high || b.Limit < low/100 {
		return low, high
	}
	return min(low, b.Limit), max(high, b.Limit)
}

// region draws the limits and shades where both are met.
func (sc *scatter) region(d *drawing, x, y scale, up func(float64) float64, size, lat *judge.Budget, floor float64) {
	right, top := 1.0, 0.0
	inside := func(p float64) bool { return p > 0 && p < 1 }
	if size != nil && inside(x.at(size.Limit)) {
		right = x.at(size.Limit)
	}
	if lat != nil && inside(y.at(lat.Limit)) {
		top = up(lat.Limit)
	}
	nowhere := size != nil && x.at(size.Limit) <= 0 || lat != nil && y.at(lat.Limit) <= 0
	if !nowhere && (right < 1 || top > 0) {
		d.rect(0, top, right, floor-top, "region")
	}
	if right < 1 {
		d.line(right, 0, right, floor, "limit")
		anchor, dx := "start", 6.0
		if right > 0.6 {
			anchor, dx = "end", -6
		}
		at := 12.0
		if top > 0 && top < 40 { // the other limit's name stands there
			at = floor - 8
		}
		d.text(right, dx, at, anchor, "limit-name", words.Line(size.Text, 30))
	}
	if top > 0 {
		d.line(0, top, 1, top, "limit")
		d.text(1, -4, top-6, "end", "limit-name", words.Line(lat.Text, 30))
	}
}

// placed is where a letter already stands.
type placed struct {
	x, y   float64
	letter string
}

// dot draws one trial: the value, a whisker up to its p95, and the letter of
// its option beside it, moved down where another letter is in the way.
func (t run) dot(d *drawing, r *findings.Row, x float64, metric *judge.Metric, up func(float64) float64, meets bool,
	taken *[]placed) {
	v, _ := metric.Read(r.Trial).Get()
	s := t.series(r.Provider)
	if p95, ok := r.P95.Get(); ok && p95 > v {
		d.line(x, up(v), x, max(0, up(p95)), "whisker "+s)
	}
	class := "dot " + s
	if !meets {
		class = "ring " + s
	}
	d.circle(x, up(v), 5, class)
	for _, p := range *taken {
		if p.letter == r.Option && math.Abs(p.x-x) < 0.01 && math.Abs(p.y-up(v)) < 14 {
			return // a repetition on the same spot
		}
	}
	at := placed{x: x, y: up(v), letter: r.Option}
	for moved := true; moved; {
		moved = false
		for _, p := range *taken {
			if math.Abs(p.x-at.x) < 0.06 && math.Abs(p.y-at.y) < 13 {
				at.y, moved = p.y-13.5, true
			}
		}
		if at.y < 10 {
			break
		}
	}
	*taken = append(*taken, at)
	anchor, dx := "start", 9.0
	if x > 0.9 {
		anchor, dx = "end", -9
	}
	d.text(x, dx, at.y+4, anchor, "letter", r.Option)
}
