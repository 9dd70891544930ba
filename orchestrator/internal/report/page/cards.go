package page

import (
	"fmt"
	"slices"
	"strings"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/facts"
	"chexp/orchestrator/internal/report/findings"
)

// card is one trial: its latencies in order, and how they are distributed.
type card struct {
	Row             *findings.Row
	Series          string
	Axis, Seq, Hist drawing
	Lanes           []lane // the device meanwhile
	Stats           []facts.Fact
	Remarks         []string
	Checks          []stats.Check // those that speak against it
}

// cards draws the sequence of each trial.
func (t run) cards() (out []card, caption string) {
	rows := t.drawable()
	if len(rows) > maxCards {
		caption = fmt.Sprintf("The first %d of %d trials are drawn. ", maxCards, len(rows))
		rows = rows[:maxCards]
	}
	for _, r := range rows {
		out = append(out, t.card(r))
	}
	return out, caption
}

func (t run) card(r *findings.Row) card {
	const height = 120.0
	// The bulk fills the picture; the few slow ones are clipped and counted.
	sorted := r.Sample.Sorted()
	lo := float64(sorted[0])
	hi := lo + 1.8*(float64(stats.NearestRank(r.Sample.Sorted(), 95))-lo)
	hi = min(hi, float64(sorted[len(sorted)-1]))
	if hi-lo < lo*0.05 { // do not blow up noise of a few per cent to the full height
		mid := (lo + hi) / 2
		lo, hi = mid*0.95, mid*1.05
	}
	pad := (hi - lo) * 0.06
	s := scale{lo: max(0, lo-pad), hi: hi + pad}
	up := func(v float64) float64 { return height * (1 - min(max(s.at(v), 0), 1)) }
	u := words.UnitFor(hi, words.Times)
	c := card{Row: r, Series: t.series(r.Provider)}

	c.Axis = drawing{Height: int(height)}
	c.Seq = drawing{Height: int(height), Label: fmt.Sprintf("Latencies of %d inferences in order, between %s and %s",
		r.N, words.Nanoseconds(*r.Min.Value), words.Nanoseconds(*r.Max.Value))}
	c.Hist = drawing{Height: int(height), Label: "Histogram of the same latencies"}
	for _, v := range s.ticks(4) {
		c.Axis.text(1, -5, min(up(v)+4, height-1), "end", "tick", strings.TrimSpace(tickText(v, u)))
		c.Seq.line(0, up(v), 1, up(v), "grid")
	}
	c.Axis.text(1, -5, -8, "end", "tick", u.Name)
	c.Lanes = lanes(r, c.sequence(r, s, up))
	const n = 24
	counts, highest, beyond := bins(r.Sample.Sorted(), s, n)
	for i, k := range counts {
		if k > 0 {
			c.Hist.rect(0, height*(1-float64(i+1)/n), max(0.02, float64(k)/float64(highest)), height/n,
				"fill "+c.Series)
		}
	}
	for _, d := range []*drawing{&c.Seq, &c.Hist} {
		d.line(0, up(*r.P50.Value), 1, up(*r.P50.Value), "p50")
		if v, ok := r.P95.Get(); ok {
			d.line(0, up(v), 1, up(v), "p95")
		}
	}
	if beyond > 0 {
		c.Remarks = append(c.Remarks, fmt.Sprintf("%d clipped, slowest %s", beyond, words.Nanoseconds(*r.Max.Value)))
	}
	c.Stats = cardStats(r)
	c.Checks = r.Failing()
	return c
}

// sequence draws dots in order, warm-up before them in grey, and says where the timed ones
// begin. Above maxDots
// inferences each mark is the range and the median of consecutive ones.
func (c *card) sequence(r *findings.Row, s scale, up func(float64) float64) (begins float64) {
	warm := r.Result.WarmupNS
	if len(warm) > 50 || len(warm)*4 > r.N {
		warm = nil // they would take the picture from what was timed
	}
	total := float64(r.N + len(warm))
	at := func(i int) float64 { return (float64(i) + 0.5) / total }
	for i, v := range warm {
		c.Seq.circle(at(i), up(float64(v)), 1.6, "warm")
	}
	c.Seq.text(at(len(warm)), 0, float64(c.Seq.Height)+15, "start", "tick", "1")
	if r.N > 1 {
		c.Seq.text(1, 0, float64(c.Seq.Height)+15, "end", "tick", fmt.Sprint(r.N))
	}
	if len(warm) > 0 {
		c.Remarks = append(c.Remarks, fmt.Sprintf("grey: %d warm-up", len(warm)))
	}
	if r.N <= maxDots {
		for i, v := range r.Result.LatenciesNS {
			class := "dots " + c.Series
			if s.at(float64(v)) > 1 {
				class = "off"
			}
			c.Seq.circle(at(len(warm)+i), up(float64(v)), 1.8, class)
		}
		return float64(len(warm)) / total
	}
	const marks = maxDots / 2
	for i := range marks {
		part := slices.Sorted(slices.Values(r.Result.LatenciesNS[i*r.N/marks : (i+1)*r.N/marks]))
		x := at(len(warm)) + (float64(i)+0.5)/marks*(1-at(len(warm)))
		c.Seq.line(x, up(float64(part[0])), x, up(float64(part[len(part)-1])), "range "+c.Series)
		c.Seq.circle(x, up(stats.Median(part)), 1.5, "dots "+c.Series)
	}
	c.Remarks = append(c.Remarks, fmt.Sprintf("each mark is the range of %d in a row", (r.N+marks-1)/marks))
	return float64(len(warm)) / total
}

func cardStats(r *findings.Row) []facts.Fact {
	out := []facts.Fact{{Name: "p50", Value: words.Nanoseconds(*r.P50.Value)}}
	if low, ok := r.P50Low.Get(); ok {
		out[0].Value += fmt.Sprintf(" (95 %%: %s to %s)", words.Nanoseconds(low), words.Nanoseconds(*r.P50High.Value))
	}
	for _, x := range []struct {
		name   string
		r      trial.Reading[float64]
		format func(float64) string
	}{
		{"p95", r.P95, words.Nanoseconds}, {"p99", r.P99, words.Nanoseconds},
		{"session", r.SessionCreate, words.Nanoseconds},
		{"first inference", r.FirstInference, words.Nanoseconds}, {"peak memory", r.PeakMemory, words.Bytes},
		{"of the roof", r.RoofShare(), words.Percent}, {"measuring", r.Harness, words.Nanoseconds},
	} {
		f := facts.Fact{Name: x.name, Unavailable: x.r.Unavailable}
		if v, ok := x.r.Get(); ok {
			f.Value = x.format(v)
		}
		out = append(out, f)
	}
	return out
}
