// Package samples reads a folder of a person's own data, pictures or NumPy
// arrays, into inputs of a model on this machine: the quantizer calibrates with
// them, and models are compared on them. Package pictures decodes the pictures
// (and packs the ones on which a device measures accuracy). Where the folder has
// folders in it, each is a class, and its files carry that label.
package samples

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/files"
	"chexp/models/onnx"
)

// Preprocess says how a picture becomes an input.
type Preprocess struct {
	Resize int        // the shorter side becomes this long before the middle is cut out; 0: as long as needed
	Mean   [3]float32 // subtracted from each colour, 0 to 1
	Std    [3]float32 // then divided by
	Layout string     // NCHW or NHWC
}

// ImageNet is what most classifiers of pictures are trained with.
func ImageNet() Preprocess {
	return Preprocess{Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}, Layout: "NCHW"}
}

// Set is the inputs, with their labels where the folder tells them.
type Set struct {
	Inputs  []*onnx.Tensor
	Names   []string
	Labels  []int    // nil: unknown
	Classes []string // the folders' names, by label
}

// Bounds of a folder.
const (
	maxFiles     = 100_000
	maxFileBytes = 256 << 20
)

// Read reads at most limit files of a folder (0: all) as the given input, with
// the first dimension 1. With a limit it takes files evenly spread over the
// sorted names.
func Read(dir string, input *onnx.Value, p Preprocess, limit int) (*Set, error) {
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	found, classes, err := list(root)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s holds no .png, .jpg, .jpeg, .gif or .npy file", dir)
	}
	if limit > 0 && len(found) > limit {
		var some []file
		for i := range limit {
			some = append(some, found[i*len(found)/limit])
		}
		found = some
	}
	dims, err := dimensions(input)
	if err != nil {
		return nil, err
	}
	s := &Set{Classes: classes}
	for _, f := range found {
		path := filepath.Join(dir, f.path)
		t, err := read(root, f.path, dims, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		t.Name = input.Name
		s.Inputs, s.Names = append(s.Inputs, t), append(s.Names, path)
		if classes != nil {
			s.Labels = append(s.Labels, f.label)
		}
	}
	return s, nil
}

type file struct {
	path  string // below the folder
	label int
}

// list finds the files, sorted by name, and the classes if there are folders.
func list(root *os.Root) (found []file, classes []string, err error) {
	entries, err := files.ReadDirIn(root, ".", maxFiles)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			classes = append(classes, e.Name())
		} else if usable(e) {
			found = append(found, file{path: e.Name()})
		}
	}
	if len(classes) == 0 || len(found) > 0 {
		return found, nil, nil
	}
	numbers := map[string]int{} // classes that are numbers are their own labels
	for _, c := range classes {
		if n, err := strconv.Atoi(c); err == nil && n >= 0 && n < maxFiles {
			numbers[c] = n
		}
	}
	if len(numbers) == len(classes) {
		slices.SortFunc(classes, func(a, b string) int { return numbers[a] - numbers[b] })
	}
	for i, c := range classes {
		entries, err := files.ReadDirIn(root, c, maxFiles)
		if err != nil {
			return nil, nil, err
		}
		label := i
		if len(numbers) == len(classes) {
			label = numbers[c]
		}
		for _, e := range entries {
			if usable(e) {
				found = append(found, file{filepath.Join(c, e.Name()), label})
			}
		}
		if len(found) > maxFiles {
			return nil, nil, fmt.Errorf("%s holds more than %d files", root.Name(), maxFiles)
		}
	}
	return found, classes, nil
}

func usable(e fs.DirEntry) bool {
	switch strings.ToLower(filepath.Ext(e.Name())) {
	case ".png", ".jpg", ".jpeg", ".gif", ".npy":
		return !e.IsDir()
	}
	return false
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

func read(root *os.Root, path string, dims []int64, p Preprocess) (*onnx.Tensor, error) {
	f, err := files.OpenIn(root, path, maxFileBytes)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(filepath.Ext(path), ".npy") {
		return array(b, dims)
	}
	return picture(b, dims, p)
}
