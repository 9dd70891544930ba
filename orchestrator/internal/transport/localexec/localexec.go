// Package localexec is the Transport to this machine: a directory stands in
// for the container. It serves `site: local`, where the same plan runs without
// any cloud, and it is the plainest implementation of the contract. Put and Get
// stay below the root whatever a tar stream or a link in the tree says; Exec
// runs anything that the user may run.
package localexec

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/tarstream"
)

const (
	maxOutput = 1 << 20
	// leftoverWait is how long Exec reads on after the command has ended: a
	// process that it left behind may hold its output open for ever.
	leftoverWait = time.Second
)

// Transport is this machine, with files below one root.
type Transport struct {
	root string
}

// New returns a Transport for the directory root, an absolute path, which Put
// creates. The root itself may be any path; what lies below it follows
// transport.CheckPath.
func New(root string) *Transport { return &Transport{root: path.Clean(root)} }

// Properties implements transport.Transport.
func (t *Transport) Properties() transport.Properties {
	return transport.Properties{Name: "local", MaxOutput: maxOutput}
}

// Close implements transport.Transport.
func (t *Transport) Close() error { return nil }

// below returns dir relative to the root, "." for the root itself.
func (t *Transport) below(dir string) (string, error) {
	if !path.IsAbs(t.root) {
		return "", fmt.Errorf("local directory %q is not an absolute path", t.root)
	}
	if dir == t.root {
		return ".", nil
	}
	rel, ok := strings.CutPrefix(dir, strings.TrimSuffix(t.root, "/")+"/")
	if !ok {
		return "", fmt.Errorf("path %q is refused: it is not below %s", dir, t.root)
	}
	return rel, transport.CheckRelative(rel)
}

// Put implements transport.Transport.
func (t *Transport) Put(ctx context.Context, dir string, stream io.Reader) error {
	rel, err := t.below(dir)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(t.root, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(t.root)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(rel, 0o755); err != nil {
		return err
	}
	sub, err := root.OpenRoot(rel)
	if err != nil {
		return err
	}
	defer sub.Close()

	var done int64
	sums, err := tarstream.Walk(&cancelled{ctx, stream}, func(e tarstream.Entry) error {
		if e.Content == nil {
			return makeDir(sub, e)
		}
		if err := writeFile(sub, e); err != nil {
			return err
		}
		done += e.Size
		transport.Acknowledge(stream, done)
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing below %s: %w", dir, err)
	}
	return verify(ctx, sub, sums)
}

func makeDir(root *os.Root, e tarstream.Entry) error {
	if err := root.MkdirAll(e.Path, 0o755); err != nil || e.Path == "." {
		return err
	}
	return root.Chmod(e.Path, e.Mode|0o700) // ours must stay able to write below it
}

// writeFile writes beside the name and renames, so that a program that runs
// from the old file keeps it, and nobody sees half a file.
func writeFile(root *os.Root, e tarstream.Entry) (err error) {
	if err := root.MkdirAll(path.Dir(e.Path), 0o755); err != nil {
		return err
	}
	part := path.Join(path.Dir(e.Path), ".chexp-part")
	if err := root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			root.Remove(part)
		}
	}()
	if _, err = io.Copy(f, e.Content); err != nil {
		return err
	}
	if err = f.Chmod(e.Mode); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return root.Rename(part, e.Path)
}

// verify reads everything back: the contract promises content, not calls that
// returned nil.
func verify(ctx context.Context, root *os.Root, sums *tarstream.Sums) error {
	for _, want := range sums.Files {
		got, _, err := files.HashIn(ctx, root, want.Path, files.NoLimit)
		if err != nil {
			return fmt.Errorf("reading %s back: %w", want.Path, err)
		}
		if got != want.SHA256 {
			return fmt.Errorf("%s was written with SHA-256 %s and reads back as %s", want.Path, want.SHA256, got)
		}
	}
	return nil
}

// Get implements transport.Transport.
func (t *Transport) Get(ctx context.Context, dir string) (io.ReadCloser, error) {
	rel, err := t.below(dir)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(t.root)
	if err != nil {
		return nil, err
	}
	sub, err := root.OpenRoot(rel)
	root.Close()
	if err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	go func() {
		defer sub.Close()
		pw.CloseWithError(archive(ctx, sub, pw))
	}()
	return pr, nil
}

func archive(ctx context.Context, root *os.Root, w io.Writer) error {
	tw := tar.NewWriter(w)
	tree := root.FS()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		return archiveOne(tw, root, name, d)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func archiveOne(tw *tar.Writer, root *os.Root, name string, d fs.DirEntry) error {
	link := ""
	switch {
	case d.IsDir() || d.Type().IsRegular():
	case d.Type() == fs.ModeSymlink:
		var err error
		if link, err = root.Readlink(name); err != nil {
			return err
		}
	default:
		return nil // sockets, pipes and devices hold no content
	}
	if !d.Type().IsRegular() {
		info, err := d.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		h.Name = memberName(name, d.IsDir())
		return tw.WriteHeader(h)
	}
	f, err := files.OpenIn(root, name, files.NoLimit)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	h.Name = memberName(name, false)
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	// A file that grows meanwhile is cut at the size in its header.
	_, err = io.CopyN(tw, f, h.Size)
	return err
}

// memberName follows what `tar cf - .` says at the other far ends.
func memberName(name string, dir bool) string {
	switch {
	case name == ".":
		return "./"
	case dir:
		return "./" + name + "/"
	}
	return "./" + name
}

// Exec implements transport.Transport. The command gets a process group of its
// own, which dies with ctx; what the command started in another session (the
// agent does that) lives on.
func (t *Transport) Exec(ctx context.Context, cmd transport.Command) (transport.Exit, error) {
	if err := transport.CheckCommand(cmd); err != nil {
		return transport.Exit{}, err
	}
	if err := ctx.Err(); err != nil {
		return transport.Exit{}, err
	}
	out := transport.NewOutput(maxOutput)
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Stdout, c.Stderr = out, out
	c.Env = secret.Environ(os.Environ())
	ownGroup(c)
	c.WaitDelay = leftoverWait
	if err := c.Start(); err != nil {
		if ctx.Err() != nil {
			return transport.Exit{}, ctx.Err()
		}
		return transport.Exit{Code: -1, Output: []byte(err.Error())}, nil
	}
	err := c.Wait()
	if ctx.Err() != nil {
		return transport.Exit{}, fmt.Errorf("running %s: %w", cmd.Args[0], ctx.Err())
	}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) && !errors.Is(err, exec.ErrWaitDelay) {
		return transport.Exit{}, fmt.Errorf("running %s: %w", cmd.Args[0], err)
	}
	code := c.ProcessState.ExitCode()
	if s := c.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		code = 128 + int(s.Signal()) // as a shell says it
	}
	return transport.Exit{Code: code, Output: out.Bytes()}, nil
}

// cancelled is a reader that ends with ctx.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
