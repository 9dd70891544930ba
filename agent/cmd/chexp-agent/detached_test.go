package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// started starts a bundle in the background and sees to it that nothing of it
// outlives the test.
func started(b *bundleDir) *bundleDir {
	b.t.Helper()
	reply := b.ask("start")
	if p := reply.State.Phase; p != trial.Running && p != trial.Finished {
		b.t.Fatalf("after start: %+v", reply.State)
	}
	b.t.Cleanup(func() { b.agent("stop", b.dir) })
	return b
}

// long is a bundle of two trials, each of which takes at least ms of timed work.
func long(t *testing.T, ms time.Duration) *bundleDir {
	return newBundle(t, trial.Policy{MinRuns: 1, MinTime: ms * time.Millisecond}).
		add("one", small(), nil).add("two", small(), nil).seal()
}

// runnerPID waits for the process of a trial and returns it.
func (b *bundleDir) runnerPID() (runner, supervisor int) {
	b.t.Helper()
	runners, supervisor := b.runnerPIDs(1)
	return runners[0], supervisor
}

// runnerPIDs waits for the processes of so many trials.
func (b *bundleDir) runnerPIDs(n int) (runners []int, supervisor int) {
	b.t.Helper()
	b.await(fmt.Sprintf("%d runners", n), func(r trial.StatusReply) bool {
		runners = nil
		if r.State.PID == 0 {
			return false
		}
		supervisor = r.State.PID
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", supervisor))
		for _, path := range lists {
			data, _ := os.ReadFile(path)
			for _, field := range strings.Fields(string(data)) {
				cmdline, _ := os.ReadFile("/proc/" + field + "/cmdline")
				// Not the one that profiles.
				measures := strings.Contains(string(cmdline), "chexp-trial") &&
					!strings.Contains(string(cmdline), "-profile")
				if pid, err := strconv.Atoi(field); err == nil && measures {
					runners = append(runners, pid)
				}
			}
		}
		return len(runners) >= n
	})
	return runners, supervisor
}

func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func (b *bundleDir) awaitGone(pid int) {
	b.t.Helper()
	b.await(fmt.Sprintf("process %d to be gone", pid), func(trial.StatusReply) bool { return gone(pid) })
}

// Whoever starts it may die in any way, with terminal and process group.
func TestSurvivesItsStarter(t *testing.T) {
	b := long(t, 300)
	starter := exec.Command("sh", "-c", `"$1" start "$2" && echo started && exec sleep 600`, "sh",
		agentFor(t, runtime.GOARCH), b.dir)
	starter.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(t, starter.Start())
	t.Cleanup(func() { b.agent("stop", b.dir) })
	_, supervisor := b.runnerPID()
	must(t, syscall.Kill(-starter.Process.Pid, syscall.SIGHUP))
	must(t, syscall.Kill(-starter.Process.Pid, syscall.SIGKILL))
	starter.Wait()
	syscall.Kill(supervisor, syscall.SIGHUP)
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	for _, tr := range b.plan.Trials {
		if res := b.result(tr.ID); res.Outcome != trial.OK {
			t.Errorf("%s: %s %v", tr.ID, res.Outcome, res.Reasons)
		}
	}
}

// The answer of start may be lost: asked again, it starts nothing.
func TestStartIsIdempotent(t *testing.T) {
	b := long(t, 200)
	path := agentFor(t, runtime.GOARCH)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if out, err := exec.Command(path, "start", b.dir).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	t.Cleanup(func() { b.agent("stop", b.dir) })
	if reply := b.ask("start"); reply.State.Phase != trial.Running && reply.State.Phase != trial.Finished {
		t.Errorf("%+v", reply.State)
	}
	b.awaitPhase(trial.Finished)
	if reply := b.ask("start"); reply.State.Phase != trial.Finished {
		t.Errorf("start of a finished run: %+v", reply.State)
	}
	b.checkComplete()
	begun := 0
	for _, e := range b.ask("status").Events {
		if e.Type == trial.RunStarted {
			begun++
		}
	}
	if begun != 1 {
		t.Errorf("the run began %d times", begun)
	}
}

func TestKilledRunnerIsOneFailedTrial(t *testing.T) {
	b := started(long(t, 2000))
	runner, _ := b.runnerPID()
	must(t, syscall.Kill(runner, syscall.SIGKILL))
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	outcomes := map[trial.Outcome]int{}
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		outcomes[res.Outcome]++
		if res.Outcome == trial.Failed &&
			(res.Reasons[0].Code != reason.RunnerCrashed || !strings.Contains(res.Reasons[0].Text, "signal 9")) {
			t.Errorf("%s: %+v", tr.ID, res.Reasons)
		}
	}
	if outcomes[trial.Failed] != 1 || outcomes[trial.OK] != 1 {
		t.Errorf("outcomes %v", outcomes)
	}
}

// turns is a bundle of three trials that take turns for a while.
func turns(t *testing.T) *bundleDir {
	b := newBundle(t, trial.Policy{MinRuns: 1, MinTime: 1200 * time.Millisecond, Block: 100 * time.Millisecond})
	for _, name := range []string{"a", "b", "c"} {
		b.add(name, small(), nil)
	}
	return b.seal()
}

