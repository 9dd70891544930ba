package findings

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
	Differs bool    `json:"differs"`
	Text    string  `json:"text"`
	A, B    *Choice `json:"-"`
}

// maxComparisons bounds the work; a plan with more options than that is a
// search, not a comparison.
const maxComparisons = 100

// compare holds every option against the one that stands for the ordinary on
// each axis: the first model, the cpu provider of the same runtime, the fewest
// threads.
func (b *builder) compare() {
	cs := Choices(b.Table)
	comparable := slices.DeleteFunc(slices.Clone(cs), func(c *Choice) bool { return len(c.Timed()) == 0 })
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

// Timed are the rows whose latencies can be set against others: an INVALID one
// among them, if what makes it so hits both alike (a drift, a neighbour), but
// not if the latencies are another provider's or impossible.
func (c *Choice) Timed() (out []*Row) {
	for _, r := range c.Rows {
		if r.Sound() && r.Own() && r.N > 0 && !r.impossible() {
			out = append(out, r)
		}
	}
	return out
}

func (b *builder) base(axis string, c *Choice, all []*Choice) *Choice {
	key, own := c.Rows[0].key(), c.Rows[0]
	best := -1
	for i, o := range all {
		k := o.Rows[0].key()
		switch axis {
		case "model":
			if k.provider == key.provider && k.threads == key.threads && k.batch == key.batch && best < 0 {
				best = i
			}
		case "provider":
			same := o.Rows[0].runtimeName() == own.runtimeName()
			if k.model == key.model && k.threads == key.threads && k.batch == key.batch && same && o.Rows[0].isCPU() {
				best = i
			}
		case "threads":
			if k.model == key.model && k.provider == key.provider && k.batch == key.batch &&
				(best < 0 || k.threads < all[best].Rows[0].Threads) {
				best = i
			}
		}
	}
	if best < 0 || all[best] == c {
		return nil
	}
	return all[best]
}

func (r *Row) runtimeName() string { return r.Result.Provider.Runtime }

func (r *Row) isCPU() bool { return r.Result.Provider.Name == "cpu" }

// against pairs the blocks of equal repetition and round.
func (b *builder) against(axis string, c, base *Choice) (Comparison, bool) {
	starts := startsInTurns(c, base)
	x := Comparison{Axis: axis, Option: c.Letter, Base: base.Letter, A: c, B: base}
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
func startsInTurns(a, b *Choice) (starts [][]stats.Pair) {
	for _, r := range a.Timed() {
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
	a, b := r.Result, o.Result
	if a.Start.IsZero() || b.Start.IsZero() || a.End.IsZero() || b.End.IsZero() {
		return true // nobody knows
	}
	return a.Start.Before(b.End.Add(between)) && b.Start.Before(a.End.Add(between))
}

// alike reports that these samples cannot tell one option from another: by the
// ratio where they were measured in turns, by the intervals of the medians where
// not.
func alike(a, b *Choice) bool {
	if c, ok := stats.RatioOfStarts(startsInTurns(a, b), 1); ok && c.Interval.Value != nil {
		return !c.Differs()
	}
	return a.low <= b.high && b.low <= a.high
}

func (c *Choice) repetition(n int) *Row {
	for _, r := range c.Timed() {
		if r.Repetition == n {
			return r
		}
	}
	return nil
}

func (c *Choice) latencies() (out [][]int64) {
	for _, r := range c.Timed() {
		out = append(out, r.Result.LatenciesNS)
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
	for _, block := range a.Result.Blocks {
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
	for i, b := range r.Result.Blocks {
		key := start{b.Restarts, b.Round}
		out[key] = append(out[key], r.Sample.Blocks()[i]...)
	}
	return out
}

// sentence names the two by what tells them apart, and what they share.
func (x Comparison) sentence(t *Table) string {
	a, b := x.A.Rows[0], x.B.Rows[0]
	who, whom, rest := a.Model, b.Model, " on "+a.Provider
	switch x.Axis {
	case "provider":
		who, whom, rest = a.Provider, b.Provider, " on "+a.Model
	case "threads":
		who, whom, rest = words.Plural(a.Threads, "thread"), fmt.Sprint(b.Threads), " for "+a.Model+" on "+a.Provider
	}
	if x.Axis != "threads" && t.Varies(func(r *Row) int { return r.Threads }) {
		rest += ", " + words.Plural(a.Threads, "thread")
	}
	if t.Varies(func(r *Row) int { return r.Batch }) {
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
	for _, c := range []*Choice{x.A, x.B} {
		for _, r := range c.Timed() {
			if r.Validity == stats.Invalid {
				out = append(out, c.Label+" is INVALID: "+r.firstReason())
				break
			}
		}
	}
	if len(out) == 2 {
		return "both are INVALID: " + x.B.firstReason()
	}
	return strings.Join(out, "")
}

// firstReason is that of the first INVALID trial.
func (c *Choice) firstReason() string {
	for _, r := range c.Timed() {
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
	for _, c := range Choices(t) {
		var root stats.Group
		for _, r := range c.Timed() {
			root.Groups = append(root.Groups, r.starts()...)
		}
		parts := stats.Components(root, "process start", "block", "inference")
		if len(parts) < 2 || len(out) >= maxComparisons {
			continue
		}
		out = append(out, Spread{Option: c.Letter, Components: parts, Text: spreadText(c, parts)})
	}
	return out
}

// starts are the process starts of a trial, more than one if it was interrupted,
// with their blocks.
func (r *Row) starts() (out []stats.Group) {
	last := -1
	for i, b := range r.Sample.Blocks() {
		if restarts := r.Result.Blocks[i].Restarts; restarts != last {
			out, last = append(out, stats.Group{}), restarts
		}
		g := &out[len(out)-1]
		g.Groups = append(g.Groups, stats.Group{Latencies: b})
	}
	if len(out) == 0 {
		return []stats.Group{{Groups: []stats.Group{{Latencies: r.Result.LatenciesNS}}}}
	}
	return out
}

// spreadText also says what to have more of.
func spreadText(c *Choice, parts []stats.Component) string {
	var levels []string
	for _, p := range parts {
		levels = append(levels, p.String())
	}
	return c.Label + ": " + strings.Join(levels, ", ") + "; " + stats.Advice(parts) + " would narrow its interval most"
}

// firstReason is the name of the check that speaks loudest against a row.
func (r *Row) firstReason() string {
	if bad := r.Failing(); len(bad) > 0 {
		return bad[0].Name
	}
	return ""
}
