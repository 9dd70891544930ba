package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/failure"
	"chexp/experiments/trial"
)

// The test binary is also the fake runner: called with the environment variable
// below it behaves, or misbehaves, as the trial's model name says.
const fakeEnv = "CHEXP_TEST_FAKE_RUNNER"

func TestMain(m *testing.M) {
	if os.Getenv(fakeEnv) != "" {
		fakeRunner()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func fakeRunner() {
	in := json.NewDecoder(os.Stdin)
	var req session.Request
	if err := in.Decode(&req); err != nil {
		fmt.Fprintln(os.Stderr, "request:", err)
		os.Exit(9)
	}
	out := os.NewFile(3, "result")
	say := func(a session.Answer) { json.NewEncoder(out).Encode(a) }
	behaviour, _, _ := strings.Cut(req.TrialID, ".")
	noise := rand.New(rand.NewPCG(req.Seed, 1))
	ready := &trial.Result{Outcome: trial.OK, LatenciesNS: []int64{}, WarmupNS: []int64{20e6},
		PeakMemoryBytes: trial.Read[int64](7)}
	switch behaviour {
	case "crash":
		fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 5000)+"segfault is near\x1b")
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		select {}
	case "kill9":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot go on")
		os.Exit(7)
	case "hang":
		time.Sleep(time.Hour)
	case "hangchild": // with a child that holds the pipes
		cmd := exec.Command("sleep", "3600")
		cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{out}
		cmd.Start()
		fmt.Println("child", cmd.Process.Pid)
		time.Sleep(time.Hour)
	case "garbage":
		out.WriteString("Segmentation fault (core dumped)\n")
		return
	case "silent":
		return
	case "early":
		ready.LatenciesNS = []int64{1}
	case "absent":
		ready = &trial.Result{Outcome: trial.Failed, Reasons: []trial.Reason{{Code: reason.ProviderAbsent,
			Text: "no acl"}}}
	case "liar": // claims to be another trial
		ready.TrialID, ready.RunID, ready.Repetition = "../../etc/passwd", "x", 99
	}
	say(session.Answer{Ready: ready})
	for block := 1; ; block++ {
		var t session.Turn
		if in.Decode(&t) != nil {
			break
		}
		s := session.Stretch{StartNS: session.Monotonic(), Peak: trial.Read(int64(7 + block))}
		if t.Settle > 0 {
			s.SettledNS = []int64{2}
		}
		for n := 0; n < max(3, t.MinRuns) && n < t.MaxRuns; n++ {
			s.LatenciesNS = append(s.LatenciesNS, []int64{3, 1, 2}[n%3])
		}
		switch behaviour {
		case "two":
			out.WriteString(`{"block":{"latencies_ns":[1]}} {}` + "\n")
		case "negative":
			s.LatenciesNS[1] = -5
		case "empty":
			s.LatenciesNS = nil
		case "slow": // one inference takes 20 ms
			s.LatenciesNS = nil
			for begin, sum := time.Now(), time.Duration(0); sum < t.MinTime ||
				len(s.LatenciesNS) < t.MinRuns; sum += 20e6 {
				s.LatenciesNS = append(s.LatenciesNS, 20e6)
				if t.Limit > 0 && time.Since(begin)+sum > t.Limit {
					break
				}
			}
		case "steady":
			for i := range s.LatenciesNS {
				s.LatenciesNS[i] = 1e6
			}
		case "noisy": // the more of them, the better their median is known
			for i := range s.LatenciesNS {
				s.LatenciesNS[i] = 1e6 + int64(noise.Uint64N(1e5))
			}
		case "dies2":
			if block == 2 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		case "hangs2":
			if block == 2 {
				time.Sleep(time.Hour)
			}
		case "errs2":
			if block == 2 {
				s.LatenciesNS = s.LatenciesNS[:1]
				s.Failed = &trial.Reason{Code: reason.InferenceFailed, Text: "no more"}
			}
		}
		say(session.Answer{Block: &s})
		if behaviour == "spins" {
			for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; {
			}
		}
		if behaviour == "restless" && block == 1 {
			go func() {
				for n := 0; ; n++ { // it takes a processor
				}
			}()
		}
	}
	switch behaviour {
	case "lingers":
		time.Sleep(time.Hour)
	case "dieslast":
		os.Exit(3)
	}
}

func fake() Runner {
	return Runner{Args: []string{os.Args[0]}, Env: append(os.Environ(), fakeEnv+"=1", "GORACE=atexit_sleep_ms=0")}
}

