package store

import (
	"os"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// Lock makes this process the run's only writer until Unlock or its death.
func (r *Run) Lock() error {
	f, err := r.lockable()
	if err != nil {
		return Explain(err)
	}
	err = files.Lock(f, false)
	for try := 1; err != nil && try <= 3; try++ { // somebody may only be looking whether the run is in use
		time.Sleep(30 * time.Millisecond)
		err = files.Lock(f, false)
	}
	if err != nil {
		f.Close()
		return failure.Locked.Errorf("run %s is in use by another chexp", r.ID).
			Advise("wait for it, or end that process first")
	}
	r.lock = f
	return nil
}

// InUse reports whether a process has the run's lock.
func InUse(r *Run) bool {
	f, err := r.lockable()
	if err != nil {
		return false
	}
	defer f.Close()
	return files.Lock(f, false) != nil
}

// lockable opens what is locked: a file of its own, or the run's directory
// where something else has that name, so that a damaged directory does not keep
// anybody from giving back.
func (r *Run) lockable() (*os.File, error) {
	root, err := files.OpenRoot(r.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if st, err := root.Lstat(lockFile); err == nil && !st.Mode().IsRegular() {
		return root.OpenFile(".", os.O_RDONLY, 0)
	}
	return root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|files.NonBlock, 0o600)
}

// Unlock gives the lock back; it may be called twice.
func (r *Run) Unlock() {
	if r.lock != nil {
		r.lock.Close()
		r.lock = nil
	}
}
