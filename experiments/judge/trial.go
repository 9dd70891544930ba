package judge

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/provider"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// Missing is the outcome of a planned trial without a result.
const Missing trial.Outcome = "missing"

// Trial is one judged trial: what the plan asked for, what was measured, what
// speaks against it, and how it stands to each budget. Times are nanoseconds,
// sizes are bytes. It is published as a row of the report's JSON document.
type Trial struct {
	ID         string         `json:"trial"`
	Option     string         `json:"option"` // Option.Letter
	Model      string         `json:"model"`
	Bytes      int64          `json:"model_bytes"` // 0: unknown
	Provider   string         `json:"provider"`
	Threads    int            `json:"threads"`
	Batch      int            `json:"batch"`
	Repetition int            `json:"repetition"`
	Origin     Origin         `json:"origin,omitzero"` // what measured it
	Outcome    trial.Outcome  `json:"outcome"`
	Reasons    []trial.Reason `json:"reasons,omitempty"`
	// Partial says how far a trial came whose run ended before it did.
	Partial *trial.Partial `json:"partial,omitempty"`
	// Doubts say how the result contradicts the plan or itself. A doubtful
	// result is shown, but nothing is decided from it.
	Doubts []string `json:"doubts,omitempty"`
	// Validity is the worst outcome of the Checks, which ask whether the
	// latencies can be believed. Both are empty unless the trial went well and
	// there is no doubt about whose latencies they are. Nothing is decided from
	// an INVALID result.
	Validity stats.Validity `json:"validity,omitempty"`
	Checks   []stats.Check  `json:"checks,omitempty"`

	N              int                    `json:"n"`
	Min            trial.Reading[float64] `json:"min_ns"`
	P50            trial.Reading[float64] `json:"p50_ns"`
	P90            trial.Reading[float64] `json:"p90_ns"`
	P95            trial.Reading[float64] `json:"p95_ns"`
	P99            trial.Reading[float64] `json:"p99_ns"`
	Max            trial.Reading[float64] `json:"max_ns"`
	Mean           trial.Reading[float64] `json:"mean_ns"`
	Throughput     trial.Reading[float64] `json:"throughput_per_s"`
	SessionCreate  trial.Reading[float64] `json:"session_create_ns"`
	FirstInference trial.Reading[float64] `json:"first_inference_ns"`
	PeakMemory     trial.Reading[float64] `json:"peak_memory_bytes"`
	// P50Low and P50High bound the median with 95 % confidence, over blocks where
	// it was measured in blocks; absent below six inferences.
	P50Low  trial.Reading[float64] `json:"p50_low_ns"`
	P50High trial.Reading[float64] `json:"p50_high_ns"`

	// Ran says what the provider that was asked for really ran, Roof how near the
	// trial came to what the device can do, and Harness what measuring adds to an
	// inference.
	Ran     trial.Reading[validity.Truth] `json:"ran,omitzero"`
	Roof    trial.Reading[validity.Bound] `json:"roof,omitzero"`
	Harness trial.Reading[float64]        `json:"harness_ns,omitzero"`
	// Accuracy is zero where the plan did not ask for it.
	Accuracy trial.Reading[trial.Accuracy] `json:"accuracy,omitzero"`

	Answers []Answer `json:"verdicts,omitempty"` // one per budget, in order

	Result *trial.Result `json:"-"` // as it came from the device; nil: Missing
	Sample stats.Sample  `json:"-"` // its latencies, in their blocks
}

// Valid reports whether anything may be decided from the trial.
func (t *Trial) Valid() bool { return t.Sound() && !t.Invalid() }

// Invalid reports that a check found the latencies to be INVALID.
func (t *Trial) Invalid() bool { return t.Validity == stats.Invalid }

// Sound reports whether the latencies are what they say they are: the trial
// went well, and its result contradicts neither the plan nor itself.
func (t *Trial) Sound() bool { return t.Outcome == trial.OK && len(t.Doubts) == 0 }

// Own reports whether the latencies are those of the provider that was asked
// for, as far as is known. Those of another are nowhere shown under its name.
func (t *Trial) Own() bool {
	ran, ok := t.Ran.Get()
	return !ok || !ran.Wrong()
}

