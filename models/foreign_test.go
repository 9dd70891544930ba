//go:build unix

package models

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/spec"
)

// A model's path may be a link to a regular file, as the user named it, and no
// pipe and no device; neither may what lies in a search path make chexp wait.
func TestAModelThatIsAPipe(t *testing.T) {
	dir := t.TempDir()
	pipe, zero := filepath.Join(dir, "pipe.onnx"), filepath.Join(dir, "zero.onnx")
	searched := filepath.Join(dir, "searched")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("/dev/zero", zero),
		syscall.Mkfifo(searched, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := Resolver{CacheDir: t.TempDir(), SearchPath: []string{searched, dir}}
	for _, m := range []spec.ModelSource{
		{Name: "m", Path: pipe}, {Name: "m", Path: zero},
		{Name: "m", URL: "http://127.0.0.1:1/x.onnx", Pin: files.Pin{SHA256: strings.Repeat("0", 64)}},
	} {
		done := make(chan error, 1)
		go func() { _, err := r.Resolve(t.Context(), m); done <- err }()
		select {
		case err := <-done:
			if err == nil || m.Path != "" && !strings.Contains(err.Error(), "no regular file") {
				t.Errorf("%+v: %v", m, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%+v hangs", m)
		}
	}
}
