package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"chexp/agent/internal/payload"
	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
	"chexp/models/builtin"
)

// runtime adds a runtime file to the bundle; several trials may name it.
func (b *bundleDir) runtime(name string, content []byte) *bundleDir {
	b.t.Helper()
	sum := sha256.Sum256(content)
	r := trial.NamedRuntime{Name: name, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content)), Origin: "test"}
	b.write(r.Path(), content)
	b.plan.Runtimes = append(b.plan.Runtimes, r)
	return b
}

// on adds trials of a model that is in the bundle, and renames them all.
func (b *bundleDir) on(model string, providers ...trial.Provider) *bundleDir {
	for _, p := range providers {
		tr := trial.Trial{Model: model, Provider: p, Threads: 2, Batch: 1, Repetition: 1}
		tr.ID = trial.NewID(model, p.Label(), tr.Threads, tr.Batch, tr.Repetition)
		b.plan.Trials = append(b.plan.Trials, tr)
	}
	return b
}

// built is a runtime that this repository's scripts make.
func built(t *testing.T, name, arch string) []byte {
	t.Helper()
	path := filepath.Join(filepath.Dir(agentFor(t, arch)), "runtimes", name+"-"+arch+".ort")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("the runtime %s is not built for %s (make runtime-%s makes it): %v", name, arch, name, err)
	}
	return content
}

