package stats

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Validity says whether latencies can be believed: the outcome of a check, and
// of all checks of a trial together. It is no verdict on a budget (package judge)
// and not how a trial ended (trial.Outcome).
type Validity string

// The validities. SUSPECT numbers can be used by those who know why they are
// suspect; from INVALID ones nothing may be decided. Unavailable is a check
// that could not be made; it makes no trial better or worse.
const (
	Valid       Validity = "VALID"
	Suspect     Validity = "SUSPECT"
	Invalid     Validity = "INVALID"
	Unavailable Validity = "UNAVAILABLE"
)

// A Check is one question asked about a trial, with the answer as data.
type Check struct {
	Name    string   `json:"name"`
	Outcome Validity `json:"outcome"`
	// Value is what was found and Limit what would still have been VALID, in
	// Unit. Both are absent where the question is not about a number.
	Value  trial.Reading[float64] `json:"value,omitzero"`
	Limit  float64                `json:"limit,omitzero"`
	Unit   string                 `json:"unit,omitempty"`
	Text   string                 `json:"text"`             // value and limit in words, without a full stop
	Remedy string                 `json:"remedy,omitempty"` // what to do, unless VALID
}

// Names of the checks that need nothing but the latencies.
const (
	SampleSize   = "sample size"
	WarmUp       = "warm-up"
	Drift        = "drift"
	Bimodality   = "bimodality"
	OutlierShare = "outliers"
	Stationarity = "stationarity"
)

// Limits of the checks.
const (
	// fewest inferences that give a median an interval.
	fewest = 6
	// Steady is the least number of inferences that shows whether a trial was
	// steady: ten in each third of it.
	Steady = 30
	// precise is how far the interval of a median may reach from it, and
	// large the relative difference that matters: half of what perf_analyzer
	// tolerates (10 %), and the size of the spread that the tutorial's authors
	// met between equal configurations. Differences above grave make a number
	// meaningless for budgets and comparisons.
	precise = 0.05
	large   = 0.05
	grave   = 0.20
	// many: outliers above one in twenty are in the p95.
	many = 0.05
	// significance of the tests; six checks at this level, each with a limit
	// on the size besides, raise a false alarm for fewer than 5 in 100 trials.
	significance = 0.01
)

// Worst of the checks: the validity of what they were asked about.
func Worst(checks []Check) Validity {
	has := func(o Validity) bool {
		return slices.ContainsFunc(checks, func(c Check) bool { return c.Outcome == o })
	}
	switch {
	case has(Invalid):
		return Invalid
	case has(Suspect):
		return Suspect
	}
	return Valid
}

// Checks asks whether the sample can be believed: whether it is large enough,
// and whether it was steady. The answers come in a fixed order. All values must
// be positive.
func (s Sample) Checks() []Check {
	out := []Check{s.checkSize()}
	if s.N() < Steady {
		why := fmt.Sprintf("needs %d inferences, has %d: %d more", Steady, s.N(), Steady-s.N())
		for _, name := range []string{WarmUp, Drift, Stationarity, Bimodality, OutlierShare} {
			out = append(out, unread(name, why))
		}
		return out
	}
	warm, slow := s.checkWarmUp()
	return append(out, warm, s.checkDrift(slow), s.checkStationarity(), s.checkModes(), s.checkOutliers())
}

// unread is a check that could not be made, and why.
func unread(name, why string) Check {
	return Check{Name: name, Outcome: Unavailable, Value: trial.Unread[float64](why), Text: why}
}

// checkSize asks for what any interval takes (6), for what the other checks
// take (30), and for an interval of the median within ±5 %; its width shrinks
// with the square root of the number of inferences.
func (s Sample) checkSize() Check {
	n, limit := s.N(), Steady
	c := Check{Name: SampleSize, Outcome: Valid, Value: trial.Read(float64(n)), Unit: "inferences",
		Remedy: "raise trials.min_runs or trials.min_time"}
	width, ok := s.Precision()
	if ok && n >= Steady && width > precise {
		limit = int(min(math.Ceil(float64(n)*(width/precise)*(width/precise)), 1e9))
	}
	c.Limit = float64(limit)
	switch {
	case n < fewest:
		c.Outcome = Invalid
		c.Text = fmt.Sprintf("%s, it takes %d for an interval of the median and %d to see whether the trial was steady",
			words.Plural(n, "inference"), fewest, Steady)
	case n < Steady:
		c.Outcome = Suspect
		c.Text = fmt.Sprintf("%s, it takes %d to see whether the trial was steady, %d for a p95 and %d for a p99",
			words.Plural(n, "inference"), Steady, Needed(95), Needed(99))
	case limit > n:
		c.Outcome = Suspect
		c.Text = fmt.Sprintf("the median is known to ±%s only, limit ±%s, which takes about %d inferences instead of %d",
			words.Percent(width), words.Percent(precise), limit, n)
	default:
		c.Text, c.Remedy = words.Plural(n, "inference")+", median known to ±"+words.Percent(width), ""
	}
	return c
}

