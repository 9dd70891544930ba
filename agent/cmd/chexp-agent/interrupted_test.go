package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"chexp/agent/internal/testmodel"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

// journal reads what is on record of a trial that is being measured; nil before
// its first block is.
func (b *bundleDir) journal(id string) *journal.Log {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, trial.JournalDir, id+".jsonl"))
	if err != nil {
		return nil
	}
	log, err := journal.Read(data)
	if err != nil || len(log.Blocks) == 0 {
		return nil
	}
	return log
}

// awaitBlocks waits until each trial has so many blocks on record. It asks nobody
// and decodes nothing: either would take longer than a block.
func (b *bundleDir) awaitBlocks(n int) {
	b.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		have := 0
		for _, tr := range b.plan.Trials {
			data, _ := os.ReadFile(filepath.Join(b.dir, trial.JournalDir, tr.ID+".jsonl"))
			if bytes.Count(data, []byte(`{"block":`)) >= n && bytes.HasSuffix(data, []byte("\n")) {
				have++
			}
		}
		if have == len(b.plan.Trials) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("waited 60 s for %d blocks of each trial; %d have them", n, have)
		}
	}
}

// small is x + x over 256 Ki floats: a trial that is measured for a second has far fewer
// latencies than tiny has, to write and to read back.
func small() []byte {
	return testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "batch"}, testmodel.Dim{Size: 256 << 10})
}

// longTurns is a bundle of three trials with twenty blocks each.
func longTurns(t *testing.T) *bundleDir {
	b := newBundle(t, trial.Policy{MinRuns: 1, MinTime: time.Second, Block: 50 * time.Millisecond})
	for _, name := range []string{"a", "b", "c"} {
		b.add(name, small(), nil)
	}
	return b.seal()
}

// goesOn reports whether a result begins with all that another holds. What is seen later
// of the blocks' beginnings may move inferences to those that do not count.
func goesOn(res, was *trial.Result) bool {
	now, before := res.Whole(), was.Whole()
	return len(now) >= len(before) && slices.EqualFunc(now[:len(before)], before, slices.Equal[[]int64])
}

// kill -9 of the supervisor while three trials take turns: their processes go, and
// the next start goes on with the blocks on record.
func TestKilledWhileTakingTurns(t *testing.T) {
	b := started(longTurns(t))
	runners, supervisor := b.runnerPIDs(3)
	b.awaitBlocks(4)
	must(t, syscall.Kill(supervisor, syscall.SIGKILL))
	b.awaitPhase(trial.Dead)
	for _, pid := range runners {
		b.awaitGone(pid)
	}
	before := map[string]*trial.Result{}
	for _, tr := range b.plan.Trials {
		path := filepath.Join(b.dir, trial.JournalDir, tr.ID+".jsonl")
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString("deadbeef {\"block\":{\"round\":") // the power went, too
		must(t, err)
		must(t, f.Close())
		before[tr.ID] = b.journal(tr.ID).Result()
	}
	started(b)
	b.awaitPhase(trial.Finished)
	b.checkComplete()
	seen, startOf := map[int]bool{}, map[int]int{}
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		if res.Outcome != trial.OK || len(res.Blocks) != 20 || len(res.Restarts) != 1 || res.Partial != nil {
			t.Errorf("%s: %s %v, %d blocks, %d restarts, %v", tr.ID, res.Outcome, res.Reasons, len(res.Blocks),
				len(res.Restarts), res.Partial)
		}
		if !goesOn(res, before[tr.ID]) {
			t.Errorf("%s: what was measured before the kill is gone", tr.ID)
		}
		if h, ok := res.Harness.Get(); !ok || h.Calls == 0 || h.Allocations > int64(h.Calls/100) {
			t.Errorf("%s: harness %+v %+v", tr.ID, res.Harness, h)
		}
		for _, block := range res.Blocks {
			if seen[block.Turn] {
				t.Errorf("turn %d was taken twice", block.Turn)
			}
			seen[block.Turn] = true
			if start, known := startOf[block.Round]; known && start != block.Restarts {
				t.Errorf("round %d has blocks of two starts", block.Round)
			}
			startOf[block.Round] = block.Restarts
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, trial.JournalDir, "*")); len(left) > 0 {
		t.Errorf("left of the journals: %v", left)
	}
}

// stop while three trials take turns leaves none of their processes, and a partial
// result of each; the next start goes on with them.
func TestStopWhileTakingTurns(t *testing.T) {
	b := started(longTurns(t))
	runners, _ := b.runnerPIDs(3)
	b.awaitBlocks(4)
	reply := b.ask("stop", "--why", "the test wants it")
	if reply.State.Phase != trial.Stopped || reply.State.Why == nil || reply.State.Why.Code != trial.ReasonStopped ||
		reply.State.Text != "the test wants it" {
		t.Fatalf("after stop: %+v %+v", reply.State, reply.State.Why)
	}
	for _, pid := range runners {
		if !gone(pid) {
			t.Errorf("process %d outlived stop", pid)
		}
	}
	sums, err := os.ReadFile(filepath.Join(b.dir, trial.ResultSums))
	must(t, err)
	partial := map[string]*trial.Result{}
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		if res.Outcome != trial.OK || res.Partial == nil || res.Partial.Blocks < 4 || res.Partial.Asked != 20 ||
			res.Partial.Why != "the test wants it" || res.Summary == nil {
			t.Errorf("%s: %s %v, %v", tr.ID, res.Outcome, res.Reasons, res.Partial)
		}
		if !strings.Contains(string(sums), tr.ID+".json\n") {
			t.Errorf("%s is not in SHA256SUMS", tr.ID)
		}
		partial[tr.ID] = res
	}
	started(b)
	b.awaitBlocks(len(partial[b.plan.Trials[0].ID].Blocks) + 1)
	b.ask("stop")
	for id, was := range partial {
		res := b.result(id)
		if len(res.Blocks) <= len(was.Blocks) || res.Partial == nil || len(res.Restarts) != 1 ||
			!goesOn(res, was) {
			t.Errorf("%s: %d blocks, then %d, %v", id, len(was.Blocks), len(res.Blocks), res.Partial)
		}
	}
}

// A run that was given less time than it needs ends by itself, and has what it
// measured. Given more, while it runs, it does not.
func TestDeadlineEndsTheRun(t *testing.T) {
	b := newBundle(t, trial.Policy{MinRuns: 1, MinTime: time.Minute, Block: 100 * time.Millisecond}).
		add("one", small(), nil).add("two", small(), nil).seal()
	b.ask("start", "--for", "1h")
	t.Cleanup(func() { b.agent("stop", b.dir) })
	b.awaitBlocks(3)
	b.ask("start", "--for", "500ms")
	reply := b.awaitPhase(trial.Stopped)
	if why := reply.State.Why; why == nil || why.Code != trial.ReasonDeadline {
		t.Errorf("it stopped because of %+v", why)
	}
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		if res.Outcome != trial.OK || !strings.HasSuffix(res.Partial.String(), "the lease ends") {
			t.Errorf("%s: %s %v %v", tr.ID, res.Outcome, res.Reasons, res.Partial)
		}
		// No block was cut off: every one on record is in the result.
		if log := b.journal(tr.ID); len(log.Blocks) != len(res.Blocks) {
			t.Errorf("%s: %d blocks on record, %d in its result", tr.ID, len(log.Blocks), len(res.Blocks))
		}
	}
	// A start that says nothing of time takes the limit away.
	b.ask("start")
	b.awaitBlocks(len(b.result(b.plan.Trials[0].ID).Blocks) + 1)
}