// A library on its own runs with what the agent carries: here ONNX Runtime
// again, out of the agent's own payload.
func TestPlainLibraryAsRuntime(t *testing.T) {
	agent := agentFor(t, runtime.GOARCH)
	p, err := payload.Open(agent)
	must(t, err)
	defer p.Close()
	dir, err := p.Unpack(context.Background(), []string{os.Getenv("CHEXP_AGENT_CACHE")})
	must(t, err)
	library, err := os.ReadFile(filepath.Join(dir, p.Header.Library))
	must(t, err)
	b := newBundle(t, trial.Policy{MinRuns: 3}).add("tiny", tiny(), nil).runtime("mine", library).
		runtime("broken", []byte("no library at all")).
		on("tiny", trial.Provider{Name: "cpu", Runtime: "mine"},
			trial.Provider{Name: "cpu", Runtime: "broken"}).sealRuntimes()
	if code, _, errOut := b.agent("run", b.dir); code != exitTrials {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	res := b.result("tiny.cpu-mine.t2.b1.r1")
	if placed, _ := res.Placement.Get(); res.Outcome != trial.OK || placed.Nodes != 1 || res.Runtime.Version == "" {
		t.Errorf("%s %v, placement %+v, runtime %+v", res.Outcome, res.Reasons, res.Placement, res.Runtime)
	}
	if s := res.Runtime.Settings; s == nil || s.IntraOpThreads != 2 || s.InterOpThreads != 1 {
		t.Errorf("settings %+v", s)
	}
	res = b.result("tiny.cpu-broken.t2.b1.r1")
	if res.Outcome != trial.Failed || res.Reasons[0].Code != reason.RuntimeFailed || res.Runtime.Version != "" {
		t.Errorf("%s %v, runtime %+v", res.Outcome, res.Reasons, res.Runtime)
	}
}

// A bundle that cannot be used fails its trials, with the reason, and no others.
func TestUnusableRuntimeBundle(t *testing.T) {
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	make := func(arch, loader string) []byte {
		file := filepath.Join(t.TempDir(), "x")
		must(t, os.WriteFile(file, []byte("x"), 0o600))
		h := payload.Header{Arch: arch, Loader: loader, Library: "lib"}
		paths := map[string]string{"ld": file, "lib": file}
		must(t, payload.Describe(paths, &h))
		compressed, err := payload.Compress(paths, h)
		must(t, err)
		var out strings.Builder
		must(t, payload.Append(&out, strings.NewReader(""), compressed, h))
		return []byte(out.String())
	}
	b := newBundle(t, trial.Policy{MinRuns: 3}).add("tiny", tiny(), nil).
		runtime("other", make(other, "ld")).runtime("headless", make(runtime.GOARCH, "")).
		on("tiny", trial.Provider{Name: "cpu", Runtime: "other"},
			trial.Provider{Name: "cpu", Runtime: "headless"}).sealRuntimes()
	if code, _, errOut := b.agent("run", b.dir); code != exitTrials {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	for id, want := range map[string]string{"tiny.cpu-other.t2.b1.r1": "made for " + other,
		"tiny.cpu-headless.t2.b1.r1": "does not hold its loader"} {
		res := b.result(id)
		if res.Outcome != trial.Failed || res.Reasons[0].Code != reason.RunnerMissing ||
			!strings.Contains(res.Reasons[0].Text, want) {
			t.Errorf("%s: %s %v", id, res.Outcome, res.Reasons)
		}
	}
	if res := b.result("tiny.cpu.t1.b1.r1"); res.Outcome != trial.OK {
		t.Errorf("the agent's own runtime: %s %v", res.Outcome, res.Reasons)
	}
}

// MobileNetV2 in three forms on the providers of Debian's build: which of them
// really runs what. CHEXP_RUNTIME_TABLES (make test-runtimes) asks for all models
// and for arm64 under emulation too, and prints the tables.
func TestDebianRuntime(t *testing.T) {
	builtins := map[string]string{
		"fp32": "plates11-fp32", "static": "plates11-int8-static", "dynamic": "plates11-int8-dynamic",
	}
	all := os.Getenv("CHEXP_RUNTIME_TABLES") != ""
	for _, arch := range []string{runtime.GOARCH, "arm64"} {
		if arch != runtime.GOARCH && !all {
			continue
		}
		t.Run(arch, func(t *testing.T) {
			models, providers := []string{"fp32", "static"}, []string{"xnnpack"}
			if all {
				models, providers = append(models, "dynamic"), []string{"cpu", "xnnpack", "dnnl"}
			}
			b := newBundle(t, trial.Policy{MinRuns: 1, MaxTime: time.Second, Timeout: 9 * time.Minute}).
				runtime("debian", built(t, "debian", arch))
			for _, name := range models {
				content, err := builtin.Generate(builtins[name])
				must(t, err)
				b.add(name, content, func(tr *trial.Trial) { tr.Threads = 2 })
				for _, p := range providers {
					b.on(name, trial.Provider{Name: p, Runtime: "debian"})
				}
			}
			b.sealRuntimes()
			run := exec.Command(agentFor(t, arch), "run", b.dir)
			if arch != runtime.GOARCH {
				run = qemu(t, agentFor(t, arch), "run", b.dir)
			}
			if code, _, errOut := execute(t, run); code != 0 {
				t.Errorf("exit %d: %s", code, errOut)
			}
			if all {
				t.Log("\n" + truthTables(b))
			}
			checkXNNPACK(t, b)
			if res := b.result("fp32.cpu.t2.b1.r1"); (res.Device.Emulated != "") != (arch != runtime.GOARCH) {
				t.Errorf("on %s the result says emulated by %q", arch, res.Device.Emulated)
			}
		})
	}
}

// OpenVINO takes the float model whole, as one node of its own, and next to nothing of the
// static INT8 model: its unsigned activations meet weights of one scale per channel.
func TestOpenVINORuntime(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("OpenVINO's provider is published for x86-64 alone")
	}
	b := newBundle(t, trial.Policy{MinRuns: 1, MaxTime: time.Second, Timeout: 9 * time.Minute}).
		runtime("openvino", built(t, "openvino", runtime.GOARCH))
	for name, model := range map[string]string{"fp32": "plates11-fp32", "static": "plates11-int8-static"} {
		content, err := builtin.Generate(model)
		must(t, err)
		b.add(name, content, func(tr *trial.Trial) { tr.Threads = 2 })
		b.on(name, trial.Provider{Name: "openvino", Runtime: "openvino"})
	}
	b.sealRuntimes()
	if code, _, errOut := execute(t, exec.Command(agentFor(t, runtime.GOARCH), "run", b.dir)); code != 0 {
		t.Errorf("exit %d: %s", code, errOut)
	}
	t.Log("\n" + truthTables(b))
	for name, most := range map[string]int{"fp32": 0, "static": 80} {
		res := b.result(name + ".openvino-openvino.t2.b1.r1")
		p, ok := res.Placement.Get()
		if !ok || res.Outcome != trial.OK || res.Runtime.Version != "1.24.1" {
			t.Fatalf("%s: %s %v, %v, %+v", name, res.Outcome, res.Reasons, p, res.Runtime)
		}
		left := 0
		for _, s := range p.Providers {
			if s.Provider == "cpu" {
				left = s.Nodes
			}
		}
		if left > most || name == "static" && left == 0 {
			t.Errorf("%s: %d of %d nodes are left to the CPU provider", name, left, p.Nodes)
		}
	}
}

// checkXNNPACK: the float model's convolutions and its product, and none of the
// static INT8 model, whose unsigned activations meet weights of one scale per
// channel.
func checkXNNPACK(t *testing.T, b *bundleDir) {
	t.Helper()
	share := func(id string) (taken int) {
		res := b.result(id)
		p, ok := res.Placement.Get()
		if !ok || res.Outcome != trial.OK {
			t.Fatalf("%s: %s %v, placement unavailable: %s", id, res.Outcome, res.Reasons, res.Placement.Unavailable)
		}
		for _, s := range p.Providers {
			if s.Provider == "xnnpack" {
				return s.Nodes
			}
		}
		t.Errorf("%s: xnnpack has no line: %+v", id, p.Providers)
		return -1
	}
	if n := share("fp32.xnnpack-debian.t2.b1.r1"); n < 52 {
		t.Errorf("xnnpack took %d nodes of the float model, which has 52 convolutions", n)
	}
	if n := share("static.xnnpack-debian.t2.b1.r1"); n != 0 {
		t.Errorf("xnnpack took %d nodes of the static INT8 model", n)
	}
	res := b.result("static.xnnpack-debian.t2.b1.r1")
	if len(res.Reasons) == 0 || res.Reasons[0].Code != reason.ProviderIdle &&
		res.Reasons[len(res.Reasons)-1].Code != reason.ProviderIdle {
		t.Errorf("the result does not say that xnnpack ran nothing: %v", res.Reasons)
	}
	if s := res.Runtime.Settings; s == nil || s.Provider["intra_op_num_threads"] != "2" ||
		s.FreeDimensions["batch_size"] != 1 {
		t.Errorf("settings %+v", s)
	}
}

func truthTables(b *bundleDir) string {
	var out strings.Builder
	for _, tr := range b.plan.Trials {
		res := b.result(tr.ID)
		p, ok := res.Placement.Get()
		emulated := ""
		if res.Device.Emulated != "" {
			emulated = ", emulated: times say nothing about a device"
		}
		fmt.Fprintf(&out, "%s (onnxruntime %s, %s%s)\n", tr.ID, res.Runtime.Version, res.Agent.Arch, emulated)
		if !ok {
			fmt.Fprintf(&out, "  unavailable: %s\n\n", res.Placement.Unavailable)
			continue
		}
		w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
		for _, s := range p.Providers {
			fmt.Fprintf(w, "  %s\t%d of %d nodes\t%.1f %% of the time\t\n", s.Provider, s.Nodes, p.Nodes,
				percent(s.TimeNS, p.TimeNS))
		}
		for i, o := range p.Operators {
			if i == 6 {
				fmt.Fprintf(w, "    and %d kinds more\t\t\t\n", len(p.Operators)-i)
				break
			}
			fmt.Fprintf(w, "    %s\t%d on %s\t%.1f %%\t\n", o.Operator, o.Nodes, o.Provider,
				percent(o.TimeNS, p.TimeNS))
		}
		w.Flush()
		for _, r := range res.Reasons {
			if r.Code == reason.ProviderIdle {
				fmt.Fprintf(&out, "  %s\n", r.Text)
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

// sealRuntimes writes plan and sums, runtimes included.
func (b *bundleDir) sealRuntimes() *bundleDir {
	b.t.Helper()
	b.seal()
	path := filepath.Join(b.dir, trial.SumsFile)
	sums, err := os.ReadFile(path)
	must(b.t, err)
	for _, r := range b.plan.Runtimes {
		sums = append(sums, r.SHA256+"  "+r.Path()+"\n"...)
	}
	b.write(trial.SumsFile, sums)
	return b
}
