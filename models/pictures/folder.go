package pictures

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"chexp/experiments/files"
	"chexp/models/pictures/pack"
)

// Source says what to pack, and how.
type Source struct {
	Path   string // a folder, or a .zip, .tar, .tar.gz or .tgz archive of one
	Labels string // a file of class names, one a line; empty: Classes
	// Classes are all names in the order of the models' outputs; nil: the
	// folders, as SortClasses sorts them.
	Classes []string
	Limit   int         // most pictures, taken from each class in turn; 0: all
	Resize  int         // of the shorter side
	Crop    int         // side of the square from the middle
	EXIF    bool        // turn pictures upright, as their EXIF data says
	Header  pack.Header // Mean, Std and Layout
	// Progress, if not nil, is told how many pictures are packed.
	Progress func(done, total int)
}

// Packed is a finished pack.
type Packed struct {
	files.Stored
	Pictures int
	Count    int     // of the classes
	Classes  string  // which class is which output, in words
	LeftOut  LeftOut // what was not packed
	Turned   int     // pictures that do not lie upright, by their EXIF data
}

// Bounds of what is read. They catch slips (a home directory in place of a data
// set) and archives that unpack to more than anyone meant.
const (
	maxPictures = 100000
	maxPicture  = 256 << 20 // bytes of one
	maxUnpacked = 8 << 30
	maxProblems = 20
)

// Pack reads the pictures, which lie in one folder for each class, and writes
// dir/<sha256>.pack. Bad input is refused as a whole, with all that is wrong
// (the first 20 of it).
func (s Source) Pack(ctx context.Context, dir string) (p Packed, err error) {
	source, closeSource, err := s.open(ctx)
	if err != nil {
		return p, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	defer func() { err = errors.Join(err, closeSource()) }()
	l, err := s.list(source)
	if err != nil {
		return p, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return p, err
	}
	h := s.Header
	h.Pictures, h.Side, h.Labels = len(l.Files), s.Crop, l.Classes
	stored, err := files.Store(dir, func(w io.Writer) error {
		p.Turned, err = s.write(ctx, source, l.Files, h, w)
		return err
	}, func(sum string) string { return sum + ".pack" })
	if err != nil {
		return p, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	return Packed{stored, len(l.Files), len(l.Classes), l.Said(), l.LeftOut, p.Turned}, nil
}

// Look says how many classes the source has, without reading a picture.
func (s Source) Look(ctx context.Context) (classes int, err error) {
	source, closeSource, err := s.open(ctx)
	if err != nil {
		return 0, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	defer func() { err = errors.Join(err, closeSource()) }()
	l, err := s.list(source)
	if err != nil {
		return 0, fmt.Errorf("pictures %s: %w", s.Path, err)
	}
	return len(l.Classes), nil
}

// write packs the pictures, and counts those that do not lie upright.
func (s Source) write(ctx context.Context, tree fs.FS, items []File, h pack.Header, to io.Writer) (turned int,
	err error) {
	w, err := pack.NewWriter(to, h)
	if err != nil {
		return 0, err
	}
	var problems []error
	for i, it := range items {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		pixels, lies, err := s.load(tree, it.Path)
		if lies {
			turned++
		}
		if err == nil && len(problems) == 0 {
			err = w.Add(pixels, it.Label)
		}
		if err != nil {
			if problems = append(problems, fmt.Errorf("%s: %w", it.Path, err)); len(problems) == maxProblems {
				break
			}
		}
		if s.Progress != nil {
			s.Progress(i+1, len(items))
		}
	}
	if len(problems) > 0 {
		return 0, errors.Join(problems...)
	}
	return turned, w.Close()
}

func (s Source) load(tree fs.FS, name string) (pixels []uint8, turned bool, err error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	return Decode(io.LimitReader(f, maxPicture), Scale{Resize: s.Resize, Width: s.Crop, Height: s.Crop, EXIF: s.EXIF})
}

// list finds the classes and their pictures.
func (s Source) list(tree fs.FS) (Listing, error) {
	w := Wanted{Classes: s.Classes, From: "classes"}
	if s.Labels != "" {
		var err error
		if w.Classes, err = ReadLabels(s.Labels); err != nil {
			return Listing{}, err
		}
		w.From = s.Labels
	}
	l, err := List(tree, w)
	if err != nil {
		return l, err
	}
	if l.Classes == nil {
		return l, errors.New("there are no folders in it; the pictures must lie in one folder for each class, " +
			"named after the class")
	}
	l.Files = inTurn(l.Files)
	if s.Limit > 0 && len(l.Files) > s.Limit {
		l.Files = l.Files[:s.Limit]
	}
	if len(l.Files) > maxPictures {
		return l, fmt.Errorf("%d pictures; at most %d are evaluated: set accuracy.pictures", len(l.Files), maxPictures)
	}
	return l, nil
}

// inTurn takes the first picture of each class, then the second of each, so
// that any beginning is as balanced as it can be.
func inTurn(all []File) (out []File) {
	var lists [][]File
	for begin := 0; begin < len(all); {
		end := begin + 1
		for end < len(all) && all[end].Label == all[begin].Label {
			end++
		}
		lists = append(lists, all[begin:end])
		begin = end
	}
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

// untar unpacks plain files below dir and nowhere else.
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
		if h.Typeflag != tar.TypeReg || Ignored(path.Base(name)) {
			continue
		}
		if count++; !fs.ValidPath(name) || h.Size > left || count > 2*maxPictures {
			return fmt.Errorf("%q is refused: archives may hold %d pictures and %d bytes, all below the archive's "+
				"own folder", h.Name, 2*maxPictures, int64(maxUnpacked))
		}
		taken, err := writeBelow(root, name, t)
		if err != nil {
			return err
		}
		left -= taken
	}
}

// writeBelow writes a picture; of another file only the beginning, which tells
// that it is none.
func writeBelow(root *os.Root, name string, in io.Reader) (n int64, err error) {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, err
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	if n, err = io.CopyN(out, in, headBytes); err == nil {
		if isPicture(root.FS(), name) {
			var more int64
			more, err = io.Copy(out, in)
			n += more
		}
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, errors.Join(err, out.Close())
}
