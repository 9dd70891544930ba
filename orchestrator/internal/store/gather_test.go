//go:build unix

package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chexp/experiments/compare/simulated"
	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
)

// written is the folder of one simulated run.
func written(t *testing.T, change func(*trial.Result)) (run simulated.Run, dir string) {
	t.Helper()
	class := simulated.Quiet(1, 1, 1)
	class.Starts = 1
	run = class.All()[0]
	if change != nil {
		change(run.Results[0])
	}
	dir, err := run.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return run, dir
}

func gather(t *testing.T, name string) *store.Gathered {
	t.Helper()
	got, err := store.At("nowhere").Gather(name)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d runs, %v", len(got), err)
	}
	return got[0]
}

func TestGatherFromAnywhere(t *testing.T) {
	run, dir := written(t, nil)
	first := filepath.Join(dir, "results", run.Results[0].TrialID+".json")
	copied := filepath.Join(t.TempDir(), "mail.json")
	folder := t.TempDir()
	if err := os.Link(first, copied); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(dir, "results"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		results       int
		plan, verfied bool
	}{{dir, 2, true, true}, {first, 1, true, true}, {folder, 2, false, true}, {copied, 1, false, false}} {
		g := gather(t, c.name)
		if g.RunID != run.Plan.RunID || len(g.Results) != c.results || (g.Plan != nil) != c.plan ||
			(g.Dir != "") != c.plan || len(g.Damaged) > 0 || (len(g.Remarks) == 0) != c.verfied {
			t.Errorf("%s: run %s, %d results, plan %v, damaged %q, remarks %q", c.name, g.RunID, len(g.Results),
				g.Plan != nil, g.Damaged, g.Remarks)
		}
	}
	got, err := store.At(filepath.Dir(dir)).Gather(run.Plan.RunID[len(run.Plan.RunID)-4:])
	if err != nil || got[0].RunID != run.Plan.RunID {
		t.Errorf("by name: %v", err)
	}
	for _, name := range []string{"", "nosuch", "/nosuch/x", t.TempDir(), "/dev/null"} {
		if _, err := store.At("nowhere").Gather(name); failure.KindOf(err) != failure.Usage {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A run's folder from anybody: what is not what it should be is left out and
// said, and the rest of the run counts.
func TestGatherHostileFolder(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(file string) error // of the first result
		says  string
	}{
		{"changed", func(f string) error { return replace(f, `"batch":1`, `"batch":2`) }, "was changed"},
		{"no number", func(f string) error { return resummed(f, `"seed":1`, `"seed":NaN`) }, "is no result"},
		{"huge number", func(f string) error { return resummed(f, `"latencies_ns":[`, `"latencies_ns":[1e400,`) },
			"is no result"},
		{"a latency of years", func(f string) error {
			return resummed(f, `"latencies_ns":[`, `"latencies_ns":[900000000000000000,`)
		}, "holds a latency of 900000000000000000 ns"},
		{"a latency below zero", func(f string) error {
			return resummed(f, `"latencies_ns":[`, `"latencies_ns":[-5,`)
		}, "holds a latency of -5 ns"},
		{"another schema", func(f string) error { return resummed(f, "chexp.result/v1", "chexp.result/v9") }, "schema"},
		{"a path for a name", func(f string) error { return resummed(f, `"name":"sim-a"`, `"name":"../../x"`) },
			"not well formed"},
		{"another trial", func(f string) error { return resummed(f, `"trial_id":"sim-a`, `"trial_id":"sim-b`) },
			"another trial"},
		{"another run", func(f string) error { return resummed(f, `"run_id":"2`, `"run_id":"3`) }, "belongs to run"},
		{"another model", func(f string) error {
			return resummed(f, `"sha256":"`+simulatedSum("sim-a")[:4], `"sha256":"0000`)
		}, "sha256"},
		{"a link", func(f string) error { os.Remove(f); return os.Symlink("/etc/passwd", f) }, "no regular file"},
		{"a pipe", func(f string) error { os.Remove(f); return syscall.Mkfifo(f, 0o644) }, "no regular file"},
		{"a folder", func(f string) error { os.Remove(f); return os.Mkdir(f, 0o755) }, "no regular file"},
		{"cut off", func(f string) error { return os.Truncate(f, 100) }, "was changed"},
		{"gone", os.Remove, "but not there"},
		{"not in the sums", func(f string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(f), "SHA256SUMS"),
				[]byte("00  ../../../etc/passwd\n"), 0o644)
		}, "is not in SHA256SUMS"},
	} {
		run, dir := written(t, nil)
		file := filepath.Join(dir, "results", run.Results[0].TrialID+".json")
		if err := c.spoil(file); err != nil {
			t.Fatal(err)
		}
		g := gather(t, dir)
		left := 1
		if c.name == "not in the sums" {
			left = 0
		}
		said := slices.ContainsFunc(g.Damaged, func(s string) bool { return strings.Contains(s, c.says) })
		if len(g.Results) != left || !said {
			t.Errorf("%s: %d results, damaged %q, want %q", c.name, len(g.Results), g.Damaged, c.says)
		}
	}
}

// A plan cannot lead out of its folder.
func TestGatherHostilePlan(t *testing.T) {
	for name, change := range map[string]func(*trial.Plan){
		"a trial's path": func(p *trial.Plan) { p.Trials[0].ID = "../../../etc/passwd" },
		"a run's path":   func(p *trial.Plan) { p.RunID = "../x" },
		"twice":          func(p *trial.Plan) { p.Trials = append(p.Trials, p.Trials[0]) },
	} {
		run, dir := written(t, nil)
		change(run.Plan)
		data, err := json.Marshal(run.Plan)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "plan.json"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := store.At("nowhere").Gather(dir); failure.KindOf(err) != failure.Storage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same run from two places is one; if the two contradict each other, neither
// counts.
func TestJoin(t *testing.T) {
	_, one := written(t, nil)
	_, same := written(t, nil)
	_, other := written(t, func(r *trial.Result) { r.Seed++ })
	g := gather(t, one)
	if g.Join(gather(t, same)); len(g.Results) != 2 || len(g.Damaged) != 0 {
		t.Errorf("%d results, %q", len(g.Results), g.Damaged)
	}
	if g.Join(gather(t, other)); len(g.Results) != 1 || len(g.Damaged) != 1 ||
		!strings.Contains(g.Damaged[0], "is another in") {
		t.Errorf("%d results, %q", len(g.Results), g.Damaged)
	}
}

func simulatedSum(name string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(name))) }

func replace(file, old, to string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed := bytes.Replace(data, []byte(old), []byte(to), 1)
	if bytes.Equal(changed, data) {
		return fmt.Errorf("%s holds no %s", file, old)
	}
	return os.WriteFile(file, changed, 0o644)
}

// resummed changes a result and its sum, as one who means it would.
func resummed(file, old, to string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := replace(file, old, to); err != nil {
		return err
	}
	after, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return replace(filepath.Join(filepath.Dir(file), "SHA256SUMS"),
		fmt.Sprintf("%x", sha256.Sum256(before)), fmt.Sprintf("%x", sha256.Sum256(after)))
}
