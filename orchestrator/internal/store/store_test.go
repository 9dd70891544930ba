package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

func newRun(t *testing.T) (*Root, *Run) {
	t.Helper()
	root := At(filepath.Join(t.TempDir(), "runs"))
	run, err := root.Create(NewID("demo", time.Date(2026, 12, 1, 14, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.Unlock)
	return root, run
}

func TestIDNamesAContainer(t *testing.T) {
	id := NewID(strings.Repeat("a", 40), time.Now())
	if len(id) > 63 || strings.ToLower(id) != id || strings.ContainsAny(id, "_.:") {
		t.Errorf("%q is no DNS label", id)
	}
}

func TestOpenByPart(t *testing.T) {
	root, run := newRun(t)
	for _, name := range []string{run.ID, run.ID[:12], run.ID[len(run.ID)-4:], "latest", run.Dir} {
		got, err := root.Open(name)
		if err != nil && name == run.Dir {
			// no journal yet: a path must name a real run
			if failure.KindOf(err) != failure.Usage {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		if err != nil || got.ID != run.ID {
			t.Errorf("Open(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := root.Open("nosuch"); failure.KindOf(err) != failure.Usage {
		t.Errorf("unknown run: %v", err)
	}
}

func TestLockIsExclusive(t *testing.T) {
	root, run := newRun(t)
	other, err := root.Open(run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Lock(); failure.KindOf(err) != failure.Locked {
		t.Errorf("second lock: %v", err)
	}
	run.Unlock()
	if err := other.Lock(); err != nil {
		t.Errorf("after unlock: %v", err)
	}
	other.Unlock()
}

func TestWriteOnce(t *testing.T) {
	_, run := newRun(t)
	if err := run.WriteOnce(PlanFile, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := run.WriteOnce(PlanFile, []byte("a")); err != nil {
		t.Errorf("same content: %v", err)
	}
	if err := run.WriteOnce(PlanFile, []byte("b")); err == nil {
		t.Error("other content was accepted")
	}
}

// A machine that dies while it writes leaves a torn line; the entries before
// and after it count.
func TestJournalSurvivesTornLine(t *testing.T) {
	_, run := newRun(t)
	record := func(what string) {
		t.Helper()
		if err := run.Record(Entry{Kind: Intent, What: what}); err != nil {
			t.Fatal(err)
		}
	}
	record("lease")
	tear(t, run, `{"time":"2026-`)
	if e := entries(t, run); len(e) != 1 {
		t.Fatalf("torn end: %d entries, want 1", len(e))
	}
	record("container")
	if e := entries(t, run); len(e) != 2 || e[1].What != "container" {
		t.Fatalf("after mending: %+v", e)
	}
	tear(t, run, "{\n{}\n")
	if _, err := run.Entries(); failure.KindOf(err) != failure.Storage {
		t.Errorf("damage in the middle: %v", err)
	}
}

func tear(t *testing.T, run *Run, s string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(run.Dir, journalFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func entries(t *testing.T, run *Run) []Entry {
	t.Helper()
	e, err := run.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A run's directory that was copied in part says what it lacks, and what to do.
func TestARunWithoutItsPlanSaysSo(t *testing.T) {
	_, r := newRun(t)
	_ = os.Remove(filepath.Join(r.Dir, PlanFile))
	_, err := r.Plan()
	if failure.KindOf(err) != failure.Storage || !errors.Is(err, fs.ErrNotExist) || failure.NextOf(err) == "" {
		t.Errorf("%v", err)
	}
}
