package validity

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// conditions are what the agent read of the device during each block of a trial.
type conditions struct {
	r      *trial.Result
	blocks []*trial.Conditions
}

// reading is what the blocks say of one signal.
type reading struct {
	mean, worst float64 // weighted by the blocks' durations; the largest
	blocks      int     // that could read it
	why         string  // of the first that could not
}

// over collects a signal of which get makes a number; those that no sensor gives
// count as not read.
func (c conditions) over(get func(*trial.Conditions) trial.Reading[float64]) (out reading) {
	sum, time := 0.0, 0.0
	for _, b := range c.blocks {
		v, ok := get(b).Get()
		if ok && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0) {
			ok = false
		}
		if !ok {
			if out.why == "" {
				out.why = get(b).Unavailable
			}
			continue
		}
		sum, time = sum+v*float64(b.DurationNS), time+float64(b.DurationNS)
		out.worst = max(out.worst, v)
		out.blocks++
	}
	if out.blocks > 0 {
		out.mean = sum / time
	}
	if len(c.blocks) == 0 {
		out.why = "the agent did not watch the device between blocks"
	}
	return out
}

// perTime makes a share of the block's time of a number of nanoseconds.
func perTime(ns trial.Reading[int64], b *trial.Conditions) trial.Reading[float64] {
	if v, ok := ns.Get(); ok {
		return trial.Read(float64(v) / float64(b.DurationNS))
	}
	return trial.Unread[float64](ns.Unavailable)
}

// perCore makes a share of the device of a number of cores.
func (c conditions) perCore(r reading) (mean float64) {
	return r.mean / float64(max(1, c.r.Device.Cores))
}

// quota: the kernel adds up the time over the processors on which threads were stopped
// [kernel/sched/fair.c, throttled_clock of each cfs_rq], so it is taken as a share of the
// time on as many as the trial can use.
func (c conditions) quota() stats.Check {
	s := c.over(func(b *trial.Conditions) trial.Reading[float64] { return perTime(b.Throttled, b) })
	s.mean = min(1, s.mean/float64(max(1, min(c.r.Threads, c.r.Device.Cores))))
	remedy := "raise the container's CPU limit, or ask for fewer threads"
	quota, known := c.r.Device.Quota.Get()
	short := known && quota > 0 && quota < float64(c.r.Threads)
	if s.blocks == 0 && !short {
		return unread(Quota, s.why)
	}
	text := fmt.Sprintf("the quota stopped threads for %s of the time", words.Percent(s.mean))
	if s.mean == 0 {
		text = "the quota stopped nothing"
	}
	if known && quota == 0 && s.mean == 0 {
		text = "there is none"
	}
	out := graded(Quota, s.mean, throttled, grave, text, remedy)
	if short {
		out.Text = fmt.Sprintf("the quota is %.3g cores and the trial has %s; it", quota, threads(c.r.Threads)) +
			strings.TrimPrefix(out.Text, "the quota")
		if out.Outcome == stats.Valid {
			out.Outcome, out.Remedy = stats.Suspect, remedy
		}
	}
	return out
}

