package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/bundle"
	"chexp/agent/internal/device"
	"chexp/agent/internal/matrix"
	"chexp/agent/internal/outdir"
	"chexp/agent/internal/payload"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// superviseDetached is the background process that start made.
func superviseDetached(dir string) error {
	lock := os.NewFile(lockFD, "lock")
	// The runners must not inherit the lock: a runner that outlived a killed
	// supervisor would make it look alive.
	syscall.CloseOnExec(lockFD)
	defer lock.Close()
	signal.Ignore(syscall.SIGHUP)
	log.SetOutput(os.Stderr)
	log.SetFlags(log.LstdFlags | log.LUTC)
	plan, sum, err := bundle.Plan(dir)
	if err != nil {
		return err
	}
	_, err = supervise(dir, plan, sum, nil)
	return err
}

// runForeground is `chexp-agent run`.
func runForeground(dir string, stdout io.Writer) (int, error) {
	log.SetOutput(io.Discard) // the events say it all
	plan, sum, err := bundle.Plan(dir)
	if err != nil {
		return 0, err
	}
	lock, err := outdir.Lock(dir)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	if err := samePlan(dir, sum); err != nil {
		return 0, err
	}
	if state, _, err := outdir.ReadState(dir); err != nil {
		return 0, err
	} else if state.Phase == trial.Finished {
		return countedExit(countFailed(dir, plan)), nil
	}
	if err := errors.Join(outdir.ClearStop(dir), outdir.SetDeadline(dir, 0, 0)); err != nil {
		return 0, err
	}
	events := json.NewEncoder(stdout)
	failures, err := supervise(dir, plan, sum, func(e trial.Event) {
		_ = events.Encode(e) // nobody may be listening any more
	})
	return countedExit(failures), err
}

func countedExit(failures int) int {
	if failures > 0 {
		return exitTrials
	}
	return exitOK
}

// supervise runs a plan under the lock and records how it ended. It returns how
// many trials have failed.
func supervise(dir string, plan *trial.Plan, sum string, echo func(trial.Event)) (failures int, err error) {
	recorder, err := outdir.Open(dir, plan, sum, echo)
	if err != nil {
		return 0, err
	}
	defer recorder.Close()
	log.Printf("chexp-agent %s, run %s: %d trials", version, plan.RunID, len(plan.Trials))

	ctx, cancel := stopContext(dir)
	defer cancel()
	err = runPlan(ctx, dir, plan, recorder)
	stopped := matrix.AsStopped(ctx, err)
	switch {
	case err == nil:
		log.Print("finished")
		return countFailed(dir, plan), recorder.End(trial.Finished, "")
	case stopped != nil:
		log.Print(err)
		return 0, errors.Join(recordStop(recorder, stopped.Reason), outdir.ClearStop(dir))
	default:
		log.Print(outdir.Named(err))
		return 0, errors.Join(err, recorder.End(trial.Dead, outdir.Named(err).Error()))
	}
}

// recordStop ends a run that was stopped. The blocks of its trials are in partial
// results, and the next start goes on from them.
func recordStop(r *outdir.Recorder, why trial.Reason) error {
	why.Next = "start the agent again to go on with the trials that are not whole"
	return errors.Join(
		r.Sums(),
		r.Event(trial.Event{Type: trial.RunStopped, Reasons: []trial.Reason{why}}),
		r.EndStopped(why),
	)
}

// stopContext ends on `chexp-agent stop`, on SIGTERM and SIGINT, and when the time
// that start gave the run is over. Its cause is a [matrix.Stopped].
func stopContext(dir string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	stopped := func(why string) *matrix.Stopped {
		return &matrix.Stopped{Reason: trial.Reason{Code: reason.Stopped, Text: cmp.Or(why, "interrupted")}}
	}
	go func() {
		defer signal.Stop(signals)
		// 5 times a second, two system calls: not measurable beside an inference.
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			if why, asked := outdir.StopRequested(dir); asked {
				cancel(stopped(why))
			} else if left, set := timeLeft(dir)(); set && left <= 0 {
				cancel(matrix.Deadline())
			}
			select {
			case <-tick.C:
			case s := <-signals:
				cancel(stopped("the agent got the signal " + s.String()))
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

func timeLeft(dir string) func() (time.Duration, bool) {
	return func() (time.Duration, bool) { return outdir.Deadline(dir, session.Monotonic()) }
}

// runPlan does what start had no time for, and then the trials.
func runPlan(ctx context.Context, dir string, plan *trial.Plan, recorder *outdir.Recorder) error {
	if err := bundle.Verify(ctx, dir, plan); err != nil {
		return err
	}
	begin := time.Now()
	own, err := payload.UnpackSelf(ctx)
	if err != nil {
		return err
	}
	log.Printf("ONNX Runtime is in %s (%v)", own.Dir, time.Since(begin).Round(time.Millisecond))
	agent, err := identity(own.File)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // the trials need what unpacking took
	runner := matrix.Runner{
		Args:  own.Header.Command(own.Dir),
		Named: named(ctx, dir, plan, own.Header.Tools(own.Dir), payload.Bases(own.File)),
		Env:   payload.Environ(os.Environ()),
		Dir:   dir,
	}
	answers, err := outdir.OpenAnswers(dir, agent, device.Facts(os.DirFS("/"), runtime.GOARCH))
	if err != nil {
		return err
	}
	supervisor := matrix.Supervisor{
		Plan: plan, Dir: dir, Recorder: recorder,
		Runner:  runner,
		Device:  func() trial.Device { return device.Facts(os.DirFS("/"), runtime.GOARCH) },
		Agent:   agent,
		Runtime: own.Header.Runtime,
		Left:    timeLeft(dir),
		Before: append(accuracy.Examinations(plan, dir, runner.Ask, answers, recorder.Event),
			matrix.Placement(plan, dir, runner)),
	}
	watch(&supervisor)
	return supervisor.Run(ctx)
}

// identity says which program measured.
func identity(self string) (trial.Agent, error) {
	sum, _, err := files.Hash(context.Background(), self, files.NoLimit)
	if err != nil {
		return trial.Agent{}, fmt.Errorf("%s: %w", self, err)
	}
	return trial.Agent{Version: version, OS: runtime.GOOS, Arch: runtime.GOARCH, SHA256: sum}, nil
}

// countFailed counts the failed trials, also those of earlier starts.
func countFailed(dir string, plan *trial.Plan) int {
	n := 0
	for _, t := range plan.Trials {
		if res, err := outdir.ReadResult(dir, t.ID); err != nil || res.Outcome == trial.Failed {
			n++
		}
	}
	return n
}
