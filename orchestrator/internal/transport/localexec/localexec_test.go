package localexec_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
	"chexp/orchestrator/internal/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) (transport.Transport, string) {
		root := filepath.Join(t.TempDir(), "root with a blank")
		return localexec.New(root), root + "/srv/dir"
	})
}

func one(t *testing.T, name, content string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644}
	err := w.WriteHeader(h)
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestStaysBelowRoot(t *testing.T) {
	base := t.TempDir()
	root, outside := base+"/root", base+"/outside"
	for _, d := range []string{root, outside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, root+"/link"); err != nil {
		t.Fatal(err)
	}
	tr := localexec.New(root)
	for _, dir := range []string{outside, root + "/link", base, "/"} {
		if err := tr.Put(t.Context(), dir, one(t, "f", "x")); err == nil {
			t.Errorf("Put to %s was accepted", dir)
		}
		if r, err := tr.Get(t.Context(), dir); err == nil {
			r.Close()
			t.Errorf("Get of %s was accepted", dir)
		}
	}
	if err := tr.Put(t.Context(), root, one(t, "link/f", "x")); err == nil {
		t.Error("a file behind a link that leaves the root was accepted")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("something was written outside: %v", left)
	}
}

func TestExecKillsGroupOnCancel(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	fifo := dir + "/pid"
	done := make(chan error, 1)
	go func() {
		_, err := localexec.New(dir).Exec(ctx, transport.Command{
			Args: []string{"sh", "-c", `sleep 30 & echo $! >"$1.tmp"; mv "$1.tmp" "$1"; wait`, "sh", fifo},
		})
		done <- err
	}()
	pid := waitForFile(t, fifo)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Exec: %v", err)
	}
	waitForDeath(t, string(bytes.TrimSpace(pid)))
}

// What runs on this machine gets nothing that signs in.
func TestChildrenHaveNoCredentials(t *testing.T) {
	t.Setenv("OS_APPLICATION_CREDENTIAL_SECRET", "s3cret-of-a-test")
	t.Setenv("CHEXP_TEST", "stays")
	got, err := localexec.New(t.TempDir()).Exec(t.Context(), transport.Command{Args: []string{"env"}})
	if err != nil || bytes.Contains(got.Output, []byte("s3cret")) ||
		!bytes.Contains(got.Output, []byte("CHEXP_TEST=stays")) {
		t.Errorf("%v, %s", err, got.Output)
	}
}
