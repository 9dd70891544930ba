// Package tarstream reads the tar stream that a Transport's Put was given,
// refuses what has no business on a device (links, devices, names that leave
// the directory), writes it again in the one form that GNU tar and busybox tar
// both understand, and keeps the SHA-256 of every file for the check at the
// far end. What is sent is therefore exactly what was checked: two tar readers
// never get to disagree about the same bytes.
package tarstream

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxEntries bounds what is remembered of one stream.
const MaxEntries = 100_000

// maxName keeps names within what every file system takes for a whole path.
const maxName = 1024

// File is one regular file of the stream.
type File struct {
	Path   string // relative, clean
	SHA256 string
	Size   int64
}

// Sums remembers the regular files in the order of the stream.
type Sums struct {
	Files []File
	seen  map[string]bool
}

// Text is the list in the format of `sha256sum -c`, with "./" before each name
// so that no name can be taken for an option.
func (s *Sums) Text() string {
	var b strings.Builder
	for _, f := range s.Files {
		fmt.Fprintf(&b, "%s  ./%s\n", f.SHA256, f.Path)
	}
	return b.String()
}

// Entry is a file or directory as it passes by. Content is nil for a directory.
type Entry struct {
	Path    string // relative, clean, "." for the directory itself
	Mode    fs.FileMode
	Size    int64
	Content io.Reader
}

// Walk calls visit for each entry of the stream, in order. visit must read
// Content to its end. The stream is read to its end mark.
func Walk(r io.Reader, visit func(Entry) error) (*Sums, error) {
	sums := &Sums{seen: map[string]bool{}}
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			return sums, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the tar stream: %w", err)
		}
		if n >= MaxEntries {
			return nil, fmt.Errorf("tar stream refused: more than %d entries", MaxEntries)
		}
		if err := sums.pass(h, tr, visit); err != nil {
			return nil, err
		}
	}
}

func (s *Sums) pass(h *tar.Header, r io.Reader, visit func(Entry) error) error {
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	e := Entry{Path: name, Mode: fs.FileMode(h.Mode) & fs.ModePerm}
	switch h.Typeflag {
	case tar.TypeDir:
		return visit(e)
	case tar.TypeReg:
	default:
		return fmt.Errorf("tar stream refused: %q is neither a regular file nor a directory (tar type %q)",
			h.Name, h.Typeflag)
	}
	if name == "." || s.seen[name] {
		return fmt.Errorf("tar stream refused: file %q appears twice or has no name", h.Name)
	}
	s.seen[name] = true
	c := &counted{r: r, sum: sha256.New()}
	e.Size, e.Content = h.Size, c
	if err := visit(e); err != nil {
		return err
	}
	if c.n != h.Size {
		return fmt.Errorf("tar stream: %d of %d bytes of %q were taken", c.n, h.Size, h.Name)
	}
	s.Files = append(s.Files, File{Path: name, SHA256: hex.EncodeToString(c.sum.Sum(nil)), Size: c.n})
	return nil
}

// counted hashes what is read through it. It marks errors of the stream, so
// that a reader can tell them from its own.
type counted struct {
	r   io.Reader
	sum hash.Hash
	n   int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading the tar stream: %w", err)
	}
	return n, err
}

// cleanName takes the names that `sha256sum -c` can carry on one line without
// an escape, and that stay below the directory.
func cleanName(name string) (string, error) {
	clean := path.Clean(name)
	bad := ""
	switch {
	case name == "" || len(name) > maxName:
		bad = fmt.Sprintf("its length must be 1 to %d", maxName)
	case path.IsAbs(name):
		bad = "it is absolute"
	case clean == ".." || strings.HasPrefix(clean, "../"):
		bad = "it leaves the directory"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, `\`):
		bad = "it holds a control character, a backslash or bytes that are not UTF-8"
	case strings.TrimSpace(clean) != clean:
		bad = "it begins or ends with a blank"
	default:
		return clean, nil
	}
	return "", fmt.Errorf("tar stream refused: name %q: %s", name, bad)
}

// Copy writes the stream again to w: GNU format (long names, big files; busybox
// reads it, unlike pax records), root as owner, no times, permission bits only.
// The same files in the same order always give the same bytes.
func Copy(w io.Writer, r io.Reader) (*Sums, error) {
	tw := tar.NewWriter(w)
	sums, err := Walk(r, func(e Entry) error {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.Path, Size: e.Size, Mode: int64(e.Mode),
			ModTime: time.Unix(0, 0), Format: tar.FormatGNU}
		if e.Content == nil {
			h.Typeflag, h.Name = tar.TypeDir, e.Path+"/"
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if e.Content == nil {
			return nil
		}
		_, err := io.Copy(onlyWriter{tw}, e.Content)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sums, tw.Close()
}

// onlyWriter hides tar.Writer's ReadFrom: io.Copy then uses one 32 KiB buffer.
type onlyWriter struct{ io.Writer }

// OnlyChanged reports whether all that tar (LC_ALL=C) complained about is that
// files changed while it read them. GNU tar then ends with 1 and has written a
// well-formed archive; the agent's event log grows while it is fetched.
func OnlyChanged(log []byte) bool {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	for _, l := range lines {
		if !strings.HasSuffix(l, "file changed as we read it") &&
			!strings.HasSuffix(l, "File removed before we read it") {
			return false
		}
	}
	return true
}
