package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// change compares a group with the base, by the largest thing of which both
// have enough: devices, then runs on the same devices, then process starts,
// then blocks. The smaller it is, the less the interval speaks for: Caveat says.
func change(base, p *Pool, seed uint64) Change {
	c := Change{Group: p.Group, Base: base.Group}
	var shared []string
	for _, d := range base.ByDevice {
		if p.byDevice[d.Device] != nil {
			shared = append(shared, d.Device)
		}
	}
	slices.Sort(shared)
	if len(shared) > 1 { // what does not name its device may be any
		shared = slices.DeleteFunc(shared, func(d string) bool { return d == Unnamed })
	}
	var x stats.Estimate
	switch {
	case len(shared) >= stats.FewestUnits:
		x = c.pairedByDevice(shared, base, p)
	case base.Devices >= stats.FewestUnits && p.Devices >= stats.FewestUnits:
		x, _ = stats.RatioOfUnits(byDevice(p), byDevice(base), stats.ByDevice)
		c.Unit, c.Units = stats.ByDevice, min(base.Devices, p.Devices)
		c.Caveat = "the groups have other devices, so how boards differ is in the ratio"
	case len(shared) == 0:
		x, _ = stats.RatioOfUnits(byDevice(p), byDevice(base), stats.ByDevice)
		x.Interval = trial.Unread[trial.Interval]("the groups share no device, and it takes 3 devices of each to know how " +
			"boards differ")
		c.Unit, c.Units = stats.ByDevice, min(base.Devices, p.Devices)
	default:
		x = c.onSharedDevices(shared, base, p, seed)
	}
	c.Ratio, c.Interval = x.Ratio, x.Interval
	c.conclude(x)
	return c
}

func byDevice(p *Pool) (out []float64) {
	for _, d := range p.ByDevice {
		out = append(out, d.Median)
	}
	return out
}

// pairedByDevice takes each device against itself.
func (c *Change) pairedByDevice(shared []string, base, p *Pool) stats.Estimate {
	var ratios []float64
	for _, d := range shared {
		ratios = append(ratios, medianOf(medians(p.byDevice[d]))/medianOf(medians(base.byDevice[d])))
	}
	m, _ := stats.MiddleOf(ratios, stats.ByDevice)
	c.Unit, c.Units, c.Paired = stats.ByDevice, len(shared), true
	if n := max(base.Devices, p.Devices) - len(shared); n > 0 {
		c.Caveat = words.Plural(n, "device") + " in one group only, not in the ratio"
	}
	return stats.Estimate{Ratio: m.Value, Interval: m.Interval}
}

// onSharedDevices compares on one or two devices.
func (c *Change) onSharedDevices(shared []string, base, p *Pool, seed uint64) stats.Estimate {
	enough := true
	for _, d := range shared {
		enough = enough && min(len(base.byDevice[d]), len(p.byDevice[d])) >= stats.FewestUnits
	}
	c.Paired = true
	if enough {
		a, b := centred(shared, p, base, medians)
		x, _ := stats.RatioOfUnits(a, b, stats.ByRun)
		c.Unit, c.Units = stats.ByRun, min(len(a), len(b))
		c.Caveat = "it holds for " + these(len(shared)) + ", not for other boards"
		return x
	}
	allStarts := func(runs []runValue) (out []float64) {
		for _, v := range runs {
			out = append(out, starts(v.starts)...)
		}
		return out
	}
	c.Caveat = "of these runs only: days may differ by more; it takes 3 runs of each to know"
	a, b := centred(shared, p, base, allStarts)
	x, _ := stats.RatioOfUnits(a, b, stats.ByStart)
	c.Unit, c.Units = stats.ByStart, min(len(a), len(b))
	if x.Interval.Value != nil {
		return x
	}
	d := shared[0]
	if y, ok := stats.Ratio(allBlocks(p.byDevice[d]), allBlocks(base.byDevice[d]), seed); ok && len(shared) == 1 &&
		y.Interval.Value != nil {
		c.Unit, c.Units = stats.ByBlock, min(len(allBlocks(p.byDevice[d])), len(allBlocks(base.byDevice[d])))
		c.Caveat = "of these processes only: another start or day may differ by more"
		return stats.Estimate{Ratio: x.Ratio, Interval: widened(*y.Interval.Value, x.Ratio)}
	}
	return x
}

