package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/testmodel"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/modeltest"
)

// These tests run the real agents, as agent/build.sh made them: in CHEXP_BIN or
// in bin/ of the module.

func TestMain(m *testing.M) {
	cache, err := os.MkdirTemp("", "chexp-agent-test-")
	if err != nil {
		panic(err)
	}
	os.Setenv("CHEXP_AGENT_CACHE", cache) // unpack once for all tests
	code := m.Run()
	os.RemoveAll(cache)
	os.Exit(code)
}

// agentFor finds the built agent of an architecture.
func agentFor(t testing.TB, arch string) string {
	t.Helper()
	dir := os.Getenv("CHEXP_BIN")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "bin")
	}
	path, err := filepath.Abs(filepath.Join(dir, "chexp-agent-linux-"+arch))
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no built agent (agent/build.sh %s makes it): %v", arch, err)
	}
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bundleDir is a pushed bundle under construction.
type bundleDir struct {
	t    testing.TB
	dir  string
	plan trial.Plan
}

func newBundle(t testing.TB, p trial.Policy) *bundleDir {
	if p.Timeout == 0 {
		p.Timeout = time.Minute
	}
	return &bundleDir{t: t, dir: t.TempDir(), plan: trial.Plan{
		Schema: trial.PlanSchema, Experiment: "test", RunID: "run-1", Seed: 7, Policy: p,
	}}
}

// tiny is x + x over a batch of 8 floats.
func tiny() []byte {
	return testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "batch"}, testmodel.Dim{Size: 8})
}

// add puts a model and one trial of it into the bundle.
func (b *bundleDir) add(name string, content []byte, change func(*trial.Trial)) *bundleDir {
	b.t.Helper()
	sum := sha256.Sum256(content)
	m := trial.Model{Name: name, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content)), Origin: "test"}
	b.write(m.Path(), content)
	tr := trial.Trial{Model: name, Provider: trial.Provider{Name: "cpu"}, Threads: 1, Batch: 1, Repetition: 1}
	if change != nil {
		change(&tr)
	}
	tr.ID = trial.NewID(name, tr.Provider.Name, tr.Threads, tr.Batch, tr.Repetition)
	b.plan.Models = append(b.plan.Models, m)
	b.plan.Trials = append(b.plan.Trials, tr)
	return b
}

func (b *bundleDir) write(name string, content []byte) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	must(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(b.t, os.WriteFile(path, content, 0o644))
}

// seal writes plan and sums.
func (b *bundleDir) seal() *bundleDir {
	b.t.Helper()
	raw, err := json.Marshal(b.plan)
	must(b.t, err)
	b.write(trial.PlanFile, raw)
	sum := sha256.Sum256(raw)
	sums := fmt.Sprintf("%x  %s\n", sum, trial.PlanFile)
	for _, m := range b.plan.Models {
		sums += m.SHA256 + "  " + m.Path() + "\n"
	}
	b.write(trial.SumsFile, []byte(sums))
	return b
}

func (b *bundleDir) result(id string) *trial.Result {
	b.t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.dir, trial.ResultsDir, id+".json"))
	must(b.t, err)
	var res trial.Result
	must(b.t, json.Unmarshal(raw, &res))
	return &res
}

// agent runs one verb of the native agent and returns its exit code and streams.
func (b *bundleDir) agent(args ...string) (code int, stdout, stderr string) {
	b.t.Helper()
	return execute(b.t, exec.Command(agentFor(b.t, runtime.GOARCH), args...))
}

func execute(t testing.TB, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// ask runs a verb that must succeed and answer with a StatusReply.
func (b *bundleDir) ask(verb string, flags ...string) trial.StatusReply {
	b.t.Helper()
	code, out, errOut := b.agent(append([]string{verb, b.dir}, flags...)...)
	if code != 0 {
		b.t.Fatalf("%s: exit %d\n%s%s", verb, code, out, errOut)
	}
	return decodeReply(b.t, out)
}

func decodeReply(t testing.TB, out string) trial.StatusReply {
	t.Helper()
	reply, err := trial.ParseReply([]byte(out))
	if err != nil {
		t.Fatalf("no StatusReply: %v\n%s", err, out)
	}
	return reply
}

// await polls the status, as the orchestrator does; each poll starts an agent.
func (b *bundleDir) await(what string, cond func(trial.StatusReply) bool) trial.StatusReply {
	b.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(60 * time.Millisecond) {
		reply := b.ask("status")
		if cond(reply) {
			return reply
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(b.dir, trial.LogFile))
			b.t.Fatalf("waited 60 s for %s; last %+v; the agent's log:\n%s", what, reply, log)
		}
	}
}

func (b *bundleDir) awaitPhase(phase trial.Phase) trial.StatusReply {
	b.t.Helper()
	return b.await(string(phase), func(r trial.StatusReply) bool { return r.State.Phase == phase })
}

