package page

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/options"
)

// versus is the picture of the options that differ in one thing: how each
// relates to the base, and how all of them went while the run went on.
type versus struct {
	Title    string
	Variants []key
	Ratios   []ratioRow
	Axis     drawing // under the ratios
	Y, Turns drawing // block by block
	Clipped  int
}

// maxTurns bounds the blocks of one picture.
const maxTurns = 3000

// versuses makes one picture per base and axis.
func (t run) versuses() (out []versus) {
	var groups [][]options.Ratio
	for _, c := range t.Ratios {
		i := slices.IndexFunc(groups, func(g []options.Ratio) bool {
			return g[0].Axis == c.Axis && g[0].Base == c.Base
		})
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], c)
	}
	for _, g := range groups[:min(len(groups), maxCards)] {
		out = append(out, t.versus(g))
	}
	return out
}

func (t run) versus(g []options.Ratio) versus {
	base, axis := g[0].Judged.Base, g[0].Axis
	own := base.Trials[0]
	title := map[judge.Axis]string{judge.ByModel: "Models on " + own.Provider,
		judge.ByProvider: "Providers for " + own.Model,
		judge.ByThreads:  "Threads for " + own.Model + " on " + own.Provider}[axis]
	v := versus{Title: title + options.InCommon(axis, own, t.Judged)}
	shown := []*judge.Option{base}
	for _, r := range g {
		shown = append(shown, r.Judged.Option)
	}
	for i, o := range shown {
		v.Variants = append(v.Variants, key{Name: options.Variant(axis, o), Series: fmt.Sprintf("s%d", i%6)})
	}
	v.Variants[0].Name += " (the base: 1)"
	v.ratios(g)
	v.turns(shown)
	return v
}

// ratios draws the intervals on one axis that always holds 1.
func (v *versus) ratios(g []options.Ratio) {
	low, high := 1.0, 1.0
	for _, c := range g {
		low, high = min(low, c.Ratio), max(high, c.Ratio)
		if i, ok := c.Interval.Get(); ok {
			low, high = min(low, i.Low), max(high, i.High)
		}
	}
	pad := 0.06 * (high - low)
	if pad < 0.005 {
		pad = 0.02
	}
	s := scale{lo: max(0, low-pad), hi: high + pad}
	if low > 0 && high/low > 3 { // a half is as far from 1 as the double
		s = scale{lo: low / 1.15, hi: high * 1.15, log: true}
	}
	const height = 26
	for i, c := range g {
		r := ratioRow{Name: options.Variant(c.Axis, c.Judged.Option), Series: v.Variants[i+1].Series,
			Value: words.Digits(c.Ratio), Text: c.Text}
		d := drawing{Height: height, Label: c.Text}
		d.line(s.at(1), 0, s.at(1), height, "limit")
		if x, ok := c.Interval.Get(); ok {
			r.Value += fmt.Sprintf(" [%s, %s]", words.Digits(x.Low), words.Digits(x.High))
			if !c.Differs {
				r.Remark = "no difference shown"
			}
			d.interval(s, x.Low, x.High, height/2, "interval "+r.Series)
		}
		if c.Interval.Value == nil {
			r.Remark = "no interval"
		}
		d.circle(s.at(c.Ratio), height/2, 4.5, "dot "+r.Series)
		r.Plot = d
		v.Ratios = append(v.Ratios, r)
	}
	v.Axis = ratioAxis(s)
}

// turns draws the median of every block over that of its option, in the order in
// which the blocks were measured: what slowed everything down shows as one
// slope, whatever the options' own speeds. A bar reaches over the middle half of
// a block.
func (v *versus) turns(shown []*judge.Option) {
	marks := v.marks(shown)
	if len(marks) == 0 {
		return
	}
	last := 1
	var mids []float64
	for _, m := range marks {
		last, mids = max(last, m.turn), append(mids, m.mid)
	}
	slices.Sort(mids)
	// The bulk fills the picture; at least 4 % to either side, so that noise is
	// not blown up.
	n := len(mids)
	low, high := min(0.96, mids[n/50]-0.01), max(1.04, mids[n-1-n/50]+0.01)
	const height = 170.0
	s := scale{lo: low, hi: high}
	up := func(y float64) float64 { return height * (1 - math.Min(1, math.Max(0, s.at(y)))) }
	at := func(turn int) float64 { return (float64(turn) - 0.5) / float64(last) }
	d := drawing{Height: int(height), Label: fmt.Sprintf("Latency of %d blocks over %d turns, each relative to its "+
		"option's median", len(marks), last)}
	v.Y = drawing{Height: int(height)}
	for _, tick := range s.ticks(5) {
		d.line(0, up(tick), 1, up(tick), "grid")
		v.Y.text(1, -5, up(tick)+4, "end", "tick", fmt.Sprintf("%+.3g %%", 100*(tick-1)))
	}
	d.line(0, up(1), 1, up(1), "base")
	for _, m := range marks {
		d.line(at(m.turn), up(m.lo), at(m.turn), up(m.hi), "quartiles range "+m.series)
		class := "dots " + m.series
		if m.mid > high || m.mid < low {
			class = "off"
			v.Clipped++
		}
		d.circle(at(m.turn), up(m.mid), 2.6, class)
	}
	d.text(0, 0, height+15, "start", "tick", "turn 1")
	d.text(1, 0, height+15, "end", "tick", fmt.Sprint(last))
	v.Turns = d
}

// turn is one block beside the median of its option: its own median, and the
// quartiles to either side.
type turn struct {
	turn        int
	mid, lo, hi float64
	series      string
}

// marks are the blocks of the options that know their turn.
func (v *versus) marks(shown []*judge.Option) (out []turn) {
	for i, c := range shown {
		var all []int64
		for _, r := range c.Comparable() {
			all = append(all, r.Result.LatenciesNS...)
		}
		m := stats.NewSample(all).Median()
		for _, r := range c.Comparable() {
			blocks := r.Sample.Blocks()
			for j, b := range blocks[:min(len(blocks), maxTurns/len(shown))] {
				if r.Result.Blocks[j].Turn < 1 {
					continue
				}
				sorted := slices.Sorted(slices.Values(b))
				out = append(out, turn{turn: r.Result.Blocks[j].Turn, mid: stats.Median(sorted) / m,
					lo: float64(stats.NearestRank(sorted, 25)) / m,
					hi: float64(stats.NearestRank(sorted, 75)) / m, series: v.Variants[i].Series})
			}
		}
	}
	return out
}
