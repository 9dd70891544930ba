package bundle_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/bundle"
)

func TestFetchDiskFull(t *testing.T) {
	dst := t.TempDir()
	if err := syscall.Mount("tmpfs", dst, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("a small file system cannot be mounted here (needs root): ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dst, 0); err != nil {
			t.Error(err)
		}
	})
	_, err := bundle.Fetch(t.Context(), stream(t, regular(one, strings.Repeat("x", 200_000))),
		"/r", dst, bundle.Limits{})
	if failure.KindOf(err) != failure.Storage || !errors.Is(err, syscall.ENOSPC) ||
		!strings.Contains(failure.NextOf(err), "free some space") {
		t.Errorf("a full disk: %v", err)
	}
	if left := look(t, dst); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := bundle.Fetch(t.Context(), stream(t, regular(one, "1")), "/r", dst, bundle.Limits{}); err != nil {
		t.Errorf("once there is room: %v", err)
	}
}