// checkComplete checks that every trial has exactly one valid result, that the
// sums fit, and that events are whole.
func (b *bundleDir) checkComplete() {
	b.t.Helper()
	reply := b.ask("status")
	if reply.State.Phase != trial.Finished || reply.State.Done != len(b.plan.Trials) ||
		reply.State.Total != len(b.plan.Trials) {
		b.t.Errorf("state %+v", reply.State)
	}
	sums, err := os.ReadFile(filepath.Join(b.dir, trial.ResultSums))
	must(b.t, err)
	finished := map[string]string{}
	for i, e := range reply.Events {
		if e.Seq != int64(i+1) {
			b.t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
		if e.Type == trial.TrialFinished && !strings.HasPrefix(e.Text, "stopped ") { // a partial one is no end
			if finished[e.Trial] != "" {
				b.t.Errorf("%s finished twice", e.Trial)
			}
			finished[e.Trial] = e.SHA256
		}
	}
	for _, tr := range b.plan.Trials {
		raw, err := os.ReadFile(filepath.Join(b.dir, trial.ResultsDir, tr.ID+".json"))
		must(b.t, err)
		sum := fmt.Sprintf("%x", sha256.Sum256(raw))
		if finished[tr.ID] != sum || !strings.Contains(string(sums), sum+"  "+tr.ID+".json\n") {
			b.t.Errorf("%s: the file has sum %s, its event %q, SHA256SUMS:\n%s", tr.ID, sum, finished[tr.ID], sums)
		}
	}
	if n := strings.Count(string(sums), "\n"); n != len(b.plan.Trials) {
		b.t.Errorf("SHA256SUMS has %d lines", n)
	}
}

func TestStatic(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			path := agentFor(t, arch)
			f, err := elf.Open(path)
			must(t, err)
			defer f.Close()
			for _, p := range f.Progs {
				if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
					t.Errorf("it has a %v segment", p.Type)
				}
			}
			if ldd, err := exec.LookPath("ldd"); err == nil {
				out, _ := exec.Command(ldd, path).CombinedOutput()
				if !strings.Contains(string(out), "not a dynamic executable") {
					t.Errorf("ldd says %s", out)
				}
			}
		})
	}
}

func TestVersionAgreesWithManifest(t *testing.T) {
	path := agentFor(t, runtime.GOARCH)
	code, out, errOut := execute(t, exec.Command(path, "version", "--json"))
	if code != 0 {
		t.Fatal(code, errOut)
	}
	var said versionInfo
	must(t, json.Unmarshal([]byte(out), &said))
	var manifest struct {
		Version, OS, Arch, SHA256, Payload string
		Bytes                              int64
		Runtime                            trial.Runtime
	}
	raw, err := os.ReadFile(path + ".json")
	must(t, err)
	must(t, json.Unmarshal(raw, &manifest))
	file, err := os.ReadFile(path)
	must(t, err)
	if manifest.SHA256 != fmt.Sprintf("%x", sha256.Sum256(file)) || manifest.Bytes != int64(len(file)) {
		t.Errorf("the manifest is about another file: %+v", manifest)
	}
	if said.Version != manifest.Version || said.Arch != runtime.GOARCH ||
		said.Arch != manifest.Arch || said.OS != "linux" ||
		said.Payload != manifest.Payload || fmt.Sprint(said.Runtime) != fmt.Sprint(manifest.Runtime) {
		t.Errorf("version says %+v, the manifest %+v", said, manifest)
	}
	// And both say what the library itself says when it runs.
	b := newBundle(t, trial.Policy{MinRuns: 3}).add("tiny", tiny(), nil).seal()
	if code, _, errOut := b.agent("run", b.dir); code != 0 {
		t.Fatal(code, errOut)
	}
	res := b.result(b.plan.Trials[0].ID)
	if res.Runtime.Version != said.Runtime.Version ||
		strings.Join(res.Runtime.Providers, " ") != strings.Join(said.Runtime.Providers, " ") {
		t.Errorf("the library is %+v, announced was %+v", res.Runtime, said.Runtime)
	}
	if res.Agent.SHA256 != manifest.SHA256 || res.Agent.Version != said.Version {
		t.Errorf("the result is of agent %+v", res.Agent)
	}
}

func TestRunForeground(t *testing.T) {
	b := newBundle(t, trial.Policy{Warmup: 2, MinRuns: 25}).
		add("tiny", tiny(), func(tr *trial.Trial) { tr.Batch = 4; tr.Threads = 2 }).seal()
	code, out, errOut := b.agent("run", b.dir)
	if code != 0 {
		t.Fatal(code, errOut)
	}
	var types []string
	for line := range strings.Lines(out) {
		var e trial.Event
		must(t, json.Unmarshal([]byte(line), &e))
		if e.Type != trial.Note && e.Type != trial.Progress { // these come from a busy machine
			types = append(types, string(e.Type))
		}
	}
	if got := strings.Join(types, " "); got != "run_started trial_started trial_finished run_finished" {
		t.Errorf("events %s", got)
	}
	b.checkComplete()
	res := b.result("tiny.cpu.t2.b4.r1")
	if res.Outcome != trial.OK || len(res.LatenciesNS) != 25 || len(res.WarmupNS) != 2 || res.Summary.N != 25 {
		t.Errorf("%s %v: %d latencies", res.Outcome, res.Reasons, len(res.LatenciesNS))
	}
	if v, ok := res.PeakMemoryBytes.Get(); !ok || v < 5<<20 || v > 1<<30 {
		t.Errorf("peak memory %+v", res.PeakMemoryBytes)
	}
	if code, _, _ := b.agent("run", b.dir); code != 0 {
		t.Errorf("a finished run, run again: exit %d", code)
	}
}

