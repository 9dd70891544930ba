package page

import (
	"fmt"
	"math"

	"chexp/experiments/judge"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

// costScatter shows what a million inputs cost against latency, by the price of an hour:
// larger batches cost less and make each input wait. nil where no price was given, and
// where no real device was measured: an emulated one's speed says nothing of a bill.
func (t run) costScatter() *scatter {
	if t.Run.PricePerHour <= 0 || !t.Decision.RealDevice {
		return nil
	}
	metric := judge.P50
	if l := t.latencyBudgets(); len(l) > 0 {
		metric = l[0].Metric
	}
	cost := map[*findings.Row]float64{}
	var rows []*findings.Row
	low, high, cheap, dear := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, r := range t.drawable() {
		v, ok := metric.Read(r.Trial).Get()
		rate, known := r.Throughput.Get()
		if !ok || !known || v <= 0 || rate <= 0 || !r.Valid() || len(rows) == 4*maxCards {
			continue
		}
		rows = append(rows, r)
		cost[r] = findings.PricePerMillion(t.Run.PricePerHour, rate)
		p95, _ := r.P95.Get()
		low, high = min(low, v), max(high, v, p95)
		cheap, dear = min(cheap, cost[r]), max(dear, cost[r])
	}
	if len(rows) == 0 {
		return nil
	}
	limit := t.limit(metric)
	low, high = widen(low, high, limit)
	out := &scatter{ID: "cost", Title: costTitle, XName: costName,
		Explained: "the line above it reaches to its p95"}
	d, x, up := out.plane(newScale(cheap, dear), newScale(low, high), high, metric.String()+" latency",
		"Price of a million inputs against latency, one dot per trial")
	d.corner(x, up, nil, limit, planeFloor)
	var taken []placed
	for _, r := range rows {
		t.dot(d, r, x.at(cost[r]), metric, up, t.meets(r.Option), &taken)
	}
	out.Plot = *d
	return out
}

const (
	costTitle = "Cost against latency"
	costName  = "price of a million inputs, in the currency of price_per_hour"

	planeHeight = 300.0
	planeFloor  = planeHeight - 30
)

// plane draws axes: x of plain numbers, y of times up to high.
func (sc *scatter) plane(x, y scale, high float64, name, label string) (*drawing, scale, func(float64) float64) {
	u := words.UnitFor(high, words.Times)
	up := func(v float64) float64 { return planeFloor * (1 - y.at(v)) }
	sc.YName, sc.Y = name+", "+u.Name, drawing{Height: planeHeight}
	d := &drawing{Height: planeHeight, Label: label}
	for _, v := range y.ticks(6) {
		d.line(0, up(v), 1, up(v), "grid")
		sc.Y.text(1, -6, up(v)+4, "end", "tick", tickText(v, u))
	}
	for _, v := range x.ticks(6) {
		d.line(x.at(v), planeFloor, x.at(v), planeFloor+5, "base")
		d.text(x.at(v), 0, planeFloor+17, "middle", "tick", fmt.Sprintf("%.4g", v))
	}
	d.line(0, planeFloor, 1, planeFloor, "base")
	if x.log || y.log {
		sc.Caption = "Logarithmic axes where the values span a factor above 30. "
	}
	return d, x, up
}
