package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// Bring puts a run that was made elsewhere among these: fill writes it into an empty
// folder, and only what it has written whole gets the run's name. A run that is here
// already stays as it is.
func (r *Root) Bring(id string, fill func(dir string) error) (*Run, error) {
	if !idPattern.MatchString(id) {
		return nil, failure.Storage.Errorf("%.80q is no run's name", id)
	}
	dir := filepath.Join(r.dir, id)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, failure.Usage.Errorf("run %s is here already: %s", id, dir).
			Advise("look at it there, or use --runs DIR with another directory")
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, Explain(err)
	}
	temp, err := os.MkdirTemp(r.dir, FetchPrefix)
	if err != nil {
		return nil, Explain(err)
	}
	err = errors.Join(os.Chmod(temp, 0o755), fill(temp))
	if err == nil {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		return nil, errors.Join(Explain(err), os.RemoveAll(temp))
	}
	files.SyncDir(r.dir)
	return &Run{ID: id, Dir: dir}, nil
}
