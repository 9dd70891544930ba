//go:build cgo

package ort

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/orttest"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/testmodel"
	"chexp/experiments/failure"
	"chexp/experiments/trial"
)

// TestAPIIndexes compiles the module's own header and compares the place of
// every function that shim.h calls by index.
func TestAPIIndexes(t *testing.T) {
	var shim []byte
	headers, _ := filepath.Glob("*.[ch]")
	for _, path := range headers {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shim = append(shim, content...)
	}
	if n := checkIndexes(t, shim, "_Static_assert(ORT_API_VERSION >= 24, \"version\");\n"); n < 48 {
		t.Errorf("only %d indexes found in the C code", n)
	}
}

// checkIndexes compiles the indexes that C code names against the module's
// header, and says how many there are.
func checkIndexes(t *testing.T, code []byte, more string) int {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc:", err)
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skip("go list:", err)
	}
	entries := regexp.MustCompile(`idx_(\w+) = (\d+),`).FindAllStringSubmatch(string(code), -1)
	source := "#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n" + more
	for _, e := range entries {
		source += "_Static_assert(offsetof(OrtApi, " + e[1] + ") == " + e[2] + " * sizeof(void *), \"" + e[1] + "\");\n"
	}
	gcc := exec.Command("gcc", "-fsyntax-only", "-x", "c", "-I", strings.TrimSpace(string(module)), "-")
	gcc.Stdin = strings.NewReader(source)
	if out, err := gcc.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return len(entries)
}

// libraryPath is the library that the tests load: another one with
// CHEXP_ORT_LIBRARY.
func libraryPath(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("CHEXP_ORT_LIBRARY"); path != "" {
		return path
	}
	return orttest.Library(t, runtime.GOARCH)
}

var loaded struct {
	sync.Once
	lib *Library
	err error
}

// library loads it once: it is a singleton of the process.
func library(t testing.TB) *Library {
	t.Helper()
	path := libraryPath(t)
	loaded.Do(func() { loaded.lib, loaded.err = Load(path) })
	l, err := loaded.lib, loaded.err
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func model(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var cpu = Options{Provider: trial.Provider{Name: "cpu"}, Threads: 1, Batch: 1}

func code(err error) string {
	var e *failure.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// The unexported fields that the shim needs are where this program looks.
func TestHiddenFields(t *testing.T) {
	l := library(t)
	opts, err := onnx.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer opts.Destroy()
	if p, err := hidden(opts, "o"); err != nil || p == nil {
		t.Errorf("SessionOptions.o: %v %v", p, err)
	}
	s, err := l.Open(model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1})), cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if p, err := hidden(s.session, "s", "ortSession"); err != nil || p == nil {
		t.Errorf("DynamicAdvancedSession.s.ortSession: %v %v", p, err)
	}
	if p, err := hidden(s.binding, "o"); err != nil || p == nil {
		t.Errorf("IoBinding.o: %v %v", p, err)
	}
	if _, err := hidden(opts, "renamed"); err == nil {
		t.Error("a field that is not there was read")
	}
	if _, err := hidden(s.session, "s", "inputNames"); err == nil {
		t.Error("a slice was read as a pointer")
	}
}

func TestRuntime(t *testing.T) {
	r := library(t).Runtime()
	if !regexp.MustCompile(`^1\.\d+\.\d+$`).MatchString(r.Version) || r.Name != "onnxruntime" ||
		!strings.Contains(r.BuildInfo, "Build") {
		t.Errorf("runtime %+v", r)
	}
	if !slices.Contains(r.Providers, "cpu") || slices.Contains(r.Providers, "cuda") {
		t.Errorf("providers %v: cpu works, and cuda's own library is not here", r.Providers)
	}
}

func TestAddRuns(t *testing.T) {
	l := library(t)
	s, err := l.Open(model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "batch"}, testmodel.Dim{Size: 3})),
		Options{Provider: cpu.Provider, Threads: 2, Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := s.Inputs()
	if len(in) != 1 || in[0].Name != "x" || len(in[0].Float32) != 12 {
		t.Fatalf("inputs %+v", in)
	}
	out := s.Outputs()[0].Float32
	for round := range 50 {
		for i := range in[0].Float32 {
			in[0].Float32[i] = float32(round*100 + i)
		}
		runtime.GC() // tensors over Go memory would not survive this
		garbage := make([][]float32, 100)
		for i := range garbage {
			garbage[i] = make([]float32, 12)
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		for i, v := range out {
			if want := 2 * float32(round*100+i); v != want {
				t.Fatalf("round %d: y[%d] = %v, want %v", round, i, v, want)
			}
		}
	}
}

// An output whose shape depends on the values.
func TestUnknownOutputShape(t *testing.T) {
	l := library(t)
	s, err := l.Open(model(t, testmodel.NonZero(testmodel.Dim{Symbol: "n"}, testmodel.Dim{Size: 4})), cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range s.Inputs()[0].Float32 {
		s.Inputs()[0].Float32[i] = float32(i)
		if err := s.Prepare(); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefused(t *testing.T) {
	l := library(t)
	fixed := model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1}, testmodel.Dim{Size: 3}))
	withProvider := func(name string, options map[string]string) Options {
		return Options{Provider: trial.Provider{Name: name, Options: options}, Threads: 1, Batch: 1}
	}
	for _, tc := range []struct {
		name, path string
		options    Options
		code, text string
	}{
		{"not ONNX", model(t, []byte("<html>404 not found</html>")), cpu, reason.ModelInvalid, "not a valid ONNX"},
		{"empty", model(t, nil), cpu, reason.ModelInvalid, ""},
		{"truncated", model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1})[:40]), cpu,
			reason.ModelInvalid, ""},
		{"missing", "/nonexistent.onnx", cpu, reason.ModelInvalid, "/nonexistent.onnx"},
		{"type error", model(t, testmodel.Add(testmodel.Bool, testmodel.Dim{Size: 1})), cpu, reason.ModelInvalid, ""},
		{"second symbol",
			model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "b"}, testmodel.Dim{Symbol: "len"})), cpu,
			reason.InputUnsupported, "len"},
		{"other batch", fixed, Options{Provider: cpu.Provider, Threads: 1, Batch: 2},
			reason.InputUnsupported, "batch is 2"},
		{"no such provider", fixed, withProvider("acl", nil), reason.ProviderAbsent, "it has: cpu"},
		{"unknown provider", fixed, withProvider("nonsense", nil), reason.ProviderAbsent, "it has: cpu"},
		{"option of cpu", fixed, withProvider("cpu", map[string]string{"x": "1"}), reason.OptionInvalid, "x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := l.Open(tc.path, tc.options)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if code(err) != tc.code || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%s: %v; want %s with %q", code(err), err, tc.code, tc.text)
			}
		})
	}
}

