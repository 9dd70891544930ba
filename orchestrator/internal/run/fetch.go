package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/store"
)

// fetch brings the results home and insists that none is missing. What did not come
// whole is fetched again, and measured again, before the device is given back.
func (a *attempt) fetch(ctx context.Context) (string, error) {
	a.Observe.Phase(PhaseFetch, "")
	var n store.Adopted
	err := homing{a}.orMeasureAgain(ctx, func(ctx context.Context) (left error) {
		n, left = a.Fetch(ctx, a.agent())
		rest, err := a.unmeasured()
		switch missing := rest.trials; {
		case err != nil:
			return errors.Join(left, err)
		case len(missing) == 0:
			if left != nil { // nothing that was asked for
				a.Observe.Warn(left.Error())
			}
			return nil
		case left != nil && (passing(left) || isElsewhere(left)):
			return left
		default:
			return failure.Device.
				Errorf("%d of %d trials have no whole result although the agent finished; the first is %s",
					len(missing), len(a.Plan.Trials), missing[0].ID).
				Advise("the others are at home; `%s` measures what is missing", a.Commands.Resume()).
				Because(left)
		}
	})
	return n.String() + ", checked by SHA-256", err
}

// Fetch brings the results on the device into the run's directory and counts
// them. It may be repeated: whole results are written once, and one that differs
// from what was fetched before is refused. Where the device has no results yet,
// the error wraps fs.ErrNotExist.
func (r *Run) Fetch(ctx context.Context, from Agent) (store.Adopted, error) {
	return r.bring(func(dir string) error {
		_, err := bundle.Fetch(ctx, from.Tr, path.Join(from.Dir, trial.ResultsDir), dir, bundle.Limits{})
		if err != nil && !bundle.Partly(err) {
			return r.rescue(ctx, from, err)
		}
		return err
	}, func(dir string) (store.Adopted, error) { return r.Store.Adopt(dir, r.Plan, from.home()) })
}

// fetchJournals brings what the agent has on record of trials that have no whole
// result, and makes partial ones of it, which say why they are not whole. There
// is nothing to bring where no trial has begun.
func (r *Run) fetchJournals(ctx context.Context, from Agent, why string) (store.Adopted, error) {
	n, err := r.bring(func(dir string) error {
		_, err := bundle.FetchJournals(ctx, from.Tr, path.Join(from.Dir, trial.JournalDir), dir, bundle.Limits{})
		return err
	}, func(dir string) (store.Adopted, error) { return r.Store.AdoptJournals(dir, r.Plan, why, from.home()) })
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	return n, err
}

// Collected is what [Run.Collect] brought home.
type Collected struct {
	store.Adopted
	NoResults  bool  // the device has none yet
	Unfinished error // why the record of unfinished trials is not among it
}

// Collect brings home all that the device has, whatever state it is in: results
// if there are any, and, unless why is empty, partial results of what is on
// record of unfinished trials. why says there why they are not whole.
func (r *Run) Collect(ctx context.Context, from Agent, why string) (got Collected, err error) {
	got.Adopted, err = r.Fetch(ctx, from)
	if errors.Is(err, fs.ErrNotExist) {
		got.NoResults, err = true, nil
	}
	if why != "" {
		var more store.Adopted
		more, got.Unfinished = r.fetchJournals(ctx, from, why)
		got.Partial += more.Partial
		got.Out += more.Out
	}
	return got, err
}

// bring fetches into a directory beside the results and adopts what came. What is
// good is taken; the error names what was left out.
func (r *Run) bring(
	fetch func(dir string) error, adopt func(dir string) (store.Adopted, error),
) (n store.Adopted, err error) {
	// What a killed process left; the lock says that there is no other.
	stale, _ := filepath.Glob(filepath.Join(r.Store.Dir, store.FetchPrefix+"*"))
	for _, dir := range stale {
		os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(r.Store.Dir, store.FetchPrefix+"*")
	if err != nil {
		return n, store.Explain(err)
	}
	defer os.RemoveAll(dir)
	left := fetch(dir)
	if left != nil && !bundle.Partly(left) {
		return n, left
	}
	n, err = adopt(dir)
	return n, errors.Join(left, err)
}

// rescue keeps the results of a run whose own disk is full: the device is about
// to be given back, and with it everything in the container.
func (r *Run) rescue(ctx context.Context, from Agent, cause error) error {
	var disk *failure.Error
	if !errors.As(cause, &disk) || disk.Kind != failure.Storage {
		return cause
	}
	disk.Advise("%s; then `%s` brings the results as long as the device is held", disk.Next, r.Commands.Fetch())
	dir, err := r.rescued, error(nil)
	if dir == "" { // a name that nobody can foresee, and so put a link there before
		dir, err = os.MkdirTemp("", "chexp-results-"+r.Store.ID+"-*")
	}
	if err != nil {
		return errors.Join(cause, err)
	}
	if _, err := bundle.Fetch(ctx, from.Tr, path.Join(from.Dir, trial.ResultsDir), dir, bundle.Limits{}); err != nil {
		if r.rescued == "" {
			os.RemoveAll(dir)
		}
		return errors.Join(cause, fmt.Errorf("nor could the results be kept in %s: %w", dir, err))
	}
	r.rescued = dir
	return elsewhere{failure.Storage.Errorf("the results do not fit into %s; they are in %s", r.Store.Dir, dir).
		Advise("free some space, then `%s`", r.ofPart().Fetch("--from", dir)).Because(cause)}
}

// elsewhere says that results are on this machine, in another place than the run's
// directory: the device need not be held for them.
type elsewhere struct{ error }

func (e elsewhere) Unwrap() error { return e.error }

func isElsewhere(err error) bool {
	var e elsewhere
	return errors.As(err, &e)
}

// stop asks the agent to stop until it has, with a pause in between: writing
// partial results may take it longer than an exec may last.
func stop(ctx context.Context, agent Agent, why string, pause time.Duration) (trial.State, error) {
	for try := 1; ; try++ {
		reply, err := agent.Stop(ctx, why)
		if err == nil && reply.State.Phase != trial.Running {
			return reply.State, nil
		}
		if try == 5 || ctx.Err() != nil {
			return reply.State, err
		}
		if err := wait.For(ctx, pause); err != nil {
			return reply.State, err
		}
	}
}