// checkWarmUp also returns how many inferences the other checks had better
// leave out. A slow start after which the latencies go on falling is a drift.
func (s Sample) checkWarmUp() (Check, int) {
	n := s.N()
	length, ratio := slowStart(s.ordered)
	// A hundredth of the inferences is in the p99, the furthest percentile
	// that is printed; fewer are in nothing but the maximum.
	limit := n / 100
	c := Check{Name: WarmUp, Outcome: Valid, Value: trial.Read(float64(length)), Limit: float64(limit), Unit: "inferences"}
	if length > 0 && s.checkDrift(length).Outcome != Valid {
		if m, _ := s.thirds(length); m[0] > m[2] {
			length = 0
		}
	}
	if length <= limit || ratio <= 1+large {
		c.Value, c.Text = trial.Read(0.0), "no slow start"
		return c, 0
	}
	c.Outcome = Suspect
	if length >= n/4 {
		c.Outcome = Invalid
	}
	c.Text = fmt.Sprintf("the first %d of %s were %s slower than the rest, limit %d", length, words.Plural(n, "inference"),
		words.Percent(ratio-1), limit)
	c.Remedy = fmt.Sprintf("raise trials.warmup by %d", roundUp(length))
	return c, length
}

// checkDrift leaves out the first slow ones.
func (s Sample) checkDrift(slow int) Check {
	m, p := s.thirds(slow)
	low, high := slices.Min(m[:]), slices.Max(m[:])
	size := high/low - 1
	c := Check{Name: Drift, Outcome: Valid, Value: finite(100 * size), Limit: 100 * large, Unit: "%"}
	if size <= large || p >= significance {
		c.Text = fmt.Sprintf("the medians of its thirds lie within %s", words.Percent(size))
		return c
	}
	c.Outcome = Suspect
	if size > grave {
		c.Outcome = Invalid
	}
	names := [3]string{"first", "middle", "last"}
	c.Text = fmt.Sprintf("the %s third took %s longer than the %s, limit %s",
		names[slices.Index(m[:], high)], words.Percent(size), names[slices.Index(m[:], low)], words.Percent(large))
	c.Remedy = "something changed meanwhile: let the device cool down, stop other programs, measure longer"
	return c
}

// checkStationarity asks whether the blocks have one location, as any interval
// takes for granted. It finds the waves and steps that a comparison of thirds
// misses.
func (s Sample) checkStationarity() Check {
	far, p, ok := Unsteady(s.blockMedians())
	if !ok {
		if len(s.blocks) == 0 {
			return unread(Stationarity, "it was measured in one go, not in blocks")
		}
		return unread(Stationarity, fmt.Sprintf("needs %d blocks, has %d", FewestBlocks, len(s.blocks)))
	}
	c := Check{Name: Stationarity, Outcome: Valid, Value: finite(100 * far), Limit: 100 * large, Unit: "%",
		Text: fmt.Sprintf("the medians of its %d blocks lie within %s", len(s.blocks), words.Percent(far))}
	if p >= significance {
		return c
	}
	if far <= large {
		c.Text += ", though not in random order"
		return c
	}
	c.Outcome = Suspect
	if far > grave {
		c.Outcome = Invalid
	}
	c.Text = fmt.Sprintf("its %d blocks are in an order that chance gives in %s of such series, and %s apart, limit %s",
		len(s.blocks), words.Percent(max(p, 1e-4)), words.Percent(far), words.Percent(large))
	c.Remedy = "let the device cool down, stop other programs, measure longer; ratios of trials that were measured in " +
		"turns do not mind"
	return c
}

func (s Sample) checkModes() Check {
	m, ok := twoModes(s.sorted)
	gap := 0.0
	if ok {
		gap = m.Slow/m.Fast - 1
	}
	c := Check{Name: Bimodality, Outcome: Valid, Value: finite(100 * gap), Limit: 100 * large, Unit: "%", Text: "one mode"}
	if gap <= large {
		return c
	}
	c.Outcome = Suspect
	if gap > grave && m.Share > 1.0/3 { // the median is of neither, or of one by chance
		c.Outcome = Invalid
	}
	c.Text = fmt.Sprintf("two modes that are %s apart, limit %s, %s of the inferences in the smaller", words.Percent(gap),
		words.Percent(large), words.Percent(m.Share))
	c.Remedy = "two clock speeds or a second program: fix the clock, stop what else runs, compare the modes"
	return c
}

// checkOutliers never makes a trial INVALID: medians do not mind outliers.
func (s Sample) checkOutliers() Check {
	n := s.N()
	o := outliers(s.sorted)
	k := o.Slow + o.Fast
	share := float64(k) / float64(n)
	c := Check{Name: OutlierShare, Outcome: Valid, Value: finite(100 * share), Limit: 100 * many, Unit: "%",
		Text: fmt.Sprintf("%d of %s, the slowest took %s the median", k, words.Plural(n, "inference"), times(o.Slowest))}
	// More than chance makes of one in twenty: P(B >= k), B being
	// Binomial(n, 1/20), at most 5 %.
	if share > many && k >= n+1-lowRankAt(n, 1-many, 0.05) {
		c.Outcome = Suspect
		c.Text = fmt.Sprintf("%s of the inferences are outliers, limit %s, the slowest took %s the median",
			words.Percent(share), words.Percent(many), times(o.Slowest))
		c.Remedy = "stop what else runs on the device; quote the median, not the mean"
	}
	return c
}

// finite keeps what JSON cannot carry out of the answers.
func finite(v float64) trial.Reading[float64] {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return trial.Unread[float64]("no finite number")
	}
	return trial.Read(v)
}

func times(ratio float64) string {
	if ratio >= 100 {
		return fmt.Sprintf("%.0f times", ratio)
	}
	return fmt.Sprintf("%.3g times", ratio)
}

// roundUp to a number that people would write into an experiment.
func roundUp(n int) int {
	for step := 5; ; step *= 10 {
		if n <= 10*step {
			return (n + step - 1) / step * step
		}
	}
}
