package matrix

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"chexp/agent/internal/reason"
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
	for r := 1; r <= rounds; r++ {
		rng.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		for _, l := range group {
			if l.over {
				continue
			}
			if err := s.turn(ctx, l, s.share(l, r, rounds), r); err != nil {
				return err
			}
			if r == rounds && !l.over && s.Plan.Policy.Precision == 0 {
				if err := s.finish(l); err != nil {
					return err
				}
			}
			if err := s.progress(fmt.Sprintf("repetition %d, round %d of %d", l.Repetition, r, rounds)); err != nil {
				return err
			}
		}
		if err := s.cooled(r); err != nil {
			return err
		}
	}
	if s.Plan.Policy.Precision > 0 {
		return s.refine(ctx, group)
	}
	return nil
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
	shortest, unit := time.Duration(math.MaxInt64), p.Block
	for _, l := range group {
		one := l.pace()
		shortest = min(shortest, max(p.MinTime, time.Duration(min(float64(p.MinRuns)*float64(one), float64(24*time.Hour)))))
		unit = max(unit, few*one)
	}
	return max(1, int(math.Round(float64(shortest)/float64(unit))))
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

// share is what a trial does in round r: its part of both minima, and of the
// longest time.
func (s *Supervisor) share(l *living, r, rounds int) session.Turn {
	p := s.Plan.Policy
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
		t.Limit = max(1, p.MaxTime*time.Duration(r)/n-l.measured)
	}
	return t
}

// refine gives further blocks, each to the variant whose median is known least
// well, until all are known as well as the policy asks for or may take no more
// time. Repetitions that are over count, and can get no block any more.
func (s *Supervisor) refine(ctx context.Context, group []*living) error {
	p := s.Plan.Policy
	width := map[*living]float64{}
	for {
		var next *living
		for _, l := range group {
			if l.over {
				continue
			}
			if _, known := width[l]; !known {
				width[l] = s.width(l)
			}
			if width[l] > p.Precision && s.mayRefine(l) && (next == nil || width[l] > width[next]) {
				next = l
			}
		}
		if next == nil {
			break
		}
		t := session.Turn{MinRuns: few, MinTime: p.Block, Settle: p.Block / settleShare}
		if p.MaxTime > 0 {
			t.Limit = p.MaxTime - next.measured
		}
		if err := s.turn(ctx, next, t, 0); err != nil {
			return err
		}
		delete(width, next)
		if err := s.progress(fmt.Sprintf("repetition %d, the least known median to %s, ±%.3g %% is asked for", next.Repetition, within(s.width(next)), 100*p.Precision)); err != nil {
			return err
		}
		if err := s.cooled(0); err != nil {
			return err
		}
	}
	for _, l := range group {
		if l.over {
			continue
		}
		if width[l] > p.Precision {
			l.result.Reasons = append(l.result.Reasons, trial.Reason{
				Code: reason.Imprecise,
				Text: fmt.Sprintf("its median is known to %s, ±%.3g %% was asked for", within(width[l]), 100*p.Precision),
				Next: "raise the policy's longest time, or make the device quieter",
			})
		}
		if err := s.finish(l); err != nil {
			return err
		}
	}
	return nil
}

// width is half the relative 95 % interval of the variant's median.
func (s *Supervisor) width(l *living) float64 {
	sample := append(slices.Clone(s.earlier[variantOf(l.Trial)]), l.result.LatenciesNS...)
	if w, ok := stats.NewSample(sample).Precision(); ok {
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

// mayRefine: neither MaxTime nor the room for latencies is spent, and another
// block like the longest so far stays well within the timeout.
func (s *Supervisor) mayRefine(l *living) bool {
	p := s.Plan.Policy
	return (p.MaxTime <= 0 || l.measured < p.MaxTime) && len(l.result.LatenciesNS) < session.MaxRuns &&
		l.used()+2*max(l.longest, p.Block) < timeout(p)
}
