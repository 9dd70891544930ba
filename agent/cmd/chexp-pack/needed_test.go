package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"chexp/agent/internal/orttest"
	"chexp/agent/internal/payload"
	"chexp/experiments/trial"
)

// What the given files need is taken from -search, and only that.
func TestFindNeeded(t *testing.T) {
	sh := dynamic(t)
	f, err := elf.Open(sh)
	must(t, err)
	defer f.Close()
	libs, err := f.ImportedLibraries()
	must(t, err)
	dir := t.TempDir()
	for _, lib := range append(libs, "libother.so.1") {
		must(t, os.WriteFile(filepath.Join(dir, lib), []byte("a text"), 0o600))
	}
	o := options{search: dir, paths: map[string]string{"sh": sh}}
	must(t, o.findNeeded())
	if len(o.paths) != 1+len(libs) || o.paths[libs[0]] != filepath.Join(dir, libs[0]) {
		t.Errorf("carried: %v, needed: %v", o.paths, libs)
	}
	o = options{paths: map[string]string{"sh": sh}}
	must(t, o.findNeeded())
	if len(o.paths) != 1 {
		t.Errorf("without -search: %v", o.paths)
	}
}

// The manifest tells the newest interface of the carried C library.
func TestProvided(t *testing.T) {
	out, err := exec.Command("gcc", "-print-file-name=libc.so.6").Output()
	if err != nil {
		t.Skip("no gcc:", err)
	}
	libc := strings.TrimSpace(string(out))
	text := filepath.Join(t.TempDir(), "x.so")
	must(t, os.WriteFile(text, []byte("a text"), 0o600))
	libraries, interfaces, err := provided(map[string]string{"libc.so.6": libc, "LICENSE": text, "x.so": text})
	must(t, err)
	if !slices.Equal(libraries, []string{"libc.so.6"}) || !trial.LaterVersion(interfaces["GLIBC"], "2.17") {
		t.Errorf("%v %v", libraries, interfaces)
	}
}

func TestTell(t *testing.T) {
	o := options{runtimeVersion: "1.27.1", providers: "xnnpack,cpu"}
	r := trial.Runtime{Version: "1.27", Providers: []string{"cpu"}}
	o.tell(&r)
	if r.Version != "1.27.1" || strings.Join(r.Providers, " ") != "cpu xnnpack" {
		t.Errorf("%+v", r)
	}
}

// Without a launcher it is a runtime bundle, which the agent opens like itself.
func TestRuntimeBundle(t *testing.T) {
	dir := t.TempDir()
	lib := orttest.Library(t, runtime.GOARCH)
	o := options{arch: runtime.GOARCH, version: "v1", cache: dir, out: filepath.Join(dir, "x.ort"),
		paths: map[string]string{"libonnxruntime.so.1": lib}}
	f, err := elf.Open(lib)
	must(t, err)
	defer f.Close()
	libs, err := f.ImportedLibraries()
	must(t, err)
	for _, lib := range libs { // as texts they are not looked into
		o.paths[lib] = filepath.Join(dir, lib)
		must(t, os.WriteFile(o.paths[lib], []byte(lib), 0o600))
	}
	o.header.Library = "libonnxruntime.so.1"
	h := o.header
	must(t, payload.Describe(o.paths, &h))
	must(t, os.WriteFile(filepath.Join(dir, "payload-"+h.ID+".tar.zst"), []byte("compressed before"), 0o600))
	must(t, pack(o))
	p, err := payload.Open(o.out)
	must(t, err)
	defer p.Close()
	if p.Header.Runner != "" || p.Header.Arch != runtime.GOARCH || p.Header.Runtime.Version == "" {
		t.Errorf("header %+v", p.Header)
	}
	if info, err := os.Stat(o.out); err != nil || info.Mode().Perm()&0o111 != 0 {
		t.Errorf("a bundle is no program: %v %v", info.Mode(), err)
	}
}
