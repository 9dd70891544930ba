package run

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// comeHome brings home at once what the trials that have just finished measured: a
// device can be lost with all that is on it, and its site can fall silent. What does
// not come is asked for again after the next poll.
func (f *follower) comeHome(ctx context.Context, reply trial.StatusReply) {
	for _, ev := range reply.Events {
		if ev.Type == trial.TrialFinished && ev.NeedsNS == 0 && !slices.Contains(f.due, ev.Trial) {
			f.due = append(f.due, ev.Trial)
		}
	}
	works := reply.State.Phase == trial.Running || reply.State.Phase == "" // as its log tells, without a state
	if len(f.due) == 0 || reply.More || !works || time.Now().Before(f.fetch) {
		return
	}
	some := f.due[:min(len(f.due), mostAtOnce)]
	began := time.Now()
	n, err := inTurn(ctx, f.crowd.room(PhaseFetch), func(ctx context.Context) (n store.Adopted, err error) {
		return n, within(ctx, f.Patience.Salvage, func(ctx context.Context) error {
			n, err = f.fetchTrials(ctx, f.agent(), some)
			return err
		})
	})
	// Copying disturbs what is measured meanwhile: it may have a fifth of the time.
	took := time.Since(began)
	f.fetch = time.Now().Add(4 * took)
	if f.crowd != nil {
		f.fetch = began.Add(max(4*took, f.Patience.PollMax))
	}
	switch {
	case err != nil && !bundle.Partly(err):
		f.fetch = time.Now().Add(max(4*took, f.Patience.PollMax))
		f.Observe.Again("what has just been measured is not home yet: " + words.Line(err.Error(), 200))
		return
	case err != nil: // a result that is none: at the end it is asked for again
		f.Observe.Warn(err.Error())
	case n.Whole+n.Partial > 0:
		f.Observe.Say("home: " + n.String())
	}
	f.due = slices.Clone(f.due[len(some):])
}

// mostAtOnce is how many trials' names fit into one command.
const mostAtOnce = 40

// homeDir, beside what was pushed, holds links to the results that are asked for.
const homeDir = ".home"

// linkResults has the results of the trials $1, $2, … in a folder of their own: a
// Transport fetches whole folders.
const linkResults = `cd "$0" && rm -rf .home && mkdir .home && for t; do
ln "out/results/$t.json" .home/ 2>/dev/null || cp "out/results/$t.json" .home/ || exit 1; done`

// fetchTrials brings home the results of these trials and no others.
func (r *Run) fetchTrials(ctx context.Context, from Agent, ids []string) (n store.Adopted, err error) {
	args := append([]string{"sh", "-c", linkResults, from.Dir}, ids...)
	out, err := from.Tr.Exec(ctx, transport.Command{Args: args})
	if err != nil {
		return n, err
	}
	if out.Code != 0 {
		return n, failure.Device.Errorf("%d results cannot be laid out on the device: %s", len(ids),
			transport.Said(out.Output))
	}
	return r.bring(func(dir string) error {
		_, err := bundle.Fetch(ctx, from.Tr, path.Join(from.Dir, homeDir), dir, bundle.Limits{})
		return err
	}, func(dir string) (store.Adopted, error) { return r.Store.Adopt(dir, r.Plan, from.home()) })
}

// notYetHome lists the trials that have finished, as far as an earlier process was
// told, and whose whole results are not home.
func (a homing) notYetHome() (due []string) {
	rest, err := a.unmeasured()
	if err != nil {
		return nil
	}
	finished := a.finished()
	for _, t := range rest.trials {
		if finished[t.ID] {
			due = append(due, t.ID)
		}
	}
	return due
}

// present is an error but for that of a folder which the device does not have.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
