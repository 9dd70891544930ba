package runtimes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
)

// library compiles a shared library for this machine with what ONNX Runtime
// would export.
func library(t *testing.T, dir, name, version string, code ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc:", err)
	}
	script := filepath.Join(dir, name+".map")
	write(t, script, "VERS_"+version+" { global: *; };\n")
	out := filepath.Join(dir, name)
	cmd := exec.Command("gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", out, "-Wl,--version-script="+script)
	cmd.Stdin = strings.NewReader(strings.Join(code, "\n"))
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	return out
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// bundle writes a file with its manifest beside it.
func bundle(t *testing.T, path string, change func(*trial.Manifest)) string {
	t.Helper()
	content := "a bundle"
	write(t, path, content)
	sum := sha256.Sum256([]byte(content))
	m := trial.Manifest{Version: "v", Arch: runtime.GOARCH, SHA256: hex.EncodeToString(sum[:]),
		Bytes:   int64(len(content)),
		Runtime: trial.Runtime{Version: "1.27.1", Providers: []string{"cpu", "dnnl", "xnnpack"}}}
	if change != nil {
		change(&m)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+".json", string(raw))
	return path
}

func resolver(dir string) Resolver {
	return Resolver{
		Arch: runtime.GOARCH,
		Agent: trial.Manifest{Runtime: trial.Runtime{Version: "1.27.0", Providers: []string{"cpu"}},
			Libraries: []string{"libc.so.6"}, Interfaces: map[string]string{"GLIBC": "2.36"}},
		Built: func(name string) (string, error) { return filepath.Join(dir, name+".ort"), nil },
	}
}

