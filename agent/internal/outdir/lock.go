// Package outdir is the directory out/ of a bundle, the only place that the
// agent writes to: the lock that makes a run exclusive, the state, the events
// and the results. Everything in it is safe to read at any moment and after any
// crash: files are replaced by rename, and events are appended line by line and
// synced. The lock tells whether the supervisor lives, because its death releases
// it; a process id may belong to another process by now.
package outdir

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"chexp/experiments/trial"
)

const (
	lockFile = trial.OutDir + "/lock"
)

// ErrHeld means that a supervisor holds the lock.
var ErrHeld = errors.New("another chexp-agent is running this bundle")

// Open file description locks (fcntl(2)). Like flock's they belong to the opened
// file: a child inherits them, and closing the last copy releases them. Unlike
// flock's they can be asked about without being taken, so a `status` never makes a
// `start` at the same time believe that the bundle runs.
const (
	fOFDGetlk = 36
	fOFDSetlk = 37
)

// Lock takes the lock of a bundle directory, creating out/. The returned file
// holds it until it and all its duplicates are closed.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(dir, trial.OutDir), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	err = syscall.FcntlFlock(f.Fd(), fOFDSetlk, &lock)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return nil, ErrHeld
	}
	return nil, &os.PathError{Op: "lock", Path: filepath.Join(dir, lockFile), Err: err}
}

// Held reports whether a supervisor holds the lock.
func Held(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(f.Fd(), fOFDGetlk, &lock); err != nil {
		return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return lock.Type != syscall.F_UNLCK, nil
}
