package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"chexp/agent/internal/bundle"
	"chexp/agent/internal/outdir"
	"chexp/agent/internal/payload"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// checkTime is how long start itself checks sums: Zun gives an exec 5 s. After it
// the background process does the whole check, and `status` tells of a wrong sum.
const checkTime = 2500 * time.Millisecond

// start brings the bundle to the state "running" or finds it there. It takes the
// lock before it looks and hands it to the background process, so of two starts
// at the same time one runs and the other says so. limit, unless 0, is how long
// the run may go on from now. A later start sets a new limit, also while the run
// goes on: a lease can be extended.
func start(dir string, limit time.Duration, stdout io.Writer) error {
	plan, sum, err := bundle.Plan(dir)
	if err != nil {
		return err
	}
	lock, err := outdir.Lock(dir)
	if errors.Is(err, outdir.ErrHeld) {
		if err := errors.Join(samePlan(dir, sum), outdir.SetDeadline(dir, session.Monotonic(), limit)); err != nil {
			return err
		}
		return printState(stdout, dir)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := samePlan(dir, sum); err != nil {
		return err
	}
	state, _, err := outdir.ReadState(dir)
	if err != nil {
		return err
	}
	if state.Phase == trial.Finished {
		return printState(stdout, dir)
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	if err := bundle.Verify(ctx, dir, plan); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err := errors.Join(outdir.ClearStop(dir), outdir.SetDeadline(dir, session.Monotonic(), limit)); err != nil {
		return err
	}
	state.RunID, state.PlanSHA256, state.Phase, state.Text = plan.RunID, sum, trial.Running, ""
	state.Total, state.PID, state.Ended, state.Why = len(plan.Trials), 0, time.Time{}, nil
	if state.Started.IsZero() {
		state.Started = time.Now().UTC()
	}
	if err := outdir.WriteState(dir, state); err != nil {
		return err
	}
	if err := detach(dir, lock); err != nil {
		return fmt.Errorf("the background process did not start: %w", err)
	}
	return printState(stdout, dir)
}

// samePlan refuses a directory whose out/ belongs to another plan.
func samePlan(dir, planSHA256 string) error {
	state, found, err := outdir.ReadState(dir)
	if err != nil || !found || state.PlanSHA256 == planSHA256 {
		return err
	}
	return &bundle.Error{Err: fmt.Errorf(
		"%s holds the output of run %s, whose plan was another one; push into an empty directory",
		filepath.Join(dir, trial.OutDir), state.RunID)}
}

// superviseVerb is the hidden verb of the background process. It gets the lock
// as file descriptor 3.
const (
	superviseVerb = "supervise"
	lockFD        = 3
)

// detach starts the background process in a session of its own, so that neither
// the end of the starter nor of its terminal reaches it.
func detach(dir string, lock *os.File) error {
	self, err := payload.Self()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, trial.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	// Not /dev/null: an empty image has none. A pipe without a writer reads as
	// an empty file.
	stdin, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	writer.Close()
	defer stdin.Close()
	process, err := os.StartProcess(self, []string{self, superviseVerb, dir}, &os.ProcAttr{
		Dir: dir, Env: os.Environ(), Files: []*os.File{stdin, log, log, lock}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err
	}
	return process.Release()
}