func threads(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

func (c conditions) steal() stats.Check {
	s := c.over(func(b *trial.Conditions) trial.Reading[float64] { return b.Steal })
	if s.blocks == 0 {
		return unread(Steal, s.why)
	}
	share := c.perCore(s)
	return graded(Steal, share, stolen, grave, fmt.Sprintf("the hypervisor took %s of the cores", words.Percent(share)),
		"measure on a device of your own, or when its neighbours are quiet")
}

// outside is INVALID where other processes took so much that the trial lacked
// more than a fifth of the cores that it has threads for.
func (c conditions) outside() stats.Check {
	s := c.over(func(b *trial.Conditions) trial.Reading[float64] { return b.Outside })
	if s.blocks == 0 {
		return unread(Outside, s.why)
	}
	out := graded(Outside, c.perCore(s), outside, math.Inf(1),
		fmt.Sprintf("other processes took %.3g of %s, %.3g in the worst block", s.mean,
			words.Plural(c.r.Device.Cores, "core"), s.worst),
		"stop what else runs on the device, and measure again")
	missing := float64(c.r.Threads) + s.mean - float64(c.r.Device.Cores)
	if out.Outcome == stats.Suspect && missing > grave*float64(c.r.Threads) {
		out.Outcome = stats.Invalid
		out.Text += fmt.Sprintf(", and the trial has %s", threads(c.r.Threads))
	}
	return out
}

// hot is the temperature from which on a device can be expected to slow down.
func (c conditions) hot() float64 {
	if model, ok := c.r.Device.Model.Get(); ok && strings.Contains(model, "Raspberry Pi") {
		return hotPi
	}
	return hotElsewhere
}

func (c conditions) heat() stats.Check {
	s := c.over(func(b *trial.Conditions) trial.Reading[float64] { return high(b.Temperature) })
	if s.blocks == 0 {
		return unread(Heat, s.why)
	}
	low := math.Inf(1)
	for _, b := range c.blocks {
		if v, ok := b.Temperature.Get(); ok {
			low = min(low, v.Low)
		}
	}
	out := stats.Check{Name: Heat, Outcome: stats.Valid, Value: trial.Read(s.worst), Limit: c.hot(), Unit: "°C",
		Text: fmt.Sprintf("%.3g to %.3g °C", low, s.worst)}
	if s.worst >= c.hot() {
		out.Outcome = stats.Suspect
		out.Text += fmt.Sprintf(", limit %.3g °C", c.hot())
		out.Remedy = "cool the device, or let it cool down before each trial (trials.cool_down)"
	}
	return out
}

func high(r trial.Reading[trial.Range]) trial.Reading[float64] {
	if v, ok := r.Get(); ok {
		return trial.Read(v.High)
	}
	return trial.Unread[float64](r.Unavailable)
}

// slow says of each block whether the clock was lower than it can be, by more
// than a twentieth: by the probe, or where there is none, by cpufreq. Of the two
// readings around a block the faster counts, for the other may have been taken
// on a core that something disturbed. nil: nothing shows the clock.
func (c conditions) slow() (blocks []bool, deepest float64, by string) {
	for _, source := range []struct {
		name string
		get  func(*trial.Conditions) trial.Reading[trial.Range]
	}{
		{"our own loop", func(b *trial.Conditions) trial.Reading[trial.Range] { return b.ProbeHz }},
		{"cpufreq", func(b *trial.Conditions) trial.Reading[trial.Range] { return b.ClockHz }},
	} {
		s := c.over(func(b *trial.Conditions) trial.Reading[float64] { return high(source.get(b)) })
		if s.blocks == 0 || s.worst <= 0 {
			continue
		}
		deepest = 1
		for _, b := range c.blocks {
			v, ok := high(source.get(b)).Get()
			blocks = append(blocks, ok && v < (1-slowClock)*s.worst)
			if ok {
				deepest = min(deepest, v/s.worst)
			}
		}
		return blocks, 1 - deepest, source.name
	}
	return nil, 0, ""
}

// clock takes the worse of cpufreq's account of the time below the top clock,
// and of what the blocks' clocks show.
func (c conditions) clock() stats.Check {
	below := c.over(func(b *trial.Conditions) trial.Reading[float64] { return b.BelowTop })
	blocks, deepest, by := c.slow()
	if below.blocks == 0 && blocks == nil {
		return unread(Clock, below.why)
	}
	const remedy = "fix the clock (governor performance), cool the device, check its power supply"
	slowTime, time := 0.0, 0.0
	for i, b := range c.blocks {
		time += float64(b.DurationNS)
		if blocks != nil && blocks[i] {
			slowTime += float64(b.DurationNS)
		}
	}
	share := slowTime / time
	text := "it stayed at its top"
	if blocks != nil {
		text = fmt.Sprintf("within %s between blocks, by %s", words.Percent(deepest), by)
	}
	if below.blocks > 0 {
		text += fmt.Sprintf("; below its top for %s of the time, by time_in_state", words.Percent(below.mean))
	}
	if share > belowClock && share >= below.mean {
		text = fmt.Sprintf("up to %s below its top for %s of the time, by %s", words.Percent(deepest), words.Percent(share),
			by)
	}
	return graded(Clock, max(share, below.mean), belowClock, math.Inf(1), text, remedy)
}

// throttling: the firmware's word, or a block that was both hot and slow.
func (c conditions) throttling() stats.Check {
	told, silent, hotSlow, why := 0, 0, 0, ""
	var word string
	slow, _, _ := c.slow()
	measured := 0
	for i, b := range c.blocks {
		w, ok := b.Firmware.Get()
		switch {
		case !ok && why == "":
			why = b.Firmware.Unavailable
		case ok && quiet(w):
			silent++
		case ok:
			told++
			word = w
		}
		below, known := b.BelowTop.Get()
		if t, ok := high(b.Temperature).Get(); ok && (slow != nil || known) {
			measured++
			fell := slow != nil && slow[i] || known && below > belowClock
			if fell && t >= c.hot()-5 { // it cools as soon as it is slow
				hotSlow++
			}
		}
	}
	n := len(c.blocks)
	if told+silent+measured == 0 {
		if n == 0 {
			why = "the agent did not watch the device between blocks"
		}
		return unread(Throttling, why)
	}
	share := float64(max(told, hotSlow)) / float64(n)
	out := stats.Check{Name: Throttling, Outcome: stats.Valid, Value: trial.Read(100 * share), Unit: "% of blocks",
		Text: "no sign of it"}
	if share == 0 {
		return out
	}
	out.Outcome = stats.Suspect
	out.Text = fmt.Sprintf("hot and slow in %d of %d blocks", hotSlow, n)
	if told > 0 {
		out.Text = fmt.Sprintf("the firmware says %q in %d of %d blocks", word, told, n)
	}
	out.Remedy = "cool the device, check its power supply, and measure again"
	return out
}

// quiet reports that the firmware complains of nothing now: in words, or in the
// bits of get_throttled, of which 16 to 19 only say that something was the case
// since the board started [raspberrypi/utils: vcgencmd].
func quiet(word string) bool {
	word = strings.ToLower(strings.TrimSpace(word))
	if bits, err := strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 32); err == nil {
		return bits&0xf == 0
	}
	return slices.Contains([]string{"", trial.FirmwareFine, "none"}, word)
}

