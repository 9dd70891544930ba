package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// How much is drawn. A page with hundreds of trials is no longer a picture;
// the table and the CSV hold them all.
const (
	maxStrips = 60
	maxCards  = 60
	maxDots   = 240 // per sequence; longer ones are drawn as ranges
)

// series is the colour of a provider, by its place among the providers.
func (t *Table) series(provider string) string {
	var seen []string
	for _, r := range t.Rows {
		if !slices.Contains(seen, r.Provider) {
			seen = append(seen, r.Provider)
		}
	}
	return fmt.Sprintf("s%d", max(0, slices.Index(seen, provider))%6)
}

// drawable rows have latencies that mean something. The INVALID ones are among
// them: the picture shows why.
func (t *Table) drawable() (out []*Row) {
	for _, r := range t.Rows {
		if r.Sound() && r.Own() && r.N > 0 {
			out = append(out, r)
		}
	}
	return out
}

// latencyBudgets are the budgets that are a line in a picture of latencies.
func (t *Table) latencyBudgets() (out []judge.Budget) {
	for _, b := range t.Budgets {
		if b.Metric.IsLatency() && b.Limit > 0 && !math.IsInf(b.Limit, 0) {
			out = append(out, b)
		}
	}
	return out
}

// strips compares the distributions of all trials on one axis.
type strips struct {
	Axis    drawing
	Unit    string
	Rows    []strip
	Caption string
}

type strip struct {
	Row    *Row
	Sub    string // what tells it from its neighbours
	Series string
	Plot   drawing
	P50    string
	Beyond string
}

