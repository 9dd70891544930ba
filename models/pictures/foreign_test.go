//go:build unix

package pictures

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A folder of pictures may hold anything: a pipe in it makes nobody wait, a
// device is not read, and no link leads out of it. One that stays below the
// folder is followed.
func TestForeignFilesAmongPictures(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret.png")
	if err := os.WriteFile(outside, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	link := func(to string) func(string) error { return func(path string) error { return os.Symlink(to, path) } }
	for name, c := range map[string]struct {
		at, says string
		put      func(string) error
	}{
		"pipe":               {"apple/9.png", "no regular file", pipe},
		"device":             {"apple/9.png", "not in this folder", link("/dev/zero")},
		"link that leaves":   {"apple/9.png", "not in this folder", link(outside)},
		"link to a pipe":     {"apple/9.png", "no regular file", link("../pear/pipe")},
		"link that stays":    {"apple/9.png", "", link("0.png")},
		"pipe as the folder": {"", "", pipe},
		"pipe as a zip":      {".zip", "no regular file", pipe},
		"pipe as a tar":      {".tar", "no regular file", pipe},
	} {
		t.Run(name, func(t *testing.T) {
			dir := sample(t)
			path := filepath.Join(dir, c.at)
			err := syscall.Mkfifo(filepath.Join(dir, "pear", "pipe"), 0o600)
			if !strings.Contains(c.at, "/") {
				dir = filepath.Join(t.TempDir(), "data"+c.at)
				path = dir
			}
			if err := errors.Join(err, c.put(path)); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { _, err := source(dir).Pack(t.Context(), t.TempDir()); done <- err }()
			select {
			case err = <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("it hangs")
			}
			switch {
			case name == "link that stays" && err != nil:
				t.Error(err)
			case name != "link that stays" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("it says %v", err)
			}
		})
	}
}
