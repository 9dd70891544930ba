package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"chexp/orchestrator/internal/store"
)

// killedAtEveryCall runs an experiment on n devices, killed at any call to the site or to
// a device, and sees that its resume ends right.
func killedAtEveryCall(t *testing.T, boards, n int, edit func(*fleet), right func(*testing.T, *lab, *fleet)) {
	start := func(t *testing.T) (*lab, *fleet) {
		l := newLab(t)
		f := newFleet(t, l, boards)
		edit(f)
		return l, f
	}
	l, f := start(t)
	if err, _ := l.execute(t, t.Context(), f, on(n)); err != nil {
		t.Fatal(err)
	}
	total := f.calls
	if total < 20 {
		t.Fatalf("only %d calls: the test kills nothing", total)
	}
	for at := 1; at <= total; at++ {
		t.Run(fmt.Sprintf("call %d", at), func(t *testing.T) {
			l, f := start(t)
			s, err := l.root.Open(l.plan.RunID)
			if err != nil {
				t.Fatal(err)
			}
			var later *fleet
			copied := filepath.Join(t.TempDir(), "runs")
			f.photoAt, f.photo = at, func() {
				later = f.clone()
				copyLive(t, s.Dir, filepath.Join(copied, s.ID))
			}
			if err, _ := l.execute(t, t.Context(), f, on(n)); err != nil {
				t.Fatal(err)
			}
			if later == nil {
				t.Skip("the calls went another way, and were fewer")
			}
			l.root = store.At(copied)
			if err, _ := l.execute(t, t.Context(), later, on(n)); err != nil {
				t.Fatalf("resume: %v", err)
			}
			l.whole(t, later, n)
			right(t, l, later)
		})
	}
}

// A run with three devices ends with one lease, a container each, and nothing measured
// twice.
func TestThreeDevicesKilledAtEveryCall(t *testing.T) {
	killedAtEveryCall(t, 3, 3, func(*fleet) {}, func(t *testing.T, l *lab, later *fleet) {
		if later.made["lease"] != 1 || later.made["container"] != 3 {
			t.Errorf("made %v", later.made)
		}
		for board, n := range later.measured {
			if n != len(l.plan.Trials) {
				t.Errorf("%s measured %d trials, want %d", board, n, len(l.plan.Trials))
			}
		}
	})
}

// So does one in which the second of two on one board gets another: each device has a
// board of its own, and nothing is left.
func TestDrawnAnewKilledAtEveryCall(t *testing.T) {
	killedAtEveryCall(t, 3, 2, func(f *fleet) { f.lies["nyu-rpi5-02"] = "nyu-rpi5-01" },
		func(*testing.T, *lab, *fleet) {})
}

// copyLive copies a directory in which others work: what vanishes meanwhile had not
// been there.
func copyLive(t *testing.T, from, to string) {
	err := filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o755))
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), data, 0o600))
	})
	if err != nil {
		t.Error(err)
	}
}
