package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/words"
)

// Comparison is how one option's latency relates to another's that differs from
// it in one thing only.
type Comparison struct {
	Axis   string `json:"axis"`   // "model", "provider" or "threads"
	Option string `json:"option"` // letters
	Base   string `json:"base"`
	stats.Estimate
	Differs bool   `json:"differs"`
	Text    string `json:"text"`
	a, b    *choice
}

// maxComparisons bounds the work; a plan with more options than that is a
// search, not a comparison.
const maxComparisons = 100

// compare holds every option against the one that stands for the ordinary on
// each axis: the first model, the cpu provider of the same runtime, the fewest
// threads.
func (b *builder) compare() {
	cs := choices(b.Table)
	comparable := slices.DeleteFunc(slices.Clone(cs), func(c *choice) bool { return len(c.timed()) == 0 })
	for _, axis := range []string{"model", "provider", "threads"} {
		for _, c := range comparable {
			base := b.base(axis, c, comparable)
			if base == nil || len(b.Comparisons) >= maxComparisons {
				continue
			}
			if x, ok := b.against(axis, c, base); ok {
				b.Comparisons = append(b.Comparisons, x)
			}
		}
	}
}

// timed are the rows whose latencies can be set against others: an INVALID one
// among them, if what makes it so hits both alike (a drift, a neighbour), but
// not if the latencies are another provider's or impossible.
func (c *choice) timed() (out []*Row) {
	for _, r := range c.rows {
		if r.sound() && r.own() && r.N > 0 && !r.impossible() {
			out = append(out, r)
		}
	}
	return out
}

func (b *builder) base(axis string, c *choice, all []*choice) *choice {
	key, own := c.rows[0].key(), c.rows[0]
	best := -1
	for i, o := range all {
		k := o.rows[0].key()
		switch axis {
		case "model":
			if k.provider == key.provider && k.threads == key.threads && k.batch == key.batch && best < 0 {
				best = i
			}
		case "provider":
			same := o.rows[0].runtimeName() == own.runtimeName()
			if k.model == key.model && k.threads == key.threads && k.batch == key.batch && same && o.rows[0].isCPU() {
				best = i
			}
		case "threads":
			if k.model == key.model && k.provider == key.provider && k.batch == key.batch &&
				(best < 0 || k.threads < all[best].rows[0].Threads) {
				best = i
			}
		}
	}
	if best < 0 || all[best] == c {
		return nil
	}
	return all[best]
}

func (r *Row) runtimeName() string {
	if r.result == nil {
		return ""
	}
	return r.result.Provider.Runtime
}

func (r *Row) isCPU() bool { return r.result != nil && r.result.Provider.Name == "cpu" }

// against pairs the blocks of equal repetition and round.
func (b *builder) against(axis string, c, base *choice) (Comparison, bool) {
	starts := startsInTurns(c, base)
	x := Comparison{Axis: axis, Option: c.letter, Base: base.letter, a: c, b: base}
	var ok bool
	inTurns := len(starts) > 0
	if inTurns {
		x.Estimate, ok = stats.RatioOfStarts(starts, b.seed)
	} else {
		x.Estimate, ok = stats.Ratio(c.latencies(), base.latencies(), b.seed)
		if x.Interval.Unavailable != "" {
			x.Interval.Unavailable = "they were not measured in turns"
		}
	}
	x.Differs = x.Estimate.Differs()
	x.Text = x.sentence(b.Table)
	if !inTurns && x.Interval.Value != nil {
		x.Text += "; they were not measured in turns, so what changed between them is in the ratio"
	}
	return x, ok
}

// startsInTurns are the pairs of blocks of each process start that two options
// share: of each repetition and, in one that was interrupted, of each start.
func startsInTurns(a, b *choice) (starts [][]stats.Pair) {
	for _, r := range a.timed() {
		if o := b.repetition(r.Repetition); o != nil && r.inTurnsWith(o) {
			starts = append(starts, paired(r, o)...)
		}
	}
	return starts
}

// between is what may lie between two trials of one agent at most. Getting a new
// lease and a container takes longer on CHI@Edge; on the emulator it need not.
const between = time.Minute

// inTurnsWith reports whether two trials can have been measured in turns: those of
// another lease have the same rounds, and no neighbours in them.
func (r *Row) inTurnsWith(o *Row) bool {
	a, b := r.result, o.result
	if a.Start.IsZero() || b.Start.IsZero() || a.End.IsZero() || b.End.IsZero() {
		return true // nobody knows
	}
	return a.Start.Before(b.End.Add(between)) && b.Start.Before(a.End.Add(between))
}

// alike reports that these samples cannot tell one option from another: by the
// ratio where they were measured in turns, by the intervals of the medians where
// not.
func alike(a, b *choice) bool {
	if c, ok := stats.RatioOfStarts(startsInTurns(a, b), 1); ok && c.Interval.Value != nil {
		return !c.Differs()
	}
	return a.low <= b.high && b.low <= a.high
}

func (c *choice) repetition(n int) *Row {
	for _, r := range c.timed() {
		if r.Repetition == n {
			return r
		}
	}
	return nil
}

