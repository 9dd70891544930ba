package spec

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/experiments/trial"
)

var update = flag.Bool("update", false, "rewrite the golden files of this package")

// golden compares got with testdata/<name>, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it)\n--- got\n%s--- want\n%s", name, got, want)
	}
}

func testFiles(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return found
}

func TestValidFilesLoad(t *testing.T) {
	for _, path := range append(testFiles(t, "testdata/valid-*.yaml"), "example.yaml") {
		e, err := Load(path)
		if err != nil {
			t.Errorf("%s:\n%v", path, err)
			continue
		}
		if raw, _ := os.ReadFile(path); string(raw) != string(e.Raw) {
			t.Errorf("%s: Raw is not the file", path)
		}
	}
}

func TestShippedExperimentsLoad(t *testing.T) {
	for _, path := range testFiles(t, "../*.yaml") {
		all, err := LoadSystems(path)
		if err != nil {
			t.Errorf("%s:\n%v", path, err)
			continue
		}
		for _, e := range all {
			if e.Description == "" {
				t.Errorf("%s has no description", path)
			}
		}
	}
}

func TestInvalidFilesReportEveryProblemWithItsLine(t *testing.T) {
	for _, path := range testFiles(t, "testdata/invalid-*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			e, err := Load(path)
			var problems Problems
			if !errors.As(err, &problems) || e != nil {
				t.Fatalf("got experiment %v and error %v, want Problems", e, err)
			}
			if !slices.IsSortedFunc(problems, func(a, b Problem) int { return a.Line - b.Line }) {
				t.Error("the problems are not in the order of the lines")
			}
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(filepath.Base(path), ".yaml")+".txt",
				strings.ReplaceAll(problems.Error(), here, "HERE")+"\n")
		})
	}
}

func TestWhatAFullFileSays(t *testing.T) {
	e, err := Load("testdata/valid-full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 12, 1, 19, 0, 0, 0, time.UTC); !e.Lease.Start.Equal(want) {
		t.Errorf("start is %v, want %v", e.Lease.Start, want)
	}
	e.Lease.Start = time.Time{}
	want := Lease{Name: "my.lease_1", MachineName: "raspberrypi5", Duration: 90 * time.Minute}
	if !reflect.DeepEqual(e.Lease, want) {
		t.Errorf("lease is %+v, want %+v", e.Lease, want)
	}
	wantModels := []ModelSource{
		{Name: "baseline", Builtin: "mobilenetv2-11", Line: 14},
		{Name: "static-int8", URL: "https://example.org/a.onnx", Pin: files.Pin{SHA256: strings.Repeat("1", 64)}, Line: 16},
		{Name: "mine", Path: filepath.Join(e.Dir, "model.onnx"),
			Pin: files.Pin{SHA256: "abcdef" + strings.Repeat("1", 58)}, Line: 19},
		{Name: "near", URL: "http://127.0.0.1:8080/x.onnx",
			Pin: files.Pin{SHA256: "145cc77269f63bb3b2c022ace1588767a68e3e86ac7566d972825c9dedb85348"}, Line: 22},
	}
	if !reflect.DeepEqual(e.Models, wantModels) {
		t.Errorf("models are\n%+v, want\n%+v", e.Models, wantModels)
	}
	wantProviders := []trial.Provider{
		{Name: "cpu"},
		{Name: "acl", Optional: true, Options: map[string]string{"enable_fast_math": "1"}},
	}
	if !reflect.DeepEqual(e.Providers, wantProviders) {
		t.Errorf("providers are %+v, want %+v", e.Providers, wantProviders)
	}
	wantTrials := TrialPolicy{
		Policy: trial.Policy{Warmup: 0, MinRuns: 20, MinTime: 500 * time.Millisecond, Timeout: 30 * time.Second,
			Block: 250 * time.Millisecond, Precision: 0.025, CoolDown: time.Minute},
		Repetitions: 2, Seed: 42,
	}
	if e.Trials != wantTrials {
		t.Errorf("trials are %+v, want %+v", e.Trials, wantTrials)
	}
	if len(e.Budgets) != 5 || e.Budgets[0].Limit != 5e6 || e.Budgets[2].Limit != 5e8 || e.Budgets[4].Limit != 512<<20 {
		t.Errorf("budgets are %+v", e.Budgets)
	}
}