func (t *Table) strips() *strips {
	rows := t.drawable()
	if len(rows) == 0 {
		return nil
	}
	u := t.latencyUnit()
	out := &strips{Unit: u.Name}
	if len(rows) > maxStrips {
		out.Caption = fmt.Sprintf("The first %d of %d trials. ", maxStrips, len(rows))
		rows = rows[:maxStrips]
	}
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		low = min(low, float64(stats.NearestRank(r.Sample.Sorted(), 1)))
		high = max(high, 1.15*float64(stats.NearestRank(r.Sample.Sorted(), 95)))
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
	const height = 36
	for _, r := range rows {
		st := strip{Row: r, Series: t.series(r.Provider), P50: words.Nanoseconds(*r.P50.Value), Sub: r.Provider + t.run.Setting(r.Trial)}
		if r.Repetition > 1 {
			st.Sub += fmt.Sprintf(", rep %d", r.Repetition)
		}
		d := drawing{Height: height, Label: fmt.Sprintf("Distribution of %d latencies: median %s, from %s to %s",
			r.N, st.P50, words.Nanoseconds(*r.Min.Value), words.Nanoseconds(*r.Max.Value))}
		const n = 120
		counts, highest, beyond := bins(r.Sample.Sorted(), s, n)
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
		d.line(s.at(*r.P50.Value), 3, s.at(*r.P50.Value), height, "p50")
		if v, ok := r.P95.Get(); ok && s.at(v) <= 1 {
			d.line(s.at(v), 14, s.at(v), height, "p95")
		}
		if beyond > 0 {
			st.Beyond = fmt.Sprintf("%d beyond", beyond)
		}
		st.Plot = d
		out.Rows = append(out.Rows, st)
	}
	out.Axis = axis(s, u, limits)
	return out
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

// scatter shows size against latency: what budgets usually trade.
type scatter struct {
	Y       drawing // the tick labels left of the plot
	Plot    drawing
	YName   string
	Caption string
}

func (t *Table) scatter() *scatter {
	metric := judge.P50
	if l := t.latencyBudgets(); len(l) > 0 {
		metric = l[0].Metric
	}
	var rows []*Row
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
	out := &scatter{}
	yLimit, sizeLimit := t.limit(metric), t.limit(judge.Size)
	low, high = widen(low, high, yLimit)
	small, big = widen(small, big, sizeLimit)
	const height, foot = 300.0, 30.0
	x, y := newScale(small, big), newScale(low, high)
	up := func(v float64) float64 { return height - foot - y.at(v)*(height-foot) }
	u := words.UnitFor(high, words.Times)
	out.YName = metric.String() + " latency, " + u.Name
	d := drawing{Height: int(height), Label: fmt.Sprintf("Model size in MB against %s latency in %s, one dot per trial", metric, u.Name)}
	labels := drawing{Height: int(height)}
	for _, v := range y.ticks(6) {
		d.line(0, up(v), 1, up(v), "grid")
		labels.Shapes = append(labels.Shapes, shape{Kind: "text", X: "100%", Dx: "-6", Y: pixel(up(v) + 4), Anchor: "end", Class: "tick", Text: tickText(v, u)})
	}
	for _, v := range x.ticks(6) {
		d.line(x.at(v), height-foot, x.at(v), height-foot+5, "base")
		d.text(x.at(v), 0, height-foot+17, "middle", "tick", tickText(v, words.Sizes[2]))
	}
	d.line(0, height-foot, 1, height-foot, "base")
	out.region(&d, x, y, up, sizeLimit, yLimit, height-foot)
	meets := map[string]bool{}
	for _, o := range t.run.Options {
		meets[o.Letter] = o.Verdict() == judge.Met
	}
	var taken []placed
	for _, r := range rows {
		t.dot(&d, r, x.at(float64(r.Bytes)), metric, up, meets[r.Option], &taken)
	}
	out.Y, out.Plot = labels, d
	if x.log || y.log {
		out.Caption = "Logarithmic axes where the values span a factor above 30. "
	}
	return out
}

// limit is the first upper limit on a metric.
func (t *Table) limit(metric *judge.Metric) *judge.Budget {
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
func (t *Table) dot(d *drawing, r *Row, x float64, metric *judge.Metric, up func(float64) float64, meets bool, taken *[]placed) {
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

// card is one trial: its latencies in order, and how they are distributed.
type card struct {
	Row             *Row
	Series          string
	Axis, Seq, Hist drawing
	Stats           []Fact
	Remarks         []string
	Checks          []stats.Check // those that speak against it
}

// cards draws the sequence of each trial.
func (t *Table) cards() (out []card, caption string) {
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

func (t *Table) card(r *Row) card {
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
	c.Seq = drawing{Height: int(height), Label: fmt.Sprintf("Latencies of %d inferences in order, between %s and %s", r.N, words.Nanoseconds(*r.Min.Value), words.Nanoseconds(*r.Max.Value))}
	c.Hist = drawing{Height: int(height), Label: "Histogram of the same latencies"}
	for _, v := range s.ticks(4) {
		c.Axis.text(1, -5, min(up(v)+4, height-1), "end", "tick", strings.TrimSpace(tickText(v, u)))
		c.Seq.line(0, up(v), 1, up(v), "grid")
	}
	c.Axis.text(1, -5, -8, "end", "tick", u.Name)
	c.sequence(r, s, up)
	const n = 24
	counts, highest, beyond := bins(r.Sample.Sorted(), s, n)
	for i, k := range counts {
		if k > 0 {
			c.Hist.rect(0, height*(1-float64(i+1)/n), max(0.02, float64(k)/float64(highest)), height/n, "fill "+c.Series)
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

// sequence draws dots in order, warm-up before them in grey. Above maxDots
// inferences each mark is the range and the median of consecutive ones.
func (c *card) sequence(r *Row, s scale, up func(float64) float64) {
	warm := r.warmup
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
		for i, v := range r.latencies {
			class := "dots " + c.Series
			if s.at(float64(v)) > 1 {
				class = "off"
			}
			c.Seq.circle(at(len(warm)+i), up(float64(v)), 1.8, class)
		}
		return
	}
	const marks = maxDots / 2
	for i := range marks {
		part := slices.Sorted(slices.Values(r.latencies[i*r.N/marks : (i+1)*r.N/marks]))
		x := at(len(warm)) + (float64(i)+0.5)/marks*(1-at(len(warm)))
		c.Seq.line(x, up(float64(part[0])), x, up(float64(part[len(part)-1])), "range "+c.Series)
		c.Seq.circle(x, up(stats.Median(part)), 1.5, "dots "+c.Series)
	}
	c.Remarks = append(c.Remarks, fmt.Sprintf("each mark is the range of %d in a row", (r.N+marks-1)/marks))
}

func cardStats(r *Row) []Fact {
	out := []Fact{{Name: "p50", Value: words.Nanoseconds(*r.P50.Value)}}
	if low, ok := r.P50Low.Get(); ok {
		out[0].Value += fmt.Sprintf(" (95 %%: %s to %s)", words.Nanoseconds(low), words.Nanoseconds(*r.P50High.Value))
	}
	for _, x := range []struct {
		name   string
		r      trial.Reading[float64]
		format func(float64) string
	}{
		{"p95", r.P95, words.Nanoseconds}, {"p99", r.P99, words.Nanoseconds}, {"session", r.SessionCreate, words.Nanoseconds},
		{"first inference", r.FirstInference, words.Nanoseconds}, {"peak memory", r.PeakMemory, words.Bytes},
		{"of the roof", r.roofShare(), words.Percent}, {"measuring", r.Harness, words.Nanoseconds},
	} {
		f := Fact{Name: x.name, Unavailable: x.r.Unavailable}
		if v, ok := x.r.Get(); ok {
			f.Value = x.format(v)
		}
		out = append(out, f)
	}
	return out
}

// bar is one phase of the timeline.
type bar struct {
	Phase Phase
	Plot  drawing
	Span  string
	Tone  tone
}

// timeline places the phases between the first start and the last end.
func (t *Table) timeline() (out []bar, total string) {
	var first, last time.Time
	for _, p := range t.Phases {
		if !p.Start.IsZero() && (first.IsZero() || p.Start.Before(first)) {
			first = p.Start
		}
		for _, x := range []time.Time{p.Start, p.End} {
			if x.After(last) {
				last = x
			}
		}
	}
	span := last.Sub(first)
	for _, p := range t.Phases {
		b := bar{Phase: p, Span: "-", Plot: drawing{Height: 14, Label: p.Name}}
		switch p.Outcome {
		case "ok":
			b.Tone = good
		case "failed":
			b.Tone = bad
		default:
			b.Tone = open
		}
		b.Plot.line(0, 7, 1, 7, "grid")
		if !p.Start.IsZero() && span > 0 {
			end := p.End
			if end.IsZero() {
				end, b.Span = last, "not over"
			} else {
				b.Span = words.Span(end.Sub(p.Start))
			}
			from, width := float64(p.Start.Sub(first))/float64(span), float64(end.Sub(p.Start))/float64(span)
			b.Plot.rect(from, 2, max(width, 0.004), 10, "bar "+string(b.Tone))
		}
		out = append(out, b)
	}
	return out, words.Span(span)
}
