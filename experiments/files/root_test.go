//go:build unix

package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hostile makes a folder of what somebody may have put there.
func hostile(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		syscall.Mkfifo(at("pipe"), 0o600),
		os.WriteFile(at("file"), []byte("1234"), 0o600),
		os.Mkdir(at("folder"), 0o700),
		os.Symlink("file", at("link")),
		os.Symlink("/dev/zero", at("zero")),
		os.Symlink("/etc/passwd", at("passwd")),
		os.Symlink("pipe", at("topipe")),
		os.Symlink("none", at("dangling")),
	); err != nil {
		t.Fatal(err)
	}
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

// A pipe in a folder's place does not make anybody wait.
func TestFoldersThatArePipes(t *testing.T) {
	root, dir := hostile(t)
	for _, name := range []string{"pipe", "file", "none", "topipe"} {
		if _, err := OpenRoot(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("OpenRoot(%s) says %v", name, err)
		}
		if _, err := OpenRootIn(root, name); err == nil {
			t.Errorf("OpenRootIn(%s) says %v", name, err)
		}
		if _, err := ReadDir(filepath.Join(dir, name), 9); err == nil {
			t.Errorf("ReadDir(%s) says %v", name, err)
		}
		if _, err := ReadDirIn(root, name, 9); err == nil {
			t.Errorf("ReadDirIn(%s) says %v", name, err)
		}
	}
	sub, err := OpenRootIn(root, "folder")
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
	if entries, err := ReadDir(dir, 8); len(entries) != 8 || err != nil || entries[0].Name() != "dangling" {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := ReadDir(dir, 7); err == nil || !strings.Contains(err.Error(), "more than 7") {
		t.Errorf("a folder of eight read as one of seven: %v", err)
	}
}

// Links are followed below the root only, and to regular files only.
func TestOpenIn(t *testing.T) {
	root, _ := hostile(t)
	for _, name := range []string{"file", "link"} {
		f, err := OpenIn(root, name, 4)
		if err != nil {
			t.Error(err)
			continue
		}
		if data, err := io.ReadAll(f); string(data) != "1234" || err != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		f.Close()
	}
	for _, name := range []string{"pipe", "topipe", "zero", "passwd", "folder", "none", "dangling", "../x"} {
		if _, err := OpenIn(root, name, 4); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	if _, err := OpenIn(root, "file", 3); err == nil {
		t.Error("a file over the limit was opened")
	}
}

func TestAppendIn(t *testing.T) {
	root, dir := hostile(t)
	for range 2 {
		if err := AppendIn(root, "log", []byte("ab")); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := ReadIn(root, "log", 9); string(data) != "abab" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	for _, name := range []string{"pipe", "topipe", "link", "folder", "dangling"} {
		if err := AppendIn(root, name, []byte("x")); err == nil {
			t.Errorf("%s was written to", name)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "file")); string(data) != "1234" || err != nil {
		t.Errorf("through the link: %q, %v", data, err)
	}
}

func TestFS(t *testing.T) {
	root, _ := hostile(t)
	tree := FS(root, 10, 10)
	if data, err := fs.ReadFile(tree, "link"); string(data) != "1234" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	for _, name := range []string{"pipe", "zero", "../file", "folder"} {
		if _, err := tree.Open(name); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	if all, err := fs.ReadDir(tree, "folder"); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := fs.ReadDir(tree, "pipe"); err == nil {
		t.Error("a pipe was listed")
	}
}
