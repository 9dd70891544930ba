package matrix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// turnsOf runs a plan and returns its results, and the trial of each turn.
func turnsOf(t *testing.T, p *trial.Plan, change func(*Supervisor)) (map[string]*trial.Result, []string,
	[]trial.Event) {
	t.Helper()
	dir := t.TempDir()
	s := supervisor(t, dir, p)
	if change != nil {
		change(s)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	results, turns := map[string]*trial.Result{}, map[int]string{}
	for _, tr := range p.Trials {
		res, err := outdir.ReadResult(dir, tr.ID)
		if err != nil {
			t.Fatal(err)
		}
		results[tr.ID] = res
		next := 0
		for _, b := range res.Blocks {
			if turns[b.Turn] != "" || b.First != next || b.N < 1 {
				t.Errorf("%s: block %+v follows %d inferences; turn %d was %q's", tr.ID, b, next, b.Turn, turns[b.Turn])
			}
			turns[b.Turn], next = tr.Model, b.First+b.N
		}
		if next != len(res.LatenciesNS) {
			t.Errorf("%s: blocks hold %d of %d latencies", tr.ID, next, len(res.LatenciesNS))
		}
	}
	var order []string
	for i := 1; i <= len(turns); i++ {
		order = append(order, turns[i])
	}
	return results, order, events(t, dir)
}

// Every living trial has one block in each round, in an order that changes, and
// the same seed gives the same order.
func TestRoundsAreBalanced(t *testing.T) {
	// 20 ms for an inference, so 12 of them: 240 ms; blocks of 60 ms: 4 rounds.
	p := matrixPlan([]string{"a", "b", "c"}, 2)
	p.Policy = trial.Policy{MinRuns: 12, Block: 60 * time.Millisecond, Timeout: time.Minute}
	results, order, list := turnsOf(t, p, nil)
	if len(order) != 2*4*3 {
		t.Fatalf("%d turns: %v", len(order), order)
	}
	rounds := map[string]bool{}
	for i := 0; i < len(order); i += 3 {
		rounds[strings.Join(order[i:i+3], "")] = true
		sorted := slices.Sorted(slices.Values(order[i : i+3]))
		if strings.Join(sorted, "") != "abc" {
			t.Errorf("round %d is %v", i/3+1, order[i:i+3])
		}
	}
	if len(rounds) < 2 {
		t.Errorf("every round has the same order: %v", rounds)
	}
	for id, res := range results {
		if res.Outcome != trial.OK || len(res.Reasons) > 0 || len(res.LatenciesNS) != 12 || len(res.Blocks) != 4 ||
			res.Scenario != trial.Offline {
			t.Errorf("%s: %s %v, %d latencies in %d blocks, %s", id, res.Outcome, res.Reasons, len(res.LatenciesNS),
				len(res.Blocks), res.Scenario)
		}
		for i, b := range res.Blocks {
			if b.Round != i+1 || b.Settled != 1 || b.StartNS <= 0 || b.StartNS > int64(time.Hour) ||
				i > 0 && b.StartNS <= res.Blocks[i-1].StartNS {
				t.Errorf("%s: block %d is %+v", id, i+1, b)
			}
		}
		if v, _ := res.PeakMemoryBytes.Get(); v != 7+4 {
			t.Errorf("%s: peak %v, the last block's is the highest", id, res.PeakMemoryBytes)
		}
	}
	// All of a repetition are started before any of it is finished.
	var kinds string
	for _, e := range list {
		kinds += map[trial.EventType]string{trial.TrialStarted: "s", trial.TrialFinished: "f"}[e.Type]
	}
	if kinds != "sssfffsssfff" {
		t.Errorf("events %s", kinds)
	}
	p.Trials = slices.DeleteFunc(p.Trials, func(tr trial.Trial) bool { return tr.Repetition > 1 })
	_, order, _ = turnsOf(t, p, nil)
	_, again, _ := turnsOf(t, p, nil)
	if !slices.Equal(order, again) {
		t.Errorf("the same plan took turns in another order:\n%v\n%v", order, again)
	}
	p.Seed++
	if _, other, _ := turnsOf(t, p, nil); slices.Equal(order, other) {
		t.Error("another seed has the same order")
	}
}

// Without blocks every trial is measured in one piece, one after the other.
func TestOnePiece(t *testing.T) {
	p := matrixPlan([]string{"a", "b"}, 1)
	p.Policy.MinRuns = 12
	results, order, list := turnsOf(t, p, nil)
	if len(order) != 2 {
		t.Errorf("turns %v", order)
	}
	for id, res := range results {
		if len(res.Blocks) != 1 || res.Blocks[0].Settled != 0 {
			t.Errorf("%s: %+v", id, res.Blocks)
		}
	}
	for i, want := range []trial.EventType{trial.RunStarted, trial.TrialStarted, trial.TrialFinished,
		trial.TrialStarted, trial.TrialFinished, trial.RunFinished} {
		if list[i].Type != want {
			t.Errorf("event %d is %s, want %s", i+1, list[i].Type, want)
		}
	}
}

// What befalls one trial in a later block is its own affair, and what it had
// measured is kept.
func TestLaterMisbehaviour(t *testing.T) {
	p := matrixPlan([]string{"good", "dies2", "hangs2", "errs2", "lingers", "dieslast"}, 1)
	p.Policy = trial.Policy{MinRuns: 12, Block: 60 * time.Millisecond, Timeout: 2 * time.Second}
	results, _, _ := turnsOf(t, p, nil)
	for name, want := range map[string]struct {
		outcome trial.Outcome
		code    string
		n       int
	}{
		"good": {trial.OK, "", 12}, "dies2": {trial.Failed, reason.RunnerCrashed, 3},
		"hangs2": {trial.Failed, reason.Timeout, 3},
		"errs2":  {trial.Failed, reason.InferenceFailed, 4}, "lingers": {trial.OK, reason.RunnerCrashed, 12},
		"dieslast": {trial.OK, reason.RunnerCrashed, 12},
	} {
		res := results[name+".cpu.t1.b2.r1"]
		code := ""
		if len(res.Reasons) > 0 {
			code = res.Reasons[0].Code
		}
		if res.Outcome != want.outcome || code != want.code || len(res.Reasons) > 1 || len(res.LatenciesNS) != want.n {
			t.Errorf("%s: %s %v with %d latencies, want %+v", name, res.Outcome, res.Reasons, len(res.LatenciesNS),
				want)
		}
	}
}

// MaxTime ends a trial that has not both minima, and is spread over the rounds.
func TestMaxTimeCutsShort(t *testing.T) {
	p := matrixPlan([]string{"slow"}, 1)
	p.Policy = trial.Policy{MinRuns: 1000, MaxTime: 80 * time.Millisecond, Timeout: time.Minute}
	results, _, _ := turnsOf(t, p, nil)
	res := results["slow.cpu.t1.b2.r1"]
	if res.Outcome != trial.OK || len(res.Reasons) != 1 || res.Reasons[0].Code != reason.CutShort ||
		!strings.Contains(res.Reasons[0].Text, "the policy wanted 1000") {
		t.Errorf("%s %+v", res.Outcome, res.Reasons)
	}
	p.Policy.Block, p.Policy.MaxTime = time.Second, 10*time.Second
	l := &living{result: &trial.Result{Blocks: make([]trial.Block, 3)}, measured: 3 * time.Second, wanted: 10}
	if turn := (&turns{policy: p.Policy}).share(l); turn.MinRuns != 100 || turn.Limit != time.Second {
		t.Errorf("the fourth of ten blocks after 3 of 10 s: %+v", turn)
	}
}

// tiny with min_time 1200s failed with "a block of 1 inferences, at most 0 were asked
// for": a fast model fills its result in the first blocks, and the later had no room.
func TestAFullResultHasAllItsBlocks(t *testing.T) {
	policy := trial.Policy{MinRuns: 1, MinTime: 20 * time.Minute, Block: time.Second}
	l := &living{result: &trial.Result{Outcome: trial.OK}, wanted: 1000}
	for len(l.result.Blocks) < l.wanted {
		turn := (&turns{policy: policy}).share(l)
		if even := session.MaxRuns / l.wanted; turn.MaxRuns < even || turn.MaxRuns > even+1 {
			t.Fatalf("block %d may have %d inferences, its share is %d", len(l.result.Blocks)+1, turn.MaxRuns, even)
		}
		l.result.LatenciesNS = append(l.result.LatenciesNS, make([]int64, turn.MaxRuns)...)
		l.result.Blocks = append(l.result.Blocks, trial.Block{N: turn.MaxRuns})
	}
	if l.room() != 0 || (&turns{policy: policy}).mayRefine(l) {
		t.Errorf("room for %d more", l.room())
	}
	l.conclude(policy)
	if r := l.result; len(r.Reasons) != 1 || r.Reasons[0].Code != reason.CutShort ||
		!strings.Contains(r.Reasons[0].Text, "at the most inferences that a result can hold") {
		t.Errorf("%+v", r.Reasons)
	}
}

func TestBlocksEach(t *testing.T) {
	warm := func(ms ...int64) (group []*living) {
		for _, v := range ms {
			group = append(group, &living{result: &trial.Result{WarmupNS: []int64{900e6, v * 1e6, v * 1e6, v * 1e6}}})
		}
		return group
	}
	for _, tc := range []struct {
		policy trial.Policy
		group  []*living
		want   int
	}{
		{trial.Policy{MinRuns: 100, MinTime: 5 * time.Second, Block: time.Second}, warm(1, 8), 5},
		{trial.Policy{MinRuns: 100, MinTime: 5 * time.Second, Block: 0}, warm(1, 8), 1},
		// 100 of the faster take 3 s
		{trial.Policy{MinRuns: 100, MinTime: 0, Block: time.Second}, warm(30, 80), 3},
		// three of them take 2.4 s
		{trial.Policy{MinRuns: 1, MinTime: 5 * time.Second, Block: 500 * time.Millisecond}, warm(800), 2},
		// less than a block
		{trial.Policy{MinRuns: 6, MinTime: 100 * time.Millisecond, Block: time.Second}, warm(1, 1000), 1},
		// nothing known
		{trial.Policy{MinRuns: 1000000, Block: time.Millisecond}, []*living{{result: &trial.Result{}}}, 1},
		// bounded by a day
		{trial.Policy{MinRuns: 1000000, Block: 10 * time.Millisecond}, warm(3600e3), 8},
	} {
		if got := blocksEach(tc.policy, tc.group); got != tc.want {
			t.Errorf("%+v: %d blocks, want %d", tc.policy, got, tc.want)
		}
	}
}

// With a precision, blocks go on to the least known median, and only there.
func TestPrecision(t *testing.T) {
	p := matrixPlan([]string{"steady", "noisy"}, 2)
	p.Policy = trial.Policy{MinRuns: 8, Precision: 0.01, Block: 20 * time.Millisecond, Timeout: time.Minute}
	results, _, _ := turnsOf(t, p, nil)
	const rounds = 3 // 8 inferences of 20 ms, three at a time
	beyond := func(id string) (n int) {
		for _, b := range results[id].Blocks {
			if b.Round > rounds {
				n++
			}
		}
		return n
	}
	steady, noisy, later := beyond("steady.cpu.t1.b2.r1"), beyond("noisy.cpu.t1.b2.r1"), beyond("noisy.cpu.t1.b2.r2")
	if noisy < 5 || steady > 0 || later >= noisy {
		t.Errorf("blocks beyond the rounds: steady %d, noisy %d and in the second repetition %d", steady, noisy, later)
	}
	for id, res := range results {
		if res.Outcome != trial.OK || len(res.Reasons) > 0 {
			t.Errorf("%s: %s %v", id, res.Outcome, res.Reasons)
		}
	}
	// What cannot be reached ends at the time limit, and says so.
	p = matrixPlan([]string{"noisy"}, 1)
	p.Policy = trial.Policy{MinRuns: 8, Precision: 0.00001, Block: 20 * time.Millisecond,
		MaxTime: 100 * time.Millisecond, Timeout: time.Minute}
	results, _, _ = turnsOf(t, p, nil)
	if res := results["noisy.cpu.t1.b2.r1"]; res.Outcome != trial.OK || len(res.Reasons) != 1 ||
		res.Reasons[0].Code != reason.Imprecise {
		t.Errorf("%s %+v", res.Outcome, res.Reasons)
	}
}

// The conditions are read before and after each block, and are the block's.
func TestObserve(t *testing.T) {
	p := matrixPlan([]string{"a", "b"}, 1)
	p.Policy = trial.Policy{MinRuns: 12, Block: 60 * time.Millisecond, Timeout: time.Minute}
	begun, ended := 0, 0
	results, order, _ := turnsOf(t, p, func(s *Supervisor) {
		s.Observe = func(pid int) func() *trial.Conditions {
			exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
			if self, _ := os.Executable(); pid == os.Getpid() || err != nil || exe != self {
				t.Errorf("process %d is %q %v, and measures a block", pid, exe, err)
			}
			begun++
			if begun != ended+1 {
				t.Error("a block began before the last had ended")
			}
			return func() *trial.Conditions { ended++; return &trial.Conditions{DurationNS: int64(ended)} }
		}
	})
	if begun != len(order) || ended != begun {
		t.Errorf("%d blocks, %d begun, %d ended", len(order), begun, ended)
	}
	for _, res := range results {
		for _, b := range res.Blocks {
			if b.Conditions == nil || b.Conditions.DurationNS != int64(b.Turn) {
				t.Errorf("turn %d has %+v", b.Turn, b.Conditions)
			}
		}
	}
}

// The next block waits for the threads of the last one to come to rest; one that
// does not is told once, and does not hold up the run.
func TestNextBlockWaitsForQuiet(t *testing.T) {
	if !running("/proc", os.Getpid()) {
		t.Skip("this test is running and /proc does not say so: no way to see it here")
	}
	p := matrixPlan([]string{"spins", "good"}, 1)
	p.Policy = trial.Policy{MinRuns: 12, Block: 60 * time.Millisecond, Timeout: time.Minute}
	results, _, list := turnsOf(t, p, nil)
	starts := map[int]int64{}
	for _, res := range results {
		for _, b := range res.Blocks {
			starts[b.Turn] = b.StartNS
		}
	}
	for _, b := range results["spins.cpu.t1.b2.r1"].Blocks {
		if next, ok := starts[b.Turn+1]; ok && time.Duration(next-b.StartNS) < 50*time.Millisecond {
			t.Errorf("turn %d began %v after one whose process spins for 50 ms", b.Turn+1,
				time.Duration(next-b.StartNS))
		}
	}
	for _, e := range list {
		if e.Type == trial.Note {
			t.Errorf("%s", e.Text)
		}
	}
	p = matrixPlan([]string{"restless"}, 1)
	p.Policy = trial.Policy{MinRuns: 6, Block: 60 * time.Millisecond, Timeout: time.Minute}
	_, _, list = turnsOf(t, p, nil)
	told := 0
	for _, e := range list {
		if e.Type == trial.Note && strings.Contains(e.Text, "still run 1s after its turn") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %+v", told, list)
	}
	if running("/nonexistent", 1) {
		t.Error("without /proc something runs")
	}
}

func TestCoolDown(t *testing.T) {
	p := matrixPlan([]string{"a", "b"}, 1)
	p.Policy = trial.Policy{MinRuns: 12, Block: 60 * time.Millisecond, CoolDown: time.Minute, Timeout: time.Minute}
	notes := func(list []trial.Event) (texts []string) {
		for _, e := range list {
			if e.Type == trial.Note {
				texts = append(texts, e.Text)
			}
		}
		return texts
	}
	// Starts at 50 °C, is at 60 before the second block, and cools.
	readings := []float64{50, 60, 56, 54, 53}
	_, _, list := turnsOf(t, p, func(s *Supervisor) {
		s.lookEvery = time.Millisecond
		s.Temperature = func() trial.Reading[float64] {
			now := readings[0]
			readings = append(readings[1:], 52)
			return trial.Read(now)
		}
	})
	if got := notes(list); len(got) != 1 || !strings.Contains(got[0], "round 1: waited") ||
		!strings.Contains(got[0], "in 1 pauses for the device to cool to 53.0 °C") {
		t.Errorf("notes %q", got)
	}
	// Never cools: each wait ends at its limit.
	p.Policy.CoolDown = 3 * time.Millisecond
	first := true
	results, _, list := turnsOf(t, p, func(s *Supervisor) {
		s.lookEvery = time.Millisecond
		s.Temperature = func() trial.Reading[float64] {
			if first {
				first = false
				return trial.Read(50.0)
			}
			return trial.Read(70.0)
		}
	})
	if got := notes(list); len(got) != 4 || !strings.Contains(got[1],
		"2 of them ended at the limit of 3ms, the last at 70.0 °C") {
		t.Errorf("notes %q", got)
	}
	if len(results["a.cpu.t1.b2.r1"].Blocks) != 4 {
		t.Error("it was not measured all the same")
	}
	_, _, list = turnsOf(t, p, func(s *Supervisor) {
		s.Temperature = func() trial.Reading[float64] { return trial.Unread[float64]("no zone") }
	})
	if got := notes(list); len(got) != 1 || !strings.Contains(got[0], "cannot be read: no zone") {
		t.Errorf("notes %q", got)
	}
}

// Groups that the memory holds: whole models together, a part of one only where
// it alone does not fit, and never none.
func TestGroups(t *testing.T) {
	var trials []trial.Trial
	for _, threads := range []int{1, 2, 4} {
		for _, m := range []string{"a", "b", "c"} {
			trials = append(trials, trial.Trial{ID: trial.NewID(m, "cpu", threads, 1, 1), Model: m,
				Provider: trial.Provider{Name: "cpu"}, Threads: threads, Batch: 1, Repetition: 1})
		}
	}
	p := &trial.Plan{Models: []trial.Model{{Name: "a"}, {Name: "b"}, {Name: "c"}}, Trials: trials}
	for _, tc := range []struct {
		available int64 // MiB; each trial takes 64
		want      string
	}{
		{4096, "abcabcabc"}, {64 + 64*9, "abcabcabc"}, {64 + 64*8, "aaabbb"}, {64 + 64*5, "aaa"}, {64 + 64*2, "aa"},
		{10, "a"},
	} {
		info := fmt.Sprintf("MemTotal: 1 kB\nMemAvailable:  %d kB\n", tc.available*8/7*1024+1)
		s := &processes{plan: p, memory: memory{fstest.MapFS{"proc/meminfo": {Data: []byte(info)}},
			map[variant]int64{}}}
		order, take := s.choose(trials)
		got := ""
		for _, tr := range order[:take] {
			got += tr.Model
		}
		if got != tc.want || len(order) != len(trials) {
			t.Errorf("%d MiB: group %s of %d, want %s", tc.available, got, len(order), tc.want)
		}
	}
}

func TestMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	m := memory{root: fstest.MapFS{"proc/meminfo": file("MemFree: 1 kB\nMemAvailable:    2000 kB\n")},
		peak: map[variant]int64{}}
	if n, ok := m.available(); !ok || n != 2000*1024 {
		t.Errorf("machine: %d %v", n, ok)
	}
	m.root = fstest.MapFS{"proc/meminfo": file("MemAvailable: 2000 kB\n"),
		"sys/fs/cgroup/memory.max":     file("1000000\n"),
		"sys/fs/cgroup/memory.current": file("800000\n"),
		"sys/fs/cgroup/memory.stat":    file("anon 1\ninactive_file 100000\n")}
	if n, ok := m.available(); !ok || n != 300000 {
		t.Errorf("container: %d %v", n, ok)
	}
	m.root = fstest.MapFS{"proc/meminfo": file("MemAvailable: 2000 kB\n"), "sys/fs/cgroup/memory.max": file("max\n"),
		"sys/fs/cgroup/memory.current": file("1\n")}
	if n, ok := m.available(); !ok || n != 2000*1024 {
		t.Errorf("container without a limit: %d %v", n, ok)
	}
	m.root = fstest.MapFS{}
	if _, ok := m.available(); ok {
		t.Error("an empty machine has memory")
	}
	tr := trial.Trial{Model: "m", Provider: trial.Provider{Name: "cpu"}, Threads: 1, Batch: 2}
	if got := m.takes(tr, 1<<20); got != baseMemory+modelCopies<<20 {
		t.Errorf("an unknown trial takes %d", got)
	}
	m.learn(&living{Trial: tr, result: &trial.Result{PeakMemoryBytes: trial.Read[int64](500 << 20)}})
	if got := m.takes(tr, 1<<20); got != 500<<20 {
		t.Errorf("a known trial takes %d", got)
	}
	tr.Batch, tr.Threads = 8, 2
	if got := m.takes(tr, 1<<20); got != 2000<<20 {
		t.Errorf("four times the batch takes %d", got)
	}
}

