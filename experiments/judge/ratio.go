package judge

import (
	"slices"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// Axis is the one thing in which two options differ.
type Axis string

// The axes.
const (
	ByModel    Axis = "model"
	ByProvider Axis = "provider"
	ByThreads  Axis = "threads"
)

// Ratio is how one option's latency relates to that of another, the base, which
// differs from it in one thing only.
type Ratio struct {
	Axis         Axis
	Option, Base *Option
	stats.Estimate
	// InTurns: their blocks alternated, so that what drifted hit both alike.
	// Otherwise what changed between them is in the ratio.
	InTurns bool
}

// maxRatios bounds the work; a plan with more options than that is a search, not
// a comparison.
const maxRatios = 100

// Ratios holds every option against the one that stands for the ordinary on each
// axis: the first model, the cpu provider of the same runtime, the fewest
// threads.
func (r *Run) Ratios() (out []Ratio) {
	var all []*Option
	for _, o := range r.Options {
		if len(o.Comparable()) > 0 {
			all = append(all, o)
		}
	}
	for _, axis := range []Axis{ByModel, ByProvider, ByThreads} {
		for _, o := range all {
			base := baseOf(o, axis, all)
			if base == nil || base == o || len(out) >= maxRatios {
				continue
			}
			if x, ok := ratio(axis, o, base, r.seed); ok {
				out = append(out, x)
			}
		}
	}
	return out
}

// Baseline is the option that the speed-up of another is taken against: on the
// same device and with the same batch, the first model on the agent's own cpu
// provider with the fewest threads. Nil if none of these was measured.
func (r *Run) Baseline(o *Option) (base *Option) {
	for _, x := range r.Options {
		first := x.Trials[0]
		if x.Device != o.Device || first.Batch != o.Trials[0].Batch || first.Model != r.Options[0].Model ||
			first.runtime() != "" || !first.OnCPU() || len(x.Comparable()) == 0 {
			continue
		}
		if base == nil || first.Threads < base.Trials[0].Threads {
			base = x
		}
	}
	return base
}

// Against is the ratio of an option's latency to that of a base; ok is false where
// one of them has no latencies that can be compared.
func (r *Run) Against(o, base *Option) (x Ratio, ok bool) {
	if len(o.Comparable()) == 0 || len(base.Comparable()) == 0 {
		return x, false
	}
	return ratio("", o, base, r.seed)
}

// baseOf finds the option that o is held against on an axis; nil if there is
// none.
func baseOf(o *Option, axis Axis, all []*Option) (base *Option) {
	own := o.choice()
	for _, x := range all {
		if x.Device != o.Device { // boards differ by more than many options do
			continue
		}
		c := x.choice()
		switch axis {
		case ByModel:
			c.model = own.model
			if c == own && base == nil {
				base = x
			}
		case ByProvider:
			c.provider = own.provider
			if c == own && x.Trials[0].OnCPU() && x.Trials[0].runtime() == o.Trials[0].runtime() {
				base = x
			}
		case ByThreads:
			c.threads = own.threads
			if c == own && (base == nil || x.choice().threads < base.choice().threads) {
				base = x
			}
		}
	}
	return base
}

// runtime is the named runtime that the trial was measured with; "" is the
// agent's own.
func (t *Trial) runtime() string {
	if t.Result == nil {
		return ""
	}
	return t.Result.Provider.Runtime
}

// ratio pairs the blocks of equal repetition and round, where there are such.
func ratio(axis Axis, o, base *Option, seed uint64) (x Ratio, ok bool) {
	x = Ratio{Axis: axis, Option: o, Base: base}
	starts := startsInTurns(o, base)
	if x.InTurns = len(starts) > 0; x.InTurns {
		x.Estimate, ok = stats.RatioOfStarts(starts, seed)
		return x, ok
	}
	x.Estimate, ok = stats.Ratio(o.latencies(), base.latencies(), seed)
	if x.Interval.Unavailable != "" {
		x.Interval.Unavailable = "they were not measured in turns"
	}
	return x, ok
}

// alike reports that these samples cannot tell one option from another: by the
// ratio where they were measured in turns, by the intervals of the medians where
// not.
func alike(a, b *Option) bool {
	if e, ok := stats.RatioOfStarts(startsInTurns(a, b), 1); ok && e.Interval.Value != nil {
		return !e.Differs()
	}
	return a.Low <= b.High && b.Low <= a.High
}

// startsInTurns are the pairs of blocks of each process start that two options
// share: of each repetition and, in one that was interrupted, of each start.
func startsInTurns(a, b *Option) (starts [][]stats.Pair) {
	others := b.Comparable()
	for _, t := range a.Comparable() {
		i := slices.IndexFunc(others, func(o *Trial) bool { return o.Repetition == t.Repetition })
		if i >= 0 && t.inTurnsWith(others[i]) {
			starts = append(starts, paired(t, others[i])...)
		}
	}
	return starts
}

// between is what may lie between two trials of one agent at most. Getting a new
// lease and a container takes longer on CHI@Edge; on the emulator it need not.
const between = time.Minute

// inTurnsWith reports whether two trials can have been measured in turns: those of
// another lease have the same rounds, and no neighbours in them.
func (t *Trial) inTurnsWith(o *Trial) bool {
	if t.apart(o) {
		return false
	}
	a, b := t.Result, o.Result
	if a.InOrder() && b.InOrder() && oneCount(a, b) {
		return takenTogether(a, b)
	}
	if a.Start.IsZero() || b.Start.IsZero() || a.End.IsZero() || b.End.IsZero() {
		return true // nobody knows
	}
	return a.Start.Before(b.End.Add(between)) && b.Start.Before(a.End.Add(between))
}

// oneCount reports that one agent can have given both their turns: each has its own.
// Agents of two leases both count from 1.
func oneCount(a, b *trial.Result) bool {
	taken := map[int]bool{}
	for _, x := range a.Blocks {
		taken[x.Turn] = true
	}
	return !slices.ContainsFunc(b.Blocks, func(x trial.Block) bool { return taken[x.Turn] })
}

// takenTogether reports that blocks of one process start of each lie beside each other
// by the monotonic clock, which nobody sets.
func takenTogether(a, b *trial.Result) bool {
	return slices.ContainsFunc(a.Starts(), func(mine []trial.Block) bool {
		return slices.ContainsFunc(b.Starts(), func(theirs []trial.Block) bool {
			return mine[0].Restarts == theirs[0].Restarts && begins(mine) < ends(b, theirs)+int64(between) &&
				begins(theirs) < ends(a, mine)+int64(between)
		})
	})
}

func begins(blocks []trial.Block) int64 { return blocks[0].StartNS }

// ends is at least when the last of some blocks of a result was over.
func ends(r *trial.Result, blocks []trial.Block) int64 {
	last := blocks[len(blocks)-1]
	end := last.StartNS
	for _, ns := range r.LatenciesNS[min(last.First, len(r.LatenciesNS)):min(last.First+last.N, len(r.LatenciesNS))] {
		end += ns
	}
	return end
}

func (o *Option) latencies() (out [][]int64) {
	for _, t := range o.Comparable() {
		out = append(out, t.Result.LatenciesNS)
	}
	return out
}

// paired are the blocks of two trials in equal rounds, apart for each process
// start; no round has blocks of two. A trial that had more than one block in a
// round, because its interval was wide, has them together.
func paired(a, b *Trial) (starts [][]stats.Pair) {
	other := b.rounds()
	mine := a.rounds()
	last := -1
	for _, block := range a.Result.Blocks {
		key := roundOf(block)
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

// round is one of a process start.
type round struct{ restarts, round int }

func roundOf(b trial.Block) round { return round{b.Restarts, b.Round} }

func (t *Trial) rounds() map[round][]int64 {
	out := map[round][]int64{}
	for i, b := range t.Sample.Blocks() {
		key := roundOf(t.Result.Blocks[i])
		out[key] = append(out[key], b...)
	}
	return out
}
