package files

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The names are what `git hash-object` prints.
var blobs = map[string]string{
	"":        "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
	"hello\n": "ce013625030ba8dba906f756967f9e9ca394464a",
}

func TestSWHIDIsTheNameThatGitGives(t *testing.T) {
	for content, name := range blobs {
		pin := Pin{SWHID: "swh:1:cnt:" + name}
		// The length is told, is not told, or is a lie.
		for _, length := range []int64{int64(len(content)), -1, 3} {
			dir := t.TempDir()
			s, err := StorePinned(dir, pin, length, func(w io.Writer) error {
				_, err := io.WriteString(w, content)
				return err
			}, func(sum string) string { return sum })
			if err != nil || s.SWHID != pin.SWHID || s.SHA256 != Sum([]byte(content)) ||
				s.Path != filepath.Join(dir, s.SHA256) || s.Bytes != int64(len(content)) {
				t.Errorf("%q of length %d: stored %+v, %v", content, length, s, err)
			}
			read, err := HashPinned(t.Context(), s.Path, 10, pin)
			if err != nil || read != s {
				t.Errorf("%q: read %+v, %v; stored %+v", content, read, err, s)
			}
		}
	}
}

func TestWhatIsNotPinnedLeavesNothing(t *testing.T) {
	hello := Pin{SHA256: Sum([]byte("hello\n")), SWHID: "swh:1:cnt:" + blobs["hello\n"]}
	for _, pin := range []Pin{{SHA256: hello.SHA256}, {SWHID: hello.SWHID}, hello,
		{SHA256: Sum([]byte("hellp\n")), SWHID: hello.SWHID}} {
		dir := t.TempDir()
		_, err := StorePinned(dir, pin, 6, func(w io.Writer) error {
			_, err := io.WriteString(w, "hellp\n")
			return err
		}, func(sum string) string { return sum })
		var e *NotPinned
		if left, _ := os.ReadDir(dir); !errors.As(err, &e) || e.Bytes != 6 || len(left) > 0 {
			t.Errorf("%s: error is %v, left %v", pin.Of(), err, left)
		}
	}
}

func TestParseSWHID(t *testing.T) {
	id := "swh:1:cnt:" + blobs[""]
	for _, s := range []string{id, strings.ReplaceAll(id, "e69de29bb", "E69DE29BB"),
		id + ";origin=https://example.org;path=/a.onnx"} {
		if got, err := ParseSWHID(s); got != id || err != nil {
			t.Errorf("%s is read as %q, %v", s, got, err)
		}
	}
	for s, says := range map[string]string{
		blobs[""]:                "40 hexadecimal digits",
		id + "0":                 "40 hexadecimal digits",
		id[:len(id)-1]:           "40 hexadecimal digits",
		"swh:2:cnt:" + blobs[""]: "40 hexadecimal digits",
		"swh:1:rev:" + blobs[""]: "names a commit",
		id + ";lines=9-15":       "a part of a file",
		id + ";path=/x;bytes=1":  "a part of a file",
		"":                       "40 hexadecimal digits",
	} {
		if got, err := ParseSWHID(s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is read as %q, %v", s, got, err)
		}
	}
}