// governor matters only where the clock changed; where nothing shows the clock,
// neither does it.
func (c conditions) governor() stats.Check {
	g, ok := c.r.Device.Governor.Get()
	if !ok {
		return unread(Governor, c.r.Device.Governor.Unavailable)
	}
	out := stats.Check{Name: Governor, Outcome: stats.Valid, Text: g}
	switch clock := c.clock().Outcome; {
	case g == "performance":
	case clock == stats.Valid:
		out.Text += ", and the clock stayed where it was"
	case clock == stats.Unavailable:
		return unread(Governor, g+" may change the clock, and nothing shows whether it did")
	default:
		out.Outcome = stats.Suspect
		out.Text += " may change the clock, and it changed"
		out.Remedy = "set the governor to performance where you may"
	}
	return out
}

func (c conditions) swap() stats.Check {
	pages := func(b *trial.Conditions) trial.Reading[float64] {
		if v, ok := b.Swapped.Get(); ok {
			return trial.Read(float64(v))
		}
		return trial.Unread[float64](b.Swapped.Unavailable)
	}
	s, sum := c.over(pages), 0.0
	if s.blocks == 0 {
		return unread(Swap, s.why)
	}
	for _, b := range c.blocks {
		if v, ok := pages(b).Get(); ok && v > 0 {
			sum += v
		}
	}
	out := stats.Check{Name: Swap, Outcome: stats.Valid, Value: trial.Read(sum), Limit: swapped, Unit: "pages",
		Text: fmt.Sprintf("%.0f pages moved to or from swap", sum)}
	if sum > swapped {
		out.Outcome = stats.Suspect
		out.Text += fmt.Sprintf(", limit %d", swapped)
		out.Remedy = "free memory, or use a smaller model or batch"
	}
	return out
}

func (c conditions) pressure() stats.Check {
	s := c.over(func(b *trial.Conditions) trial.Reading[float64] { return perTime(b.Pressure, b) })
	if s.blocks == 0 {
		return unread(Pressure, s.why)
	}
	// The kernel settles its total at the moment of reading, a little outside
	// the time that is divided by.
	s.mean = min(s.mean, 1)
	return graded(Pressure, s.mean, pressed, math.Inf(1), fmt.Sprintf("something waited for a core for %s of the time",
		words.Percent(s.mean)),
		"ask for fewer threads, or stop what else runs on the device")
}
