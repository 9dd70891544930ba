package judge

import (
	"cmp"
	"fmt"
	"slices"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Option is what a person can choose: a model on a provider, with so many
// threads and inputs a batch. Its trials, one for each repetition, are the
// evidence.
type Option struct {
	Device string // that measured it; "": not known
	Letter string // A … Z, AA, AB, …: a picture can name it in one character
	Label  string // what tells it from the others: "mobilenet on cpu, 2 threads"
	Model  string
	Bytes  int64 // of the model; 0: unknown
	Trials []*Trial
	// Batched is the larger batch that answers what batch 1 does not, in an option
	// that is for both ([Run.Decide]); nil in one that is for one batch.
	Batched *Option
	// Verdicts has one entry per budget, over all repetitions: the option meets a
	// budget when every one of them ran and met it, and misses it when those that
	// could be judged all missed it ([Together]).
	Verdicts []Verdict
	// P50 is the middle of the repetitions' medians, Low and High bound what all
	// of their intervals cover. Without a valid repetition P50 says so.
	P50       trial.Reading[float64]
	Low, High float64

	verdict Verdict
}

// Verdict is the option's over all budgets. What other batches answer is taken from
// the one that is nearest to meeting every budget.
func (o *Option) Verdict() Verdict { return o.verdict }

// Usable reports whether any repetition can be decided from.
func (o *Option) Usable() bool {
	_, ok := o.P50.Get()
	return ok || o.Batched != nil && o.Batched.Usable()
}

// Comparable are the trials whose latencies can be set against others. An
// INVALID one is among them, if what makes it so hits both alike.
func (o *Option) Comparable() (out []*Trial) {
	for _, t := range o.Trials {
		if t.canCompare() {
			out = append(out, t)
		}
	}
	return out
}

// Scatter says at which level the option's latencies scatter: between process
// starts, between blocks, or between inferences.
func (o *Option) Scatter() []stats.Component {
	var all stats.Group
	for _, t := range o.Comparable() {
		all.Groups = append(all.Groups, t.starts()...)
	}
	return stats.Components(all, stats.ByStart, stats.ByBlock, stats.ByInference)
}

// starts are the process starts of a trial, more than one if it was interrupted,
// with their blocks.
func (t *Trial) starts() (out []stats.Group) {
	blocks := t.Sample.Blocks()
	if len(blocks) == 0 {
		return []stats.Group{{Groups: []stats.Group{{Latencies: t.Result.LatenciesNS}}}}
	}
	for _, own := range t.Result.Starts() {
		var g stats.Group
		for range own {
			g.Groups, blocks = append(g.Groups, stats.Group{Latencies: blocks[0]}), blocks[1:]
		}
		out = append(out, g)
	}
	return out
}

// choice is everything of a trial but the repetition and the device.
type choice struct {
	model, provider string
	threads, batch  int
}

func (t *Trial) choice() choice { return choice{t.Model, t.Provider, t.Threads, t.Batch} }

func (o *Option) choice() choice { return o.Trials[0].choice() }

// options gathers the trials by what a person can choose.
func (r *Run) options() {
	known := map[choice][]*Option{}
	for _, t := range r.Trials {
		i := slices.IndexFunc(known[t.choice()], func(o *Option) bool { return o.takes(t) })
		if i < 0 {
			i = len(known[t.choice()])
			o := &Option{Letter: letters(len(r.Options)), Model: t.Model, Bytes: t.Bytes}
			known[t.choice()] = append(known[t.choice()], o)
			r.Options = append(r.Options, o)
		}
		o := known[t.choice()][i]
		o.Device = cmp.Or(o.Device, t.Origin.Device)
		o.Label = t.Model + " on " + t.Provider + r.setting(t, fmt.Sprintf("batch %d", t.Batch), o.Device)
		t.Option = o.Letter
		o.Trials = append(o.Trials, t)
	}
	for _, o := range r.Options {
		o.summarize()
		for i := range r.Budgets {
			var all []Verdict
			for _, t := range o.Trials {
				all = append(all, t.Answers[i].Verdict)
			}
			o.Verdicts = append(o.Verdicts, Together(all...))
		}
		o.verdict = Worst(o.Verdicts...)
	}
	for _, o := range r.Options {
		if o.splits() {
			o.verdict = nearest(r.pairs(o)).verdict
		}
	}
}

// takes reports whether a trial is one more of the option's. One without a result
// has no device, and is missing from the first.
func (o *Option) takes(t *Trial) bool {
	return o.Device == "" || t.Origin.Device == "" || o.Device == t.Origin.Device
}

// letters counts A … Z, AA, AB, … from 0.
func letters(n int) (s string) {
	for ; n >= 0; n = n/26 - 1 {
		s = string(rune('A'+n%26)) + s
	}
	return s
}

// Setting names a trial's threads, batch and device where they differ between
// trials: ", 2 threads, batch 8".
func (r *Run) Setting(t *Trial) string {
	return r.setting(t, fmt.Sprintf("batch %d", t.Batch), t.Origin.Device)
}

func (r *Run) setting(t *Trial, batch, device string) (s string) {
	if r.ThreadsVary() {
		s += ", " + words.Plural(t.Threads, "thread")
	}
	if r.BatchVaries() {
		s += ", " + batch
	}
	if r.DevicesVary() && device != "" {
		s += ", " + device
	}
	return s
}

// ThreadsVary reports whether trials differ in their number of threads.
func (r *Run) ThreadsVary() bool { return r.varies(func(t *Trial) int { return t.Threads }) }

// BatchVaries reports whether trials differ in the size of their batches.
func (r *Run) BatchVaries() bool { return r.varies(func(t *Trial) int { return t.Batch }) }

func (r *Run) varies(of func(*Trial) int) bool {
	return slices.ContainsFunc(r.Trials, func(t *Trial) bool { return of(t) != of(r.Trials[0]) })
}

// summarize takes the repetitions together.
func (o *Option) summarize() {
	var p50s []float64
	for _, t := range o.Trials {
		v, ok := t.P50.Get()
		if !t.Valid() || !ok {
			continue
		}
		low, high := *t.Min.Value, *t.Max.Value // all that few inferences can say
		if l, ok := t.P50Low.Get(); ok {
			low, high = l, *t.P50High.Value
		}
		if len(p50s) == 0 {
			o.Low, o.High = low, high
		}
		o.Low, o.High = min(o.Low, low), max(o.High, high)
		p50s = append(p50s, v)
	}
	o.P50 = trial.Unread[float64]("no repetition gave a usable result")
	if n := len(p50s); n > 0 {
		slices.Sort(p50s)
		o.P50 = trial.Read((p50s[(n-1)/2] + p50s[n/2]) / 2)
	}
}

// smaller orders usable options by the size of their models, then by latency.
func smaller(a, b *Option) int {
	return cmp.Or(cmp.Compare(a.Bytes, b.Bytes), faster(a, b))
}

// faster orders usable options by latency.
func faster(a, b *Option) int { return cmp.Compare(*a.P50.Value, *b.P50.Value) }

// Labels joins the labels of at most six options.
func Labels(options []*Option) string {
	var out []string
	for _, o := range options {
		out = append(out, o.Label)
	}
	return words.List(out, "; ", 6)
}