// OnCPU reports whether the trial was measured with the CPU provider.
func (t *Trial) OnCPU() bool { return t.Result != nil && t.Result.Provider.Name == provider.CPU }

// Failing are the checks that are not VALID, the worst first.
func (t *Trial) Failing() (out []stats.Check) {
	for _, o := range []stats.Validity{stats.Invalid, stats.Suspect} {
		for _, c := range t.Checks {
			if c.Outcome == o {
				out = append(out, c)
			}
		}
	}
	return out
}

// Complaint is the name of the check that speaks loudest against the trial; ""
// if none does.
func (t *Trial) Complaint() string {
	if bad := t.Failing(); len(bad) > 0 {
		return bad[0].Name
	}
	return ""
}

// canCompare reports whether the latencies can be set against others. Those of
// an INVALID trial can, if what makes it so hits both alike (a drift, a
// neighbour); they cannot if they are another provider's, too few, or too short
// to be true.
func (t *Trial) canCompare() bool {
	impossible := slices.ContainsFunc(t.Checks, func(c stats.Check) bool {
		return c.Outcome == stats.Invalid && (c.Name == validity.Physics || c.Name == stats.SampleSize)
	})
	return t.Sound() && t.Own() && t.N > 0 && !impossible
}

// check asks whether the latencies can be believed, and takes away those that
// are another provider's.
func (t *Trial) check() {
	if !t.Sound() {
		return
	}
	t.Checks = append(t.Origin.Period.Checks(t.Result), validity.Checks(t.Result, t.Sample)...)
	for i := range t.Checks {
		c := &t.Checks[i]
		c.Text, c.Remedy = sentence(c.Text), sentence(c.Remedy)
		c.Value.Unavailable = sentence(c.Value.Unavailable)
	}
	t.Validity = stats.Worst(t.Checks)
	t.Ran, t.Roof = validity.Ran(t.Result), validity.Roof(t.Result, t.Sample)
	t.Ran.Unavailable, t.Roof.Unavailable = sentence(t.Ran.Unavailable), sentence(t.Roof.Unavailable)
	if ran, ok := t.Ran.Get(); ok {
		ran.Provider = trial.ShowName(ran.Provider)
		t.Ran = trial.Read(ran)
	}
	t.Harness = trial.Unread[float64]("not measured")
	if ns, ok := validity.Overhead(t.Result); ok {
		t.Harness = trial.Read(ns)
	}
	if ran, _ := t.Ran.Get(); !t.Own() {
		for _, f := range []*trial.Reading[float64]{&t.Min, &t.P50, &t.P90, &t.P95, &t.P99, &t.Max, &t.Mean,
			&t.Throughput, &t.FirstInference, &t.P50Low, &t.P50High} {
			*f = trial.Unread[float64](ran.String())
		}
		t.Roof = trial.Unread[validity.Bound](ran.String())
	}
}

func (t *Trial) numbers() []*trial.Reading[float64] {
	return []*trial.Reading[float64]{&t.Min, &t.P50, &t.P90, &t.P95, &t.P99, &t.Max, &t.Mean, &t.Throughput,
		&t.SessionCreate, &t.FirstInference, &t.PeakMemory, &t.P50Low, &t.P50High}
}

// measured copies the numbers of a result. Those of its summary are computed
// again: old agents knew other rules, and a doubtful result may say anything.
func (t *Trial) measured(batch int) {
	none := trial.Unread[float64]("nothing was timed")
	t.Min, t.P50, t.P90, t.P95, t.P99, t.Max, t.Mean, t.Throughput = none, none, none, none, none, none, none, none
	t.P50Low, t.P50High = none, none
	if s := t.Sample.Summary(batch); s != nil {
		t.Min, t.Max = trial.Read(float64(s.MinNS)), trial.Read(float64(s.MaxNS))
		t.P50, t.Mean = trial.Read(s.MedianNS), trial.Read(s.MeanNS)
		t.P90, t.P95, t.P99 = s.P90NS, s.P95NS, s.P99NS
		t.Throughput = trial.Read(s.Throughput)
		t.P50Low = trial.Unread[float64](s.MedianInterval.Unavailable)
		t.P50High = t.P50Low
		if i, ok := s.MedianInterval.Get(); ok {
			t.P50Low, t.P50High = trial.Read(i.Low), trial.Read(i.High)
		}
	}
	t.SessionCreate, t.FirstInference = float(t.Result.SessionCreateNS), float(t.Result.FirstInferenceNS)
	t.PeakMemory = float(t.Result.PeakMemoryBytes)
	for _, f := range t.numbers() {
		v, ok := f.Get()
		switch {
		case ok && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0):
			*f = trial.Unread[float64]("the result holds no usable number")
		case !ok && f.Unavailable == "":
			*f = trial.Unread[float64]("the result gives neither a value nor a reason")
		case !ok:
			*f = trial.Unread[float64](sentence(f.Unavailable))
		}
	}
}

