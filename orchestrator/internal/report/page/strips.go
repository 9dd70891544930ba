package page

import (
	"fmt"
	"math"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
)

// strips compares the distributions of all options on one axis.
type strips struct {
	Axis    drawing
	Unit    string
	Rows    []strip
	Caption string
}

type strip struct {
	Letter, Model string
	Sub           string // what tells it from its neighbours
	Series        string
	Plot          drawing
	P50           string
	Beyond        string
}

// together is an option's latencies over all its repetitions.
type together struct {
	*findings.Row // the first of them
	stats.Sample
}

// together takes the drawable rows by option, in their order.
func (t run) together() (out []together) {
	all := map[string][]int64{}
	for _, r := range t.drawable() {
		if all[r.Option] == nil {
			out = append(out, together{Row: r})
		}
		all[r.Option] = append(all[r.Option], r.Result.LatenciesNS...)
	}
	for i := range out {
		out[i].Sample = stats.NewSample(all[out[i].Option])
	}
	return out
}

func (t run) strips() *strips {
	rows := t.together()
	if len(rows) == 0 {
		return nil
	}
	u := content.LatencyUnit(t.Table)
	out := &strips{Unit: u.Name}
	if len(rows) > maxStrips {
		out.Caption = fmt.Sprintf("The first %d of %d options. ", maxStrips, len(rows))
		rows = rows[:maxStrips]
	}
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		low = min(low, float64(stats.NearestRank(r.Sorted(), 1)))
		high = max(high, 1.15*float64(stats.NearestRank(r.Sorted(), 95)))
	}
	limits := t.latencyBudgets()
	for _, b := range limits {
		if b.Limit < 2*high {
			high = max(high, b.Limit)
		}
	}
	s := newScale(low, high)
	if s.log {
		out.Caption += "Logarithmic axis. "
	}
	for _, r := range rows {
		out.Rows = append(out.Rows, t.strip(r, s, limits))
	}
	out.Axis = axis(s, u, limits)
	return out
}

// strip draws the distribution of one option's latencies.
func (t run) strip(r together, s scale, limits []judge.Budget) strip {
	const height = 36
	sorted := r.Sorted()
	p50 := r.Median()
	st := strip{Letter: r.Option, Model: r.Model, Series: t.series(r.Provider), P50: words.Nanoseconds(p50),
		Sub: r.Provider + t.Judged.Setting(r.Trial)}
	d := drawing{Height: height, Label: fmt.Sprintf("Distribution of %d latencies: median %s, from %s to %s",
		len(sorted), st.P50, words.Nanoseconds(float64(sorted[0])), words.Nanoseconds(float64(sorted[len(sorted)-1])))}
	const n = 120
	counts, highest, beyond := bins(sorted, s, n)
	for i, c := range counts {
		if c > 0 {
			h := max(1.5, float64(c)/float64(highest)*(height-8))
			d.rect(float64(i)/n, height-h, 1.0/n, h, "fill "+st.Series)
		}
	}
	d.line(0, height-0.5, 1, height-0.5, "base")
	for _, b := range limits {
		if p := s.at(b.Limit); p >= 0 && p <= 1 {
			d.line(p, 0, p, height, "limit")
		}
	}
	d.line(s.at(p50), 3, s.at(p50), height, "p50")
	if v, ok := r.Percentile(95).Get(); ok && s.at(v) <= 1 {
		d.line(s.at(v), 14, s.at(v), height, "p95")
	}
	if beyond > 0 {
		st.Beyond = fmt.Sprintf("%d beyond", beyond)
	}
	st.Plot = d
	return st
}

// axis is the horizontal axis under the strips, with the names of the limits.
func axis(s scale, u words.Unit, limits []judge.Budget) drawing {
	d := drawing{Height: 22 + 14*len(limits), Label: "Axis: latency in " + u.Name}
	for _, v := range s.ticks(6) {
		p := s.at(v)
		d.line(p, 0, p, 5, "base")
		d.text(p, 0, 17, "middle", "tick", tickText(v, u))
	}
	for i, b := range limits {
		if p := s.at(b.Limit); p >= 0 && p <= 1 {
			anchor := "middle"
			if p < 0.1 {
				anchor = "start"
			} else if p > 0.9 {
				anchor = "end"
			}
			d.text(p, 0, 31+14*float64(i), anchor, "limit-name", words.Line(b.Text, 30))
		}
	}
	return d
}
