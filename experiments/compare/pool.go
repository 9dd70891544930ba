package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// finish turns what was gathered of a trial into a row.
func (t *table) finish(out *Comparison, r *row, seed uint64) {
	k := r.key
	label := trial.Provider{Name: k.provider, Runtime: k.runtime}.Label()
	x := Row{Model: r.names[0], ModelSHA256: k.sha256, Provider: label, Threads: k.threads, Batch: k.batch,
		Scenario: k.scenario, Shape: k.shape, Board: k.board}
	for g := range t.groups {
		var runs []*runValue
		boards := map[string]bool{}
		for _, id := range r.order[g] {
			v := r.groups[g][id]
			runs = append(runs, v)
			for _, s := range v.starts {
				boards[s.trial.Board] = true
			}
		}
		if len(boards) > 1 {
			t.notes = append(t.notes, fmt.Sprintf("%s, %s, %d threads: not compared, as %s mixes %d models of device.",
				x.Model, label, k.threads, t.groups[g].Label, len(boards)))
			return
		}
		x.Pools = append(x.Pools, pool(t.groups[g].Label, runs))
	}
	for g := 1; g < len(x.Pools); g++ {
		base, p := &x.Pools[0], &x.Pools[g]
		if base.Runs == 0 || p.Runs == 0 {
			continue
		}
		x.Changes = append(x.Changes, change(base, p, seed))
	}
	if len(t.groups) > 1 && len(x.Changes) == 0 {
		i := slices.IndexFunc(x.Pools, func(p Pool) bool { return p.Runs > 0 })
		t.alone = append(t.alone, fmt.Sprintf("%s on %s, %s, batch %d (in %s)", x.Model, label,
			words.Plural(k.threads, "thread"), k.batch, x.Pools[i].Group))
		return
	}
	out.Rows = append(out.Rows, x)
}

// pool summarizes one trial of one group.
func pool(label string, runs []*runValue) Pool {
	p := Pool{Group: label, Runs: len(runs), Unit: stats.ByDevice, byDevice: map[string][]runValue{}}
	none := trial.Unread[float64]("no usable run has this trial")
	p.Median, p.Interval, p.Spread = none, trial.Unread[trial.Interval](none.Unavailable),
		trial.Unread[Spread](none.Unavailable)
	if len(runs) == 0 {
		return p
	}
	var devices []string
	for _, v := range runs {
		v.median = medianOf(starts(v.starts))
		p.Starts += len(v.starts)
		if slices.ContainsFunc(v.starts, func(s start) bool { return s.trial.Validity == stats.Suspect }) {
			p.Suspect++
		}
		d := DeviceName(v.run.Device)
		if p.byDevice[d] == nil {
			devices = append(devices, d)
		}
		p.byDevice[d] = append(p.byDevice[d], *v)
	}
	slices.Sort(devices)
	p.Devices = len(devices)
	for _, d := range devices {
		slices.SortStableFunc(p.byDevice[d], func(a, b runValue) int {
			return cmp.Or(a.run.Started.Compare(b.run.Started), strings.Compare(a.run.ID, b.run.ID))
		})
		p.ByDevice = append(p.ByDevice, DeviceMedian{Device: d, Runs: len(p.byDevice[d]),
			Median: medianOf(medians(p.byDevice[d]))})
		for _, v := range p.byDevice[d] {
			p.Points = append(p.Points, point(v))
		}
	}
	p.center()
	p.spread()
	p.components(devices)
	p.budgets(runs)
	return p
}

// center takes the median over devices; of a single device, over its runs.
func (p *Pool) center() {
	values := make([]float64, len(p.ByDevice))
	for i, d := range p.ByDevice {
		values[i] = d.Median
	}
	m, _ := stats.MiddleOf(values, stats.ByDevice)
	p.Median, p.Interval = trial.Read(m.Value), m.Interval
	if p.Devices == 1 && p.Runs >= stats.FewestUnits {
		p.Unit = stats.ByRun
		m, _ = stats.MiddleOf(medians(p.byDevice[p.ByDevice[0].Device]), stats.ByRun)
		p.Interval = m.Interval
	}
	odd := stats.Outliers(values)
	for i := range p.ByDevice {
		p.ByDevice[i].Relative = p.ByDevice[i].Median/m.Value - 1
		p.ByDevice[i].Outlier = slices.Contains(odd, i)
	}
	slices.SortStableFunc(p.ByDevice, func(a, b DeviceMedian) int { return cmp.Compare(a.Median, b.Median) })
}

