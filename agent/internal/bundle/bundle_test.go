package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// push makes a valid bundle with one model.
func push(t *testing.T) (dir string, sums string) {
	t.Helper()
	dir = t.TempDir()
	model := []byte("not looked into here")
	m := trial.Model{Name: "m", SHA256: files.Sum(model), Bytes: int64(len(model))}
	p := trial.Plan{Schema: trial.PlanSchema, RunID: "r", Models: []trial.Model{m}, Trials: []trial.Trial{
		{ID: "m.cpu.t1.b1.r1", Model: "m", Provider: trial.Provider{Name: "cpu"}, Threads: 1, Batch: 1, Repetition: 1},
	}}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, trial.PlanFile, string(raw))
	write(t, dir, m.Path(), string(model))
	sums = files.Sum(raw) + "  " + trial.PlanFile + "\n" + m.SHA256 + " *./" + m.Path() + "\n"
	write(t, dir, trial.SumsFile, sums)
	return dir, sums
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(dir string) error {
	p, _, err := Plan(dir)
	if err != nil {
		return err
	}
	return Verify(context.Background(), dir, p)
}

func TestGood(t *testing.T) {
	dir, _ := push(t)
	if err := load(dir); err != nil {
		t.Fatal(err)
	}
}

func TestBad(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, dir, sums string)
		want   string
	}{
		{"no plan", func(t *testing.T, dir, _ string) {
			os.Remove(filepath.Join(dir, trial.PlanFile))
		}, trial.PlanFile},
		{"plan is no JSON", func(t *testing.T, dir, _ string) { write(t, dir, trial.PlanFile, "{") }, trial.PlanFile},
		{"plan of the future", func(t *testing.T, dir, _ string) {
			write(t, dir, trial.PlanFile, `{"schema":"chexp.plan/v9"}`)
		}, "v9"},
		{"plan changed", func(t *testing.T, dir, _ string) {
			path := filepath.Join(dir, trial.PlanFile)
			raw, _ := os.ReadFile(path)
			write(t, dir, trial.PlanFile, string(raw)+" ")
		}, "plan.json has SHA-256"},
		{"no sums", func(t *testing.T, dir, _ string) {
			os.Remove(filepath.Join(dir, trial.SumsFile))
		}, trial.SumsFile},
		{"sums are nonsense", func(t *testing.T, dir, _ string) {
			write(t, dir, trial.SumsFile, "<html>\n")
		}, "line 1"},
		{"sums climb out", func(t *testing.T, dir, sums string) {
			write(t, dir, trial.SumsFile, sums+strings.Repeat("0", 64)+"  ../../etc/passwd\n")
		}, "line 3"},
		{"model not listed", func(t *testing.T, dir, sums string) {
			first, _, _ := strings.Cut(sums, "\n")
			write(t, dir, trial.SumsFile, first+"\n")
		}, "does not list model m"},
		{"model truncated", func(t *testing.T, dir, _ string) {
			models, _ := filepath.Glob(filepath.Join(dir, trial.ModelsDir, "*"))
			os.Truncate(models[0], 3)
		}, ".onnx has SHA-256"},
		{"model missing", func(t *testing.T, dir, _ string) {
			os.RemoveAll(filepath.Join(dir, trial.ModelsDir))
		}, "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, sums := push(t)
			tc.damage(t, dir, sums)
			err := load(dir)
			var bad *Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one of the bundle with %q", err, tc.want)
			}
		})
	}
}

func TestVerifyHonoursContext(t *testing.T) {
	dir, _ := push(t)
	p, _, err := Plan(dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, p.Models[0].Path(), strings.Repeat("x", 9<<20))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Verify(ctx, dir, p); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context: an unfinished check is no wrong sum", err)
	}
}

// Runtimes and their plugins are held to the list like models.
func TestRuntimesAreChecked(t *testing.T) {
	content := []byte("a runtime")
	sum := files.Sum(content)
	for name, r := range map[string]trial.NamedRuntime{
		"runtime": {Name: "x", SHA256: sum},
		"plugin":  {Name: "x", Plugins: []trial.Plugin{{Provider: "p", SHA256: sum}}},
	} {
		dir, _ := push(t)
		p, _, err := Plan(dir)
		if err != nil {
			t.Fatal(err)
		}
		p.Runtimes = []trial.NamedRuntime{r}
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, trial.PlanFile, string(raw))
		sums := files.Sum(raw) + "  " + trial.PlanFile + "\n" + p.Models[0].SHA256 + "  " + p.Models[0].Path() + "\n"
		write(t, dir, trial.SumsFile, sums)
		if err := load(dir); err == nil || !strings.Contains(err.Error(), "does not list runtime x") {
			t.Errorf("%s that the list lacks: %v", name, err)
		}
		at := trial.RuntimesDir + "/" + sum
		write(t, dir, trial.SumsFile, sums+sum+"  "+at+"\n")
		write(t, dir, at, string(content))
		if err := load(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		write(t, dir, at, "changed")
		if err := load(dir); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("%s that changed: %v", name, err)
		}
	}
}

func TestPackMustBeListed(t *testing.T) {
	dir, _ := push(t)
	p, _, err := Plan(dir)
	if err != nil {
		t.Fatal(err)
	}
	p.Accuracy = &trial.Evaluation{Data: trial.PackedData, SHA256: p.Models[0].SHA256, Name: "mine"}
	if err := Verify(context.Background(), dir, p); err == nil || !strings.Contains(err.Error(), "pictures of mine") {
		t.Errorf("%v", err)
	}
}
