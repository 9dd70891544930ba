package bundle_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
)

// world is one bundle's files on this machine, and a far end.
type world struct {
	t      *testing.T
	agent  string
	models map[string]string // SHA-256 → path
	plan   *trial.Plan
	far    string
	tr     *recorder
}

// recorder counts what goes through a real transport, and may spoil it.
type recorder struct {
	transport.Transport
	puts, execs int
	exec        func(n int) error // an error instead of the answer; the command runs all the same
}

func (r *recorder) Put(ctx context.Context, dir string, tar io.Reader) error {
	r.puts++
	return r.Transport.Put(ctx, dir, tar)
}

func (r *recorder) Exec(ctx context.Context, c transport.Command) (transport.Exit, error) {
	r.execs++
	exit, err := r.Transport.Exec(ctx, c)
	if r.exec != nil {
		if spoilt := r.exec(r.execs); spoilt != nil {
			return transport.Exit{}, spoilt
		}
	}
	return exit, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, agent: dir + "/agent", models: map[string]string{}, far: dir + "/far/bundle",
		tr: &recorder{Transport: localexec.New(dir + "/far")}}
	w.write(w.agent, "#!/bin/sh\necho agent\n")
	w.plan = &trial.Plan{Schema: trial.PlanSchema, Experiment: "e", RunID: "r"}
	for i := range 30 { // more names than fit into one question
		data := fmt.Sprintf("model %d %s", i, strings.Repeat("x", i*100))
		sum := sha256.Sum256([]byte(data))
		m := trial.Model{Name: fmt.Sprintf("m%d", i), SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(data))}
		w.models[m.SHA256] = fmt.Sprintf("%s/%d.onnx", dir, i)
		w.write(w.models[m.SHA256], data)
		w.plan.Models = append(w.plan.Models, m)
		w.plan.Trials = append(w.plan.Trials,
			trial.Trial{ID: trial.NewID(m.Name, "cpu", 1, 1, 1), Model: m.Name, Threads: 1, Batch: 1, Repetition: 1})
	}
	twin := w.plan.Models[0]
	twin.Name = "twin"
	w.plan.Models = append(w.plan.Models, twin)
	return w
}

func (w *world) write(path, data string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) modelFile(sum string) (string, error) { return w.models[sum], nil }

