package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestVerdictOnThisMachine measures one small model three times with the real
// binaries: as the machine is, under a CPU quota of half a core, and beside a busy
// neighbour on every core. Each time the verdict has to name what was done, and
// only then. `make test-validity` runs it: it wants the machine for itself.
func TestVerdictOnThisMachine(t *testing.T) {
	if os.Getenv("CHEXP_TEST_VALIDITY") == "" {
		t.Skip("it takes a quiet machine for half a minute: `make test-validity` runs it")
	}
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chexp", "chexp-agent-linux-" + runtime.GOARCH} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Skipf("bin/%s is not built: `make build agents`", name)
		}
	}
	m := measurer{bin: bin}

	busy := busyShare(t)
	t.Run("quiet", func(t *testing.T) {
		got := m.run(t, "")
		busy = max(busy, busyShare(t))
		got.wants(t, "CPU quota", false)
		if busy > 0.05 {
			t.Skipf("this machine is not quiet: %.0f %% of its cores were busy before or after the run", 100*busy)
		}
		got.wants(t, "outside load", false)
	})
	t.Run("quota", func(t *testing.T) {
		dir := cpuGroup(t, 50_000, 100_000)
		got := m.run(t, dir)
		got.wants(t, "CPU quota", true)
	})
	t.Run("neighbour", func(t *testing.T) {
		for range runtime.NumCPU() {
			hog := exec.Command("sh", "-c", "while :; do :; done")
			if err := hog.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { hog.Process.Kill(); hog.Wait() })
		}
		got := m.run(t, "")
		got.wants(t, "outside load", true)
		got.wants(t, "CPU quota", false)
		if busy > 0.05 {
			t.Skip("it is named, but this machine was busy anyway, so that shows nothing")
		}
	})
}

const smallExperiment = `apiVersion: chexp/v1
name: verdict
site: local
models: [{name: mobilenet, builtin: mobilenetv2-11}]
providers: [cpu]
threads: [1]
trials: {warmup: 10, min_runs: 60, min_time: 2s, max_time: 10s, timeout: 60s, block: 200ms}
`

// verdict is what a run's report says of its one trial.
type verdict struct {
	Validity string `json:"validity"`
	P50      struct {
		Value float64 `json:"value"`
	} `json:"p50_ns"`
	Checks []struct {
		Name, Outcome, Text string
	} `json:"checks"`
}

func (v verdict) named(name string) bool {
	for _, c := range v.Checks {
		if c.Name == name && (c.Outcome == "SUSPECT" || c.Outcome == "INVALID") {
			return true
		}
	}
	return false
}

func (v verdict) wants(t *testing.T, name string, want bool) {
	t.Helper()
	i := slices.IndexFunc(v.Checks, func(c struct{ Name, Outcome, Text string }) bool { return c.Name == name })
	switch {
	case i < 0:
		t.Fatalf("the report has no check %q: %s", name, v)
	case want && v.Checks[i].Outcome == "UNAVAILABLE":
		t.Errorf("%s is unavailable: %s", name, v.Checks[i].Text)
	case v.named(name) != want:
		t.Errorf("%s is named: %v, want %v; the verdict is %s", name, v.named(name), want, v)
	}
}

func (v verdict) String() string {
	s := fmt.Sprintf("%s, p50 %.2f ms", v.Validity, v.P50.Value/1e6)
	for _, c := range v.Checks {
		if v.named(c.Name) {
			s += fmt.Sprintf("\n    %s, %s: %s", c.Outcome, c.Name, c.Text)
		}
	}
	return s
}

type measurer struct{ bin string }

// run measures in a control group, if one is named, and prints the verdict.
func (m measurer) run(t *testing.T, group string) (v verdict) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "exp.yaml")
	if err := os.WriteFile(file, []byte(smallExperiment), 0o644); err != nil {
		t.Fatal(err)
	}
	chexp := func(args ...string) []byte {
		script := `exec "$0" "$@"`
		if group != "" {
			script = "echo $$ >" + filepath.Join(group, "cgroup.procs") + " && " + script
		}
		cmd := exec.Command("sh", append([]string{"-c", script, filepath.Join(m.bin, "chexp")}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CHEXP_CACHE="+filepath.Join(dir, "cache"))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("chexp %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
		}
		return out
	}
	chexp("run", file)
	reports, err := filepath.Glob(filepath.Join(dir, "runs", "*", "report.json"))
	if err != nil || len(reports) != 1 {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	data, err := os.ReadFile(reports[0])
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Rows []verdict `json:"rows"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || len(doc.Rows) != 1 {
		t.Fatalf("%v, %d trials", err, len(doc.Rows))
	}
	t.Logf("the verdict is %s", doc.Rows[0])
	return doc.Rows[0]
}

// cpuGroup makes a control group that may use quota of every period, in
// microseconds, in cgroup v1 or v2, whichever has the cpu controller here.
func cpuGroup(t *testing.T, quota, period int) string {
	t.Helper()
	name := fmt.Sprintf("chexp-test-%d", os.Getpid())
	type place struct {
		root  string
		files map[string]string
	}
	var why []string
	for _, p := range []place{
		{"/sys/fs/cgroup/cpu", map[string]string{
			"cpu.cfs_period_us": strconv.Itoa(period), "cpu.cfs_quota_us": strconv.Itoa(quota),
		}},
		{"/sys/fs/cgroup", map[string]string{"cpu.max": fmt.Sprintf("%d %d", quota, period)}},
	} {
		dir := filepath.Join(p.root, name)
		if _, err := os.Stat(filepath.Join(p.root, "cgroup.procs")); err != nil {
			why = append(why, err.Error())
			continue
		}
		if _, v2 := p.files["cpu.max"]; v2 {
			// It may be on already; cpu.max tells.
			os.WriteFile(filepath.Join(p.root, "cgroup.subtree_control"), []byte("+cpu"), 0o644)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			why = append(why, err.Error())
			continue
		}
		t.Cleanup(func() { removeGroup(t, dir) })
		ok := true
		for _, file := range slices.Sorted(maps.Keys(p.files)) {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(p.files[file]), 0o644); err != nil {
				why, ok = append(why, err.Error()), false
			}
		}
		if ok {
			return dir
		}
	}
	t.Skipf("no control group with a CPU quota can be made here: %s", strings.Join(why, "; "))
	return ""
}

// removeGroup waits for the last process to leave.
func removeGroup(t *testing.T, dir string) {
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = os.Remove(dir); err == nil || os.IsNotExist(err) {
			return
		}
	}
	t.Errorf("the control group stays behind: %v", err)
}

// busyShare is how much of all cores was busy during one second.
func busyShare(t *testing.T) float64 {
	t.Helper()
	read := func() (busy, all float64) {
		data, err := os.ReadFile("/proc/stat")
		if err != nil {
			t.Skipf("nothing tells how busy this machine is: %v", err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		for i, f := range strings.Fields(line)[1:] {
			v, _ := strconv.ParseFloat(f, 64)
			all += v
			if i != 3 && i != 4 { // idle, iowait
				busy += v
			}
		}
		return busy, all
	}
	b0, a0 := read()
	time.Sleep(time.Second) // the span that is measured
	b1, a1 := read()
	if a1 <= a0 {
		return 0
	}
	return (b1 - b0) / (a1 - a0)
}
