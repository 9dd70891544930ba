//go:build !windows

package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chexp/experiments/compare/simulated"
	"chexp/orchestrator/internal/cli"
)

// TestScripts runs the real binaries of bin/ as a person would: each file of
// testdata/script is a session, with the emulator in the background. Beyond
// testscript's own commands there are
//
//	emulator [FLAG...]       start `chexp emulator`, point the environment at it
//	nothing-left             the emulator holds no lease, container or floating IP of ours
//	code N CMD...            run a command and want this exit code
//	killed-in PHASE CMD...   run a command and kill -9 it when that phase begins
//	killed-at FAULT CMD...   order a fault, and kill -9 the command when it happens
//	interrupted-while FAULT CMD...  the same with Ctrl-C; the exit code is 130
//	interrupted-in PHASE CMD...  the same with Ctrl-C; the exit code is 130
//	interrupted-at N CMD...  Ctrl-C when N trials have finished
//	take-board               lease the board of the run's first attempt, and put its name into FIRST
//	web-lease NAME one|each N, wedged-in PHASE CMD..., deleted-in DEVICE N CMD..., boards N, played-agents SECONDS
//	                         see forks_test.go
//	interrupted-after N CMD...  Ctrl-C when every trial on the device has N blocks on record
//	await-blocks N           wait until every trial on the device has N blocks on record
//	ends-in DURATION CMD...  run exp.yaml, whose lease is of 2 minutes, until it is pushed, and go on so that measuring
//	                         must end that long from then: the lease does soon after
//	agent-dies-after N CMD...  kill the agent when every trial has N blocks, and let it not start again; exit code 7
//	interrupted-twice PHASE CMD...  Ctrl-C, and again while a dead cloud delays the giving back
//	dies-of SIGNALS CMD...   send these signals ("INT HUP KILL"), 150 ms apart, to the command's whole process group when
//	                         every trial on the device has 3 blocks on record; its terminal's other end is gone by then
//	litter N                 N leases with chexp's mark in their names, half of them with the journal of a killed run
//	soon-nothing-left        nothing-left, within a minute
//	faults JSON              order faults from the running emulator
//	kill-agent-once CMD...   kill the agent on the device once a trial has begun
//	partial N                the runs here hold N partial results with latencies, and each says so
//	results N                the runs here hold N results with latencies
//	draw, accuracies, same-accuracies  see accuracy_test.go
//	clock-to FILE            move the emulator's clock to the time in the file
//	interrupted-saying TEXT CMD...  Ctrl-C when the command has said this; the exit code is 130
//	freed-while FILE CMD...  delete the lease whose id is in the file when the command says that it waits for a device
//	input-models             write the models of inputs.txtar, see inputs_test.go
//	simulate DIR SEED DEVICES RUNS FACTOR  write made-up runs, FACTOR times as slow
func TestScripts(t *testing.T) {
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chexp", "chexp-agent-linux-amd64", "chexp-agent-linux-arm64",
		"images/debian-arm64.tar", "images/debian-amd64.tar"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Skipf("bin/%s is not built: `make build agents images` (or `make test`)", name)
		}
	}
	food11 := tutorialModels()
	experiments, err := filepath.Abs("../../../experiments")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("testdata/models")
	if err != nil {
		t.Fatal(err)
	}
	photos, err := filepath.Abs("../../../models/pictures/testdata/formats")
	if err != nil {
		t.Fatal(err)
	}
	tried := t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// What a session has found of a model on this machine, the others need
			// not find again.
			if err := os.Mkdir(filepath.Join(env.WorkDir, "cache"), 0o755); err != nil {
				return err
			}
			if err := os.Symlink(tried, filepath.Join(env.WorkDir, "cache", "tried")); err != nil {
				return err
			}
			env.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			env.Setenv("CHEXP_CACHE", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("FOOD11", food11)
			env.Setenv("EXPERIMENTS", experiments)
			env.Setenv("MODELS", here)     // small models of kinds that went wrong
			env.Setenv("PICTURES", photos) // a picture of each format
			env.Setenv("TMPDIR", os.TempDir())
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "tutorial": // its models
				return food11 != "", nil
			case "debian": // the runtime, for both architectures
				_, err := os.Stat(filepath.Join(bin, "runtimes", "debian-amd64.ort"))
				_, err2 := os.Stat(filepath.Join(bin, "runtimes", "debian-arm64.ort"))
				return err == nil && err2 == nil, nil
			case "acl": // the plugin in the arm64 agent
				manifest, err := os.ReadFile(filepath.Join(bin, "chexp-agent-linux-arm64.json"))
				return err == nil && bytes.Contains(manifest, []byte("libchexp_acl.so")), nil
			case "all":
				return os.Getenv("CHEXP_TEST_ALL") != "", nil
			case "root":
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"emulator":          startEmulator,
			"own-host":          ownHost,
			"cut-in":            cutIn,
			"killed-measuring":  killedMeasuring,
			"nothing-left":      nothingLeft,
			"code":              wantCode,
			"killed-in":         killedIn,
			"killed-at":         killedAt,
			"interrupted-while": interruptedWhile,
			"interrupted-in":    interruptedIn,
			"interrupted-twice": interruptedTwice,
			"interrupted-at":    interruptedAtResult,
			"take-board":        takeBoard,
			"web-lease":         webLease,
			"wedged-in":         wedgedIn,
			"deleted-in":        deletedIn,
			"played-agents":     playedAgents,
			"boards":            wantBoards,
			"interrupted-after": interruptedAfter,
			"agent-dies-after":  agentDiesAfter,
			"await-blocks":      awaitBlocks,
			"ends-in":           endsIn,
			"partial":           wantPartial,
			"kill-agent-once":   killAgentOnce,
			"faults":            setFaults,
			"dies-of":           diesOf,
			"soon-nothing-left": soonNothingLeft,
			"litter":            makeLitter,
			"results":           wantResults,
			"draw":              drawPlates,
			"accuracies":        wantAccuracies,
			"same-accuracies":   sameAccuracies,
			"simulate":          simulate,
			"input-models":      inputModels,

			"clock-to":           clockTo,
			"interrupted-saying": interruptedSaying,
			"freed-while":        freedWhile,
		},
		RequireExplicitExec: true,
	})
}