// widened keeps the estimate inside of an interval that was made around another
// centre.
func widened(i trial.Interval, ratio float64) trial.Reading[trial.Interval] {
	return trial.Read(trial.Interval{Low: min(i.Low, ratio), High: max(i.High, ratio)})
}

func these(n int) string {
	if n == 1 {
		return "this device"
	}
	return "these two devices"
}

// centred are the values of both groups on the shared devices, each relative to
// its device's geometric mean over the two groups, so that how boards differ is
// not taken for noise.
func centred(shared []string, p, base *Pool, values func([]runValue) []float64) (a, b []float64) {
	for _, d := range shared {
		va, vb := values(p.byDevice[d]), values(base.byDevice[d])
		level := math.Exp((meanLog(va) + meanLog(vb)) / 2)
		for _, v := range va {
			a = append(a, v/level)
		}
		for _, v := range vb {
			b = append(b, v/level)
		}
	}
	return a, b
}

func meanLog(values []float64) (m float64) {
	for _, v := range values {
		m += math.Log(v) / float64(len(values))
	}
	return m
}

func allBlocks(runs []runValue) (out [][]int64) {
	for _, v := range runs {
		for _, s := range v.starts {
			for _, g := range blocksOf(s.trial.Sample, s.trial.Result.LatenciesNS).Groups {
				out = append(out, g.Latencies)
			}
		}
	}
	return out
}

// conclude says whether the ratio differs from 1, and puts that into words.
func (c *Change) conclude(x stats.Estimate) {
	i, ok := x.Interval.Get()
	if !ok {
		c.Finding = NoInterval
		c.Detectable = trial.Unread[float64](x.Interval.Unavailable)
		c.Text = fmt.Sprintf("%s as measured (%s)", relative(c.Ratio), x.Interval.Unavailable)
		return
	}
	c.Detectable = trial.Read(stats.Detectable(i))
	if !x.Differs() {
		c.Finding = NotFound
		c.Text = "no difference found (detectable from " + words.Percent(*c.Detectable.Value) + ")"
		return
	}
	c.Finding = Slower
	low, high := i.Low-1, i.High-1
	if c.Ratio < 1 {
		c.Finding, low, high = Faster, 1-i.High, 1-i.Low
	}
	c.Text = fmt.Sprintf("%s [%s to %s]", relative(c.Ratio), words.Percent(low), words.Percent(high))
	if c.Small = math.Abs(c.Ratio-1) < small; c.Small {
		c.Text += ", too little to matter"
	}
}

// small differences are below what measuring itself may add (package validity's
// limit of the harness), however sure they are.
const small = 0.01

// relative writes a ratio as people say it.
func relative(ratio float64) string {
	switch {
	case ratio >= 2:
		return fmt.Sprintf("%.3g times as long", ratio)
	case ratio > 1:
		return words.Percent(ratio-1) + " longer"
	case ratio < 1:
		return words.Percent(1-ratio) + " shorter"
	}
	return "equally long"
}

// falseAlarms says what several comparisons at once are worth.
func falseAlarms(rows []Row) []string {
	n := 0
	for _, r := range rows {
		for _, c := range r.Changes {
			if c.Finding != NoInterval {
				n++
			}
		}
	}
	if n < 2 {
		return nil
	}
	expected := strconv.FormatFloat(math.Round(float64(n)*0.5)/10, 'g', -1, 64)
	return []string{fmt.Sprintf("%d comparisons, each at 95 %%: if nothing had changed at all, %s of them would on "+
		"average be called a difference by chance.", n, expected)}
}

// Again says of a measurement that was made again whether it is the same as the first.
func (c Change) Again() string {
	i, ok := c.Interval.Get()
	if !ok {
		return fmt.Sprintf("cannot be told: ratio %.3g, and no interval: %s", c.Ratio, c.Interval.Unavailable)
	}
	ratio := fmt.Sprintf("ratio %.3f [%.3f, %.3f]", c.Ratio, i.Low, i.High)
	text := "not the same: " + ratio + ", " + c.Text
	if c.Finding == NotFound {
		text = "the same within the interval: " + ratio
		if from, ok := c.Detectable.Get(); ok {
			text += ", a difference from " + words.Percent(from) + " on would have been found"
		}
	}
	return text + words.When(c.Caveat != "", "; "+c.Caveat)
}
