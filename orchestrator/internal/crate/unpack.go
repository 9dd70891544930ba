package crate

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// Bounds of an archive, which may come from anybody. Results are numbers as text:
// they shrink to a tenth, not to a hundredth.
const (
	maxEntries  = 200_000
	maxUnpacked = 16 << 30
	maxRatio    = 100
	maxSlack    = 32 << 20 // what may be unpacked of the smallest archive
	maxMetadata = 256 << 20
)

// Archive is an archive that is open for reading.
type Archive struct {
	z    *zip.ReadCloser
	name string
	sums files.Sums // of the files that the description names
}

// Open opens an archive and refuses one that is not what Write writes: nothing is
// unpacked of it then.
func Open(name string) (*Archive, error) {
	f, err := files.Open(name, files.NoLimit)
	if err != nil {
		return nil, failure.Usage.Errorf("the archive cannot be opened").Because(err)
	}
	st, err := f.Stat()
	f.Close()
	if err != nil {
		return nil, err
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, refused(name, err)
	}
	a := &Archive{z: z, name: name}
	if err := a.check(st.Size()); err != nil {
		z.Close()
		return nil, refused(name, err)
	}
	if a.sums, err = a.described(); err != nil {
		z.Close()
		return nil, refused(name, err)
	}
	return a, nil
}

// refused is the error of an archive of which nothing is taken.
func refused(name string, why error) error {
	return failure.Storage.Errorf("%s is no archive that `chexp results pack` writes, and nothing of it was unpacked",
		name).Because(why)
}

// Close closes the archive.
func (a *Archive) Close() error { return a.z.Close() }

// check looks at every entry before anything is written.
func (a *Archive) check(size int64) error {
	if len(a.z.File) > maxEntries {
		return fmt.Errorf("it has more than %d files", maxEntries)
	}
	seen := map[string]bool{}
	var total uint64
	limit := uint64(min(size*maxRatio+maxSlack, maxUnpacked))
	for _, f := range a.z.File {
		plain := strings.ToLower(f.Name) // some systems take two names for one that differ in case
		switch {
		case !fs.ValidPath(f.Name) || f.Name == "." || strings.ContainsAny(f.Name, `\:`) || !printable(f.Name):
			return fmt.Errorf("it has a file that is called %.80q", f.Name)
		case seen[plain]:
			return fmt.Errorf("it has %.80q twice", f.Name)
		case !f.Mode().IsRegular():
			return fmt.Errorf("%.80q is no regular file but %s", f.Name, f.Mode())
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return fmt.Errorf("%.80q is packed in a way that chexp does not read (%d)", f.Name, f.Method)
		case f.Flags&1 != 0:
			return fmt.Errorf("%.80q is encrypted", f.Name)
		}
		for dir := path.Dir(plain); dir != "."; dir = path.Dir(dir) {
			if seen[dir] && !seen[dir+"/"] {
				return fmt.Errorf("it has %.80q as a file and as a folder", dir)
			}
			seen[dir+"/"] = true
		}
		if seen[plain+"/"] {
			return fmt.Errorf("it has %.80q as a file and as a folder", f.Name)
		}
		seen[plain] = true
		if total += f.UncompressedSize64; f.UncompressedSize64 > limit || total > limit {
			return fmt.Errorf("it says that it holds more than %d bytes, and is %d itself", limit, size)
		}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' })
}

// described reads the sums of the description.
func (a *Archive) described() (files.Sums, error) {
	data, err := a.read(MetadataFile, maxMetadata)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Graph []struct {
			ID     string `json:"@id"`
			Type   any    `json:"@type"`
			SHA256 string `json:"sha256"`
		} `json:"@graph"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", MetadataFile, err)
	}
	sums := files.Sums{}
	for _, e := range doc.Graph {
		if name, err := url.PathUnescape(e.ID); err == nil && e.Type == "File" && e.SHA256 != "" {
			sums[name] = e.SHA256
		}
	}
	return sums, nil
}

// Read returns a file of the archive.
func (a *Archive) Read(name string) ([]byte, error) {
	data, err := a.read(name, maxMetadata)
	if err != nil {
		return nil, refused(a.name, err)
	}
	return data, nil
}

func (a *Archive) read(name string, limit int64) ([]byte, error) {
	f, err := a.z.Open(name)
	if err != nil {
		return nil, fmt.Errorf("it has no %s", name)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, err
}

// Unpack writes the run's files into run, and what was pushed, under its SHA-256, into
// pushed. Both folders are there, and nobody else writes into them. Each file is held
// against its sum in the description.
func (a *Archive) Unpack(run, pushed string) error {
	for _, f := range a.z.File {
		dir, name := run, f.Name
		switch {
		case name == MetadataFile || name == ReadmeFile:
			continue
		case path.Dir(name) == FilesDir:
			if dir, name = pushed, path.Base(name); !files.IsSum(name) || a.sums[f.Name] != name {
				return refused(a.name, fmt.Errorf("%.80q is not called by its SHA-256", f.Name))
			}
		}
		sum, err := a.unpack(f, filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil && a.sums[f.Name] == "" {
			err = fmt.Errorf("%s does not describe %.80q", MetadataFile, f.Name)
		}
		if err == nil && sum != a.sums[f.Name] {
			err = fmt.Errorf("%s was changed: its SHA-256 is not that of %s", f.Name, MetadataFile)
		}
		if err != nil {
			return refused(a.name, err)
		}
	}
	return nil
}

// unpack writes one file. It may hold no more than it says: the reader of the format
// sees to that.
func (a *Archive) unpack(f *zip.File, to string) (sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r, int64(f.UncompressedSize64)+1))
	if err == nil && uint64(n) != f.UncompressedSize64 {
		err = fmt.Errorf("%s is not as long as it says", f.Name)
	}
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, w.Close())
}