func (w *world) assemble() *bundle.Bundle {
	w.t.Helper()
	b, err := bundle.Assemble(w.agent, w.plan, w.modelFile)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) push(b *bundle.Bundle) bundle.Pushed {
	w.t.Helper()
	var last, total int64
	p, err := b.Push(w.t.Context(), w.tr, w.far, func(sent, all int64) {
		if sent < last || sent > all {
			w.t.Errorf("progress went from %d to %d of %d", last, sent, all)
		}
		last, total = sent, all
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if last != total || p.Sent != total || p.Sent+p.Skipped != b.Bytes() {
		w.t.Errorf("progress ended at %d of %d; %+v of %d bytes", last, total, p, b.Bytes())
	}
	return p
}

// verify asks the real sha256sum.
func (w *world) verify() {
	w.t.Helper()
	c := exec.Command("sha256sum", "--strict", "-c", trial.SumsFile)
	c.Dir = w.far
	out, err := c.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK") != 32 {
		w.t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
	info, err := os.Stat(w.far + "/" + trial.AgentFile)
	if err != nil || info.Mode().Perm() != 0o755 {
		w.t.Errorf("the agent: %v, %v", info.Mode(), err)
	}
}

func TestPushAll(t *testing.T) {
	w := newWorld(t)
	b := w.assemble()
	if p := w.push(b); p.Skipped != 0 || w.tr.puts != 1 {
		t.Errorf("first push: %+v in %d Puts", p, w.tr.puts)
	}
	w.verify()
	raw, err := os.ReadFile(w.far + "/" + trial.PlanFile)
	var plan trial.Plan
	if err = errors.Join(err, json.Unmarshal(raw, &plan)); err != nil || plan.Check() != nil || len(plan.Trials) != 30 {
		t.Errorf("the plan that arrived: %v", err)
	}
	left, _ := filepath.Glob(w.far + "/.chexp*")
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if b.Files[len(b.Files)-1].Path != trial.SumsFile {
		t.Error("SHA256SUMS is not the last file")
	}
}

func TestPushOnlyWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	b := w.assemble()
	w.push(b)
	if p := w.push(b); p.Sent != 0 || w.tr.puts != 1 {
		t.Errorf("second push: %+v in %d Puts", p, w.tr.puts)
	}
	gone, damaged := w.plan.Models[3], w.plan.Models[29]
	if err := os.Remove(w.far + "/" + gone.Path()); err != nil {
		t.Fatal(err)
	}
	w.write(w.far+"/"+damaged.Path(), strings.Repeat("y", int(damaged.Bytes)))
	if p := w.push(b); p.Sent != gone.Bytes+damaged.Bytes {
		t.Errorf("third push: %+v, want %d sent", p, gone.Bytes+damaged.Bytes)
	}
	w.verify()
	if err := os.Chmod(w.far+"/"+trial.AgentFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if p := w.push(b); p.Sent != b.Files[0].Size {
		t.Errorf("an agent that may not be run: %+v", p)
	}
	w.verify()
}

// Zun stops waiting for the sums of large files; they are made all the same.
func TestPushWhenSumsTakeLong(t *testing.T) {
	w := newWorld(t)
	b := w.assemble()
	w.push(b)
	w.tr.execs = 0
	// The real Transport would answer before the script has removed its answer;
	// so the answer is put where the script leaves it when it is cut.
	w.tr.Transport = &cut{Transport: w.tr.Transport, t: t}
	if p := w.push(b); p.Sent != 0 {
		t.Errorf("%+v, want nothing sent", p)
	}
	left, _ := filepath.Glob(w.far + "/.chexp*")
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// cut answers ErrStillRunning to each question and finishes the command late.
type cut struct {
	transport.Transport
	t *testing.T
}

func (c *cut) Exec(ctx context.Context, cmd transport.Command) (transport.Exit, error) {
	if !strings.Contains(cmd.Args[2], "sha256sum") {
		return c.Transport.Exec(ctx, cmd)
	}
	late := slices.Clone(cmd.Args)
	late[2] = "sleep 1; " + strings.TrimSuffix(late[2], ` && cat "$a" && rm -f "$a"`)
	if late[2] == "sleep 1; "+cmd.Args[2] {
		c.t.Fatal("the script changed: adapt this test")
	}
	go func() { _, _ = c.Transport.Exec(context.WithoutCancel(ctx), transport.Command{Args: late}) }()
	return transport.Exit{}, fmt.Errorf("cut: %w", transport.ErrStillRunning)
}

func TestPushAsksAgain(t *testing.T) {
	w := newWorld(t)
	b := w.assemble()
	w.push(b)
	w.tr.execs = 0
	w.tr.exec = func(n int) error {
		if n == 1 {
			return errors.New("connection reset")
		}
		return nil
	}
	if p := w.push(b); p.Sent != 0 {
		t.Errorf("after a lost answer: %+v", p)
	}
}

func TestPushNoticesChange(t *testing.T) {
	for name, change := range map[string]string{"other": "model X ", "longer": "model 0  and more", "shorter": "m"} {
		w := newWorld(t)
		b := w.assemble()
		w.write(w.models[w.plan.Models[0].SHA256], change)
		_, err := b.Push(t.Context(), w.tr, w.far, nil)
		if err == nil || failure.NextOf(err) == "" {
			t.Errorf("%s: a model that changed after it was looked at: %v", name, err)
		}
	}
}

func TestAssembleRefuses(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]func(){
		"no agent":    func() { w.agent += "-nowhere" },
		"agent dir":   func() { w.agent = t.TempDir() },
		"other model": func() { w.write(w.models[w.plan.Models[5].SHA256], "something else") },
		"no model":    func() { os.Remove(w.models[w.plan.Models[5].SHA256]) },
	} {
		w = newWorld(t)
		c()
		_, err := bundle.Assemble(w.agent, w.plan, w.modelFile)
		if failure.KindOf(err) != failure.Usage || failure.NextOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w = newWorld(t)
	unknown := errors.New("no such model")
	_, err := bundle.Assemble(w.agent, w.plan, func(string) (string, error) { return "", unknown })
	if !errors.Is(err, unknown) || !strings.Contains(err.Error(), "m0") {
		t.Errorf("a model that nobody has: %v", err)
	}
	w.plan.Trials = nil
	if _, err := bundle.Assemble(w.agent, w.plan, w.modelFile); err == nil {
		t.Error("a plan without trials was taken")
	}
}

func TestPushHonoursContext(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := w.assemble().Push(ctx, w.tr, w.far, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A runtime and its plugins go up like models, each content once, and stay where
// they are when they are there already.
func TestRuntimesArePushed(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.agent)
	file := func(name string) (sum string, size int64) {
		h := sha256.Sum256([]byte(name))
		sum = hex.EncodeToString(h[:])
		w.models[sum] = filepath.Join(dir, name)
		w.write(w.models[sum], name)
		return sum, int64(len(name))
	}
	sum, size := file("runtime")
	plugin, pluginSize := file("plugin")
	plugins := []trial.Plugin{{Provider: "p", SHA256: plugin, Bytes: pluginSize}}
	w.plan.Runtimes = []trial.NamedRuntime{{Name: "a", SHA256: sum, Bytes: size, Plugins: plugins},
		{Name: "b", Plugins: plugins}}
	w.push(w.assemble())
	for _, sum := range []string{sum, plugin} {
		if _, err := os.Stat(filepath.Join(w.far, trial.RuntimesDir, sum)); err != nil {
			t.Error(err)
		}
	}
	if again := w.push(w.assemble()); again.Sent != 0 {
		t.Errorf("a second push sent %d bytes", again.Sent)
	}
	w.write(w.models[sum], "another")
	if _, err := bundle.Assemble(w.agent, w.plan, w.modelFile); err == nil ||
		!strings.Contains(err.Error(), "runtime a: ") || failure.KindOf(err) != failure.Usage {
		t.Errorf("a runtime that changed: %v", err)
	}
}
