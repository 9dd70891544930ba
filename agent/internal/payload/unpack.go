package payload

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
)

// CacheEnv names the environment variable that is tried first as the place to
// unpack.
const CacheEnv = "CHEXP_AGENT_CACHE"

// Bases are the directories to unpack below, best first. The file system must be
// writable and allow execution; in an empty image perhaps only the directory of
// the agent itself does.
func Bases(self string) []string {
	var list []string
	for _, env := range []string{CacheEnv, "TMPDIR"} {
		if v := os.Getenv(env); filepath.IsAbs(v) {
			list = append(list, v)
		}
	}
	list = append(list, "/tmp", "/var/tmp", "/dev/shm", "/run", filepath.Dir(self))
	if cwd, err := os.Getwd(); err == nil {
		list = append(list, cwd)
	}
	return list
}

// Unpack makes the payload's files available and returns their directory:
// <base>/chexp-<id>, below the first base where that works. A directory that is
// already complete is used as it is. A new one appears by rename, so it is never
// seen half done.
func (p *Payload) Unpack(ctx context.Context, bases []string) (string, error) {
	var tried []error
	for _, base := range bases {
		dir, err := p.unpackBelow(ctx, base)
		if err == nil {
			return dir, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		tried = append(tried, err)
	}
	return "", fmt.Errorf("the agent found no place to unpack ONNX Runtime "+
		"(set %s to a writable directory that is not mounted noexec): %w",
		CacheEnv, errors.Join(tried...))
}

// Own is the payload of the running agent, unpacked.
type Own struct {
	File   string // the agent's
	Dir    string // where the payload's files are
	Header Header
}

// UnpackSelf unpacks the payload of the running agent.
func UnpackSelf(ctx context.Context) (own Own, err error) {
	if own.File, err = Self(); err != nil {
		return own, err
	}
	p, err := Open(own.File)
	if err != nil {
		return own, err
	}
	defer p.Close()
	own.Header = p.Header
	own.Dir, err = p.Unpack(ctx, Bases(own.File))
	return own, err
}

func (p *Payload) unpackBelow(ctx context.Context, base string) (string, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(base, &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: base, Err: err}
	}
	const stNoexec = 0x8 // ST_NOEXEC of statfs(2)
	if fs.Flags&stNoexec != 0 {
		return "", fmt.Errorf("%s is mounted noexec", base)
	}
	dir := filepath.Join(base, "chexp-"+p.Header.ID[:16])
	if p.complete(dir) == nil {
		return dir, nil
	}
	p.sweep(dir)
	tmp, err := os.MkdirTemp(base, filepath.Base(dir)+".tmp-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp) // gone already if it was renamed
	if err := p.extract(ctx, tmp); err != nil {
		return "", fmt.Errorf("unpacking below %s: %w", base, err)
	}
	if err := os.Rename(tmp, dir); err == nil {
		return dir, nil
	}
	// Somebody else was faster, or what is there is damaged.
	if p.complete(dir) == nil {
		return dir, nil
	}
	if err := os.Rename(dir, tmp+".old"); err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp + ".old")
	return dir, os.Rename(tmp, dir)
}

// sweep removes what unpackings that were killed have left.
func (p *Payload) sweep(dir string) {
	left, _ := filepath.Glob(dir + ".tmp-*")
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > 10*time.Minute {
			os.RemoveAll(path)
		}
	}
}

// complete says why a directory cannot be used as the unpacked payload. In a
// shared /tmp another user could have put it there, so it must belong to this
// user, and no other may be able to write to it.
func (p *Payload) complete(dir string) error {
	if err := private(dir); err != nil {
		return err
	}
	for _, f := range p.Header.Files {
		path := filepath.Join(dir, f.Name)
		if err := private(path); err != nil {
			return err
		}
		if info, err := os.Lstat(path); err != nil || info.Size() != f.Bytes {
			return fmt.Errorf("%s is not complete", path)
		}
	}
	return nil
}

func private(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() || info.Mode()&os.ModeSymlink != 0 || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not private to this user", path)
	}
	return nil
}

func (p *Payload) extract(ctx context.Context, dir string) error {
	if _, err := p.tar.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := zstd.NewReader(p.tar, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	expected := map[string]File{}
	for _, f := range p.Header.Files {
		if f.Name != filepath.Base(f.Name) || strings.HasPrefix(f.Name, ".") {
			return fmt.Errorf("the payload's header is damaged: file name %q", f.Name)
		}
		expected[f.Name] = f
	}
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		f, ok := expected[h.Name]
		if !ok {
			return fmt.Errorf("the payload holds %q, which its header lacks", h.Name)
		}
		delete(expected, h.Name)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, f.Name), io.LimitReader(t, f.Bytes), f); err != nil {
			return err
		}
	}
	// The tar ends before the compressed stream does: only its end proves its
	// checksum.
	if _, err := io.Copy(io.Discard, z); err != nil {
		return err
	}
	if len(expected) > 0 {
		return fmt.Errorf("the payload lacks %d of its files", len(expected))
	}
	// Readable for others is not needed: MkdirTemp made the directory 0700.
	return nil
}

func writeFile(path string, content io.Reader, want File) error {
	mode := os.FileMode(0o600)
	if want.Exec {
		mode = 0o700
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), content)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
		err = fmt.Errorf("%s does not have the content that was packed: copy the agent again", want.Name)
	}
	return err
}
