package runtimes

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// release makes a package as npm packs it, with these libraries by npm's word for
// the processor, a lock for it, and an npm that serves it and counts into a file.
func release(t *testing.T, version string, libraries map[string]string) (r Releases, served string) {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	lock := ""
	for arch, word := range map[string]string{"arm64": "arm64", "amd64": "x64"} {
		data := libraries[word]
		for _, name := range []string{"libonnxruntime.so.1", "onnxruntime_binding.node"} {
			h := &tar.Header{Name: "package/bin/napi-v6/linux/" + word + "/" + name, Mode: 0o644, Size: int64(len(data))}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		lock += fmt.Sprintln(version, arch, files.Sum([]byte(data)), len(data))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	lock += fmt.Sprintln(version, packages, files.Sum(b.Bytes()), b.Len())
	served = filepath.Join(dir, "served")
	pack := filepath.Join(dir, "pack.tgz")
	write(t, pack, b.String())
	npm := fmt.Sprintf("#!/bin/sh\necho \"$@\" >>%s\nfor p; do :; done\ncp %s \"${p%%@*}-${p#*@}.tgz\"\n",
		served, pack)
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(npm), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return Releases{Cache: filepath.Join(dir, "cache"), lock: lock}, served
}

func TestAReleaseIsGotOnce(t *testing.T) {
	r, served := release(t, "1.99.1", map[string]string{"arm64": "an arm library", "x64": "an x64 library"})
	for range 2 {
		for arch, want := range map[string]string{"arm64": "an arm library", "amd64": "an x64 library"} {
			path, err := r.Library(t.Context(), "1.99.1", arch)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); string(got) != want || err != nil {
				t.Errorf("%s: %q, %v", arch, got, err)
			}
		}
	}
	if asked, _ := os.ReadFile(served); strings.Count(string(asked), "\n") != 1 ||
		!strings.HasPrefix(string(asked), "pack ") || !strings.Contains(string(asked), " --ignore-scripts ") ||
		!strings.HasSuffix(string(asked), " onnxruntime-node@1.99.1\n") {
		t.Errorf("npm was asked %q", asked)
	}
	empty := Releases{Cache: t.TempDir(), Offline: true, lock: r.lock}
	if path, err := empty.Library(t.Context(), "1.99.1", "arm64"); path != "" || err != nil {
		t.Errorf("offline: %q, %v", path, err)
	}
	// What is changed in the cache is unpacked again.
	path, _ := r.Library(t.Context(), "1.99.1", "arm64")
	write(t, path, "damaged")
	if _, err := r.Library(t.Context(), "1.99.1", "arm64"); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "an arm library" {
		t.Errorf("it holds %q", got)
	}
}

func TestAReleaseThatIsNotThePinnedOne(t *testing.T) {
	r, _ := release(t, "1.99.1", map[string]string{"arm64": "a", "x64": "b"})
	_, err := r.Library(t.Context(), "1.98.0", "arm64")
	if failure.KindOf(err) != failure.Usage || !strings.Contains(err.Error(), "has pinned: 1.99.1") ||
		!strings.Contains(failure.NextOf(err), "agent/runtimes/npm.sh 1.98.0") {
		t.Errorf("another release: %v (%s)", err, failure.NextOf(err))
	}
	good := r.lock
	sum := strings.Fields(good[strings.Index(good, packages):])[1]
	r.lock = strings.Replace(good, sum, strings.Repeat("0", 64), 1)
	_, err = r.Library(t.Context(), "1.99.1", "arm64")
	if err == nil || !strings.Contains(err.Error(), "another file than the one that chexp has pinned") {
		t.Errorf("another package: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(r.Cache, "*", "*"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	r.lock = good
	t.Setenv("PATH", "")
	_, err = r.Library(t.Context(), "1.99.1", "arm64")
	if err == nil || !strings.Contains(err.Error(), "there is no npm") {
		t.Errorf("without npm: %v", err)
	}
}

// The lock itself: whole for both processors, and the agent's own release as
// agent/build.sh pins it.
func TestTheLock(t *testing.T) {
	lock, err := Releases{}.read()
	if err != nil {
		t.Fatal(err)
	}
	list := versions(lock, "arm64")
	if len(list) < 2 || fmt.Sprint(list) != fmt.Sprint(versions(lock, "amd64")) || len(lock) != 3*len(list) {
		t.Errorf("%d lines for the versions %v and %v", len(lock), list, versions(lock, "amd64"))
	}
	build, err := os.ReadFile("../../../agent/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	own := ""
	for _, v := range list {
		if strings.Contains(string(build), "ORT_VERSION="+v+"\n") {
			own = v
		}
	}
	for _, word := range []string{packages, "arm64", "amd64"} {
		if sum := lock[own+" "+word].sum; sum == "" || !strings.Contains(string(build), sum) {
			t.Errorf("agent/build.sh has another sum for the %s of %q", word, own)
		}
	}
}

// An experiment names it by version, beside the agent's own.
func TestAReleaseInAnExperiment(t *testing.T) {
	dir := t.TempDir()
	so := library(t, dir, "lib.so", "1.30.0", base)
	e := experiment(t, dir, "{name: r0, version: 1.30.0}")
	r := resolver(dir)
	r.Released = func(version string) (string, error) { return so, nil }
	found, err := r.Resolve(e)
	if err != nil {
		t.Fatal(err)
	}
	one := found.Runtimes[1]
	if one.Name != "r0" || one.Version != "1.30.0" || one.Origin != "npm onnxruntime-node 1.30.0" ||
		found.Files[one.SHA256] != so {
		t.Errorf("%+v", one)
	}
	r.Released = func(version string) (string, error) {
		return "", failure.Usage.Errorf("there is no npm").Advise("get one")
	}
	if _, err := r.Resolve(e); err == nil || !strings.Contains(err.Error(), "runtime r0: there is no npm; get one") {
		t.Error(err)
	}
	r.Released = func(string) (string, error) { return "", nil } // offline
	if found, err = r.Resolve(e); err != nil || found.Runtimes[1].Version != "1.30.0" ||
		fmt.Sprint(found.Runtimes[1].Providers) != "[cpu]" {
		t.Errorf("%+v, %v", found.Runtimes, err)
	}
	// A library that is another version than it was got for.
	other := library(t, dir, "o.so", "1.29.0", base)
	r.Released = func(string) (string, error) { return other, nil }
	if _, err := r.Resolve(e); err == nil || !strings.Contains(err.Error(), "says that it is ONNX Runtime 1.29") {
		t.Error(err)
	}
}
