package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chexp/agent/internal/orttest"
	"chexp/agent/internal/payload"
	"chexp/experiments/trial"
)

// static builds a program without libc for an architecture.
func static(t *testing.T, arch string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	must(t, os.WriteFile(source, []byte("package main\nfunc main() {}\n"), 0o600))
	out := filepath.Join(dir, "launcher")
	cmd := exec.Command("go", "build", "-o", out, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dynamic is some program of this machine that needs libraries.
func dynamic(t *testing.T) string {
	t.Helper()
	f, err := elf.Open("/bin/sh")
	if err != nil {
		t.Skip("no /bin/sh to look at:", err)
	}
	defer f.Close()
	if libs, _ := f.ImportedLibraries(); len(libs) == 0 {
		t.Skip("/bin/sh needs no library here")
	}
	return "/bin/sh"
}

func TestCheckELFs(t *testing.T) {
	good, sh := static(t, runtime.GOARCH), dynamic(t)
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	licence := filepath.Join(t.TempDir(), "LICENSE")
	must(t, os.WriteFile(licence, []byte("do what you want"), 0o600))
	for _, tc := range []struct {
		name, launcher, arch string
		files                map[string]string
		want                 string // "": fine
	}{
		{"fine", good, runtime.GOARCH, map[string]string{"LICENSE": licence, "tool": good}, ""},
		{"launcher needs a loader", sh, runtime.GOARCH, nil, "not static"},
		{"launcher for another processor", good, other, nil, "not " + other},
		{"launcher is no program", licence, runtime.GOARCH, nil, "launcher"},
		{"a library is missing", good, runtime.GOARCH, map[string]string{"sh": sh}, "which is not carried"},
		{"a carried file for another processor", good, runtime.GOARCH,
			map[string]string{"x": static(t, other)}, "is for"},
		{"a carried file is missing", good, runtime.GOARCH, map[string]string{"x": "/nonexistent"}, "no such file"},
		{"unknown processor", good, "mips", nil, "unknown"},
	} {
		err := checkELFs(tc.launcher, tc.arch, tc.files)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestNotARuntime(t *testing.T) {
	if _, err := describeRuntime(dynamic(t), nil); err == nil {
		t.Error("/bin/sh was taken for ONNX Runtime")
	}
}

// What stands in the manifest is read from the library, and providers whose own
// library is not carried are left out although it lists them.
func TestDescribeRuntime(t *testing.T) {
	lib := orttest.Library(t, runtime.GOARCH)
	r, err := describeRuntime(lib, map[string]string{})
	must(t, err)
	if r.Version == "" || strings.Join(r.Providers, " ") != "cpu" || !strings.Contains(lib, "-"+r.Version+"-") {
		t.Errorf("%s is %+v", lib, r)
	}
	if runtime.GOARCH != "amd64" {
		return
	}
	r, err = describeRuntime(lib, map[string]string{"libonnxruntime_providers_cuda.so": "x"})
	must(t, err)
	if strings.Join(r.Providers, " ") != "cpu cuda" {
		t.Errorf("with cuda's library carried: %v", r.Providers)
	}
	r, err = describeRuntime(lib, map[string]string{"libchexp_acl.so": "x"})
	must(t, err)
	if strings.Join(r.Providers, " ") != "acl cpu" {
		t.Errorf("with chexp's ACL plugin carried: %v", r.Providers)
	}
}

// Only the launcher changed: the payload that is kept is used as it is, and the
// result is the same every time.
func TestPackReusesThePayload(t *testing.T) {
	dir := t.TempDir()
	o := options{
		launcher: static(t, runtime.GOARCH), arch: runtime.GOARCH, version: "v1", cache: dir,
		out:   filepath.Join(dir, "agent"),
		paths: map[string]string{"libonnxruntime.so.1": orttest.Library(t, runtime.GOARCH)},
	}
	// The library needs others; as texts they are not looked into.
	f, err := elf.Open(o.paths["libonnxruntime.so.1"])
	must(t, err)
	defer f.Close()
	libs, err := f.ImportedLibraries()
	must(t, err)
	for _, lib := range libs {
		o.paths[lib] = filepath.Join(dir, lib)
		must(t, os.WriteFile(o.paths[lib], []byte(lib), 0o600))
	}
	o.header.Library = "libonnxruntime.so.1"
	h := o.header
	must(t, payload.Describe(o.paths, &h))
	kept := []byte("stands for what was compressed before")
	must(t, os.WriteFile(filepath.Join(dir, "payload-"+h.ID+".tar.zst"), kept, 0o600))

	must(t, pack(o))
	first, err := os.ReadFile(o.out)
	must(t, err)
	must(t, pack(o))
	second, err := os.ReadFile(o.out)
	must(t, err)
	if !bytes.Equal(first, second) {
		t.Error("packing twice gives other bytes")
	}
	if !bytes.Contains(first, kept) {
		t.Error("the kept payload was not used")
	}
	p, err := payload.Open(o.out)
	must(t, err)
	defer p.Close()
	var m trial.Manifest
	raw, err := os.ReadFile(o.out + ".json")
	must(t, err)
	must(t, json.Unmarshal(raw, &m))
	if m.Payload != h.ID || p.Header.ID != h.ID || m.Bytes != int64(len(second)) || m.Version != "v1" {
		t.Errorf("manifest %+v, payload %s", m, p.Header.ID)
	}
}
