package pictures

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"chexp/experiments/files"
)

// Source says what to pack, and how.
type Source struct {
	Path   string // a folder, or a .zip, .tar, .tar.gz or .tgz archive of one
	Labels string // a file of class names, one a line; empty: the folders' names, sorted
	Limit  int    // most pictures, taken from each class in turn; 0: all
	Resize int    // of the shorter side
	Crop   int    // side of the square from the middle
	Header Header // Mean, Std and Layout
	// Progress, if not nil, is told how many pictures are packed.
	Progress func(done, total int)
}

// Packed is a finished pack.
type Packed struct {
	files.Stored
	Pictures int
}

// Bounds of what is read. They catch slips (a home directory in place of a data
// set) and archives that unpack to more than anyone meant.
const (
	maxPictures = 100000
	maxPicture  = 256 << 20 // bytes of one
	maxUnpacked = 8 << 30
	maxProblems = 20
)

// item is one picture of the source.
type item struct {
	path  string
	label int
}

// Pack reads the pictures, which lie in one folder for each class, and writes
// dir/<sha256>.pack. Bad input is refused as a whole, with all that is wrong
// (the first 20 of it).
func (s Source) Pack(ctx context.Context, dir string) (p Packed, err error) {
	source, closeSource, err := s.open(ctx)
	if err != nil {
		return p, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	defer func() { err = errors.Join(err, closeSource()) }()
	items, labels, err := s.list(source)
	if err != nil {
		return p, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return p, err
	}
	h := s.Header
	h.Pictures, h.Side, h.Labels = len(items), s.Crop, labels
	stored, err := files.Store(dir, func(w io.Writer) error {
		return s.write(ctx, source, items, h, w)
	}, func(sum string) string { return sum + ".pack" })
	if err != nil {
		return p, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	return Packed{stored, len(items)}, nil
}

func (s Source) write(ctx context.Context, files fs.FS, items []item, h Header, to io.Writer) error {
	w, err := NewWriter(to, h)
	if err != nil {
		return err
	}
	var problems []error
	for i, it := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		pixels, err := s.load(files, it.path)
		if err == nil && len(problems) == 0 {
			err = w.Add(pixels, it.label)
		}
		if err != nil {
			if problems = append(problems, fmt.Errorf("%s: %w", it.path, err)); len(problems) == maxProblems {
				break
			}
		}
		if s.Progress != nil {
			s.Progress(i+1, len(items))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	return w.Close()
}

func (s Source) load(tree fs.FS, name string) ([]uint8, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Decode(io.LimitReader(f, maxPicture), Scale{Resize: s.Resize, Width: s.Crop, Height: s.Crop})
}

// list finds the classes and their pictures.
func (s Source) list(files fs.FS) ([]item, []string, error) {
	top, folders, err := classFolders(files)
	if err != nil {
		return nil, nil, err
	}
	if len(folders) == 0 {
		return nil, nil, errors.New("there are no folders in it; the pictures must lie in one folder for each class, " +
			"named after the class")
	}
	labels := folders
	if s.Labels != "" {
		if labels, err = readLabels(s.Labels); err != nil {
			return nil, nil, err
		}
	}
	if len(labels) > MaxClasses {
		return nil, nil, fmt.Errorf("%d classes; at most %d are possible", len(labels), MaxClasses)
	}
	var problems []error
	perClass := make([][]item, 0, len(folders))
	for _, folder := range folders {
		label := slices.Index(labels, folder)
		if label < 0 {
			problems = append(problems, fmt.Errorf("folder %s is named after no class of %s", folder, s.Labels))
			continue
		}
		names, err := picturesIn(files, path.Join(top, folder))
		if err != nil {
			return nil, nil, err
		}
		if len(names) == 0 {
			problems = append(problems, fmt.Errorf("folder %s has no .jpg, .jpeg, .png or .gif in it", folder))
		}
		items := make([]item, len(names))
		for i, n := range names {
			items[i] = item{n, label}
		}
		perClass = append(perClass, items)
	}
	if len(problems) > maxProblems {
		problems = append(problems[:maxProblems], fmt.Errorf("and %d more", len(problems)-maxProblems))
	}
	if len(problems) > 0 {
		return nil, nil, errors.Join(problems...)
	}
	items := inTurn(perClass)
	if s.Limit > 0 && len(items) > s.Limit {
		items = items[:s.Limit]
	}
	if len(items) > maxPictures {
		return nil, nil, fmt.Errorf("%d pictures; at most %d are evaluated: set accuracy.pictures", len(items),
			maxPictures)
	}
	return items, labels, nil
}

// inTurn takes the first picture of each class, then the second of each, so
// that any beginning is as balanced as it can be.
func inTurn(lists [][]item) (out []item) {
	for i, more := 0, true; more; i++ {
		more = false
		for _, list := range lists {
			if i < len(list) {
				out, more = append(out, list[i]), true
			}
		}
	}
	return out
}

// classFolders lists the folders below the top, which may itself lie in one
// folder, as in most archives.
func classFolders(files fs.FS) (top string, folders []string, err error) {
	top = "."
	for {
		entries, err := fs.ReadDir(files, top)
		if err != nil {
			return "", nil, err
		}
		folders = nil
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "__MACOSX" {
				folders = append(folders, e.Name())
			}
		}
		if len(folders) != 1 || top != "." {
			return top, folders, nil
		}
		inner, err := fs.ReadDir(files, folders[0])
		if err != nil {
			return "", nil, err
		}
		if !slices.ContainsFunc(inner, fs.DirEntry.IsDir) {
			return top, folders, nil // one class
		}
		top = folders[0]
	}
}

var extensions = []string{".jpg", ".jpeg", ".png", ".gif"}

func picturesIn(files fs.FS, dir string) (names []string, err error) {
	entries, err := fs.ReadDir(files, dir) // sorted by name
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") &&
			slices.Contains(extensions, strings.ToLower(path.Ext(e.Name()))) {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	return names, err
}

func readLabels(file string) (labels []string, err error) {
	data, err := files.Read(file, maxHeader)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		l := strings.TrimSpace(lines.Text())
		if l == "" {
			continue
		}
		if slices.Contains(labels, l) {
			return nil, fmt.Errorf("labels %s: %q stands there twice", file, l)
		}
		if labels = append(labels, l); len(labels) > MaxClasses {
			break
		}
	}
	if len(labels) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("labels %s: there are no class names in it, one a line", file)
	}
	return labels, lines.Err()
}

// open gives the source as a file system.
func (s Source) open(ctx context.Context) (fs.FS, func() error, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, nil, err
	}
	lower := strings.ToLower(s.Path)
	switch {
	case info.IsDir():
		return below(s.Path)
	case strings.HasSuffix(lower, ".zip"):
		f, err := files.Open(s.Path, files.NoLimit)
		if err != nil {
			return nil, nil, err
		}
		z, err := zip.NewReader(f, info.Size())
		if err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
		return z, f.Close, nil
	case strings.HasSuffix(lower, ".tar"), strings.HasSuffix(lower, ".tar.gz"), strings.HasSuffix(lower, ".tgz"):
		dir, err := os.MkdirTemp("", "chexp-pictures-")
		if err != nil {
			return nil, nil, err
		}
		remove := func() error { return os.RemoveAll(dir) }
		if err := untar(ctx, s.Path, dir, !strings.HasSuffix(lower, ".tar")); err != nil {
			return nil, nil, errors.Join(err, remove())
		}
		tree, closeTree, err := below(dir)
		if err != nil {
			return nil, nil, errors.Join(err, remove())
		}
		return tree, func() error { return errors.Join(closeTree(), remove()) }, nil
	}
	return nil, nil, errors.New("it is neither a folder nor a .zip, .tar, .tar.gz or .tgz archive")
}

// below gives a folder as a file system that no link leaves and that holds
// nothing but folders and regular files.
func below(dir string) (fs.FS, func() error, error) {
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	return files.FS(root, maxPicture, 2*maxPictures), root.Close, nil
}

// untar unpacks plain files, and pictures only, below dir and nowhere else.
func untar(ctx context.Context, file, dir string, zipped bool) error {
	f, err := files.Open(file, files.NoLimit)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = bufio.NewReader(f)
	if zipped {
		if in, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t, left := tar.NewReader(in), int64(maxUnpacked)
	for count := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || !slices.Contains(extensions, strings.ToLower(path.Ext(name))) {
			continue
		}
		if count++; !fs.ValidPath(name) || h.Size > left || count > 2*maxPictures {
			return fmt.Errorf("%q is refused: archives may hold %d pictures and %d bytes, all below the archive's "+
				"own folder", h.Name, 2*maxPictures, int64(maxUnpacked))
		}
		left -= h.Size
		if err := writeBelow(root, name, t); err != nil {
			return err
		}
	}
}

func writeBelow(root *os.Root, name string, in io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
