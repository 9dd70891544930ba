package local_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site/local"
	"chexp/orchestrator/internal/transport"
)

func quiet(string) {}

func TestRun(t *testing.T) {
	root := filepath.Join(t.TempDir(), "work")
	opened := ""
	s, err := local.New(root, func(dir string) transport.Transport { opened = dir; return nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	end := time.Now().Add(time.Hour)
	l, err := s.Reserve(ctx, run.LeaseRequest{Name: "chexp-a", MachineName: "raspberrypi5", End: end})
	if err != nil || l.ID == "" || l.ReservationID == "" || !l.End.Equal(end) {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err = s.Await(ctx, l.ID, quiet); err != nil || l.Device.Arch != runtime.GOARCH || l.Device.Name == "" ||
		l.Name != "chexp-a" {
		t.Errorf("%+v, %v", l, err)
	}
	if f, found, err := s.FindLease(ctx, "chexp-a"); !found || err != nil || f.ID != l.ID {
		t.Errorf("%+v, %t, %v", f, found, err)
	}
	req := run.ContainerRequest{Name: "chexp-a", Transport: "zun"}
	if _, found, err := s.FindContainer(ctx, req.Name); found || err != nil {
		t.Errorf("found %t, %v", found, err)
	}
	c, err := s.Launch(ctx, req, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(c.Dir) != c.ID || !filepath.IsAbs(c.Dir) {
		t.Errorf("%+v", c)
	}
	if err := os.WriteFile(filepath.Join(c.ID, "result"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := s.Launch(ctx, req, quiet) // a resumed run finds its files
	if err != nil || again != c {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := os.Stat(filepath.Join(c.ID, "result")); err != nil {
		t.Error(err)
	}
	if f, found, err := s.FindContainer(ctx, req.Name); !found || err != nil || f != c {
		t.Errorf("%+v, %t, %v", f, found, err)
	}
	if _, err := s.Dial(ctx, c, req, quiet); err != nil || opened != c.ID {
		t.Errorf("opened %q, %v", opened, err)
	}
	for range 2 {
		if err := s.Destroy(ctx, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(c.ID); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Errorf("more than the work directory is gone: %v", err)
	}
	if err := s.Release(ctx, l.ID); err != nil {
		t.Error(err)
	}
}

// The user's own directories are neither used nor removed.
func TestNotOurs(t *testing.T) {
	root := t.TempDir()
	s, err := local.New(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(root, "mine")
	file := filepath.Join(mine, "thesis.tex")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Launch(t.Context(), run.ContainerRequest{Name: "mine"},
		quiet); failure.KindOf(err) != failure.Storage {
		t.Errorf("%v", err)
	}
	if err := os.Symlink(mine, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{mine, root, filepath.Dir(root), "/", "", filepath.Join(root, "..", filepath.Base(root)),
		filepath.Join(root, "link"), filepath.Join(mine, "sub")} {
		if err := s.Destroy(t.Context(), id); err == nil {
			t.Errorf("%q was destroyed without a word", id)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "a/b", "", "Up"} {
		if _, err := s.Launch(t.Context(), run.ContainerRequest{Name: name},
			quiet); failure.KindOf(err) != failure.Usage {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A removal that was killed has left the marker, and what a killed Launch has left is
// empty: both can be gone on with, and given back.
func TestKilledWhileItMakesOrRemoves(t *testing.T) {
	root := filepath.Join(t.TempDir(), "work")
	s, err := local.New(root, func(string) transport.Transport { return nil })
	if err != nil {
		t.Fatal(err)
	}
	req := run.ContainerRequest{Name: "chexp-b"}
	dir := filepath.Join(root, req.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := s.Launch(t.Context(), req, quiet)
	if err != nil {
		t.Fatal(err)
	}
	// A directory that cannot be emptied, as a stand-in for a death on the way.
	stuck := filepath.Join(c.ID, "work", "stuck")
	if err := os.MkdirAll(filepath.Join(stuck, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(stuck, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Destroy(t.Context(), c.ID); err == nil {
			t.Error("what cannot be removed is removed")
		}
		if _, found, err := s.FindContainer(t.Context(), req.Name); !found || err != nil {
			t.Errorf("half removed, it is found: %t, %v", found, err)
		}
		if err := os.Chmod(stuck, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Destroy(t.Context(), c.ID); err != nil {
		t.Error(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), dir); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
}