// A provider that the library lists but whose own library is not there.
func TestListedButUnusable(t *testing.T) {
	l := library(t)
	listed, err := l.listed()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(listed, "cuda") {
		t.Skip("this library does not list cuda:", listed)
	}
	_, err = l.Open(model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Size: 1})),
		Options{Provider: trial.Provider{Name: "cuda"}, Threads: 1, Batch: 1})
	if code(err) != reason.ProviderAbsent || !strings.Contains(err.Error(), "usable: cpu") {
		t.Errorf("%s: %v", code(err), err)
	}
}

// The way to ACL: an exported symbol. The CPU provider has one too, so the call
// itself is exercised with every library.
func TestAppendBySymbol(t *testing.T) {
	l := library(t)
	opts, err := onnx.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer opts.Destroy()
	found, err := l.appendBySymbol(opts, "CPU", "use_arena", map[string]string{"use_arena": "1"})
	if !found || err != nil {
		t.Errorf("CPU by symbol: %v %v", found, err)
	}
	if found, err := l.appendBySymbol(opts, "NoSuchProvider", "x", nil); found || err != nil {
		t.Errorf("a symbol that is not exported: %v %v", found, err)
	}
	if _, err := l.appendBySymbol(opts, "CPU", "use_arena", map[string]string{"other": "1"}); err == nil {
		t.Error("an unknown option was swallowed")
	}
	if _, err := l.appendBySymbol(opts, "CPU", "use_arena", map[string]string{"use_arena": "yes"}); err == nil {
		t.Error("an option that is no number was swallowed")
	}
}

// What measuring costs is found, in Go and in C, without allocations.
func TestHarness(t *testing.T) {
	r := library(t).Harness()
	h, ok := r.Get()
	if !ok {
		t.Fatal(r.Unavailable)
	}
	c, ok := h.NullCNS.Get()
	// Go's runtime itself makes a few allocations, for a thread of its own.
	if !ok || c <= 0 || h.NullNS <= 0 || h.Calls < 100 || h.Allocations > int64(h.Calls/100) {
		t.Errorf("%+v, C %d %s", h, c, h.NullCNS.Unavailable)
	}
	t.Logf("least time of one call: %d ns, in C %d ns; %d calls, %d allocations", h.NullNS, c, h.Calls, h.Allocations)
}

// ONNX Runtime leaves nothing on the machine and starts no sender of its own: its releases
// since 1.28 write an identifier of the device as they start.
func TestNoTelemetry(t *testing.T) {
	const key = "CHEXP_TEST_TELEMETRY_OF"
	if path := os.Getenv(key); path != "" { // in the process below
		if _, err := Load(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	cache := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoTelemetry$")
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name != "CI" && name != "XDG_CACHE_HOME" && name != noTelemetry {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, key+"="+libraryPath(t), "XDG_CACHE_HOME="+cache, "HOME="+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("left in the user's cache: %v, %v", left, err)
	}
}