// simulate writes runs that a random generator has made up, for what chexp does
// with runs from elsewhere.
func simulate(ts *testscript.TestScript, neg bool, args []string) {
	var n [3]int
	for i := range n {
		v, err := strconv.Atoi(args[1+i])
		ts.Check(err)
		n[i] = v
	}
	factor, err := strconv.ParseFloat(args[4], 64)
	ts.Check(err)
	class := simulated.Quiet(uint64(n[0]), n[1], n[2])
	class.Starts, class.Day = 2, 7*n[0]
	class.Factor = func(int, int) float64 { return factor }
	for _, r := range class.All() {
		_, err := r.Write(ts.MkAbs(args[0]))
		ts.Check(err)
	}
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if st, err := os.Stat(filepath.Join(dir, args[0])); err == nil && st.Mode()&0o111 != 0 {
			path = filepath.Join(dir, args[0])
			break
		}
	}
	if path == "" {
		ts.Fatalf("%s is not in PATH", args[0])
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "CHEXP_CACHE", "CHEXP_RUNS", "CHEXP_MODEL_PATH",
		"OS_CLIENT_CONFIG_FILE", "OS_CLOUD"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

func startEmulator(ts *testscript.TestScript, neg bool, args []string) {
	args = append([]string{"chexp", "emulator", "--tick", "300ms", "--pull", "300ms", "--dir", ts.MkAbs("emulator")},
		args...)
	cmd := command(ts, args)
	log, err := os.Create(ts.MkAbs("emulator.log"))
	ts.Check(err)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Check(os.WriteFile(ts.MkAbs("emulator.pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644))
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			ts.Fatalf("the emulator did not end within 20 s of SIGTERM")
		}
	})
	line := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		s.Scan()
		line <- s.Text()
		io.Copy(io.Discard, out)
	}()
	select {
	case l := <-line:
		for _, kv := range strings.Fields(strings.TrimPrefix(l, "export ")) {
			k, v, _ := strings.Cut(kv, "=")
			ts.Setenv(k, v)
		}
		if ts.Getenv("OS_CLOUD") == "" {
			ts.Fatalf("the emulator did not start:\n%s", ts.ReadFile("emulator.log"))
		}
	case <-time.After(60 * time.Second):
		ts.Fatalf("the emulator was not up within 60 s")
	}
}

// nothingLeft asks the emulator itself, not chexp.
func nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	left := leftovers(ts)
	if left != "" && !neg {
		ts.Fatalf("left on the cloud: %s", left)
	}
	if left == "" && neg {
		ts.Fatalf("nothing is left on the cloud")
	}
}