// The example shows every default that it can, so the two must agree; and the
// table in doc.go is held against the code here.
func TestDefaults(t *testing.T) {
	minimal, err := Load("testdata/valid-minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	example, err := Parse("example.yaml", Example())
	if err != nil {
		t.Fatal(err)
	}
	if minimal.Trials != example.Trials || minimal.Container != example.Container ||
		minimal.Lease.Duration != example.Lease.Duration {
		t.Errorf("defaults %+v %+v %v differ from the example's %+v %+v %v",
			minimal.Trials, minimal.Container, minimal.Lease.Duration, example.Trials, example.Container, example.Lease.Duration)
	}
	want := trial.Policy{Warmup: 10, MinRuns: 100, MinTime: 5 * time.Second, MaxTime: 60 * time.Second,
		Timeout: 120 * time.Second, Block: 500 * time.Millisecond}
	if minimal.Trials.Policy != want || minimal.Trials.Repetitions != 1 || minimal.Trials.Seed != 1 ||
		minimal.Container != (Container{"debian:bookworm-slim", "zun"}) || minimal.Lease.Duration != 2*time.Hour ||
		!reflect.DeepEqual(minimal.Threads, []int{1}) || !reflect.DeepEqual(minimal.Batches, []int{1}) ||
		!reflect.DeepEqual(minimal.Providers, []trial.Provider{{Name: "cpu"}}) {
		t.Errorf("defaults are not those of doc.go: %+v", minimal)
	}
}

func TestAFileThatIsTooLargeOrNoFile(t *testing.T) {
	if _, err := Parse("big.yaml", make([]byte, MaxFileBytes+1)); err == nil ||
		!strings.Contains(err.Error(), "is larger than") {
		t.Errorf("too large a file gives %v", err)
	}
	if _, err := Load("testdata"); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory gives %v", err)
	}
	if _, err := Load("testdata/no-such.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

// A billion laughs: each level is nine times the one before. The reader
// follows no alias, so that this costs nothing.
func TestAliasBombIsRefused(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 9), ",") + "]\n"
	}
	if _, err := Parse("bomb.yaml", []byte(bomb+"models: *z\n")); err == nil ||
		!strings.Contains(err.Error(), "aliases are not supported") {
		t.Errorf("the bomb gives %v", err)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		b.WriteString("k" + strings.Repeat("x", i%7) + ": 1\n")
	}
	_, err := Parse("many.yaml", []byte(b.String()))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != maxProblems+1 || !strings.Contains(err.Error(), "more problems") {
		t.Errorf("%d problems are shown, want %d and a count of the rest", len(problems), maxProblems)
	}
}

func TestAStoredCopyNeedsNoModelFiles(t *testing.T) {
	data := []byte("apiVersion: chexp/v1\nname: x\nsite: local\nmodels: [{name: a, path: gone.onnx}]\n")
	if _, err := Parse("x.yaml", data); err == nil {
		t.Error("Parse accepts a model file that does not exist")
	}
	dir := t.TempDir()
	e, err := ParseStored("runs/r/experiment.yaml", dir, data)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "gone.onnx"); e.Models[0].Path != want {
		t.Errorf("path is %s, want %s", e.Models[0].Path, want)
	}
}

// FuzzParse: no input may panic, and what is accepted must stay accepted.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/valid-*.yaml", "testdata/invalid-*.yaml", "../*.yaml"} {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse("testdata/fuzz.yaml", data)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("error is no list of problems: %#v", err)
			}
			return
		}
		again, err := Parse("testdata/fuzz.yaml", e.Raw)
		if err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("a second reading differs: %v", err)
		}
		var models []trial.Model
		for _, m := range e.Models {
			models = append(models, trial.Model{Name: m.Name, SHA256: strings.Repeat("0", 64)})
		}
		if e.Accuracy != nil {
			e.Accuracy.Pack = &Pack{SHA256: sum("d"), Bytes: 1, Pictures: 1}
		}
		var runtimes []Runtime
		for _, r := range e.Runtimes {
			n := trial.NamedRuntime{Name: r.Name, SHA256: strings.Repeat("0b", 32)}
			providers := []string{}
			for _, p := range e.Providers {
				providers = append(providers, p.Name)
			}
			runtimes = append(runtimes, Runtime{NamedRuntime: n, Providers: providers})
		}
		if _, err := Expand(e, models, "r", runtimes); err != nil {
			t.Fatalf("a valid experiment does not expand: %v", err)
		}
		for _, b := range e.Budgets {
			if again, err := ParseBudget(b.Text); err != nil || again != b {
				t.Fatalf("budget %+v reads back as %+v, %v", b, again, err)
			}
		}
	})
}

// A model's URL may be signed: what is kept with a run lets nobody in, and loads as
// it is.
func TestWhatIsSharedHoldsNoSignature(t *testing.T) {
	const file = `apiVersion: chexp/v1
name: signed
site: local
models:
  - {name: a, url: "https://s3.example/m?X-Amz-Credential=AK%%2F1&X-Amz-Signature=%s&v=2", sha256: %s}
  - {name: b, url: https://b.example/m?v=2&sig=%s, sha256: %[2]s}
providers: [cpu]
`
	sum := strings.Repeat("0", 64)
	e, err := Parse("e.yaml", fmt.Appendf(nil, file, "0123abcd", sum, "x7"))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(strings.ReplaceAll(file, "AK%%2F1", secret.Removed), secret.Removed, sum, secret.Removed)
	if got := string(e.Shared()); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if again, err := ParseStored("e.yaml", ".", e.Shared()); err != nil || string(again.Shared()) != want {
		t.Errorf("read again: %v", err)
	}
	bad := strings.Replace(file, "https://b.example/m?v=2", "https://ada:pa55word@b.example:x/m?v=2", 1)
	_, err = Parse("e.yaml", fmt.Appendf(nil, bad, "0123abcd", sum, "x7"))
	if err == nil || strings.Contains(err.Error(), "pa55") {
		t.Errorf("%v", err)
	}
}
