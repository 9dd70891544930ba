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
	"syscall"
)

// Write replaces a file so that after any crash there is the old content or the
// new. Its mode is 0644.
func Write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// SyncDir makes renames in a folder survive a power cut. A file system that
// cannot sync a folder has done what it can, so there is no error.
func SyncDir(path string) {
	if d, err := os.Open(path); err == nil {
		d.Sync()
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

// ReadIn returns a regular file below root of at most limit bytes. It follows
// no symbolic link in the name's last part, and none that leaves root.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	st, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := check(name, st, limit); err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// Open opens a regular file of at most limit bytes for reading. It never waits:
// opening a pipe would wait for a writer.
func Open(path string, limit int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		err = check(path, st, limit)
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
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(reader{ctx, f}, limit+1))
	if err == nil && size > limit {
		err = tooLarge(path, limit)
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
