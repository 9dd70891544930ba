package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The index finds a run wherever it lies, forgets one whose directory is gone, and is
// not led astray by what else lies in it.
func TestIndex(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "working")
	x := IndexAt(dir)
	if len(listed(t, x)) != 0 {
		t.Error("an index that is not there has runs")
	}
	var runs []*Run
	for _, name := range []string{"one", "two"} {
		r, err := At(filepath.Join(t.TempDir(), name)).Create(NewID(name, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Unlock()
		if err := r.Record(Entry{Kind: Began}); err != nil {
			t.Fatal(err)
		}
		if err := x.Add(r); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	for name, content := range map[string]string{"notes": runs[0].Dir, NewID("other", time.Now()): runs[0].Dir,
		NewID("far", time.Now()): "/nowhere/at/all"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(t, x); len(got) != 2 || !InUse(got[0]) {
		t.Fatalf("%d runs", len(got))
	}
	if err := os.RemoveAll(runs[0].Dir); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, x); len(got) != 1 || got[0].ID != runs[1].ID {
		t.Errorf("%v", got)
	}
	x.Drop(runs[1].ID)
	if left, err := os.ReadDir(dir); err != nil || len(listed(t, x)) != 0 || len(left) != 1 { // the notes
		t.Errorf("%v, %v", left, err)
	}
}

func listed(t *testing.T, x Index) []*Run {
	t.Helper()
	runs, err := x.Runs()
	if err != nil {
		t.Error(err)
	}
	return runs
}

// A run on a disk that does not answer may hold a lease: it is told of, and not
// forgotten.
func TestIndexOfWhatCannotBeLookedAt(t *testing.T) {
	dir := t.TempDir()
	x, id := IndexAt(dir), NewID("far", time.Now())
	note := filepath.Join(dir, id)
	if err := os.WriteFile(note, []byte("/"+strings.Repeat("x", 300)), 0o600); err != nil { // no name can be so long
		t.Fatal(err)
	}
	for range 2 {
		runs, err := x.Runs()
		if len(runs) != 0 || err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%v, %v", runs, err)
		}
	}
	if _, err := os.Lstat(note); err != nil {
		t.Errorf("it is forgotten: %v", err)
	}
}
