package options

import (
	"slices"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
)

// Summary is an option over all its repetitions that may be decided from or, where
// there are none, over its INVALID ones. Times are nanoseconds, sizes bytes. Numbers
// but the interval are those of the middle repetition.
type Summary struct {
	Option   string `json:"option"` // letter
	Label    string `json:"label"`
	Model    string `json:"model"`
	Bytes    int64  `json:"model_bytes"` // 0: unknown
	Provider string `json:"provider"`
	Threads  int    `json:"threads"`
	Batch    int    `json:"batch"`
	Device   string `json:"device,omitempty"`

	Trials int `json:"trials"`
	Usable int `json:"usable_trials"` // that may be decided from

	// P50 is the middle of the repetitions' medians, P50Low and P50High bound all of
	// their 95 % intervals.
	P50     trial.Reading[float64] `json:"p50_ns"`
	P50Low  trial.Reading[float64] `json:"p50_low_ns"`
	P50High trial.Reading[float64] `json:"p50_high_ns"`
	P95     trial.Reading[float64] `json:"p95_ns"`

	Throughput trial.Reading[float64]        `json:"throughput_per_s"`
	PeakMemory trial.Reading[float64]        `json:"peak_memory_bytes"`
	Accuracy   trial.Reading[trial.Accuracy] `json:"accuracy,omitzero"`

	Speedup Speedup `json:"speedup"`

	Verdict  judge.Verdict   `json:"verdict"`            // over all budgets
	Verdicts []judge.Verdict `json:"verdicts,omitempty"` // one per budget, in order

	Judged *judge.Option `json:"-"`
}

// Speedup says how many times as fast as the baseline an option is.
type Speedup struct {
	Base     string                        `json:"base,omitempty"` // letter; "": there is none
	Ratio    trial.Reading[float64]        `json:"ratio"`          // above 1: faster than the base
	Interval trial.Reading[trial.Interval] `json:"interval"`       // 95 %
	Found    bool                          `json:"found"`          // the interval does not hold 1
}

// Summaries are the options of a run, in its order.
func Summaries(run *judge.Run) (out []Summary) {
	for _, o := range run.Options {
		first := o.Trials[0]
		s := Summary{Option: o.Letter, Label: o.Label, Model: o.Model, Bytes: o.Bytes, Provider: first.Provider,
			Threads: first.Threads, Batch: first.Batch, Device: o.Device, Trials: len(o.Trials), P50: o.P50,
			Verdict: o.Verdict(), Verdicts: o.Verdicts, Judged: o, Speedup: speedup(run, o)}
		var usable []*judge.Trial
		for _, t := range o.Trials {
			if t.Valid() {
				usable = append(usable, t)
			}
			if _, ok := t.Accuracy.Get(); ok && s.Accuracy.Value == nil || s.Accuracy.Unavailable == "" {
				s.Accuracy = t.Accuracy
			}
		}
		s.Usable = len(usable)
		s.P50Low, s.P50High = trial.Unread[float64](o.P50.Unavailable), trial.Unread[float64](o.P50.Unavailable)
		if o.Usable() {
			s.P50Low, s.P50High = trial.Read(o.Low), trial.Read(o.High)
		} else {
			usable = slices.DeleteFunc(slices.Clone(o.Trials), func(t *judge.Trial) bool { return !t.Sound() })
			s.P50 = middle(usable, func(t *judge.Trial) trial.Reading[float64] { return t.P50 })
		}
		s.P95 = middle(usable, func(t *judge.Trial) trial.Reading[float64] { return t.P95 })
		s.Throughput = Throughput(usable)
		s.PeakMemory = middle(usable, func(t *judge.Trial) trial.Reading[float64] { return t.PeakMemory })
		out = append(out, s)
	}
	return out
}

// Throughput is the middle one of the trials' that have it.
func Throughput(trials []*judge.Trial) trial.Reading[float64] {
	return middle(trials, func(t *judge.Trial) trial.Reading[float64] { return t.Throughput })
}

// middle is the median over the trials that have the number, or why none has.
func middle(trials []*judge.Trial, of func(*judge.Trial) trial.Reading[float64]) trial.Reading[float64] {
	var values []float64
	why := "no repetition gave a usable result"
	for _, t := range trials {
		r := of(t)
		if v, ok := r.Get(); ok {
			values = append(values, v)
		} else {
			why = r.Unavailable
		}
	}
	n := len(values)
	if n == 0 {
		return trial.Unread[float64](why)
	}
	slices.Sort(values)
	return trial.Read((values[(n-1)/2] + values[n/2]) / 2)
}

func speedup(run *judge.Run, o *judge.Option) (s Speedup) {
	base := run.Baseline(o)
	none := func(why string) Speedup {
		s.Ratio, s.Interval = trial.Unread[float64](why), trial.Unread[trial.Interval](why)
		return s
	}
	if base == nil {
		return none("the first model was not measured on the cpu provider")
	}
	if s.Base = base.Letter; base == o {
		return none("it is the baseline")
	}
	x, ok := run.Against(o, base)
	if !ok {
		return none("no latencies that can be compared")
	}
	s.Ratio, s.Found = trial.Read(1/x.Ratio), x.Differs()
	if i, ok := x.Interval.Get(); ok && i.Low > 0 {
		s.Interval = trial.Read(trial.Interval{Low: 1 / i.High, High: 1 / i.Low})
	} else {
		s.Interval = trial.Unread[trial.Interval](x.Interval.Unavailable)
	}
	return s
}
