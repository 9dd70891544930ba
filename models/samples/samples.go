// Package samples reads a folder of a person's own data, pictures or NumPy
// arrays, into inputs of a model on this machine: the quantizer calibrates with
// them, and models are compared on them. Package pictures decodes the pictures
// (and packs the ones on which a device measures accuracy). Where the folder has
// folders in it, each is a class, and its files carry that label.
package samples

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"chexp/experiments/files"
	"chexp/models/onnx"
	"chexp/models/pictures"
)

// Preprocess says how a picture becomes an input.
type Preprocess struct {
	Resize int        // the shorter side becomes this long before the middle is cut out; 0: as long as needed
	Mean   [3]float32 // subtracted from each colour, 0 to 1
	Std    [3]float32 // then divided by
	Layout string     // NCHW or NHWC
	EXIF   bool       // turn pictures upright, as their EXIF data says
}

// ImageNet is what most classifiers of pictures are trained with.
func ImageNet() Preprocess {
	return Preprocess{Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}, Layout: "NCHW"}
}

// Set is the inputs, with their labels where the folder tells them.
type Set struct {
	Inputs  []*onnx.Tensor
	Names   []string
	Labels  []int            // nil: unknown
	Listing pictures.Listing // its classes, and what was left out
	Turned  int              // pictures that do not lie upright, by their EXIF data
}

// From says what is read of a folder.
type From struct {
	Dir     string
	Classes []string // all classes, in the order of the model's outputs; nil: the folders
	Limit   int      // most files, evenly spread over the sorted names; 0: all
	Preprocess
}

// Bounds of a folder.
const (
	maxFiles     = 100_000
	maxFileBytes = 256 << 20
)

// Read reads the files of a folder as the given input, with the first dimension
// 1.
func (from From) Read(input *onnx.Value) (*Set, error) {
	root, err := files.OpenRoot(from.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	l, err := pictures.List(files.FS(root, maxFileBytes, maxFiles), pictures.Wanted{Classes: from.Classes,
		From: "the classes given", Also: []string{".npy"}, Loose: true})
	if err != nil {
		return nil, err
	}
	switch {
	case len(l.Files) == 0 && l.LeftOut.Count() > 0:
		return nil, fmt.Errorf("%s holds no %s picture and no .npy array; it holds %v", from.Dir, pictures.Formats,
			l.LeftOut)
	case len(l.Files) == 0:
		return nil, fmt.Errorf("%s holds no %s picture and no .npy array", from.Dir, pictures.Formats)
	case len(l.Files) > maxFiles:
		return nil, fmt.Errorf("%s holds more than %d files", from.Dir, maxFiles)
	}
	found := from.spread(l.Files)
	dims, err := dimensions(input)
	if err != nil {
		return nil, err
	}
	s := &Set{Listing: l}
	for _, f := range found {
		file := filepath.Join(from.Dir, filepath.FromSlash(f.Path))
		t, turned, err := from.read(root, f.Path, dims)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if turned {
			s.Turned++
		}
		t.Name = input.Name
		s.Inputs, s.Names = append(s.Inputs, t), append(s.Names, file)
		if l.Classes != nil {
			s.Labels = append(s.Labels, f.Label)
		}
	}
	return s, nil
}

// dimensions are the input's, with 1 for the batch.
func dimensions(v *onnx.Value) ([]int64, error) {
	if v.Elem != onnx.Float32 {
		return nil, fmt.Errorf("the model's input %q is of %v; pictures and arrays are given as float32", v.Name,
			v.Elem)
	}
	var dims []int64
	for i, d := range v.Shape {
		switch {
		case i == 0 && (!d.Known() || d.Size == 1):
			dims = append(dims, 1)
		case i == 0:
			return nil, fmt.Errorf("the model's input %q takes %d samples at once; it must take one, or any number",
				v.Name, d.Size)
		case d.Known():
			dims = append(dims, d.Size)
		default:
			return nil, fmt.Errorf("the model's input %q leaves its dimension %d open (%s)", v.Name, i+1, d.Param)
		}
	}
	if n := onnx.Elements(dims); n < 1 || n > 1<<28 {
		return nil, fmt.Errorf("the model's input %q has the shape %v", v.Name, dims)
	}
	return dims, nil
}

func (from From) read(root *os.Root, path string, dims []int64) (t *onnx.Tensor, turned bool, err error) {
	f, err := files.OpenIn(root, path, maxFileBytes)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, false, err
	}
	if strings.EqualFold(filepath.Ext(path), ".npy") {
		t, err = array(b, dims)
		return t, false, err
	}
	return picture(b, dims, from.Preprocess)
}
