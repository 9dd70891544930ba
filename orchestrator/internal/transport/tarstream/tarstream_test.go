package tarstream_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"chexp/orchestrator/internal/transport/tarstream"
)

func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'x'}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCopyNormalises(t *testing.T) {
	long := strings.Repeat("d/", 80) + "file-ü"
	in := archive(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o750},
		tar.Header{
			Typeflag: tar.TypeReg, Name: "./a", Mode: 0o4755, Size: 3, Uid: 1234, Uname: "someone", ModTime: time.Now(),
		},
		tar.Header{Typeflag: tar.TypeReg, Name: long, Mode: 0o644, Size: 0})
	var out, again bytes.Buffer
	sums, err := tarstream.Copy(&out, bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tarstream.Copy(&again, bytes.NewReader(in)); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Fatalf("the same files gave other bytes (%v)", err)
	}
	want := sha256.Sum256([]byte("xxx"))
	if got := sums.Text(); !strings.HasPrefix(got, hex.EncodeToString(want[:])+"  ./a\n") ||
		!strings.HasSuffix(got, "  ./"+long+"\n") {
		t.Errorf("sums:\n%s", got)
	}
	r := tar.NewReader(&out)
	var names []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Uid != 0 || h.Uname != "" || h.Mode&^0o777 != 0 || len(h.PAXRecords) > 0 || h.Format&tar.FormatGNU == 0 {
			t.Errorf("%s is not normalised: %+v", h.Name, h)
		}
	}
	if strings.Join(names, " ") != "./ a "+long {
		t.Errorf("names %q", names)
	}
}

func TestCopyRefuses(t *testing.T) {
	for name, h := range map[string]tar.Header{
		"absolute":  {Typeflag: tar.TypeReg, Name: "/etc/passwd"},
		"up":        {Typeflag: tar.TypeReg, Name: "a/../../b"},
		"dotdot":    {Typeflag: tar.TypeDir, Name: ".."},
		"newline":   {Typeflag: tar.TypeReg, Name: "a\nb"},
		"backslash": {Typeflag: tar.TypeReg, Name: `a\b`},
		"blank end": {Typeflag: tar.TypeReg, Name: "a "},
		"symlink":   {Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b"},
		"hard link": {Typeflag: tar.TypeLink, Name: "a", Linkname: "b"},
		"device":    {Typeflag: tar.TypeChar, Name: "a", Devmajor: 1},
		"fifo":      {Typeflag: tar.TypeFifo, Name: "a"},
	} {
		if _, err := tarstream.Copy(io.Discard, bytes.NewReader(archive(t, h))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	twice := archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "a"}, tar.Header{Typeflag: tar.TypeReg, Name: "./a"})
	if _, err := tarstream.Copy(io.Discard, bytes.NewReader(twice)); err == nil {
		t.Error("a file that appears twice: accepted")
	}
}

func TestCopyReportsBrokenStreams(t *testing.T) {
	whole := archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 5000})
	if _, err := tarstream.Copy(io.Discard, bytes.NewReader(whole[:3000])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut stream: %v", err)
	}
	boom := errors.New("boom")
	broken := io.MultiReader(bytes.NewReader(whole[:3000]), iotest.ErrReader(boom))
	if _, err := tarstream.Copy(io.Discard, broken); !errors.Is(err, boom) {
		t.Errorf("broken stream: %v", err)
	}
}