// leftovers is what the emulator says that its clients have left; "" for nothing.
func leftovers(ts *testscript.TestScript) string {
	resp, err := http.Get(control(ts) + "/state")
	ts.Check(err)
	defer resp.Body.Close()
	var state struct {
		Leases, Containers, Servers []json.RawMessage
		FloatingIPs                 []json.RawMessage `json:"floating_ips"`
		KeyPairs                    []json.RawMessage `json:"key_pairs"`
	}
	ts.Check(json.NewDecoder(resp.Body).Decode(&state))
	left := slices.Concat(state.Leases, state.Containers, state.FloatingIPs, state.Servers, state.KeyPairs)
	if len(left) == 0 {
		return ""
	}
	return fmt.Sprintf("%s", left)
}

// control is the address of the emulator's own pages.
func control(ts *testscript.TestScript) string {
	for _, line := range strings.Split(ts.ReadFile(ts.Getenv("OS_CLIENT_CONFIG_FILE")), "\n") {
		if _, addr, ok := strings.Cut(line, "auth_url:"); ok {
			u, err := url.Parse(strings.Trim(strings.TrimSpace(addr), `"`))
			ts.Check(err)
			return "http://" + u.Host + "/_emulator"
		}
	}
	ts.Fatalf("clouds.yaml has no auth_url")
	return ""
}

// setFaults orders faults from the running emulator: `faults {"zun=503": -1}`.
func setFaults(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Post(control(ts)+"/faults", "application/json", strings.NewReader(strings.Join(args, " ")))
	ts.Check(err)
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		ts.Fatalf("faults: %s", resp.Status)
	}
}

func execute(ts *testscript.TestScript, args []string) (code int) {
	cmd := command(ts, args)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("stdout"), []byte(stdout.String()), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("stderr"), []byte(stderr.String()), 0o644))
	ts.Logf("[stdout]\n%s[stderr]\n%s", stdout.String(), stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if err := cli.ValidAnswer(args, stdout.String()); err != nil {
		ts.Fatalf("what %q printed is not by its schema: %v", args, err)
	}
	return cmd.ProcessState.ExitCode()
}

// wantCode leaves what the command printed in the files stdout and stderr.
func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := execute(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// killedIn kills when the journal says that the phase has begun.
func killedIn(ts *testscript.TestScript, neg bool, args []string) {
	signalled(ts, syscall.SIGKILL, args[1:], journalSays(ts, args[0]))
}

// killedAt kills when the emulator has met a request for which a fault is ordered.
func killedAt(ts *testscript.TestScript, neg bool, args []string) {
	signalled(ts, syscall.SIGKILL, args[1:], ordered(ts, args[0]))
}

// interruptedWhile interrupts then, and wants exit code 130.
func interruptedWhile(ts *testscript.TestScript, neg bool, args []string) {
	interrupted(ts, args[1:], ordered(ts, args[0]))
}

// ordered orders a fault, and tells whether it has happened.
func ordered(ts *testscript.TestScript, fault string) func() bool {
	setFaults(ts, false, []string{fmt.Sprintf(`{%q: 1}`, fault)})
	return func() bool {
		resp, err := http.Get(control(ts) + "/faults")
		ts.Check(err)
		defer resp.Body.Close()
		left := map[string]int{}
		ts.Check(json.NewDecoder(resp.Body).Decode(&left))
		return left[fault] == 0
	}
}

// interruptedIn interrupts as Ctrl-C does, and wants exit code 130.
func interruptedIn(ts *testscript.TestScript, neg bool, args []string) {
	interrupted(ts, args[1:], journalSays(ts, args[0]))
}

func interrupted(ts *testscript.TestScript, command []string, when func() bool) {
	if code := signalled(ts, syscall.SIGINT, command, when); code != 130 {
		ts.Fatalf("exit code %d, want 130:\n%s", code, ts.ReadFile("stderr"))
	}
}

// interruptedTwice interrupts in a phase, with a cloud that no longer answers, and once
// more while the results are being brought home: the second one ends that.
func interruptedTwice(ts *testscript.TestScript, neg bool, args []string) {
	inPhase := journalSays(ts, args[0])
	code := signalled(ts, syscall.SIGINT, args[1:], func() bool {
		if !inPhase() {
			return false
		}
		setFaults(ts, false, []string{`{"zun=503": -1, "blazar=503": -1}`})
		return true
	}, later(ts, func() bool {
		said, _ := os.ReadFile(ts.MkAbs("stderr"))
		return bytes.Contains(said, []byte("bringing home what it has measured"))
	}))
	if code != 6 {
		ts.Fatalf("exit code %d, want 6:\n%s", code, ts.ReadFile("stderr"))
	}
	setFaults(ts, false, []string{`{"zun=503": 0, "blazar=503": 0}`})
}

// later is true once a condition has been for so long that signals before and after
// are two, and not one.
func later(ts *testscript.TestScript, is func() bool) func() bool {
	var since time.Time
	return func() bool {
		if since.IsZero() && is() {
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) > 1200*time.Millisecond
	}
}

// killAgentOnce kills the agent in its container as soon as a trial has begun,
// and wants the command to end well all the same.
func killAgentOnce(ts *testscript.TestScript, neg bool, args []string) {
	killed := false
	code := signalled(ts, 0, args, func() bool {
		events, _ := filepath.Glob(ts.MkAbs("runs/*/events.jsonl"))
		for _, e := range events {
			if data, _ := os.ReadFile(e); strings.Contains(string(data), "trial_started") {
				killed = killAgent(ts)
				return killed
			}
		}
		return false
	})
	if code != 0 || !killed {
		ts.Fatalf("exit code %d, agent killed: %v\n%s", code, killed, ts.ReadFile("stderr"))
	}
}

// killAgent kills every agent process below the script's emulator.
func killAgent(ts *testscript.TestScript) bool {
	emulator, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile("emulator.pid")))
	ts.Check(err)
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	killed := false
	for todo := []int{emulator}; len(todo) > 0; {
		pid := todo[0]
		todo = append(todo[1:], children[pid]...)
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		argv := strings.Split(string(cmdline), "\x00")
		if strings.HasSuffix(argv[0], "/chexp-agent") && pid != emulator {
			killed = syscall.Kill(pid, syscall.SIGKILL) == nil || killed
		}
	}
	return killed
}

