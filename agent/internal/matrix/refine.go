package matrix

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"chexp/agent/internal/session"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// refine goes on in rounds, without the trials whose median is known as well as
// the policy asks for, until that is all of them or those that are left may take
// no more time. Within a round the next block goes to the variant whose median is
// known least well; a trial that had all its blocks one after the other would be
// measured in another hour than its rivals. Repetitions that are over count, and
// can get no block any more. Without a precision to reach all trials are done.
func (t *turns) refine(ctx context.Context, group []*living, round int) error {
	asked := t.policy.Precision
	width := map[*living]float64{}
	for {
		wanting := t.wanting(group, width)
		if len(wanting) == 0 {
			break
		}
		round++
		where := fmt.Sprintf(
			"repetition %d, round %d for a precision of ±%.3g %%: %d medians wanting, the least known to %s",
			wanting[0].Repetition,
			round,
			100*asked,
			len(wanting),
			within(width[wanting[0]]),
		)
		for _, l := range wanting {
			delete(width, l)
		}
		if err := t.round(ctx, round, wanting, t.another, where); err != nil {
			return err
		}
	}
	for _, l := range group {
		if l.over {
			continue
		}
		if asked > 0 && width[l] > asked {
			l.imprecise = within(width[l])
		}
		t.record.finish(l)
	}
	return t.record.err
}

// wanting are the trials that are to have another block, the least known first.
// width keeps what it computes until the trial has one.
func (t *turns) wanting(group []*living, width map[*living]float64) (list []*living) {
	for _, l := range group {
		if l.over {
			continue
		}
		if _, known := width[l]; !known {
			width[l] = t.record.pools.width(l)
		}
		if t.policy.Precision > 0 && width[l] > t.policy.Precision && t.mayRefine(l) {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b *living) int { return cmp.Compare(width[b], width[a]) })
	return list
}

// another is a block beyond those that the policy wants.
func (t *turns) another(l *living) session.Turn {
	p := t.policy
	turn := session.Turn{MinRuns: few, MinTime: p.Block, MaxRuns: l.room(),
		Settle: p.Block / trial.SettleShare, SettleRuns: l.settles}
	if p.MaxTime > 0 {
		turn.Limit = p.MaxTime - l.measured
	}
	return turn
}

// mayRefine: neither MaxTime nor the room in the result is spent, and another
// block like the longest so far stays well within the timeout.
func (t *turns) mayRefine(l *living) bool {
	p := t.policy
	return (p.MaxTime <= 0 || l.measured < p.MaxTime) &&
		l.room() > 0 && len(l.result.Blocks) < mostBlocks &&
		l.used()+2*max(l.longest, p.Block) < timeout(p)
}

// pool is latencies and the blocks they came in, over several processes.
type pool struct {
	latencies []int64
	blocks    []trial.Block
}

// with is the pool and a result behind it. It leaves the pool as it is.
func (p pool) with(res *trial.Result) pool {
	out := pool{slices.Clone(p.latencies), slices.Clone(p.blocks)}
	for _, b := range res.Blocks {
		b.First += len(p.latencies)
		out.blocks = append(out.blocks, b)
	}
	out.latencies = append(out.latencies, res.LatenciesNS...)
	return out
}

// pools are the latencies of the repetitions that are over, by variant. A nil map
// stands for a run without a precision to reach, and keeps nothing.
type pools map[variant]pool

func (p pools) add(t trial.Trial, res *trial.Result) {
	if p != nil {
		v := variantOf(t)
		p[v] = p[v].with(res)
	}
}

// width is half the relative 95 % interval of the median of a trial's variant.
// Values of one block are more alike than those of two: the interval is over
// blocks.
func (p pools) width(l *living) float64 {
	all := p[variantOf(l.Trial)].with(l.result)
	sample, err := stats.NewSample(all.latencies).Cut(all.blocks)
	if err != nil {
		return math.Inf(1)
	}
	if w, ok := sample.Precision(); ok {
		return w
	}
	return math.Inf(1)
}

func within(width float64) string {
	if math.IsInf(width, 1) {
		return "no interval at all"
	}
	return fmt.Sprintf("±%.3g %%", 100*width)
}
