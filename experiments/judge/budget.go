package judge

import (
	"math"
	"slices"

	"chexp/experiments/trial"
)

// Budget is one requirement of an experiment, such as "p50 < 15 ms".
type Budget struct {
	Text   string  `json:"text"` // as the experiment has it
	Metric *Metric `json:"metric"`
	Op     Op      `json:"op"`
	Limit  float64 `json:"limit"` // bytes, nanoseconds, inputs per second, or a share from 0 to 1
}

// Op is how a value is held against a limit.
type Op string

// The comparisons.
const (
	Below   Op = "<"
	AtMost  Op = "<="
	Above   Op = ">"
	AtLeast Op = ">="
)

// IsUpper reports whether the limit is an upper one: smaller values are better.
func (o Op) IsUpper() bool { return o == Below || o == AtMost }

// Holds reports whether a value meets the budget.
func (b Budget) Holds(v float64) bool {
	switch b.Op {
	case Below:
		return v < b.Limit
	case AtMost:
		return v <= b.Limit
	case Above:
		return v > b.Limit
	case AtLeast:
		return v >= b.Limit
	}
	return false
}

// better reports whether the first of two values serves the budget better.
func (b Budget) better(v, than float64) bool {
	if b.Op.IsUpper() {
		return v < than
	}
	return v > than
}

// Margin is how far inside the limit a value is, as a share of the limit; outside it is
// negative.
func (b Budget) Margin(v float64) float64 {
	margin := (b.Limit - v) / b.Limit
	if !b.Op.IsUpper() {
		return -margin
	}
	return margin
}

// Contradicts reports that no value meets both of two budgets on one metric.
func (b Budget) Contradicts(other Budget) bool {
	if b.Metric != other.Metric || b.Op.IsUpper() == other.Op.IsUpper() {
		return false
	}
	low, high := b, other
	if b.Op.IsUpper() {
		low, high = other, b
	}
	return low.Limit > high.Limit || low.Limit == high.Limit && (low.Op == Above || high.Op == Below)
}

// unclear reports that a budget says nothing that a value could be held against.
// No experiment file can hold such a one.
func (b Budget) unclear() bool {
	return b.Metric == nil || math.IsNaN(b.Limit) || !slices.Contains([]Op{Below, AtMost, Above, AtLeast}, b.Op)
}

// Answer is how one trial stands to one budget.
type Answer struct {
	Budget  Budget                 `json:"-"`
	Verdict Verdict                `json:"verdict"`
	Value   trial.Reading[float64] `json:"value"` // in the unit of the budget's limit
	// Interval holds the true value with 95 % confidence; absent where the metric
	// has none, as the size of a file.
	Interval *trial.Interval `json:"interval,omitempty"`
	Why      string          `json:"why,omitempty"`  // of a verdict that is unknown or elsewhere
	More     *More           `json:"more,omitempty"` // of an UNDECIDED one: what would probably decide it
}

// answer is strict: without a valid trial and a value the verdict is unknown. A
// metric that does not depend on the latencies is judged in an INVALID result,
// too.
func (t *Trial) answer(b Budget, asked []trial.Scenario) Answer {
	if b.unclear() {
		const why = "the budget does not say what to hold against what"
		return Answer{Budget: b, Value: trial.Unread[float64](why), Why: why}
	}
	out := Answer{Budget: b, Value: b.Metric.Read(t)}
	if why := t.elsewhere(b, asked); why != "" {
		out.Verdict, out.Why = Elsewhere, why
		return out
	}
	switch {
	case t.Outcome != trial.OK:
		out.Why, out.Value = t.notOK()
		return out
	case len(t.Doubts) > 0:
		out.Why = "the result is doubtful: " + t.Doubts[0]
		return out
	case t.Invalid() && !b.Metric.apart:
		out.Why = "the result is INVALID: " + t.Failing()[0].Text
		return out
	}
	v, ok := out.Value.Get()
	if !ok {
		out.Why = out.Value.Unavailable
		return out
	}
	i := trial.Interval{Low: v, High: v}
	if b.Metric.interval != nil {
		read := b.Metric.interval(t)
		if i, ok = read.Get(); !ok {
			out.Why = "no interval: " + read.Unavailable
			return out
		}
		out.Interval = &i
	}
	switch low, high := b.Holds(i.Low), b.Holds(i.High); {
	case low && high:
		out.Verdict = Met
	case !low && !high:
		out.Verdict = NotMet
	default:
		out.Verdict, out.More = Undecided, t.more(b, v, i)
	}
	return out
}

// notOK says why a trial that did not go well has no verdicts and no values.
func (t *Trial) notOK() (why string, none trial.Reading[float64]) {
	switch t.Outcome {
	case Missing:
		why = "the trial has no result"
		if t.Partial != nil {
			why = "the trial was not measured"
		}
		return why, trial.Unread[float64]("no result")
	case trial.Failed:
		why = "the trial failed"
	default:
		why = "the trial was " + string(t.Outcome)
	}
	return why, trial.Unread[float64](why)
}