// A trial's waiting for the others is not in its timeout.
func TestTimeoutIsAboutOwnTime(t *testing.T) {
	p := matrixPlan([]string{"good", "hangs2"}, 1)
	p.Policy = trial.Policy{MinRuns: 30, Block: 60 * time.Millisecond, Timeout: 1500 * time.Millisecond}
	results, _, _ := turnsOf(t, p, nil)
	good := results["good.cpu.t1.b2.r1"]
	if good.Outcome != trial.OK || good.End.Sub(good.Start) < p.Policy.Timeout {
		t.Errorf("%s %v after %v", good.Outcome, good.Reasons, good.End.Sub(good.Start))
	}
}

// A resumed run counts its turns on, and measures what has no result again.
func TestTurnsGoOnAfterResume(t *testing.T) {
	p := matrixPlan([]string{"good", "fine"}, 2)
	p.Policy = trial.Policy{MinRuns: 12, Block: 60 * time.Millisecond, Timeout: time.Minute}
	dir := t.TempDir()
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	lost := p.Trials[0].ID
	if err := os.Remove(filepath.Join(dir, trial.ResultsDir, lost+".json")); err != nil {
		t.Fatal(err)
	}
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	res, err := outdir.ReadResult(dir, lost)
	if err != nil || res.Blocks[0].Turn != 17 || len(res.Blocks) != 4 {
		t.Errorf("%v %+v", err, res.Blocks)
	}
}

func TestEstimate(t *testing.T) {
	p := matrixPlan([]string{"a", "b"}, 2)
	e := newEstimate(p.Trials)
	if e.time() != 0 {
		t.Errorf("nothing is known, and %v are left", e.time())
	}
	a1, a2, b1 := p.Trials[0], p.Trials[1], p.Trials[2]
	block := func(tr trial.Trial, loading time.Duration) {
		e.expect(tr, 4)
		e.spend(&living{
			Trial: tr, loading: loading, measured: time.Second, result: &trial.Result{Blocks: make([]trial.Block, 1)},
		})
	}
	block(a1, 2*time.Second) // one of four, each of a second: 6 s in all, 3 gone
	if e.time() != 0 {
		t.Errorf("b is unknown, and %v are left", e.time())
	}
	block(b1, time.Second) // 5 s in all, 2 gone
	if got := e.time(); got != 3*time.Second+6*time.Second+3*time.Second+5*time.Second {
		t.Errorf("%v are left", got)
	}
	e.over(a1)
	e.over(b1)
	if got := e.time(); got != 11*time.Second {
		t.Errorf("%v are left", got)
	}
	e.over(a2)
	if got := e.time(); got != 5*time.Second {
		t.Errorf("%v are left", got)
	}
}
