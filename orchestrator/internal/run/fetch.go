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
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// fetch brings the results home and insists that none is missing.
func (x *execution) fetch(ctx context.Context) (string, error) {
	x.Observe.Phase(PhaseFetch, "")
	n, err := Fetch(ctx, x.Store, x.Plan, x.tr, x.container)
	if err != nil {
		return "", err
	}
	if x.remaining, err = x.unmeasured(); err != nil {
		return "", err
	}
	if len(x.remaining) > 0 {
		return "", failure.Device.
			Errorf("%d trials have no result although the agent finished; the first is %s",
				len(x.remaining), x.remaining[0].ID).
			Advise("`chexp run --resume %s` measures them again", x.Store.ID)
	}
	return n.String() + ", checked by SHA-256", nil
}

// Fetch brings the results on the device into the run's directory and counts
// them. It may be repeated: whole results are written once, and one
// that differs from what was fetched before is refused.
func Fetch(ctx context.Context, s *store.Run, plan *trial.Plan, tr transport.Transport, c Container) (store.Adopted, error) {
	return bring(s, func(dir string) error {
		_, err := bundle.Fetch(ctx, tr, path.Join(c.Dir, trial.ResultsDir), dir, bundle.Limits{})
		if err != nil {
			return rescue(ctx, s, tr, c, err)
		}
		return nil
	}, func(dir string) (store.Adopted, error) { return s.Adopt(dir, plan) })
}

// FetchJournals brings what the agent has on record of trials that have no whole
// result, and makes partial ones of it, which say why they are not whole. There is
// nothing to bring where no trial has begun.
func FetchJournals(ctx context.Context, s *store.Run, plan *trial.Plan, tr transport.Transport, c Container, why string) (store.Adopted, error) {
	n, err := bring(s, func(dir string) error {
		_, err := bundle.FetchJournals(ctx, tr, path.Join(c.Dir, trial.JournalDir), dir, bundle.Limits{})
		return err
	}, func(dir string) (store.Adopted, error) { return s.AdoptJournals(dir, plan, why) })
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	return n, err
}

func bring(s *store.Run, fetch func(dir string) error, adopt func(dir string) (store.Adopted, error)) (n store.Adopted, err error) {
	// What a killed process left; the lock says that there is no other.
	stale, _ := filepath.Glob(filepath.Join(s.Dir, ".fetch-*"))
	for _, dir := range stale {
		os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(s.Dir, ".fetch-*")
	if err != nil {
		return n, store.Explain(err)
	}
	defer os.RemoveAll(dir)
	if err := fetch(dir); err != nil {
		return n, err
	}
	return adopt(dir)
}

// rescue keeps the results of a run whose own disk is full: the device is about
// to be given back, and with it everything in the container.
func rescue(ctx context.Context, s *store.Run, tr transport.Transport, c Container, cause error) error {
	if failure.KindOf(cause) != failure.Storage {
		return cause
	}
	dir := filepath.Join(os.TempDir(), "chexp-results-"+s.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errors.Join(cause, err)
	}
	if _, err := bundle.Fetch(ctx, tr, path.Join(c.Dir, trial.ResultsDir), dir, bundle.Limits{}); err != nil {
		return errors.Join(cause, fmt.Errorf("nor could the results be kept in %s: %w", dir, err))
	}
	return failure.Storage.Errorf("the results do not fit into %s; they are in %s", s.Dir, dir).
		Advise("free some space, then `chexp results fetch %s --from %s`", s.ID, dir).Because(cause)
}

// salvage brings home what a run that ended early has measured, before the device
// goes: the agent is stopped in order, which leaves partial results; if it cannot
// be, what it has on record is taken.
func (x *execution) salvage(ctx context.Context, why string) error {
	kept := x.Keep && x.why == "" // and goes on measuring, unless the lease ends
	if x.tr == nil || !x.state.Started || x.state.Container.Gone || kept {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience.Salvage)
	defer cancel()
	x.Observe.Say("stopping the agent and bringing home what it has measured")
	agent := Agent{Tr: x.tr, Dir: x.container.Dir}
	st, stopped := stop(ctx, agent, why)
	if reply, err := agent.Status(ctx, x.lastSeq); err == nil {
		stopped = errors.Join(stopped, x.mirror(reply))
	}
	n, err := Fetch(ctx, x.Store, x.Plan, x.tr, x.container)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // nothing was measured yet
	}
	if st.Phase != trial.Stopped && st.Phase != trial.Finished {
		more, failed := FetchJournals(ctx, x.Store, x.Plan, x.tr, x.container, why)
		n.Partial += more.Partial
		err = errors.Join(err, failed)
	}
	if n.Whole+n.Partial > 0 {
		x.Observe.Say("brought home: " + n.String())
	}
	return errors.Join(stopped, err)
}

// stop asks the agent to stop until it has: writing partial results may take it
// longer than an exec may last.
func stop(ctx context.Context, agent Agent, why string) (trial.State, error) {
	for try := 1; ; try++ {
		reply, err := agent.Stop(ctx, why)
		if err == nil && reply.State.Phase != trial.Running {
			return reply.State, nil
		}
		if try == 5 || ctx.Err() != nil {
			return reply.State, err
		}
		if err := pause(ctx, Patience.PollMin); err != nil {
			return reply.State, err
		}
	}
}

// backup brings home, now and then, what a long run has measured so far: a device
// can be lost with all that is on it. That it fails once is no news.
func (x *execution) backup(ctx context.Context) {
	if time.Since(x.backedUp) < Patience.Backup {
		return
	}
	x.backedUp = time.Now()
	n, err := Fetch(ctx, x.Store, x.Plan, x.tr, x.container)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		var more store.Adopted
		more, err = FetchJournals(ctx, x.Store, x.Plan, x.tr, x.container, "the device was lost")
		n.Partial += more.Partial
	}
	if err != nil {
		x.Observe.Say("what is measured so far could not be copied: " + err.Error())
	} else if n.Whole+n.Partial > 0 {
		x.Observe.Say("copied in case the device is lost: " + n.String())
	}
}
