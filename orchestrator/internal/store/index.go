package store

import (
	"bytes"
	"os"
	"path/filepath"

	"chexp/experiments/files"
)

// Index remembers the runs of this user that a process works on, wherever their
// directories lie. A process that ends in order takes its run out again, so what is
// left is a run whose process died.
type Index struct{ dir string }

// IndexAt returns the index in dir, which need not exist yet.
func IndexAt(dir string) Index { return Index{dir} }

// Add remembers a run.
func (x Index) Add(r *Run) error {
	dir, err := filepath.Abs(r.Whole().Dir)
	if err == nil {
		err = os.MkdirAll(x.dir, 0o700)
	}
	if err == nil {
		err = files.WriteMode(filepath.Join(x.dir, r.ID), []byte(dir+"\n"), 0o600)
	}
	return Explain(err)
}

// Drop forgets a run.
func (x Index) Drop(id string) { _ = os.Remove(filepath.Join(x.dir, id)) } // what stays is looked at again

// Runs lists the runs that are remembered. One whose directory is no longer there
// is forgotten.
func (x Index) Runs() (runs []*Run) {
	entries, err := files.ReadDir(x.dir, maxRuns)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !idPattern.MatchString(e.Name()) {
			continue
		}
		dir, err := files.Read(filepath.Join(x.dir, e.Name()), 4096)
		if err != nil {
			continue
		}
		r, err := At("").Open(string(bytes.TrimSpace(dir)))
		if err != nil || r.ID != e.Name() {
			x.Drop(e.Name())
			continue
		}
		runs = append(runs, r)
	}
	return runs
}
