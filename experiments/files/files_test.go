//go:build unix

package files

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWriteReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for _, text := range []string{"one", "two"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, 10)
		if err != nil || string(got) != text {
			t.Errorf("read %q, %v; want %q", got, err, text)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v; want one file", left, err)
	}
	if err := Write(filepath.Join(dir, "none", "a"), nil); err == nil {
		t.Error("a file in a folder that is not there was written")
	}
}

// What a reader must refuse, and must not wait for.
func TestOnlyRegularFilesOfTheirSize(t *testing.T) {
	dir := t.TempDir()
	pipe, large, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "large"), filepath.Join(dir, "link")
	if err := errors.Join(
		syscall.Mkfifo(pipe, 0o600),
		os.WriteFile(large, []byte("12345"), 0o600),
		os.Symlink("large", link),
	); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{
		"pipe": "no regular file", "large": "larger than 4 bytes", "link": "no regular file", "none": "no such file",
	} {
		if _, err := ReadIn(root, name, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadIn(%s) says %v, want %q", name, err, want)
		}
	}
	for path, want := range map[string]string{
		pipe: "no regular file", dir: "no regular file", large: "larger than 4 bytes", link: "larger than 4 bytes",
		"/dev/zero": "no regular file",
	} {
		if _, err := Read(path, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%s) says %v, want %q", path, err, want)
		}
		if _, _, err := Hash(t.Context(), path, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Hash(%s) says %v, want %q", path, err, want)
		}
	}
}

func TestHash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	sum, size, err := Hash(t.Context(), path, 3)
	if sum != want || size != 3 || err != nil || Sum([]byte("abc")) != want {
		t.Errorf("Hash = %s, %d, %v; Sum = %s", sum, size, err, Sum([]byte("abc")))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Hash(ended, path, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash with an ended context says %v", err)
	}
}

func TestSums(t *testing.T) {
	a, b := Sum([]byte("a")), Sum([]byte("b"))
	s := Sums{"b.json": b, "a/x.json": a}
	got, err := ParseSums(s.Bytes())
	if err != nil || len(got) != 2 || got["b.json"] != b || got["a/x.json"] != a {
		t.Errorf("%v, %v", got, err)
	}
	if s, err := ParseSums([]byte(a + " *./x\r\n\n")); err != nil || s["x"] != a {
		t.Errorf("a binary file's line: %v, %v", s, err)
	}
	for _, bad := range []string{
		"abc  x", a + " ", a + "  ../x", a + "  /x", a + "  .", strings.ToUpper(a) + "  x", a + "\tx",
		a + "  x\n" + b + "  x\n",
	} {
		if s, err := ParseSums([]byte(bad)); err == nil {
			t.Errorf("%q gives %v", bad, s)
		}
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add([]byte(Sum(nil) + "  a.json\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := ParseSums(raw)
		if err != nil {
			return
		}
		again, err := ParseSums(s.Bytes())
		if err != nil || len(again) != len(s) {
			t.Errorf("%q is read as %v and then as %v, %v", raw, s, again, err)
		}
	})
}

func TestWriteMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	if err := WriteMode(path, []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// A file is named by its content when all of it is there; one that cannot be
// written leaves nothing.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	text := func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err }
	name := func(sum string) string { return sum[:8] + ".pack" }
	s, err := Store(dir, text, name)
	if err != nil || s.SHA256 != Sum([]byte("abc")) || s.Bytes != 3 ||
		s.Path != filepath.Join(dir, s.SHA256[:8]+".pack") {
		t.Errorf("%+v, %v", s, err)
	}
	if data, err := os.ReadFile(s.Path); string(data) != "abc" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	broken := errors.New("broken")
	if s, err := Store(dir, func(io.Writer) error { return broken }, name); !errors.Is(err, broken) || s.Path != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}
