//go:build unix

package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chexp/orchestrator/internal/store"
)

// in runs f and fails the test when it waits, as for a pipe's writer.
func in(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s hangs", what)
	}
}

// A run's directory may be a copy of somebody else's: a pipe in it makes nobody
// wait, and no link in it is followed, for reading or for writing.
func TestForeignFilesInARunsDirectory(t *testing.T) {
	names := []string{"journal.jsonl", "plan.json", "experiment.yaml", "site.json", "attempts/1.json",
		"origins.jsonl", "REHEARSAL", ".lock", "results",
		"results/SHA256SUMS"}
	for kind, put := range map[string]func(string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		for _, name := range names {
			t.Run(kind+" "+name, func(t *testing.T) {
				_, dir := written(t, nil)
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), put(path)); err != nil {
					t.Fatal(err)
				}
				r := &store.Run{ID: "x", Dir: dir}
				in(t, 20*time.Second, "reading", func() {
					if _, err := r.Read(name); name != "results" && (err == nil || errors.Is(err, fs.ErrNotExist)) {
						t.Errorf("read: %v", err)
					}
					if plan, err := r.Plan(); err == nil {
						r.Results(plan)
						r.Adopt(dir, plan, store.Origin{Attempt: 1})
						r.AdoptJournals(dir, plan, "why", store.Origin{Attempt: 1})
					}
					r.Entries()
					store.At(filepath.Dir(dir)).IDs()
					store.At(filepath.Dir(dir)).Open(dir + "/")
					store.At("nowhere").Gather(dir)
					// Adopt has put files of its own in the place of these, or moved them aside.
					own := name == "results" || name == "results/SHA256SUMS" || name == "origins.jsonl"
					if err := r.Append(name, []byte("x")); err == nil && !own {
						t.Errorf("written to a %s", kind)
					}
					if err := r.Lock(); err != nil {
						t.Errorf("not locked: %v", err)
					}
					r.Unlock()
				})
			})
		}
	}
}

// A link in place of a folder of results leads nothing out of the run.
func TestNothingIsWrittenThroughALink(t *testing.T) {
	_, dir := written(t, nil)
	outside := t.TempDir()
	results := filepath.Join(dir, "results")
	if err := errors.Join(os.RemoveAll(results), os.Symlink(outside, results)); err != nil {
		t.Fatal(err)
	}
	err := (&store.Run{ID: "x", Dir: dir}).Replace("results/SHA256SUMS", []byte("x"))
	if err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("it says %v", err)
	}
	if left, err := os.ReadDir(outside); len(left) > 0 || err != nil {
		t.Errorf("outside lies %v, %v", left, err)
	}
}

// Two processes meet at the lock, whatever lies in its place.
func TestALockThatIsAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	one, other := &store.Run{ID: "x", Dir: dir}, &store.Run{ID: "x", Dir: dir}
	if err := one.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := other.Lock(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second one locks it: %v", err)
	}
	one.Unlock()
	if err := other.Lock(); err != nil {
		t.Error(err)
	}
	other.Unlock()
}
