//go:build unix

package signin

import (
	"path/filepath"
	"syscall"
	"testing"

	"chexp/experiments/failure"
)

// A pipe in place of a clouds.yaml does not make chexp wait for a writer.
func TestCloudsFileIsAPipe(t *testing.T) {
	clean(t)
	pipe := filepath.Join(t.TempDir(), "clouds.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := connect(t.Context(), Options{CloudsFile: pipe})
	check(t, err, failure.Auth, "regular file")
}
