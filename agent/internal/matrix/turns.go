package matrix

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

const (
	// few inferences are the least that a block should hold: its median is
	// what blocks are compared by.
	few = 3
	// enough inferences show where a block's beginning ends (stats.BlockStart), with
	// the one that settles; blocks are made as long as that where many blocks are left.
	enough, many = 8, 12
	// mostBlocks of a trial: each has its conditions in the result.
	mostBlocks = 1000
)

// turns hands out blocks: whose turn it is, how long it may take, and when a trial
// has enough or the run must stop.
type turns struct {
	policy  trial.Policy
	seed    uint64
	given   int // blocks handed out so far, in all starts of the agent
	clock   clock
	record  *record
	cooling cooling
	observe func(pid int) func() *trial.Conditions // may be nil
	left    func() (time.Duration, bool)           // may be nil
}

// clock turns the processes' CLOCK_MONOTONIC into nanoseconds since the run began.
type clock struct{ origin int64 }

func (c clock) since(monotonic int64) int64 { return max(monotonic-c.origin, 0) }

// measure gives the living trials of a group their blocks until each has what
// the policy wants, and writes their results.
func (t *turns) measure(ctx context.Context, group []*living) error {
	group = slices.DeleteFunc(slices.Clone(group), func(l *living) bool { return l.over })
	if len(group) == 0 {
		return nil
	}
	blocks := blocksEach(t.policy, group)
	// A round that was interrupted is not gone on with: its blocks would be of two
	// process starts, and hours apart.
	round, open := 0, 0
	for _, l := range group {
		round = max(round, l.lastRound())
		open = max(open, blocks-len(l.result.Blocks))
		t.record.left.expect(l.Trial, blocks)
		t.record.begin(l, blocks)
	}
	rng := rand.New(rand.NewPCG(t.seed, uint64(t.given)))
	for last := round + open; round < last; {
		round++
		rng.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		due := slices.DeleteFunc(slices.Clone(group), func(l *living) bool {
			return l.over || len(l.result.Blocks) >= blocks
		})
		where := fmt.Sprintf("repetition %d, round %d of %d", group[0].Repetition, round, last)
		if err := t.round(ctx, round, due, t.share, where); err != nil {
			return err
		}
	}
	return t.refine(ctx, group, round)
}

// blocksEach is into how many blocks every trial of a group is cut. All have the
// same number, so that each block has its partners in time; a slow trial's are
// longer. A block of the fastest trial is as long as the policy says, or as a few
// inferences of the slowest take, or enough of them where that leaves many blocks.
func blocksEach(p trial.Policy, group []*living) int {
	if p.Block <= 0 {
		return 1
	}
	before := 0
	for _, l := range group {
		before = max(before, l.wanted)
	}
	if before > 0 { // as it was before the interruption
		return before
	}
	shortest, unit, long := time.Duration(math.MaxInt64), p.Block, time.Duration(0)
	for _, l := range group {
		one := l.inferenceTime()
		runs := time.Duration(min(float64(p.MinRuns)*float64(one), float64(24*time.Hour)))
		shortest = min(shortest, max(p.MinTime, runs))
		unit, long = max(unit, few*one), max(long, enough*one)
	}
	unit = max(unit, min(long, shortest/many))
	return max(1, int(min(math.Round(float64(shortest)/float64(unit)), mostBlocks)))
}

// share is what a trial does in its next block: its part of both minima, of the
// longest time, and of the inferences that a result can hold. A fast model has those
// long before a long MinTime is over: the first blocks must leave room for the last.
func (t *turns) share(l *living) session.Turn {
	p, number := t.policy, len(l.result.Blocks)+1
	n := time.Duration(l.wanted)
	toCome := max(1, l.wanted-number+1)
	turn := session.Turn{
		MinRuns: max(1, (p.MinRuns+l.wanted-1)/l.wanted),
		MinTime: (p.MinTime + n - 1) / n,
		MaxRuns: max(1, (l.room()+toCome-1)/toCome),
		Settle:  p.Block / trial.SettleShare, SettleRuns: l.settles,
	}
	if number == l.wanted { // what blocks cut by the limit below left undone
		turn.MinRuns = max(turn.MinRuns, p.MinRuns-len(l.result.LatenciesNS))
		turn.MinTime = max(turn.MinTime, p.MinTime-l.timed)
	}
	if p.MaxTime > 0 {
		turn.Limit = max(1, p.MaxTime/n*time.Duration(number)-l.measured)
	}
	return turn
}

// round gives each of the trials one block, in their order. A trial that now has
// all its blocks is over, unless more may follow for the precision.
func (t *turns) round(
	ctx context.Context, number int, trials []*living, share func(*living) session.Turn, where string,
) error {
	for _, l := range trials {
		if err := t.block(ctx, l, share(l), number); err != nil {
			return err
		}
		if len(l.result.Blocks) == l.wanted && !l.over && t.policy.Precision == 0 {
			t.record.finish(l)
		}
		t.record.progress(where)
	}
	t.record.sync()
	t.cooling.tell(number)
	return t.record.err
}

// block gives a trial one block. A trial that fails in it is over.
func (t *turns) block(ctx context.Context, l *living, turn session.Turn, round int) error {
	if err := t.cooling.wait(ctx); err != nil {
		return err
	}
	if err := t.timeFor(l); err != nil {
		return err
	}
	t.given++
	b := trial.Block{Round: round, Turn: t.given, First: len(l.result.LatenciesNS), Restarts: l.restarts}
	stretch, took, err := t.ask(ctx, l, turn, &b)
	l.measured += took
	l.longest = max(l.longest, took)
	if err != nil {
		if err := l.fail(err, t.policy); err != nil {
			return err
		}
		t.record.finish(l)
		return t.record.err
	}
	l.add(b, stretch, t.clock)
	if stretch.Failed != nil {
		l.failed(*stretch.Failed)
		t.record.finish(l)
		return t.record.err
	}
	t.record.block(l, stretch, took)
	l.settle()
	return t.record.err
}

// ask has the trial's process do its turn. took is how long the process had the
// device; its conditions go into b.
func (t *turns) ask(
	ctx context.Context, l *living, turn session.Turn, b *trial.Block,
) (s *session.Stretch, took time.Duration, err error) {
	after := func() *trial.Conditions { return nil }
	if t.observe != nil {
		after = t.observe(l.process.cmd.Process.Pid)
	}
	// This process's own collector must not run beside the block either: the
	// runtime starts one every two minutes, needed or not, unless it is off.
	percent := debug.SetGCPercent(-1)
	begin := time.Now()
	line, err := l.process.ask(ctx, turn, timeout(t.policy)-l.used())
	took = time.Since(begin)
	debug.SetGCPercent(percent)
	if err == nil { // before anybody looks at the clock
		err = l.rest(ctx, t.record)
	}
	b.Conditions = after()
	if err != nil {
		return nil, took, err
	}
	if s, err = decodeBlock(line, turn.MaxRuns); err != nil {
		return nil, took, l.process.nonsense(err)
	}
	return s, took, nil
}