// runOne is the result of a plan of one trial.
func runOne(t *testing.T, behaviour string, policy trial.Policy) *trial.Result {
	t.Helper()
	p := matrixPlan([]string{behaviour}, 1)
	p.Policy = policy
	dir := t.TempDir()
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	res, err := outdir.ReadResult(dir, p.Trials[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestMisbehaviour(t *testing.T) {
	for _, tc := range []struct{ behaviour, code, text string }{
		{"crash", reason.RunnerCrashed, "segfault is near· SIGSEGV"},
		{"kill9", reason.RunnerCrashed, "signal 9"},
		{"exit", reason.RunnerCrashed, "exit status 7; its last words: cannot go on"},
		{"garbage", reason.RunnerCrashed, "nonsense"},
		{"silent", reason.RunnerCrashed, "without an answer"},
		{"early", reason.RunnerCrashed, "before its first turn"},
		{"two", reason.RunnerCrashed, "more than one"},
		{"negative", reason.RunnerCrashed, "inference 2 took -5 ns"},
		{"empty", reason.RunnerCrashed, "without a single inference"},
		{"absent", reason.ProviderAbsent, "no acl"},
	} {
		t.Run(tc.behaviour, func(t *testing.T) {
			res := runOne(t, tc.behaviour, trial.Policy{MinRuns: 3, Timeout: time.Minute})
			if res.Outcome != trial.Failed || len(res.Reasons) != 1 || res.Reasons[0].Code != tc.code ||
				!strings.Contains(res.Reasons[0].Text, tc.text) {
				t.Fatalf("%s %+v, want %s with %q", res.Outcome, res.Reasons, tc.code, tc.text)
			}
			if tc.behaviour == "crash" && strings.Contains(res.Reasons[0].Text, "goroutine 3") {
				t.Error("the stacks of idle goroutines drown the signal")
			}
			if n := len(res.Reasons[0].Text); n > maxWords+500 {
				t.Errorf("the reason has %d bytes", n)
			}
			if strings.ContainsRune(res.Reasons[0].Text, '\x1b') {
				t.Error("terminal control characters passed through")
			}
		})
	}
}

func TestTimeoutKillsTheWholeGroup(t *testing.T) {
	res := runOne(t, "hangchild", trial.Policy{MinRuns: 3, Timeout: 1500 * time.Millisecond})
	if res.Outcome != trial.Failed || res.Reasons[0].Code != reason.Timeout {
		t.Fatalf("%s %+v", res.Outcome, res.Reasons)
	}
	_, after, found := strings.Cut(res.Reasons[0].Text, "child ")
	if !found {
		t.Skipf("the fake runner did not get as far as its child in 1.5 s: %q", res.Reasons[0].Text)
	}
	pid, err := strconv.Atoi(after)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the runner's child to be gone", func() bool { return gone(pid) })
}

// gone: no such process, or a zombie that nobody has collected yet.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestMissingRunner(t *testing.T) {
	p := matrixPlan([]string{"good"}, 1)
	dir := t.TempDir()
	s := supervisor(t, dir, p)
	s.Runner.Args = []string{"/nonexistent/loader"}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if res, err := outdir.ReadResult(dir, p.Trials[0].ID); err != nil || res.Outcome != trial.Failed ||
		res.Reasons[0].Code != reason.RunnerMissing {
		t.Fatalf("%v %+v", err, res)
	}
}

func TestOrder(t *testing.T) {
	p := matrixPlan([]string{"a", "b", "c", "d"}, 3)
	order := Order(p)
	if len(order) != 12 {
		t.Fatalf("%d trials", len(order))
	}
	var ids []string
	rounds := map[string]bool{}
	for i, tr := range order {
		ids = append(ids, tr.ID)
		if tr.Repetition != i/4+1 {
			t.Errorf("position %d has repetition %d: rounds are not kept together", i, tr.Repetition)
		}
		if i%4 == 3 {
			var round []string
			for _, tr := range order[i-3 : i+1] {
				round = append(round, tr.Model)
			}
			rounds[strings.Join(round, "")] = true
			slices.Sort(round)
			if strings.Join(round, "") != "abcd" {
				t.Errorf("round %d is %v", i/4+1, round)
			}
		}
	}
	if len(rounds) < 2 {
		t.Errorf("every round has the same order: %v", rounds)
	}
	again := Order(p)
	for i := range again {
		if again[i].ID != ids[i] {
			t.Fatal("the same plan has another order")
		}
	}
	p.Seed++
	if slices.EqualFunc(Order(p), order, func(a, b trial.Trial) bool { return a.ID == b.ID }) {
		t.Error("another seed has the same order")
	}
}

func matrixPlan(behaviours []string, repetitions int) *trial.Plan {
	p := &trial.Plan{Schema: trial.PlanSchema, RunID: "run", Seed: 42,
		Policy: trial.Policy{MinRuns: 3, Timeout: time.Minute}}
	for _, b := range behaviours {
		p.Models = append(p.Models, trial.Model{Name: b, SHA256: strings.Repeat("0", 64)})
		for r := 1; r <= repetitions; r++ {
			p.Trials = append(p.Trials, trial.Trial{
				ID: trial.NewID(b, "cpu", 1, 2, r), Model: b, Provider: trial.Provider{Name: "cpu"}, Threads: 1,
				Batch: 2, Repetition: r,
			})
		}
	}
	return p
}

func supervisor(t *testing.T, dir string, p *trial.Plan) *Supervisor {
	t.Helper()
	rec, err := outdir.Open(dir, p, "sum", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	return &Supervisor{
		Plan: p, Dir: dir, Recorder: rec, Runner: fake(),
		Device:  func() trial.Device { return trial.Device{Cores: 4} },
		Agent:   trial.Agent{Version: "v"},
		Runtime: trial.Runtime{Name: "onnxruntime", Version: "0"},
	}
}

func events(t *testing.T, dir string) []trial.Event {
	t.Helper()
	reply, err := outdir.Status(dir, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Events
}

// One result per trial, whatever the trials do.
func TestEveryTrialHasOneResult(t *testing.T) {
	p := matrixPlan([]string{"good", "crash", "liar", "absent", "skip"}, 1)
	p.Trials[3].Provider = trial.Provider{Name: "acl", Optional: true}
	p.Trials[4].Skip = "the plan says so"
	dir := t.TempDir()
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		outcome trial.Outcome
		code    string
	}{
		"good": {trial.OK, ""}, "liar": {trial.OK, ""}, "crash": {trial.Failed, reason.RunnerCrashed},
		"absent": {trial.Skipped, reason.ProviderAbsent}, "skip": {trial.Skipped, reason.SkippedByPlan},
	}
	for _, tr := range p.Trials {
		res, err := outdir.ReadResult(dir, tr.ID)
		if err != nil {
			t.Fatal(err)
		}
		w := want[tr.Model]
		if res.Outcome != w.outcome || (w.code != "") != (len(res.Reasons) > 0) ||
			(w.code != "" && res.Reasons[0].Code != w.code) {
			t.Errorf("%s: %s %+v", tr.ID, res.Outcome, res.Reasons)
		}
		if res.Schema != trial.ResultSchema || res.RunID != "run" || res.TrialID != tr.ID || res.Repetition != 1 ||
			res.Batch != 2 ||
			res.Device.Cores != 4 || res.Agent.Version != "v" || res.Runtime.Name == "" || res.Start.IsZero() ||
			res.End.Before(res.Start) {
			t.Errorf("%s is not filled in: %+v", tr.ID, res)
		}
		if (res.Summary != nil) != (res.Outcome == trial.OK) {
			t.Errorf("%s: summary %+v", tr.ID, res.Summary)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, trial.ResultsDir, "*"))
	if len(files) != len(p.Trials)+1 { // and SHA256SUMS
		t.Errorf("files: %v", files)
	}
	list := events(t, dir)
	if first, last := list[0], list[len(list)-1]; first.Type != trial.RunStarted || first.Total != 5 ||
		last.Type != trial.RunFinished || len(list) != 2+2*5 {
		t.Errorf("%d events, first %s, last %s", len(list), first.Type, last.Type)
	}
	for _, e := range list {
		if e.Type == trial.TrialFinished && e.Trial == "good.cpu.t1.b2.r1" && (e.MedianNS != 2 || e.SHA256 == "") {
			t.Errorf("event of the good trial: %+v", e)
		}
	}
}

func TestStopAndResume(t *testing.T) {
	p := matrixPlan([]string{"good", "fine"}, 1)
	hang := matrixPlan([]string{"hang"}, 1)
	hang.Trials[0].Repetition = 2 // last in order
	p.Models, p.Trials = append(p.Models, hang.Models...), append(p.Trials, hang.Trials...)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := supervisor(t, dir, p)
	go func() { ended <- s.Run(ctx) }()
	await(t, "the hanging trial to start", func() bool {
		reply, err := outdir.Status(dir, 0, 1<<20)
		return err == nil && len(reply.Events) > 0 && reply.Events[len(reply.Events)-1].Trial == hang.Trials[0].ID
	})
	cancel()
	if err := <-ended; AsStopped(ctx, err) == nil {
		t.Fatalf("error %v", err)
	}
	if _, err := outdir.ReadResult(dir, hang.Trials[0].ID); err == nil {
		t.Fatal("the stopped trial has a result, and could never be run again")
	}
	// Its next run does not hang; the others are not run again.
	p.Trials[2].Skip = "enough"
	before, _ := outdir.ReadResult(dir, p.Trials[0].ID)
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	after, _ := outdir.ReadResult(dir, p.Trials[0].ID)
	if !before.Start.Equal(after.Start) {
		t.Error("a trial that had its result was run again")
	}
	started := map[string]int{}
	var resumed string
	for i, e := range events(t, dir) {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
		if e.Type == trial.TrialStarted {
			started[e.Trial]++
		}
		if e.Type == trial.RunStarted {
			resumed = e.Text
		}
	}
	if started[p.Trials[0].ID] != 1 || started[p.Trials[2].ID] != 2 || !strings.Contains(resumed, "2 of 3") {
		t.Errorf("started %v, resumed with %q", started, resumed)
	}
}

// Killed after the result and before its event: the event is made up for.
func TestUnannouncedResult(t *testing.T) {
	p := matrixPlan([]string{"good"}, 1)
	dir := t.TempDir()
	s := supervisor(t, dir, p)
	of := p.Trials[0]
	sum, err := s.Recorder.Result(&trial.Result{Schema: trial.ResultSchema, RunID: p.RunID, TrialID: of.ID,
		Model:    p.Models[0],
		Provider: of.Provider, Threads: of.Threads, Batch: of.Batch, Repetition: of.Repetition,
		Outcome: trial.OK, LatenciesNS: []int64{2}, Summary: &trial.Summary{MedianNS: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor(t, dir, p).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	var finished []trial.Event
	for _, e := range events(t, dir) {
		if e.Type == trial.TrialStarted {
			t.Error("it was run again")
		}
		if e.Type == trial.TrialFinished {
			finished = append(finished, e)
		}
	}
	if len(finished) != 1 || finished[0].SHA256 != sum || finished[0].MedianNS != 2 {
		t.Errorf("finished events: %+v", finished)
	}
}

// A supervisor that is killed takes its runner with it.
func TestRunnerDiesWithSupervisor(t *testing.T) {
	if os.Getenv("CHEXP_TEST_PARENT") != "" {
		fake().Ask(context.Background(), session.Request{TrialID: "hangchild.cpu.t1.b1.r1"}, time.Hour)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRunnerDiesWithSupervisor$")
	cmd.Env = append(os.Environ(), "CHEXP_TEST_PARENT=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var runner int
	await(t, "the runner to start", func() bool {
		children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
		for _, path := range children {
			data, _ := os.ReadFile(path)
			if fields := strings.Fields(string(data)); len(fields) > 0 {
				runner, _ = strconv.Atoi(fields[0])
			}
		}
		return runner != 0
	})
	cmd.Process.Kill()
	cmd.Wait()
	await(t, "the runner to die", func() bool { return gone(runner) })
}

// Each variant is examined once, before it is measured, and its repetitions all
// say what was found.
func TestExaminedOnce(t *testing.T) {
	p := matrixPlan([]string{"good", "crash", "skip"}, 2)
	p.Trials[4].Skip, p.Trials[5].Skip = "no", "no"
	dir := t.TempDir()
	s := supervisor(t, dir, p)
	asked := map[string]int{}
	s.Before = []Examination{
		func(_ context.Context, tr trial.Trial) (Finding, error) {
			asked[tr.Model]++
			if s.Recorder.Has(tr.ID) {
				t.Errorf("%s was examined after it was measured", tr.ID)
			}
			return func(res *trial.Result) {
				res.Placement = trial.Unread[trial.Placement]("asked about " + tr.Model)
			}, nil
		},
		func(context.Context, trial.Trial) (Finding, error) { return nil, nil },
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || asked["good"] != 1 || asked["crash"] != 1 {
		t.Errorf("examined: %v", asked)
	}
	for _, tr := range p.Trials {
		res, err := outdir.ReadResult(dir, tr.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := "asked about " + tr.Model
		if tr.Skip != "" {
			want = ""
		}
		if res.Placement.Unavailable != want {
			t.Errorf("%s says %q, want %q", tr.ID, res.Placement.Unavailable, want)
		}
	}
	s = supervisor(t, t.TempDir(), p)
	s.Before = []Examination{func(context.Context, trial.Trial) (Finding, error) { return nil, os.ErrClosed }}
	if err := s.Run(context.Background()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a broken examination: %v", err)
	}
}

func TestAsk(t *testing.T) {
	ask := func(behaviour string) ([]byte, error) {
		return fake().Ask(context.Background(), session.Request{TrialID: behaviour}, time.Minute)
	}
	if answer, err := ask("good"); err != nil || !json.Valid(answer) {
		t.Errorf("%s %v", answer, err)
	}
	var f *failure.Error
	if _, err := ask("exit"); !errors.As(err, &f) || f.Code != reason.RunnerCrashed ||
		!strings.Contains(f.Error(), "cannot go on") {
		t.Errorf("%v", err)
	}
	_, err := fake().Ask(context.Background(), session.Request{TrialID: "hang"}, 300*time.Millisecond)
	if !errors.As(err, &f) || f.Code != reason.Timeout {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := fake().Ask(ctx, session.Request{TrialID: "hang"}, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
