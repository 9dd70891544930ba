package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"chexp/experiments/files"
)

// Load reads a model file and checks it, and that the files that hold the
// values of its tensors are there and long enough; those are not read.
func Load(path string) (*Model, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	m, err := Parse(b)
	if err == nil {
		err = m.Check()
	}
	if err == nil {
		err = m.CheckExternal(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func readFile(path string) ([]byte, error) {
	f, err := files.Open(path, files.NoLimit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() > MaxBytes:
		return nil, fmt.Errorf("%s has %d bytes; an ONNX file ends at 2 GB (larger models keep their weights in "+
			"files of their own)", path, info.Size())
	}
	if err := Sniff(f, info.Size()); err != nil { // a film is not read whole
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), b); err != nil {
		return nil, fmt.Errorf("%s changed while it was read: %w", path, err)
	}
	return b, nil
}

// Tensors are all tensors of the model: initializers and those in attributes,
// in the bodies of control flow too.
func (m *Model) Tensors() []*Tensor { return m.Graph.tensors(nil) }

func (g *Graph) tensors(list []*Tensor) []*Tensor {
	list = append(list, g.Initializers...)
	for _, n := range g.Nodes {
		for _, a := range n.Attributes {
			if a.Tensor != nil {
				list = append(list, a.Tensor)
			}
			list = append(list, a.Tensors...)
			if a.Graph != nil {
				list = a.Graph.tensors(list)
			}
			for _, g := range a.Graphs {
				list = g.tensors(list)
			}
		}
	}
	return list
}

// place is where the values of a tensor outside the file are.
func (t *Tensor) place() (file string, offset, length int64, err error) {
	length = -1
	for _, p := range t.External {
		switch p.Key {
		case "location":
			file = filepath.FromSlash(p.Value)
			if file != "" {
				file = filepath.Clean(file)
			}
		case "offset":
			offset, err = strconv.ParseInt(p.Value, 10, 64)
		case "length":
			length, err = strconv.ParseInt(p.Value, 10, 64)
		}
		if err != nil {
			return "", 0, 0, fmt.Errorf("tensor %q: the %s of its values in another file is %q", t.Name, p.Key, p.Value)
		}
	}
	want := t.Bytes()
	if length < 0 {
		length = want
	}
	switch {
	case !filepath.IsLocal(file):
		return "", 0, 0, fmt.Errorf("tensor %q: its values are said to be in %q, which is not a file beside the model",
			t.Name, file)
	case want < 0 || length != want:
		return "", 0, 0, fmt.Errorf("tensor %q: %d bytes in another file, its dimensions %v of %v ask for %d", t.Name,
			length, t.Dims, t.Type, want)
	case offset < 0 || offset > 1<<50:
		return "", 0, 0, fmt.Errorf("tensor %q: its values are said to begin at %d of %s", t.Name, offset, file)
	}
	return file, offset, length, nil
}

// CheckExternal says which of the files that hold values are missing or too
// short. dir is the model file's directory.
func (m *Model) CheckExternal(dir string) error {
	return m.external(dir, func(*Tensor, *os.File, int64, int64) error { return nil })
}

// ExternalFiles are the names of the files that hold values, relative to the
// model file's directory, with slashes, sorted; and how many bytes are used of
// each at least.
func (m *Model) ExternalFiles() (names []string, used map[string]int64, err error) {
	used = map[string]int64{}
	for _, t := range m.Tensors() {
		if !t.Outside || t.Raw != nil {
			continue
		}
		file, offset, length, err := t.place()
		if err != nil {
			return nil, nil, err
		}
		name := filepath.ToSlash(file)
		used[name] = max(used[name], offset+length)
	}
	return slices.Sorted(maps.Keys(used)), used, nil
}

// LoadExternal reads the values that are in files of their own, so that the
// model is whole. It refuses what would not fit into one file afterwards.
func (m *Model) LoadExternal(dir string) error { return m.loadExternal(dir, MaxBytes) }

// LoadSmall reads those of tensors that may be shapes, indices or scales, so that
// what follows from them is known. The weights stay where they are.
func (m *Model) LoadSmall(dir string) error {
	const most = 16 << 10
	return m.loadExternal(dir, most)
}

func (m *Model) loadExternal(dir string, most int64) error {
	var total int64
	err := m.external(dir, func(t *Tensor, f *os.File, offset, length int64) error {
		if length > most && most < MaxBytes {
			return nil
		}
		if total += length; total > MaxBytes {
			return errors.New("the model's values are more than 2 GB")
		}
		raw := make([]byte, length)
		if _, err := io.ReadFull(io.NewSectionReader(f, offset, length), raw); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		t.Raw = raw
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range m.Tensors() {
		if t.Outside && t.Raw != nil {
			t.Outside, t.External = false, nil
		}
	}
	return nil
}

// external visits every tensor whose values are elsewhere. Files are opened
// below dir only, whatever links there are.
func (m *Model) external(dir string, visit func(t *Tensor, f *os.File, offset, length int64) error) error {
	var root *os.Root
	opened := map[string]*os.File{}
	defer func() {
		for _, f := range opened {
			f.Close()
		}
		if root != nil {
			root.Close()
		}
	}()
	for _, t := range m.Tensors() {
		if !t.Outside || t.Raw != nil {
			continue
		}
		name, offset, length, err := t.place()
		if err != nil {
			return err
		}
		if root == nil {
			if root, err = files.OpenRoot(dir); err != nil {
				return err
			}
		}
		f := opened[name]
		if f == nil {
			if len(opened) == maxExternalFiles {
				return fmt.Errorf("the model's values are in more than %d files", maxExternalFiles)
			}
			if f, err = files.OpenIn(root, name, files.NoLimit); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("the values of tensor %q (%d bytes) are in %s, which is not beside the model", t.Name,
					length, name)
			} else if err != nil {
				return fmt.Errorf("the values of tensor %q: %w", t.Name, err)
			}
			opened[name] = f
		}
		info, err := f.Stat()
		switch {
		case err != nil:
			return err
		case info.Size() < offset+length:
			return fmt.Errorf("the values of tensor %q end at byte %d of %s, which has %d", t.Name, offset+length, name,
				info.Size())
		}
		if err := visit(t, f, offset, length); err != nil {
			return err
		}
	}
	return nil
}

// maxExternalFiles bounds how many files are held open.
const maxExternalFiles = 256
