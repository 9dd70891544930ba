package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OpenRoot opens a folder that somebody else may have made. It never waits:
// [os.OpenRoot] would, where a pipe has the folder's name.
func OpenRoot(path string) (*os.Root, error) {
	root, err := os.OpenRoot(path + "/.") // a path that only a folder has
	return root, named(err, path)
}

// OpenRootIn is [OpenRoot] of a folder below root. It follows no link that
// leaves root.
func OpenRootIn(root *os.Root, name string) (*os.Root, error) {
	sub, err := root.OpenRoot(name + "/.")
	return sub, named(err, name)
}

// named gives an error about a folder the name that its user knows.
func named(err error, name string) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return &fs.PathError{Op: path.Op, Path: name, Err: path.Err}
	}
	return err
}

// ReadIn returns a regular file below root of at most limit bytes. It follows
// no symbolic link in the name's last part, and none that leaves root.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := openOwn(root, name, limit)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// OpenIn is [Open] of a file below root. It follows the links that stay below
// root, as people make them in folders of data.
func OpenIn(root *os.Root, name string, limit int64) (*os.File, error) {
	st, err := root.Stat(name)
	if err == nil {
		err = check(name, st, limit)
	} else if link := linkIn(root, name); link != "" {
		err = fmt.Errorf("%s is a link to what is not in this folder: put the file itself here (%w)", link, err)
	}
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|NonBlock, 0)
	return opened(f, err, name, limit)
}

// linkIn is the last part of a name's way that is a link, "" where none is.
func linkIn(root *os.Root, name string) string {
	for at := filepath.Clean(name); at != "." && at != filepath.Dir(at); at = filepath.Dir(at) {
		if l, err := root.Lstat(at); err == nil && l.Mode().Type() == fs.ModeSymlink {
			return at
		}
	}
	return ""
}

// openOwn is [OpenIn] where the name itself may be no link.
func openOwn(root *os.Root, name string, limit int64) (*os.File, error) {
	if err := own(root, name, limit); err != nil {
		return nil, err
	}
	return OpenIn(root, name, limit)
}

func own(root *os.Root, name string, limit int64) error {
	st, err := root.Lstat(name)
	if err != nil {
		return err
	}
	return check(name, st, limit)
}

// AppendIn adds to a regular file below root, which it makes where there is
// none, and syncs it. A link in its place is not written through.
func AppendIn(root *os.Root, name string, data []byte) error {
	if err := own(root, name, NoLimit); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY|NonBlock, 0o644)
	if f, err = opened(f, err, name, NoLimit); err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// ReadDir lists a folder, sorted by name. More than most entries are an error.
func ReadDir(path string, most int) ([]fs.DirEntry, error) {
	root, err := OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return ReadDirIn(root, ".", most)
}

// ReadDirIn is [ReadDir] of a folder below root.
func ReadDirIn(root *os.Root, name string, most int) ([]fs.DirEntry, error) {
	dir, err := root.OpenFile(filepath.Join(name, "."), os.O_RDONLY|NonBlock|directory, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(most + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(entries) > most:
		return nil, fmt.Errorf("%s holds more than %d files", dir.Name(), most)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// FS gives what lies below root as a file system of folders and of regular
// files of at most limit bytes, opened as [OpenIn] does. A folder of more than
// most entries is an error.
func FS(root *os.Root, limit int64, most int) fs.FS { return tree{root, limit, most} }

type tree struct {
	root  *os.Root
	limit int64
	most  int
}

// Open implements [fs.FS].
func (t tree) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := OpenIn(t.root, name, t.limit)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// ReadDir implements [fs.ReadDirFS].
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return ReadDirIn(t.root, name, t.most)
}