// One result per trial, and the exit code says that some failed.
func TestFailuresAreResults(t *testing.T) {
	b := newBundle(t, trial.Policy{MinRuns: 3}).
		add("good", tiny(), nil).
		add("web-page", []byte("<html>not a model</html>"), nil).
		add("wants-acl", tiny(), func(tr *trial.Trial) { tr.Provider.Name = "acl" }).
		add("likes-acl", tiny(), func(tr *trial.Trial) { tr.Provider = trial.Provider{Name: "acl", Optional: true} }).
		add("left-out", tiny(), func(tr *trial.Trial) {
			tr.Skip = "the runtime has no xnnpack"
			tr.Provider.Name = "xnnpack"
		}).
		seal()
	code, _, errOut := b.agent("run", b.dir)
	if code != exitTrials {
		t.Errorf("exit %d, want %d: %s", code, exitTrials, errOut)
	}
	b.checkComplete()
	for id, want := range map[string]string{
		"good.cpu.t1.b1.r1": "ok ", "web-page.cpu.t1.b1.r1": "failed model_invalid",
		"wants-acl.acl.t1.b1.r1": "failed provider_absent",
		"likes-acl.acl.t1.b1.r1": "skipped provider_absent", "left-out.xnnpack.t1.b1.r1": "skipped skipped_by_plan",
	} {
		res := b.result(id)
		got := string(res.Outcome) + " "
		if len(res.Reasons) > 0 {
			got += res.Reasons[0].Code
		}
		if got != want {
			t.Errorf("%s: %s (%+v), want %s", id, got, res.Reasons, want)
		}
	}
	if text := b.result("wants-acl.acl.t1.b1.r1").Reasons[0].Text; !strings.Contains(text, "it has: cpu") {
		t.Errorf("the absent provider's reason does not list what there is: %s", text)
	}
}

func TestExitCodes(t *testing.T) {
	b := newBundle(t, trial.Policy{MinRuns: 1}).add("tiny", tiny(), nil).seal()
	for _, tc := range []struct {
		args []string
		code int
	}{
		{nil, exitUsage}, {[]string{"dance"}, exitUsage}, {[]string{"start"}, exitUsage},
		{[]string{"start", "a", "b"}, exitUsage},
		{[]string{"status", b.dir, "--sinec", "3"}, exitUsage}, {[]string{"status", b.dir, "--since", "x"}, exitUsage},
		{[]string{"status", "/nonexistent"}, exitUnexpected}, {[]string{"start", "/nonexistent"}, exitBundle},
		{[]string{"help"}, exitOK}, {[]string{"version"}, exitOK}, {[]string{"stop", b.dir}, exitOK},
		{[]string{"status", "--since", "0", b.dir}, exitOK},
	} {
		if code, out, errOut := b.agent(tc.args...); code != tc.code || (code != 0) != (errOut != "") {
			t.Errorf("%q: exit %d, want %d\n%s%s", tc.args, code, tc.code, out, errOut)
		}
	}
	b.write(b.plan.Models[0].Path(), []byte("changed on the way"))
	for _, verb := range []string{"start", "run"} {
		code, _, errOut := b.agent(verb, b.dir)
		if code != exitBundle || !strings.Contains(errOut, b.plan.Models[0].SHA256+".onnx") {
			t.Errorf("%s with a wrong sum: exit %d: %s", verb, code, errOut)
		}
	}
}

// MobileNetV2 in all three forms: chexp's, and the tutorial's where they are.
func TestRealModels(t *testing.T) {
	b := newBundle(t, trial.Policy{Warmup: 1, MinRuns: 3})
	for _, form := range []modeltest.Form{modeltest.Float, modeltest.Static, modeltest.Dynamic} {
		content, err := builtin.Generate("plates11-" + string(form))
		must(t, err)
		b.add(string(form), content, nil)
		if content, ok := modeltest.Tutorial(t, form); ok {
			b.add("tutorial-"+string(form), content, nil)
		}
	}
	b.seal()
	if code, _, errOut := b.agent("run", b.dir); code != 0 {
		t.Errorf("exit %d: %s", code, errOut)
	}
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		if res.Outcome != trial.OK || len(res.LatenciesNS) != 3 {
			t.Errorf("%s: %s %v", tr.ID, res.Outcome, res.Reasons)
		}
	}
}
