package validity

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Names of the checks that need more than the latencies; the others are those
// of package stats.
const (
	Provider   = "provider"
	Physics    = "physics"
	Emulation  = "emulation"
	Complete   = "completeness"
	Times      = "times"
	Quota      = "CPU quota"
	Steal      = "steal"
	Outside    = "outside load"
	Throttling = "throttling"
	Heat       = "heat"
	Clock      = "clock"
	Governor   = "governor"
	Swap       = "swap"
	Pressure   = "CPU pressure"
	BlockStart = "block start"
	Harness    = "harness overhead"
)

// Limits, in the order of the package comment.
const (
	leastShare   = 0.50     // of the time on the provider that was asked for
	cacheBytes   = 64 << 20 // larger weights come from memory
	throttled    = 0.01     // of the time
	stolen       = 0.01     // of the cores
	outside      = 0.05     // of the cores
	hotPi        = 80.0     // °C
	hotElsewhere = 90.0
	belowClock   = 0.10 // of the time
	slowClock    = 0.05 // below the fastest
	swapped      = 256  // pages
	pressed      = 0.10 // of the time
	overhead     = 0.01 // of the median
	unsettled    = 0.01 // of the median
	grave        = 0.20
)

const realDevice = "run it on a real device"

// Checks answers all questions about a trial that went well, causes before
// symptoms. The sample is [stats.SampleOf] the result; all its latencies must be
// positive.
func Checks(r *trial.Result, sample stats.Sample) []stats.Check {
	own := sample.Checks()
	at := slices.IndexFunc(own, func(c stats.Check) bool { return c.Name == stats.SampleSize })
	c := conditions{r: r}
	for _, b := range r.Blocks {
		if b.Conditions != nil && b.Conditions.DurationNS > 0 {
			c.blocks = append(c.blocks, b.Conditions)
		}
	}
	out := []stats.Check{checkProvider(r), checkPhysics(r, sample), checkEmulation(r), own[at],
		c.quota(), c.steal(), c.outside(), c.throttling(), c.heat(), c.clock(), c.governor(), c.swap(), c.pressure(),
		checkBlockStart(r, sample)}
	if r.Partial != nil {
		out = append([]stats.Check{checkComplete(r)}, out...)
	}
	if r.End.Before(r.Start) {
		out = append([]stats.Check{checkTimes(r)}, out...)
	}
	out = append(out, slices.Delete(own, at, at+1)...)
	return append(out, checkHarness(r, sample))
}

// graded makes a check of a share: VALID up to limit, SUSPECT above, INVALID
// above worst.
func graded(name string, share, limit, worst float64, text, remedy string) stats.Check {
	c := stats.Check{Name: name, Outcome: stats.Valid, Value: trial.Read(100 * share), Limit: 100 * limit, Unit: "%",
		Text: text}
	switch {
	case share > worst:
		c.Outcome, c.Remedy = stats.Invalid, remedy
	case share > limit:
		c.Outcome, c.Remedy = stats.Suspect, remedy
	}
	if c.Outcome != stats.Valid {
		c.Text += fmt.Sprintf(", limit %s", words.Percent(limit))
	}
	return c
}

func unread(name, why string) stats.Check {
	if why == "" {
		why = "the agent gave neither a value nor a reason"
	}
	return stats.Check{Name: name, Outcome: stats.Unavailable, Value: trial.Unread[float64](why), Text: why}
}

func checkEmulation(r *trial.Result) stats.Check {
	d := &r.Device
	took, measured := d.FloatInAdds.Get()
	number := took > 0 && !math.IsInf(took, 0)
	text := fmt.Sprintf("a float operation takes %.3g times as long as an addition", took)
	switch {
	case d.Emulated != "":
		return stats.Check{Name: Emulation, Outcome: stats.Suspect, Text: "the processor was emulated",
			Remedy: realDevice}
	case !measured:
		why := d.FloatInAdds.Unavailable
		if why == "" {
			why = "the agent did not measure it"
		}
		return unread(Emulation, "no sign of it was found, which is no proof: "+why)
	case !number:
		return unread(Emulation, "what the agent measured is no number of additions")
	case d.EmulatedBy() != "":
		return stats.Check{Name: Emulation, Outcome: stats.Suspect, Value: trial.Read(took), Limit: trial.EmulatorFrom,
			Unit: "additions", Remedy: realDevice,
			Text: fmt.Sprintf("the processor was emulated: %s, on a processor at most %d", text, trial.ProcessorUpTo)}
	case !d.OnProcessor():
		return unread(Emulation, fmt.Sprintf("%s, on a processor at most %d, under emulation %d or more", text,
			trial.ProcessorUpTo, trial.EmulatorFrom))
	}
	out := stats.Check{Name: Emulation, Outcome: stats.Valid, Value: trial.Read(took), Limit: trial.ProcessorUpTo,
		Unit: "additions", Text: text + ", as on a processor"}
	if vm := words.Line(d.Virtual, words.MaxName); vm != "" {
		out.Text += "; the machine is a virtual one: " + vm
	}
	return out
}

// checkHarness holds what measuring adds to a call against the median: over the
// same call from C, where that was measured, else the whole of an empty call.
func checkHarness(r *trial.Result, s stats.Sample) stats.Check {
	ns, ok := Overhead(r)
	if !ok {
		why := r.Harness.Unavailable
		if why == "" {
			why = "the agent did not measure it"
		}
		return unread(Harness, why)
	}
	if s.N() == 0 || s.Median() <= 0 {
		return unread(Harness, "nothing was timed")
	}
	h, _ := r.Harness.Get()
	text := fmt.Sprintf("an empty call takes %d ns, which is %s of the median", h.NullNS, words.Percent(ns/s.Median()))
	if c, ok := h.NullCNS.Get(); ok && c > 0 {
		text = fmt.Sprintf("an empty call takes %d ns, in C %d ns; the difference is %s of the median", h.NullNS, c,
			words.Percent(ns/s.Median()))
	}
	return graded(Harness, ns/s.Median(), overhead, grave, text,
		"measure larger batches, or compare with trials that are as short")
}

// Overhead is what measuring adds to one inference, in nanoseconds.
func Overhead(r *trial.Result) (ns float64, ok bool) {
	h, ok := r.Harness.Get()
	if !ok || h.NullNS < 0 {
		return 0, false
	}
	if c, ok := h.NullCNS.Get(); ok && c > 0 {
		return float64(max(0, h.NullNS-c)), true
	}
	return float64(h.NullNS), true
}