func float(r trial.Reading[int64]) trial.Reading[float64] {
	if v, ok := r.Get(); ok {
		return trial.Read(float64(v))
	}
	return trial.Unread[float64](r.Unavailable)
}

func (t *Trial) size() trial.Reading[float64] {
	if t.Bytes <= 0 {
		return trial.Unread[float64]("the size of the model is not known")
	}
	return trial.Read(float64(t.Bytes))
}

// top1 is the share of right answers as a budget judges it.
func (t *Trial) top1() trial.Reading[float64] {
	a, ok := t.Accuracy.Get()
	switch {
	case ok:
		return trial.Read(a.Top1)
	case t.Accuracy.Unavailable != "":
		return trial.Unread[float64](t.Accuracy.Unavailable)
	}
	return trial.Unread[float64]("accuracy was not measured")
}

func (t *Trial) top1Interval() trial.Reading[trial.Interval] {
	if a, ok := t.Accuracy.Get(); ok {
		return trial.Read(a.Interval)
	}
	return trial.Unread[trial.Interval](t.Accuracy.Unavailable)
}

// throughputInterval is that of the mean latency, turned over.
func (t *Trial) throughputInterval() trial.Reading[trial.Interval] {
	i, ok := t.Sample.MeanInterval().Get()
	switch {
	case !ok:
		return trial.Unread[trial.Interval](t.Sample.MeanInterval().Unavailable)
	case i.Low <= 0:
		return trial.Unread[trial.Interval]("the latencies scatter too much for a 95 % interval of their mean")
	}
	mean := *t.Mean.Value * *t.Throughput.Value // inputs a second times nanoseconds an inference
	return trial.Read(trial.Interval{Low: mean / i.High, High: mean / i.Low})
}

// accuracy takes over a result's accuracy. The share and its interval are
// computed again from the counts: those two numbers are all that is believed.
func accuracy(r trial.Reading[trial.Accuracy]) trial.Reading[trial.Accuracy] {
	a, ok := r.Get()
	switch {
	case !ok:
		return trial.Unread[trial.Accuracy](sentence(r.Unavailable))
	case a.Pictures < 1 || a.Pictures > trial.MaxPictures || a.Right < 0 || a.Right > a.Pictures:
		return trial.Unread[trial.Accuracy](
			fmt.Sprintf("the result says that %d of %d pictures were right", a.Right, a.Pictures))
	}
	a.Data = words.Line(a.Data, words.MaxName)
	a.Top1 = float64(a.Right) / float64(a.Pictures)
	a.Interval = stats.Proportion(a.Right, a.Pictures)
	g, ok := a.Agreement.Get()
	g.Reference = words.Line(g.Reference, 2*words.MaxName)
	switch {
	case !ok:
		a.Agreement = trial.Unread[trial.Agreement](sentence(a.Agreement.Unavailable))
	case g.Pictures < 1 || g.Same < 0 || g.Same > g.Pictures || math.IsNaN(g.Cosine+g.MaxError):
		a.Agreement = trial.Unread[trial.Agreement]("the result holds no usable numbers")
	default:
		a.Agreement = trial.Read(g)
	}
	return trial.Read(a)
}

// sentence makes a text from elsewhere harmless, and bounds it.
func sentence(s string) string { return words.Line(s, words.MaxSentence) }