func (c *choice) latencies() (out [][]int64) {
	for _, r := range c.timed() {
		out = append(out, r.latencies)
	}
	return out
}

// paired are the blocks of two trials in equal rounds, apart for each process
// start; no round has blocks of two. A trial that had more than one block in a
// round, because its interval was wide, has them together.
func paired(a, b *Row) (starts [][]stats.Pair) {
	other := b.rounds()
	mine := a.rounds()
	last := -1
	for _, block := range a.result.Blocks {
		key := start{block.Restarts, block.Round}
		if va, vb := mine[key], other[key]; len(va) > 0 && len(vb) > 0 {
			if block.Restarts != last {
				starts, last = append(starts, nil), block.Restarts
			}
			at := len(starts) - 1
			starts[at] = append(starts[at], stats.Pair{A: va, B: vb})
			delete(mine, key)
		}
	}
	return starts
}

// start is a round of a process start.
type start struct{ restarts, round int }

func (r *Row) rounds() map[start][]int64 {
	out := map[start][]int64{}
	for i, b := range r.result.Blocks {
		key := start{b.Restarts, b.Round}
		out[key] = append(out[key], r.sample.Blocks()[i]...)
	}
	return out
}

// sentence names the two by what tells them apart, and what they share.
func (x Comparison) sentence(t *Table) string {
	a, b := x.a.rows[0], x.b.rows[0]
	who, whom, rest := a.Model, b.Model, " on "+a.Provider
	switch x.Axis {
	case "provider":
		who, whom, rest = a.Provider, b.Provider, " on "+a.Model
	case "threads":
		who, whom, rest = words.Plural(a.Threads, "thread"), fmt.Sprint(b.Threads), " for "+a.Model+" on "+a.Provider
	}
	if x.Axis != "threads" && t.varies(func(r *Row) int { return r.Threads }) {
		rest += ", " + words.Plural(a.Threads, "thread")
	}
	if t.varies(func(r *Row) int { return r.Batch }) {
		rest += fmt.Sprintf(", batch %d", a.Batch)
	}
	ratio := words.Digits(x.Ratio)
	i, ok := x.Interval.Get()
	if ok {
		ratio += fmt.Sprintf(" [%s, %s]", words.Digits(i.Low), words.Digits(i.High))
	}
	s := who + " is " + ratio + " times " + whom + rest
	if x.Axis == "threads" {
		s = who + " take " + ratio + " times as long as " + whom + rest
	}
	switch {
	case !ok:
		s += " (no interval: " + x.Interval.Unavailable + ")"
	case !x.Differs:
		s += ": no difference shown"
	}
	if bad := x.invalid(); bad != "" {
		s += " (" + bad + ")"
	}
	return s
}

// invalid says which of the two has INVALID trials; the table says why.
func (x Comparison) invalid() string {
	var out []string
	for _, c := range []*choice{x.a, x.b} {
		for _, r := range c.timed() {
			if r.Validity == stats.Invalid {
				out = append(out, c.label+" is INVALID: "+r.firstReason())
				break
			}
		}
	}
	if len(out) == 2 {
		return "both are INVALID: " + x.b.firstReason()
	}
	return strings.Join(out, "")
}

// firstReason is that of the first INVALID trial.
func (c *choice) firstReason() string {
	for _, r := range c.timed() {
		if r.Validity == stats.Invalid {
			return r.firstReason()
		}
	}
	return ""
}

// Spread is where the latencies of one option scatter.
type Spread struct {
	Option     string            `json:"option"`
	Components []stats.Component `json:"components"`
	Text       string            `json:"text"`
}

// spreads splits the variance of each option with several process starts or
// blocks; with neither there is nothing to split.
func spreads(t *Table) (out []Spread) {
	for _, c := range choices(t) {
		var root stats.Group
		for _, r := range c.timed() {
			root.Groups = append(root.Groups, r.starts()...)
		}
		parts := stats.Components(root, "process start", "block", "inference")
		if len(parts) < 2 || len(out) >= maxComparisons {
			continue
		}
		out = append(out, Spread{Option: c.letter, Components: parts, Text: spreadText(c, parts)})
	}
	return out
}

// starts are the process starts of a trial, more than one if it was interrupted,
// with their blocks.
func (r *Row) starts() (out []stats.Group) {
	last := -1
	for i, b := range r.sample.Blocks() {
		if restarts := r.result.Blocks[i].Restarts; restarts != last {
			out, last = append(out, stats.Group{}), restarts
		}
		g := &out[len(out)-1]
		g.Groups = append(g.Groups, stats.Group{Latencies: b})
	}
	if len(out) == 0 {
		return []stats.Group{{Groups: []stats.Group{{Latencies: r.latencies}}}}
	}
	return out
}

// spreadText also says what to have more of.
func spreadText(c *choice, parts []stats.Component) string {
	var levels []string
	for _, p := range parts {
		levels = append(levels, p.String())
	}
	return c.label + ": " + strings.Join(levels, ", ") + "; " + stats.Advice(parts) + " would narrow its interval most"
}

// firstReason is the name of the check that speaks loudest against a row.
func (r *Row) firstReason() string {
	if bad := r.failing(); len(bad) > 0 {
		return bad[0].Name
	}
	return ""
}
