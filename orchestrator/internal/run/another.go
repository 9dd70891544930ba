package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chexp/experiments/failure"
)

// errSameBoard is that a container is on the board of another device of the run.
var errSameBoard = errors.New("two containers are on one board")

// work does all work on one device, once its lease is there or has failed with leaseErr.
// One whose container is on the board of another device gets another board, in a lease
// of its own, where that can be: what two measure on one board is one board's.
func (x *execution) work(ctx, cleanup context.Context, a *attempt, leaseErr error) end {
	for draw := 1; ; draw++ {
		e := concluding{a}.carryOut(ctx, cleanup, leaseErr)
		if !errors.Is(e.err, errSameBoard) || draw == draws || ctx.Err() != nil || !(concluding{a}).replaceable() {
			return e
		}
		next, err := x.anotherBoard(ctx, cleanup, a)
		if next == nil || err != nil {
			e.err = fmt.Errorf("%w; nor could another board be had: %w", e.err, err)
			return e
		}
		a = next
	}
}

// replaceable reports whether any other board would do, had by the run itself, with time
// left in what was asked for.
func (a concluding) replaceable() bool {
	asked := a.held.Asked
	return a.named() == "" && !a.held.Lease.Adopted && asked.MachineName != "" && !asked.AllFree && !a.Keep &&
		a.until(asked.End) > 2*a.Patience.LeaseTail
}

// anotherBoard begins another attempt at a device, which holds another board, until the
// same time. The lease that the device shared with others stays theirs; one that was its
// own is given back.
func (x *execution) anotherBoard(ctx, cleanup context.Context, a *attempt) (*attempt, error) {
	if err := a.Patience.beforeDraw(ctx); err != nil {
		return nil, err
	}
	x.drawing.Lock()
	defer x.drawing.Unlock()
	entries, err := x.Store.Entries()
	if err != nil {
		return nil, err
	}
	others, alone := othersOf(Replay(entries), a)
	if alone {
		a.shared = []*attempt{a}
		if err := (concluding{a}).releaseLease(cleanup); err != nil {
			return nil, err
		}
	}
	asked := a.held.Asked
	asked.Start, asked.Not = time.Time{}, nil
	next := x.again(a)
	next.shared, next.others = []*attempt{next}, others
	next.Choose = func(_ context.Context, taken error) (Choice, error) { return Choice{Request: asked}, taken }
	x.leases++
	_, err = next.step(ctx, PhaseLease, func(ctx context.Context) (string, error) {
		next.Observe.Phase(PhaseLease, "another board")
		return reserving{next}.reserve(ctx)
	})
	if err == nil && next.held.Board.ID == "" {
		err = failure.Capacity.Errorf("no board was free for it")
	}
	return next, err
}

// othersOf are the boards that the run's devices have, by name, and whether an attempt's
// lease is its own alone.
func othersOf(st State, a *attempt) (boards []string, alone bool) {
	alone = true
	for i, held := range st.Slots {
		if held.Board.Name != "" && !slices.Contains(boards, held.Board.Name) {
			boards = append(boards, held.Board.Name)
		}
		alone = alone && (i+1 == a.slot() || !held.Lease.Open() || held.Lease.Name != a.held.Lease.Name)
	}
	return boards, alone
}
