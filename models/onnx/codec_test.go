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

// everyModel calls f with each of them.
func everyModel(t *testing.T, f func(path string, b []byte)) (count int) {
	t.Helper()
	err := filepath.WalkDir(testdata, func(path string, d fs.DirEntry, err error) error {
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
		t.Skip("no models at hand: apt-get install libonnx-testdata")
	}
	if err != nil {
		t.Fatal(err)
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
