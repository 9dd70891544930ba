package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/models/builtin"
)

// `make bench-start` runs these.

// From the start of the agent until it has unpacked itself, checked the bundle
// and begins; and until the first trial's process has loaded ONNX Runtime and a
// tiny model and is done with one inference.
func BenchmarkStart(b *testing.B) {
	path := agentFor(b, runtime.GOARCH)
	start := func(cache string) (begun, measured time.Duration) {
		dir := newBundle(b, trial.Policy{MinRuns: 1}).add("tiny", tiny(), nil).seal()
		cmd := exec.Command(path, "run", dir.dir)
		cmd.Env = append(os.Environ(), "CHEXP_AGENT_CACHE="+cache)
		out, err := cmd.StdoutPipe()
		must(b, err)
		begin := time.Now()
		must(b, cmd.Start())
		events := json.NewDecoder(out)
		for events.More() {
			var e trial.Event
			must(b, events.Decode(&e))
			switch e.Type {
			case trial.RunStarted:
				begun = time.Since(begin)
			case trial.TrialFinished:
				measured = time.Since(begin)
			}
		}
		must(b, cmd.Wait())
		return begun, measured
	}
	var first, firstTrial, later, laterTrial []time.Duration
	for range 7 * b.N {
		cache := b.TempDir()
		x, y := start(cache)
		first, firstTrial = append(first, x), append(firstTrial, y)
		x, y = start(cache)
		later, laterTrial = append(later, x), append(laterTrial, y)
	}
	for _, list := range [][]time.Duration{first, firstTrial, later, laterTrial} {
		slices.Sort(list)
	}
	n := len(first)
	b.ReportMetric(first[n/2].Seconds(), "first-s")
	b.ReportMetric(later[n/2].Seconds(), "later-s")
	b.ReportMetric(0, "ns/op")
	b.Logf("first start: median %.3f s, least %.3f s (bar: 0.6); "+
		"later: median %.3f s, least %.3f s (bar: 0.1), of %d each",
		first[n/2].Seconds(), first[0].Seconds(), later[n/2].Seconds(), later[0].Seconds(), n)
	b.Logf("with a whole trial of one inference, the harness's own measurement included: first %.3f s, later %.3f s",
		firstTrial[n/2].Seconds(), laterTrial[n/2].Seconds())
}

// What the agent takes of the memory beside the runtime and the model.
func BenchmarkMemory(b *testing.B) {
	path := agentFor(b, runtime.GOARCH)
	content, err := builtin.Generate("plates11-int8-static")
	must(b, err)
	model := filepath.Join(b.TempDir(), "model.onnx")
	must(b, os.WriteFile(model, content, 0o600))
	dir := newBundle(b, trial.Policy{MinRuns: 20, MinTime: time.Second}).add("real", content, nil).seal()
	cmd := exec.Command(path, "run", dir.dir)
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	var supervisor int64 // resident while it waits for the block
	events := json.NewDecoder(out)
	for events.More() {
		var e trial.Event
		must(b, events.Decode(&e))
		if e.Type == trial.TrialStarted {
			time.Sleep(700 * time.Millisecond) // the block lasts a second
			supervisor = statusKB(b, cmd.Process.Pid, "VmRSS:")
		}
	}
	must(b, cmd.Wait())
	peak, ok := dir.result("real.cpu.t1.b1.r1").PeakMemoryBytes.Get()
	if !ok {
		b.Fatal("no peak memory")
	}
	bare := barePeak(b, path, model)
	over := float64(peak+1024*supervisor-1024*bare) / 1e6
	b.ReportMetric(over, "MB-over-bare")
	b.ReportMetric(0, "ns/op")
	b.Logf("peak of the trial's process %.1f MB, of a bare one in C %.1f MB; the supervisor's meanwhile %.1f MB: "+
		"%.1f MB over bare (bar: 15)",
		float64(peak)/1e6, float64(1024*bare)/1e6, float64(1024*supervisor)/1e6, over)
}

func statusKB(b *testing.B, pid int, key string) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			must(b, err)
			return n
		}
	}
	b.Fatalf("/proc/%d/status has no %s", pid, key)
	return 0
}

// barePeak is the peak memory in kB of the same model in testdata/bare.c, over
// the library that the agent unpacked.
func barePeak(b *testing.B, agent, model string) int64 {
	libraries, _ := filepath.Glob(filepath.Join(os.Getenv("CHEXP_AGENT_CACHE"), "*", "libonnxruntime.so.1"))
	if len(libraries) == 0 {
		b.Fatalf("%s has left no library in CHEXP_AGENT_CACHE", agent)
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	must(b, err)
	program := filepath.Join(b.TempDir(), "bare")
	if out, err := exec.Command("gcc", "-O2", "-I", strings.TrimSpace(string(module)), "-o", program, "testdata/bare.c",
		"-ldl").CombinedOutput(); err != nil {
		b.Fatalf("gcc: %v\n%s", err, out)
	}
	out, err := exec.Command(program, libraries[0], model).Output()
	must(b, err)
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	must(b, err)
	return n
}
