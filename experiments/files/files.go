// Package files reads and writes files that a crash may cut off and that
// somebody else may have written: whole or not at all when writing, regular and
// bounded when reading, checked by SHA-256.
package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// NoLimit is for files that only this machine's disk bounds.
const NoLimit int64 = 1 << 62

// Write replaces a file so that after any crash there is the old content or the
// new. Its mode is 0644.
func Write(path string, data []byte) error { return WriteMode(path, data, 0o644) }

// WriteMode is [Write] with another mode, whatever the umask is.
func WriteMode(path string, data []byte, mode fs.FileMode) error {
	_, err := create(filepath.Dir(path), mode, func(f *os.File) (string, error) {
		_, err := f.Write(data)
		return filepath.Base(path), err
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Store writes a file of a folder whole or not at all, and gives it a name that
// depends on its content: write writes it, and name makes the name of its
// SHA-256. Stored returns its path, its SHA-256 and its size. What a killed
// process leaves is called [TempPattern].
func Store(dir string, write func(io.Writer) error, name func(sum string) string) (s Stored, err error) {
	return StorePinned(dir, Pin{}, -1, write, name)
}

// Stored is a file that [Store] wrote.
type Stored struct {
	Path   string
	SHA256 string // lower-case hex
	SWHID  string // empty where nobody asked for it
	Bytes  int64
}

// TempPattern matches the files that are being written.
const TempPattern = ".tmp-*"

// create makes a file under a name of its own, which write fills, and renames
// it to the name that write returns.
func create(dir string, mode fs.FileMode, write func(*os.File) (name string, err error)) (path string, err error) {
	f, err := os.CreateTemp(dir, TempPattern)
	if err != nil {
		return "", err
	}
	name, err := write(f)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	path = filepath.Join(dir, name)
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	SyncDir(dir)
	return path, nil
}

// SyncDir makes renames in a folder survive a power cut. A file system that
// cannot sync a folder has done what it can, so there is no error.
func SyncDir(path string) {
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

// Read returns a regular file of at most limit bytes. A symbolic link is
// followed.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path, limit)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// Open opens a regular file of at most limit bytes for reading. It never waits,
// as opening a pipe would for a writer, and never opens a device: some do
// something then.
func Open(path string, limit int64) (*os.File, error) {
	st, err := os.Stat(path)
	if err == nil {
		err = check(path, st, limit)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|NonBlock, 0)
	return opened(f, err, path, limit)
}

// opened checks once more what was opened: somebody may have put another file
// in its place meanwhile.
func opened(f *os.File, err error, name string, limit int64) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		err = check(name, st, limit)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func check(name string, st fs.FileInfo, limit int64) error {
	switch {
	case !st.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", name)
	case st.Size() > limit:
		return tooLarge(name, limit)
	}
	return nil
}

func tooLarge(name string, limit int64) error {
	return fmt.Errorf("%s is larger than %d bytes", name, limit)
}

// readAll reads and closes f, which may grow meanwhile.
func readAll(f *os.File, limit int64) ([]byte, error) {
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, tooLarge(f.Name(), limit)
	}
	return data, err
}

// Hash returns the SHA-256 of a regular file of at most limit bytes, in
// lower-case hex, and its size. ctx ends a long read early.
func Hash(ctx context.Context, path string, limit int64) (sum string, size int64, err error) {
	f, err := Open(path, limit)
	if err != nil {
		return "", 0, err
	}
	return hashAll(ctx, f, limit)
}

// HashIn is [Hash] of a file below root, opened as [ReadIn] does.
func HashIn(ctx context.Context, root *os.Root, name string, limit int64) (sum string, size int64, err error) {
	f, err := openOwn(root, name, limit)
	if err != nil {
		return "", 0, err
	}
	return hashAll(ctx, f, limit)
}

// hashAll reads and closes f, which may grow meanwhile.
func hashAll(ctx context.Context, f *os.File, limit int64) (sum string, size int64, err error) {
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(reader{ctx, f}, limit+1))
	if err == nil && size > limit {
		err = tooLarge(f.Name(), limit)
	}
	if err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Sum is the SHA-256 of data in lower-case hex.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
