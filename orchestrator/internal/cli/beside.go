package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// besideTime is how long a chexp at work is waited for when it is asked to bring home
// what is measured: it asks its device every few seconds, and copies for some more.
const besideTime = 45 * time.Second

// fetchBeside is [resultsVerbs.resultsFetch] while another chexp works on the run. That
// one alone speaks to the device and writes into the run's directory, so it is asked
// to bring home what there is; what it has brought is shown.
func (a resultsVerbs) fetchBeside(c *cli.Context, part *store.Run) error {
	s := part.Whole()
	plan, err := s.Plan()
	if err != nil {
		return err
	}
	entries, err := s.Entries()
	if err != nil {
		return err
	}
	r := &run.Run{Store: s, Plan: plan, Commands: a.commandsFor(c, s)}
	parts := []*store.Run{part}
	if part == s && len(s.Devices()) > 0 {
		parts = s.Devices()
	}
	parts = slices.DeleteFunc(slices.Clone(parts), func(p *store.Run) bool {
		return !run.Replay(entries).Slot(max(1, p.Slot())).Started
	})
	late, err := broughtBy(c.Context, s, parts)
	if err != nil {
		return err
	}
	if late {
		a.warn(fmt.Sprintf("the chexp that works on run %s has brought no more home within %s", s.ID, besideTime))
	}
	f, err := readFindings(s, a.work)
	if err != nil {
		return err
	}
	if err := a.answer(c, r, f, false); err != nil {
		return err
	}
	home := 0
	for _, res := range f.results {
		if res.Partial == nil && res.Outcome == trial.OK {
			home++
		}
	}
	if f.across == nil && home == len(plan.Trials) {
		return nil
	}
	return failure.Trials.Errorf("another chexp works on run %s, and goes on with what is not whole", s.ID).
		Advise("`%s` brings home more; the chexp at work brings each trial as it ends", r.Commands.Fetch())
}

// broughtBy asks the process that works on a run to bring home what these devices have
// measured, and waits until it has, or works no more. late: it has not in time.
func broughtBy(ctx context.Context, s *store.Run, parts []*store.Run) (late bool, err error) {
	for _, p := range parts {
		if err := store.Want(p); err != nil {
			return false, err
		}
		defer store.Served(p)
	}
	ctx, cancel := context.WithTimeout(ctx, besideTime)
	defer cancel()
	for slices.ContainsFunc(parts, store.Wanted) && store.InUse(s) {
		if wait.For(ctx, 200*time.Millisecond) != nil {
			if ctx.Err() == context.DeadlineExceeded {
				return true, nil
			}
			return false, ctx.Err()
		}
	}
	return false, nil
}
