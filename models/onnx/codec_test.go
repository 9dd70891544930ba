package onnx

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Debian's libonnx-testdata: about a thousand models, one for nearly every
// operator.
const testdata = "/usr/share/libonnx-testdata/data"

// food11 is the directory of the tutorial's models, which lies in a folder
// shared/ beside the clone.
func food11() string {
	for up := "../.."; len(up) < 20; up += "/.." {
		if dir := up + "/shared/models/food11"; isDir(dir) {
			return dir
		}
	}
	return "shared/models/food11"
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// everyModel calls f with each model at hand.
func everyModel(t *testing.T, f func(path string, b []byte)) (count int) {
	t.Helper()
	for _, dir := range []string{testdata, food11()} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".onnx") {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			count++
			f(path, b)
			return nil
		})
		if os.IsNotExist(err) {
			t.Logf("%s is not here (Debian: apt-get install libonnx-testdata; the tutorial's models: a folder shared/ beside the clone)", dir)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if count == 0 {
		t.Skip("no models at hand: apt-get install libonnx-testdata")
	}
	return count
}

func TestEveryModelRoundTrips(t *testing.T) {
	same := 0
	n := everyModel(t, func(path string, b []byte) {
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		first, err := m.Marshal()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		again, err := Parse(first)
		if err != nil {
			t.Errorf("%s, written and read: %v", path, err)
			return
		}
		second, err := again.Marshal()
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: not stable on the second pass (%d and %d bytes, %v)", path, len(first), len(second), err)
		}
		if bytes.Equal(first, b) {
			same++
		}
	})
	t.Logf("%d of %d models come out byte for byte on the first pass too", same, n)
}
