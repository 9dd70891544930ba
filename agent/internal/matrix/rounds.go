package matrix

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"chexp/agent/internal/session"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

const (
	// few inferences are the least that a block should hold: its median is
	// what blocks are compared by.
	few = 3
	// settleShare of a block's length goes into inferences that do not count.
	// 25 ms of the usual half second is several times what refilling caches
	// takes, and more than a cpufreq governor's sampling interval (10 ms).
	settleShare = 20
	// mostBlocks of a trial: each has its conditions in the result.
	mostBlocks = 1000
)

// measure gives the living trials of a group their blocks until each has what
// the policy wants, and writes their results.
func (s *Supervisor) measure(ctx context.Context, group []*living) error {
	group = slices.DeleteFunc(slices.Clone(group), func(l *living) bool { return l.over })
	if len(group) == 0 {
		return nil
	}
	rounds := s.rounds(group)
	s.pace.rounds(group, rounds)
	rng := rand.New(rand.NewPCG(s.Plan.Seed, uint64(s.turns)))
	// A round that was interrupted is not gone on with: its blocks would be of two
	// process starts, and hours apart.
	round, open := 0, 0
	for _, l := range group {
		round = max(round, l.lastRound())
		open = max(open, rounds-len(l.result.Blocks))
		if err := s.journal(l, rounds); err != nil {
			return err
		}
	}
	for ; open > 0; open-- {
		round++
		rng.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		for _, l := range group {
			if l.over || len(l.result.Blocks) >= rounds {
				continue
			}
			if err := s.turn(ctx, l, s.share(l, rounds), round); err != nil {
				return err
			}
			if len(l.result.Blocks) == rounds && !l.over && s.Plan.Policy.Precision == 0 {
				if err := s.finish(l); err != nil {
					return err
				}
			}
			if err := s.progress(fmt.Sprintf("repetition %d, round %d of %d", l.Repetition, round, round+open-1)); err != nil {
				return err
			}
		}
		if err := s.rounded(round); err != nil {
			return err
		}
	}
	return s.refine(ctx, group, round)
}

// rounds is into how many blocks every trial of a group is cut. All have the
// same number, so that each block has its partners in time; a slow trial's are
// longer. A block of the fastest trial is as long as the policy says, or as a few
// inferences of the slowest take.
func (s *Supervisor) rounds(group []*living) int {
	p := s.Plan.Policy
	if p.Block <= 0 {
		return 1
	}
	asked := 0
	for _, l := range group {
		asked = max(asked, l.asked)
	}
	if asked > 0 { // as it was before the interruption
		return asked
	}
	shortest, unit := time.Duration(math.MaxInt64), p.Block
	for _, l := range group {
		one := l.pace()
		shortest = min(shortest, max(p.MinTime, time.Duration(min(float64(p.MinRuns)*float64(one), float64(24*time.Hour)))))
		unit = max(unit, few*one)
	}
	return max(1, int(min(math.Round(float64(shortest)/float64(unit)), mostBlocks)))
}

// pace is how long one inference took before the timed ones.
func (l *living) pace() time.Duration {
	if warm := l.result.WarmupNS; len(warm) > 0 {
		sorted := slices.Clone(warm[len(warm)/2:])
		slices.Sort(sorted)
		return time.Duration(stats.Median(sorted))
	}
	first, _ := l.result.FirstInferenceNS.Get()
	return time.Duration(max(first, 0))
}

// share is what a trial does in its next block: its part of both minima, and of
// the longest time.
func (s *Supervisor) share(l *living, rounds int) session.Turn {
	p, r := s.Plan.Policy, len(l.result.Blocks)+1
	n := time.Duration(rounds)
	t := session.Turn{
		MinRuns: max(1, (p.MinRuns+rounds-1)/rounds),
		MinTime: (p.MinTime + n - 1) / n,
		Settle:  p.Block / settleShare,
	}
	if r == rounds { // what blocks cut by the limit below left undone
		t.MinRuns = max(t.MinRuns, p.MinRuns-len(l.result.LatenciesNS))
		t.MinTime = max(t.MinTime, p.MinTime-l.timed)
	}
	if p.MaxTime > 0 {
		t.Limit = max(1, p.MaxTime/n*time.Duration(r)-l.measured)
	}
	return t
}

// refine goes on in rounds, without the trials whose median is known as well as
// the policy asks for, until that is all of them or those that are left may take
// no more time. Within a round the next block goes to the variant whose median is
// known least well; a trial that had all its blocks one after the other would be
// measured in another hour than its rivals. Repetitions that are over count, and
// can get no block any more. Without a precision to reach all trials are done.
func (s *Supervisor) refine(ctx context.Context, group []*living, round int) error {
	p := s.Plan.Policy
	width := map[*living]float64{}
	for {
		var wanting []*living
		for _, l := range group {
			if l.over {
				continue
			}
			if _, known := width[l]; !known {
				width[l] = s.width(l)
			}
			if p.Precision > 0 && width[l] > p.Precision && s.mayRefine(l) {
				wanting = append(wanting, l)
			}
		}
		if len(wanting) == 0 {
			break
		}
		round++
		slices.SortStableFunc(wanting, func(a, b *living) int { return cmp.Compare(width[b], width[a]) })
		where := fmt.Sprintf("repetition %d, round %d for a precision of ±%.3g %%: %d medians wanting, the least known to %s",
			wanting[0].Repetition, round, 100*p.Precision, len(wanting), within(width[wanting[0]]))
		for _, l := range wanting {
			delete(width, l)
			t := session.Turn{MinRuns: few, MinTime: p.Block, Settle: p.Block / settleShare}
			if p.MaxTime > 0 {
				t.Limit = p.MaxTime - l.measured
			}
			if err := s.turn(ctx, l, t, round); err != nil {
				return err
			}
			if err := s.progress(where); err != nil {
				return err
			}
		}
		if err := s.rounded(round); err != nil {
			return err
		}
	}
	for _, l := range group {
		if l.over {
			continue
		}
		if p.Precision > 0 && width[l] > p.Precision {
			l.imprecise = within(width[l])
		}
		if err := s.finish(l); err != nil {
			return err
		}
	}
	return nil
}

// blocks are latencies and how they were measured, over several processes.
type blocks struct {
	latencies []int64
	cut       []trial.Block
}

// and puts a result behind them. It leaves b as it is.
func (b blocks) and(res *trial.Result) blocks {
	out := blocks{slices.Clone(b.latencies), slices.Clone(b.cut)}
	for _, x := range res.Blocks {
		x.First += len(b.latencies)
		out.cut = append(out.cut, x)
	}
	out.latencies = append(out.latencies, res.LatenciesNS...)
	return out
}

// width is half the relative 95 % interval of the variant's median. Values of
// one block are more alike than those of two: the interval is over blocks.
func (s *Supervisor) width(l *living) float64 {
	b := s.earlier[variantOf(l.Trial)].and(l.result)
	sample, err := stats.NewSample(b.latencies).Cut(b.cut)
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

// mayRefine: neither MaxTime nor the room in the result is spent, and another
// block like the longest so far stays well within the timeout.
func (s *Supervisor) mayRefine(l *living) bool {
	p := s.Plan.Policy
	return (p.MaxTime <= 0 || l.measured < p.MaxTime) && len(l.result.LatenciesNS) < session.MaxRuns && len(l.result.Blocks) < mostBlocks &&
		l.used()+2*max(l.longest, p.Block) < timeout(p)
}
