package report

import (
	"fmt"
	"math"
	"strings"

	"chexp/experiments/spec"
	"chexp/experiments/trial"
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
	// Close says that the limit lies within the 95 % interval of the median:
	// another run may well end on the other side of it.
	Close bool `json:"close,omitempty"`
}

// measure returns the value of a row that a budget is about.
func measure(metric string, r *Row) trial.Reading[float64] {
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
	case "session_create":
		return r.SessionCreate
	case "first_inference":
		return r.FirstInference
	case "peak_memory":
		return r.PeakMemory
	}
	return trial.Unread[float64](fmt.Sprintf("this report knows no metric %q", metric))
}

// fewest inferences from which a median is judged: with five, even the widest
// interval, from the fastest to the slowest, misses the true median in 6 of 100
// samples; with six in 3.
const fewest = 6

// judge is strict: without a valid trial and a value there is no verdict.
func judge(b Budget, r *Row) Verdict {
	switch {
	case r.Outcome == Missing:
		return Verdict{Verdict: Unknown, Value: trial.Unread[float64]("no result"), Why: "the trial has no result"}
	case r.Outcome != trial.OK:
		why := "the trial was " + string(r.Outcome)
		if r.Outcome == trial.Failed {
			why = "the trial failed"
		}
		return Verdict{Verdict: Unknown, Value: trial.Unread[float64](why), Why: why}
	case len(r.Doubts) > 0:
		return Verdict{Verdict: Unknown, Value: measure(b.Metric, r), Why: "the result is doubtful: " + r.Doubts[0]}
	}
	if strings.HasPrefix(b.Metric, "p") && b.Metric != "peak_memory" && r.N < fewest {
		why := fmt.Sprintf("%s say too little about a %s, it takes at least %d", plural(r.N, "inference"), b.Metric, fewest)
		return Verdict{Verdict: Unknown, Value: measure(b.Metric, r), Why: why}
	}
	value := measure(b.Metric, r)
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
	low, okLow := r.P50Low.Get()
	high, okHigh := r.P50High.Get()
	out.Close = b.Metric == "p50" && okLow && okHigh && low <= b.Limit && b.Limit <= high
	return out
}

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
		text := clean(b.Text, maxName)
		if text == "" {
			text = b.Metric + " " + b.Op + " " + formatMetric(b.Metric, b.Limit)
		}
		out = append(out, Budget{Text: text, Metric: clean(b.Metric, maxName), Op: clean(b.Op, 4), Limit: b.Limit})
	}
	return out
}
