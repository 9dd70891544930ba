package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"chexp/experiments/failure"
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
// is forgotten; one that cannot be looked at, such as on a disk that does not answer,
// is not, and the error names it.
func (x Index) Runs() (runs []*Run, unread error) {
	entries, err := files.ReadDir(x.dir, maxRuns)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failure.Storage.Errorf("which runs were cut off cannot be read").Because(err)
	}
	for _, e := range entries {
		if !idPattern.MatchString(e.Name()) {
			continue
		}
		note, err := files.Read(filepath.Join(x.dir, e.Name()), 4096)
		dir := string(bytes.TrimSpace(note))
		if err == nil {
			_, err = os.Lstat(filepath.Join(dir, journalFile))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			unread = errors.Join(unread, failure.Storage.Errorf("run %s may hold something, and cannot be looked at",
				e.Name()).Because(err))
			continue
		}
		r, err := At("").Open(dir)
		if err != nil || r.ID != e.Name() {
			x.Drop(e.Name())
			continue
		}
		runs = append(runs, r)
	}
	return runs, unread
}
