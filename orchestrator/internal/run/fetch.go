package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/failure"
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
		return "", failure.New(failure.Device, fmt.Sprintf("%d trials have no result although the agent finished; the first is %s", len(x.remaining), x.remaining[0].ID),
			"`chexp run --resume "+x.Store.ID+"` measures them again", nil)
	}
	return fmt.Sprintf("%d results, checked by SHA-256", n), nil
}

// Fetch brings the results on the device into the run's directory and returns
// how many there are. It may be repeated: results are written once, and one
// that differs from what was fetched before is refused.
func Fetch(ctx context.Context, s *store.Run, plan *trial.Plan, tr transport.Transport, c Container) (int, error) {
	// What a killed process left; the lock says that there is no other.
	stale, _ := filepath.Glob(filepath.Join(s.Dir, ".fetch-*"))
	for _, dir := range stale {
		os.RemoveAll(dir)
	}
	dir, err := os.MkdirTemp(s.Dir, ".fetch-*")
	if err != nil {
		return 0, store.Explain(err)
	}
	defer os.RemoveAll(dir)
	if _, err := bundle.Fetch(ctx, tr, outDir(c), dir, bundle.Limits{}); err != nil {
		return 0, rescue(ctx, s, tr, c, err)
	}
	return s.Adopt(dir, plan)
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
	if _, err := bundle.Fetch(ctx, tr, outDir(c), dir, bundle.Limits{}); err != nil {
		return errors.Join(cause, fmt.Errorf("nor could the results be kept in %s: %w", dir, err))
	}
	return failure.New(failure.Storage, "the results do not fit into "+s.Dir+"; they are in "+dir,
		"free some space, then `chexp results fetch "+s.ID+" --from "+dir+"`", cause)
}

// salvage brings home what a failed run has measured, before the device goes.
func (x *execution) salvage(ctx context.Context) error {
	if x.tr == nil || !x.state.Started || x.state.Container.Gone || x.Keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience.Salvage)
	defer cancel()
	x.Observe.Say("stopping the agent and bringing home what it has measured")
	if _, err := (Agent{Tr: x.tr, Dir: x.container.Dir}).Stop(ctx); err != nil {
		return err
	}
	n, err := Fetch(ctx, x.Store, x.Plan, x.tr, x.container)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was measured yet
	}
	if err == nil && n > 0 {
		x.Observe.Say(fmt.Sprintf("%d results were brought home", n))
	}
	return err
}