func (p *Pool) spread() {
	switch {
	case p.Devices > 1:
		first, last := p.ByDevice[0], p.ByDevice[len(p.ByDevice)-1]
		p.Spread = trial.Read(Spread{first.Device, last.Device, last.Median/first.Median - 1})
	case p.Runs > 1:
		runs := slices.Clone(p.Points)
		slices.SortStableFunc(runs, func(a, b Point) int { return cmp.Compare(a.Median, b.Median) })
		first, last := runs[0], runs[len(runs)-1]
		p.Spread = trial.Read(Spread{first.Run, last.Run, last.Median/first.Median - 1})
	default:
		p.Spread = trial.Unread[Spread]("one run")
	}
}

// components splits the scatter by level, and says what to have more of: devices
// as long as there are too few for an interval, then the level that adds most to
// the uncertainty of the median, which is its variance over the number of its
// things.
func (p *Pool) components(devices []string) {
	var root stats.Group
	for _, d := range devices {
		var device stats.Group
		for _, v := range p.byDevice[d] {
			var run stats.Group
			for _, s := range v.starts {
				run.Groups = append(run.Groups, blocksOf(s.trial.Sample, s.trial.Result.LatenciesNS))
			}
			device.Groups = append(device.Groups, run)
		}
		root.Groups = append(root.Groups, device)
	}
	p.Components = stats.Components(root, stats.Levels...)
	if len(p.Components) < 2 {
		return
	}
	if p.Interval.Value == nil {
		p.Advice = "more devices"
		return
	}
	p.Advice = stats.Advice(p.Components)
}

func blocksOf(s stats.Sample, all []int64) (g stats.Group) {
	for _, b := range s.Blocks() {
		g.Groups = append(g.Groups, stats.Group{Latencies: b})
	}
	if len(g.Groups) == 0 {
		g.Groups = []stats.Group{{Latencies: all}}
	}
	return g
}

// budgets counts runs: one meets a budget when each of its process starts did,
// and leaves it UNDECIDED where they disagree.
// Runs may have been held against different budgets.
func (p *Pool) budgets(runs []*runValue) {
	for _, v := range runs {
		var texts []string
		verdicts := map[string][]judge.Verdict{}
		for _, s := range v.starts {
			for _, a := range s.trial.Answers {
				if a.Verdict == judge.Elsewhere { // the rows of other batches have it
					continue
				}
				text := a.Budget.Text
				if len(verdicts[text]) == 0 {
					texts = append(texts, text)
				}
				verdicts[text] = append(verdicts[text], a.Verdict)
			}
		}
		for _, text := range texts {
			i := slices.IndexFunc(p.Budgets, func(c BudgetCount) bool { return c.Budget == text })
			if i < 0 {
				i = len(p.Budgets)
				p.Budgets = append(p.Budgets, BudgetCount{Budget: text})
			}
			p.Budgets[i].add(judge.Together(verdicts[text]...))
		}
	}
}

// point is a run's median with its own interval, over all its process starts.
func point(v runValue) Point {
	p := Point{Run: v.run.ID, Device: v.run.Device, Median: v.median, Validity: stats.Valid}
	var all []int64
	var blocks []trial.Block
	for _, s := range v.starts {
		if s.trial.Validity == stats.Suspect {
			p.Validity = stats.Suspect
		}
		for _, b := range s.trial.Result.Blocks {
			blocks = append(blocks, trial.Block{First: b.First + len(all), N: b.N})
		}
		all = append(all, s.trial.Result.LatenciesNS...)
	}
	sample := v.starts[0].trial.Sample
	if len(v.starts) > 1 {
		sample, _ = stats.NewSample(all).Cut(blocks) // blocks of only some starts are none
	}
	p.Interval = sample.MedianInterval()
	return p
}

func starts(in []start) []float64 {
	out := make([]float64, len(in))
	for i, s := range in {
		out[i] = s.median
	}
	return out
}

func medians(in []runValue) []float64 {
	out := make([]float64, len(in))
	for i, v := range in {
		out[i] = v.median
	}
	return out
}

// medianOf is the median of positive values, of two middle ones the geometric
// mean, as everywhere among units.
func medianOf(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return math.Sqrt(s[(n-1)/2]) * math.Sqrt(s[n/2])
}