func journalSays(ts *testscript.TestScript, phase string) func() bool {
	began := `"kind":"began","phase":"` + phase + `"`
	return func() bool {
		journals, _ := filepath.Glob(ts.MkAbs("runs/*/journal.jsonl"))
		for _, j := range journals {
			if data, _ := os.ReadFile(j); strings.Contains(string(data), began) {
				return true
			}
		}
		return false
	}
}

// signalled runs a command and signals it each time that the next of when is
// true; it returns the exit code. Signal 0 sends nothing.
func signalled(ts *testscript.TestScript, sig syscall.Signal, args []string, when ...func() bool) int {
	cmd := command(ts, args)
	stderr, err := os.Create(ts.MkAbs("stderr"))
	ts.Check(err)
	defer stderr.Close()
	cmd.Stderr = stderr
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(2 * time.Minute)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-ended:
			if len(when) > 0 {
				ts.Fatalf("it ended (%v) before it could be signalled:\n%s", cmd.ProcessState, ts.ReadFile("stderr"))
			}
			return cmd.ProcessState.ExitCode()
		case <-deadline:
			cmd.Process.Kill()
			<-ended
			ts.Fatalf("it did not end within two minutes:\n%s", ts.ReadFile("stderr"))
		case <-poll.C:
			if len(when) > 0 && when[0]() {
				when = when[1:]
				if sig != 0 {
					ts.Check(cmd.Process.Signal(sig))
				}
			}
		}
	}
}

// wantResults counts the results with latencies in every run of the script.
func wantResults(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	files, _ := filepath.Glob(ts.MkAbs("runs/*/results/*.json"))
	ok := 0
	for _, f := range files {
		var r struct {
			Outcome     string
			LatenciesNS []int64 `json:"latencies_ns"`
		}
		data, err := os.ReadFile(f)
		ts.Check(err)
		ts.Check(json.Unmarshal(data, &r))
		if r.Outcome == "ok" && len(r.LatenciesNS) > 0 {
			ok++
		}
	}
	if ok != want {
		ts.Fatalf("%d results with latencies, want %d", ok, want)
	}
}

// tutorialModels is the folder of CHEXP_MODEL_PATH that has the tutorial's
// models, "" if there is none.
func tutorialModels() string {
	for _, dir := range filepath.SplitList(os.Getenv("CHEXP_MODEL_PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "food11_fp32_rebuilt.onnx")); err == nil {
			return dir
		}
	}
	return ""
}
