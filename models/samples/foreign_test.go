//go:build unix

package samples

import (
	"errors"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe, a device or a link that leaves the folder is refused and waited for by
// nobody; a link below the folder is followed.
func TestForeignFilesAmongSamples(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		put  func(dir string) error
	}{
		"pipe":            {"no regular file", func(d string) error { return syscall.Mkfifo(d+"/b.png", 0o600) }},
		"device":          {"not in this folder", func(d string) error { return os.Symlink("/dev/zero", d+"/b.npy") }},
		"link that stays": {"", func(d string) error { return os.Symlink("a.png", d+"/b.png") }},
		"pipe as the folder": {"not a directory", func(d string) error {
			return errors.Join(os.RemoveAll(d), syscall.Mkfifo(d, 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			write(t, filepath.Join(dir, "a.png"), halves(t, 8, 8, color.RGBA{A: 255}, color.RGBA{A: 255}))
			if err := c.put(dir); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { _, err := From{Dir: dir, Preprocess: ImageNet()}.Read(input(3, 4, 4)); done <- err }()
			select {
			case err := <-done:
				if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
					t.Errorf("it says %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it hangs")
			}
		})
	}
}