// Of trials that take turns, one that is killed fails alone, whoever's turn it is.
func TestKilledRunnerAmongThree(t *testing.T) {
	b := started(turns(t))
	runners, _ := b.runnerPIDs(3)
	must(t, syscall.Kill(runners[1], syscall.SIGKILL))
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	failed, blocks, seen := 0, 0, map[int]bool{}
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		for _, block := range res.Blocks {
			if seen[block.Turn] {
				t.Errorf("turn %d was taken twice", block.Turn)
			}
			seen[block.Turn] = true
		}
		if res.Outcome == trial.Failed {
			failed++
			if res.Reasons[0].Code != reason.RunnerCrashed || !strings.Contains(res.Reasons[0].Text, "signal 9") {
				t.Errorf("%s: %+v", tr.ID, res.Reasons)
			}
			continue
		}
		// How many blocks there are goes by the first inferences, which a busy machine draws out.
		if blocks == 0 {
			blocks = len(res.Blocks)
		}
		if len(res.Blocks) != blocks || blocks < 2 || res.Partial != nil ||
			len(res.Reasons) > 0 {
			t.Errorf("%s: %d blocks of %d, %v, %v", tr.ID, len(res.Blocks), blocks, res.Partial, res.Reasons)
		}
	}
	if failed != 1 {
		t.Errorf("%d trials failed", failed)
	}
}

// A crash inside ONNX Runtime's code arrives as Go's own report.
func TestSegfaultIsNamed(t *testing.T) {
	b := started(long(t, 2000))
	runner, _ := b.runnerPID()
	must(t, syscall.Kill(runner, syscall.SIGSEGV))
	b.awaitPhase(trial.Finished)
	for _, tr := range b.plan.Trials {
		if res := b.result(tr.ID); res.Outcome == trial.Failed {
			if !strings.Contains(res.Reasons[0].Text, "SIGSEGV") &&
				!strings.Contains(res.Reasons[0].Text, "segmentation") {
				t.Errorf("the reason does not name the signal: %s", res.Reasons[0].Text)
			}
			return
		}
	}
	t.Error("no trial failed")
}

func TestHangIsTimeout(t *testing.T) {
	b := newBundle(t, trial.Policy{MinRuns: 1, MinTime: time.Hour, Timeout: 700 * time.Millisecond}).
		add("endless", small(), nil).seal()
	started(b)
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	if res := b.result(b.plan.Trials[0].ID); res.Outcome != trial.Failed || res.Reasons[0].Code != reason.Timeout {
		t.Errorf("%s %+v", res.Outcome, res.Reasons)
	}
}

// kill -9 of the supervisor: the runner goes too, status says so, start resumes.
func TestResumeAfterKill(t *testing.T) {
	b := newBundle(t, trial.Policy{MinRuns: 1, MinTime: 400 * time.Millisecond})
	for _, name := range []string{"a", "b", "c", "d"} {
		b.add(name, small(), nil)
	}
	started(b.seal())
	b.await("the first result", func(r trial.StatusReply) bool { return r.State.Done >= 1 })
	runner, supervisor := b.runnerPID()
	must(t, syscall.Kill(supervisor, syscall.SIGKILL))
	dead := b.awaitPhase(trial.Dead)
	if dead.State.Text == "" {
		t.Error("dead without a word")
	}
	b.awaitGone(runner)
	before := map[string]time.Time{}
	for _, tr := range b.plan.Trials {
		if _, err := os.Stat(filepath.Join(b.dir, trial.ResultsDir, tr.ID+".json")); err == nil {
			before[tr.ID] = b.result(tr.ID).Start
		}
	}
	if len(before) == 0 || len(before) == 4 {
		t.Fatalf("%d of 4 results when it was killed", len(before))
	}
	started(b)
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	for id, start := range before {
		if !b.result(id).Start.Equal(start) {
			t.Errorf("%s was run again", id)
		}
	}
}

func TestStopAndStartAgain(t *testing.T) {
	b := started(long(t, 1500))
	runner, supervisor := b.runnerPID()
	reply := b.ask("stop")
	if reply.State.Phase != trial.Stopped {
		t.Fatalf("after stop: %+v", reply.State)
	}
	if !gone(runner) {
		t.Error("the runner outlived stop")
	}
	b.awaitGone(supervisor)
	events := b.ask("status").Events
	if last := events[len(events)-1]; last.Type != trial.RunStopped || last.Reasons[0].Code != reason.Stopped {
		t.Errorf("last event %+v", last)
	}
	if again := b.ask("stop"); again.State.Phase != trial.Stopped {
		t.Errorf("stop of a stopped run: %+v", again.State)
	}
	started(b)
	b.awaitPhase(trial.Finished)
	b.checkComplete()
}

// SIGTERM is what a container's end sends.
func TestTermIsStop(t *testing.T) {
	b := started(long(t, 60000))
	_, supervisor := b.runnerPID()
	must(t, syscall.Kill(supervisor, syscall.SIGTERM))
	b.awaitPhase(trial.Stopped)
}

func TestOtherPlanIsRefused(t *testing.T) {
	b := started(newBundle(t, trial.Policy{MinRuns: 1}).add("tiny", tiny(), nil).seal())
	b.awaitPhase(trial.Finished)
	b.plan.Seed++
	b.seal()
	for _, verb := range []string{"start", "run"} {
		if code, _, errOut := b.agent(verb, b.dir); code != exitBundle || !strings.Contains(errOut, "run-1") {
			t.Errorf("%s: exit %d: %s", verb, code, errOut)
		}
	}
}