// experiment is one with these entries below runtimes, all of them used.
func experiment(t *testing.T, dir string, entries ...string) *spec.Experiment {
	t.Helper()
	text := "apiVersion: chexp/v1\nname: x\nsite: local\nmodels: [{name: m, builtin: tiny-cnn}]\nruntimes:\n"
	var providers []string
	for i, entry := range entries {
		text += "  - " + entry + "\n"
		name := entry
		if strings.HasPrefix(entry, "{") {
			name = fmt.Sprintf("r%d", i)
		}
		providers = append(providers, "{name: cpu, runtime: "+name+"}")
	}
	e, err := spec.Parse(filepath.Join(dir, "x.yaml"), []byte(text+"providers: ["+strings.Join(providers, ", ")+"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const (
	base   = "void *OrtGetApiBase(void) { return 0; }"
	hasCPU = "void OrtSessionOptionsAppendExecutionProvider_CPU(void) {}"
	hasACL = "void OrtSessionOptionsAppendExecutionProvider_ACL(void) {}"
	plugin = "void CreateEpFactories(void) {}"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	bundle(t, filepath.Join(dir, "debian.ort"), nil)
	library(t, dir, "ort.so", "1.26.0", base, hasCPU, hasACL)
	library(t, dir, "ep.so", "1", plugin)
	e := experiment(t, dir, "debian", "{name: r1, path: ort.so, providers: [xnnpack]}",
		"{name: r2, plugins: [{provider: npu, path: ep.so}]}")
	found, err := resolver(dir).Resolve(e)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name, version string
		providers     []string
		plugins       int
	}
	var rows []row
	for _, r := range found.Runtimes {
		rows = append(rows, row{r.Name, r.Version, r.Providers, len(r.Plugins)})
	}
	want := []row{
		{"", "1.27.0", []string{"cpu"}, 0}, {"debian", "1.27.1", []string{"cpu", "dnnl", "xnnpack"}, 0},
		{"r1", "1.26.0", []string{"acl-ort", "cpu", "xnnpack"}, 0}, {"r2", "1.27.0", []string{"cpu"}, 1},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("runtimes are\n%+v, want\n%+v", rows, want)
	}
	if found.Runtimes[3].SHA256 != "" || len(found.Files) != 3 {
		t.Errorf("the agent's own has a file, or %d files are not 3", len(found.Files))
	}
	for sum, path := range found.Files {
		if got, _, err := files.Hash(context.Background(), path, files.NoLimit); err != nil || got != sum {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
	// What goes to the device is complete: the plan accepts it.
	plan, err := spec.Expand(e, []trial.Model{{Name: "m", SHA256: strings.Repeat("a", 64)}}, "r", found.Runtimes)
	if err != nil || len(plan.Runtimes) != 3 {
		t.Errorf("%+v, %v", plan, err)
	}
}

// What could not be loaded on the device is refused here, with its line.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	bundle(t, filepath.Join(dir, "other.ort"), func(m *trial.Manifest) { m.Arch = other })
	bundle(t, filepath.Join(dir, "changed.ort"), func(m *trial.Manifest) { m.SHA256 = strings.Repeat("0", 64) })
	write(t, filepath.Join(dir, "torn.ort"), "x")
	write(t, filepath.Join(dir, "torn.ort.json"), "{")
	library(t, dir, "ort.so", "1.26.0", base, hasCPU)
	library(t, dir, "old.so", "1.21.0", base, hasCPU)
	library(t, dir, "none.so", "1.26.0", hasCPU)
	needy := library(t, dir, "needy.so", "1.26.0", base,
		"extern int puts(const char *); int f(void) { return puts(0); }")
	write(t, filepath.Join(dir, "page.so"), "<html>")
	zero := strings.Repeat("0", 64)
	for _, tc := range []struct{ entry, want string }{
		{"debian", "runtime debian: it has not been built for " + runtime.GOARCH + ": run `make runtime-debian`"},
		{"{name: r0, path: other.ort}", "made for " + other},
		{"{name: r0, path: changed.ort}", "not what its manifest describes"},
		{"{name: r0, path: torn.ort}", "its manifest"},
		{"{name: r0, path: old.so}", "is ONNX Runtime 1.21.0; the agent needs 1.24 or later"},
		{"{name: r0, path: none.so}", "no ONNX Runtime"},
		{"{name: r0, path: page.so}", "no shared library"},
		{`{name: r0, path: ort.so, sha256: "` + zero + `"}`, "the experiment says " + zero},
		{"{name: r0, plugins: [{provider: p, path: ort.so}]}", "no plugin: it exports no CreateEpFactories"},
	} {
		_, err := resolver(dir).Resolve(experiment(t, dir, tc.entry))
		if err == nil || !strings.Contains(err.Error(), tc.want) ||
			!strings.Contains(err.Error(), "x.yaml:6:5: runtimes[0]: ") {
			t.Errorf("%s: %v, want %q", tc.entry, err, tc.want)
		}
	}
	r := resolver(dir)
	r.Agent.Libraries, r.Agent.Interfaces = []string{"libm.so.6", "libc.so.6"}, map[string]string{"GLIBC": "2.1"}
	f, err := r.open(needy)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.suits(f, needy, r.Agent); err == nil ||
		!strings.Contains(err.Error(), "(not 2.1), which the agent does not carry: make a bundle") {
		t.Errorf("a newer C library: %v", err)
	}
	libs, err := f.ImportedLibraries()
	if err != nil || len(libs) == 0 {
		t.Skip("this gcc's libraries need nothing:", err)
	}
	r.Agent.Libraries = slices.DeleteFunc(slices.Clone(libs), func(lib string) bool { return lib == libs[0] })
	if r.Agent.Libraries == nil {
		r.Agent.Libraries = []string{}
	}
	if err := r.suits(f, needy, r.Agent); err == nil || !strings.Contains(err.Error(), "needs "+libs[0]) {
		t.Errorf("a library that is not carried: %v", err)
	}
}

func TestManifestIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	write(t, path+".json", strings.Repeat(" ", maxManifest+1))
	if _, err := ReadManifest(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}
