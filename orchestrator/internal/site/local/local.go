// Package local is a run.Site on this machine: no cloud, no lease, no
// container, a directory instead. It runs the same plan with the same agent,
// so an experiment can be tried where it is written. What it measures is this
// machine.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
)

var _ run.Site = (*Site)(nil)

// Site is this machine.
type Site struct {
	root string
	open func(dir string) transport.Transport
}

// New makes a Site whose work directories are made below root. open makes the
// transport that works in one of them.
func New(root string, open func(dir string) transport.Transport) (*Site, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, failure.Storage.Errorf("the work directory %s cannot be used", root).Because(err)
	}
	return &Site{root: abs, open: open}, nil
}

// Describe returns the facts of this machine.
func (s *Site) Describe() map[string]string {
	host, err := os.Hostname()
	if err != nil {
		host = "unavailable: " + err.Error()
	}
	return map[string]string{"site": "local", "host": host, "os": runtime.GOOS, "arch": runtime.GOARCH, "root": s.root}
}

// Now is this machine's time.
func (s *Site) Now() time.Time { return time.Now().UTC() }

// WarningsUntil has nothing to warn of.
func (s *Site) WarningsUntil(time.Time) []string { return nil }

// Reserve succeeds: there is nobody to share with. The id is the name.
func (s *Site) Reserve(_ context.Context, req run.LeaseRequest) (run.Lease, error) {
	l := lease(req.Name)
	l.End = req.End
	return l, nil
}

// FindLease finds any lease, since each exists as soon as it is named.
func (s *Site) FindLease(_ context.Context, name string) (run.Lease, bool, error) {
	return lease(name), true, nil
}

// Await has nothing to wait for.
func (s *Site) Await(_ context.Context, id string, _ func(string)) (run.Lease, error) {
	return lease(id), nil
}

// Release has nothing to give back.
func (s *Site) Release(context.Context, string) error { return nil }

func lease(name string) run.Lease {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return run.Lease{
		ID: name, Name: name, Status: "ACTIVE", State: run.LeaseActive, ReservationID: name, Start: time.Now().UTC(),
		Device: run.Device{ID: host, Name: host, MachineName: "local", Arch: runtime.GOARCH},
	}
}

// label keeps a name inside root.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// marker in a directory says that Launch made it, so Destroy may remove it.
const marker = ".chexp-work"

// Launch makes the work directory, or adopts the one that an earlier Launch of
// this name made.
func (s *Site) Launch(_ context.Context, req run.ContainerRequest, progress func(string)) (run.Container, error) {
	if !label.MatchString(req.Name) {
		return run.Container{}, failure.Usage.Errorf("%q cannot be the name of a work directory: lower case "+
			"letters, digits and -, at most 63", req.Name)
	}
	dir := filepath.Join(s.root, req.Name)
	if err := makeWork(dir); err != nil {
		return run.Container{}, failure.Storage.Errorf("the work directory %s cannot be made", dir).
			Advise("is it somebody else's? Move it away, or give chexp another place").
			Because(err)
	}
	progress("working in " + dir)
	return container(dir), nil
}

func makeWork(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		return os.WriteFile(filepath.Join(dir, marker), []byte("made by chexp run, which removes this directory\n"),
			0o600)
	case errors.Is(err, fs.ErrExist):
		_, err := os.Lstat(filepath.Join(dir, marker))
		if err != nil && os.Remove(dir) == nil { // empty: its maker was killed before it could mark it
			return makeWork(dir)
		}
		return err
	default:
		return err
	}
}

// container is the work directory in run's words. The run fills a directory of
// its own in it, beside the marker.
func container(dir string) run.Container {
	return run.Container{ID: dir, Name: filepath.Base(dir), Status: "Running",
		Digest: trial.Unread[string]("this machine runs no image"),
		Dir:    filepath.ToSlash(filepath.Join(dir, "work"))}
}

// FindContainer finds a directory that Launch made.
func (s *Site) FindContainer(_ context.Context, name string) (run.Container, bool, error) {
	if !label.MatchString(name) {
		return run.Container{}, false, nil
	}
	dir := filepath.Join(s.root, name)
	if _, err := os.Lstat(filepath.Join(dir, marker)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return run.Container{}, false, nil
		}
		return run.Container{}, false, failure.Storage.Errorf("the work directory %s cannot be looked at", dir).
			Because(err)
	}
	return container(dir), true, nil
}

// Dial opens the transport into the directory, whichever the request names.
func (s *Site) Dial(_ context.Context, c run.Container, _ run.ContainerRequest,
	_ func(string)) (transport.Transport, error) {
	return s.open(c.ID), nil
}

// Destroy removes the work directory if Launch made it, and nothing else.
func (s *Site) Destroy(_ context.Context, id string) error {
	dir := filepath.Clean(id)
	if filepath.Dir(dir) != s.root || !label.MatchString(filepath.Base(dir)) {
		return failure.Unexpected.Errorf("%s is no work directory below %s: it stays", id, s.root)
	}
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("it is no directory")
	}
	if err == nil {
		if _, err = os.Lstat(filepath.Join(dir, marker)); err != nil && os.Remove(dir) == nil {
			return nil // it was empty
		}
	}
	if err != nil {
		return failure.Storage.Errorf("%s is not a directory that chexp made: it stays", dir).
			Advise("remove it yourself if nobody needs it").
			Because(err)
	}
	if err := removeWork(dir); err != nil {
		return failure.Storage.Errorf("removing %s", dir).Advise("remove it yourself").Because(err)
	}
	return nil
}

// removeWork removes the marker last: who is killed meanwhile can go on.
func removeWork(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != marker {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
