package findings

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/spec"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// Verdicts on one budget.
const (
	Met     = "met"
	NotMet  = "not_met"
	Unknown = "unknown"
)

// Verdict holds one row against one budget.
type Verdict struct {
	Verdict string                 `json:"verdict"`
	Value   trial.Reading[float64] `json:"value"`         // in the budget's unit
	Why     string                 `json:"why,omitempty"` // for unknown
	// Close says that the limit lies within the 95 % interval of a median, a
	// percentile or an accuracy: another run may well end on the other side of it.
	Close bool `json:"close,omitempty"`
}

// Measure returns the value of a row that a budget is about.
func Measure(metric string, r *Row) trial.Reading[float64] {
	switch metric {
	case "size":
		if r.Bytes <= 0 {
			return trial.Unread[float64]("the size of the model is not known")
		}
		return trial.Read(float64(r.Bytes))
	case "p50":
		return r.P50
	case "p90":
		return r.P90
	case "p95":
		return r.P95
	case "p99":
		return r.P99
	case "throughput":
		return r.Throughput
	case "accuracy":
		return r.top1()
	case "session_create":
		return r.SessionCreate
	case "first_inference":
		return r.FirstInference
	case "peak_memory":
		return r.PeakMemory
	}
	return trial.Unread[float64](fmt.Sprintf("this report knows no metric %q", metric))
}

// check asks whether the latencies can be believed, and takes away those that
// are another provider's.
func (r *Row) check() {
	if !r.Sound() {
		return
	}
	r.Checks = cleanChecks(validity.Checks(r.Result))
	r.Validity = stats.Worst(r.Checks)
	r.Ran, r.Roof = validity.Ran(r.Result), validity.Roof(r.Result)
	r.Ran.Unavailable, r.Roof.Unavailable = words.Line(r.Ran.Unavailable, maxSentence), words.Line(r.Roof.Unavailable, maxSentence)
	if t, ok := r.Ran.Get(); ok {
		t.Provider = name(t.Provider)
		r.Ran = trial.Read(t)
	}
	r.Harness = trial.Unread[float64]("not measured")
	if ns, ok := validity.Overhead(r.Result); ok {
		r.Harness = trial.Read(ns)
	}
	if t, _ := r.Ran.Get(); !r.Own() {
		for _, f := range []*trial.Reading[float64]{&r.Min, &r.P50, &r.P90, &r.P95, &r.P99, &r.Max, &r.Mean, &r.Throughput,
			&r.FirstInference, &r.P50Low, &r.P50High} {
			*f = trial.Unread[float64](t.String())
		}
		r.Roof = trial.Unread[validity.Bound](t.String())
	}
}

func cleanChecks(in []stats.Check) []stats.Check {
	for i := range in {
		in[i].Text, in[i].Remedy = words.Line(in[i].Text, maxSentence), words.Line(in[i].Remedy, maxSentence)
		in[i].Value.Unavailable = words.Line(in[i].Value.Unavailable, maxSentence)
	}
	return in
}

// Failing are the checks that are not VALID, the worst first.
func (r *Row) Failing() (out []stats.Check) {
	for _, o := range []stats.Validity{stats.Invalid, stats.Suspect} {
		for _, c := range r.Checks {
			if c.Outcome == o {
				out = append(out, c)
			}
		}
	}
	return out
}

// impossible reports whether the latencies are too few or too short to mean
// anything, even beside others.
func (r *Row) impossible() bool {
	return slices.ContainsFunc(r.Checks, func(c stats.Check) bool {
		return c.Outcome == stats.Invalid && (c.Name == validity.Physics || c.Name == stats.SampleSize)
	})
}

// judge is strict: without a valid trial and a value there is no verdict. The
// size of the model is known whatever was measured, and its accuracy does not
// depend on how steady the latencies were.
func judge(b Budget, r *Row) Verdict {
	switch {
	case r.Outcome == Missing:
		why := "the trial has no result"
		if r.Partial != nil {
			why = "the trial was not measured"
		}
		return Verdict{Verdict: Unknown, Value: trial.Unread[float64]("no result"), Why: why}
	case r.Outcome != trial.OK:
		why := "the trial was " + string(r.Outcome)
		if r.Outcome == trial.Failed {
			why = "the trial failed"
		}
		return Verdict{Verdict: Unknown, Value: trial.Unread[float64](why), Why: why}
	case len(r.Doubts) > 0:
		return Verdict{Verdict: Unknown, Value: Measure(b.Metric, r), Why: "the result is doubtful: " + r.Doubts[0]}
	case r.Validity == stats.Invalid && b.Metric != "size" && b.Metric != "accuracy":
		return Verdict{Verdict: Unknown, Value: Measure(b.Metric, r), Why: "the result is INVALID: " + r.Failing()[0].Text}
	}
	value := Measure(b.Metric, r)
	v, ok := value.Get()
	if !ok {
		return Verdict{Verdict: Unknown, Value: value, Why: value.Unavailable}
	}
	met, known := holds(v, b.Op, b.Limit)
	if !known {
		return Verdict{Verdict: Unknown, Value: value, Why: fmt.Sprintf("this report knows no comparison %q", b.Op)}
	}
	out := Verdict{Verdict: NotMet, Value: value}
	if met {
		out.Verdict = Met
	}
	if p := percentiles[b.Metric]; p > 0 {
		i, ok := r.Sample.Interval(p).Get()
		if p == 50 {
			i, ok = r.Sample.MedianInterval().Get()
		}
		out.Close = ok && i.Low <= b.Limit && b.Limit <= i.High
	}
	if a, ok := r.Accuracy.Get(); ok && b.Metric == "accuracy" {
		out.Close = a.Interval.Low <= b.Limit && b.Limit <= a.Interval.High
	}
	return out
}

// percentiles are the metrics that have an interval.
var percentiles = map[string]float64{"p50": 50, "p90": 90, "p95": 95, "p99": 99}

func holds(v float64, op string, limit float64) (met, known bool) {
	if math.IsNaN(limit) {
		return false, false
	}
	switch op {
	case "<":
		return v < limit, true
	case "<=":
		return v <= limit, true
	case ">":
		return v > limit, true
	case ">=":
		return v >= limit, true
	}
	return false, false
}

func budgets(in []spec.Budget) []Budget {
	out := make([]Budget, 0, len(in))
	for _, b := range in {
		text := words.Line(b.Text, maxName)
		if text == "" {
			text = b.Metric + " " + b.Op + " " + formatMetric(b.Metric, b.Limit)
		}
		out = append(out, Budget{Text: text, Metric: words.Line(b.Metric, maxName), Op: words.Line(b.Op, 4), Limit: b.Limit})
	}
	return out
}
