package samples

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"chexp/experiments/files"
	types "chexp/experiments/input"
	"chexp/models/arrays"
	"chexp/models/onnx"
	"chexp/models/pictures"
)

// Sets reads the files of a folder as inputs of a model, each file as one set of
// them: a picture or array as its only one, an archive of arrays (.npz) as all, by
// their names.
func (from From) Sets(inputs []*onnx.Value) (sets [][]*onnx.Tensor, s *Set, err error) {
	if s, err = from.list(".npz", ".npy"); err != nil {
		return nil, nil, err
	}
	archives := 0
	for _, name := range s.Names {
		if isArchive(name) {
			archives++
		}
	}
	switch one := len(inputs) == 1; {
	case one && archives == 0 && inputs[0].Elem == onnx.Float32:
		if s, err = from.Read(inputs[0]); err != nil {
			return nil, nil, err
		}
		for _, t := range s.Inputs {
			sets = append(sets, []*onnx.Tensor{t})
		}
		return sets, s, nil
	case !one && archives < len(s.Names) || len(s.Names) == 0:
		return nil, nil, fmt.Errorf("the model has the inputs %s: %s must hold archives of arrays (.npz) and nothing "+
			"else, one for each sample, with an array for each input: numpy.savez(\"1.npz\", %s=…)", names(inputs),
			from.Dir, strings.Join(strings.Split(names(inputs), ", "), "=…, "))
	}
	for i, name := range s.Names {
		var set []*onnx.Tensor
		for _, v := range inputs {
			t, err := of(name, v)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: input %q: %w", s.Names[i], v.Name, err)
			}
			set = append(set, t)
		}
		sets = append(sets, set)
	}
	return sets, s, nil
}

func isArchive(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npz") }

func names(inputs []*onnx.Value) string {
	var list []string
	for _, v := range inputs {
		list = append(list, v.Name)
	}
	return strings.Join(list, ", ")
}

// list finds the files of a folder and their labels, and reads none.
func (from From) list(endings ...string) (*Set, error) {
	root, err := files.OpenRoot(from.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	l, err := pictures.List(files.FS(root, maxFileBytes, maxFiles), pictures.Wanted{Classes: from.Classes,
		From: "the classes given", Also: endings, Loose: true})
	switch {
	case err != nil:
		return nil, err
	case len(l.Files) > maxFiles:
		return nil, fmt.Errorf("%s holds more than %d files", from.Dir, maxFiles)
	}
	s := &Set{Listing: l}
	for _, f := range from.spread(l.Files) {
		s.Names = append(s.Names, filepath.Join(from.Dir, filepath.FromSlash(f.Path)))
		if l.Classes != nil {
			s.Labels = append(s.Labels, f.Label)
		}
	}
	return s, nil
}

// spread takes no more files than the limit, evenly over the sorted names.
func (from From) spread(found []pictures.File) (some []pictures.File) {
	if from.Limit <= 0 || len(found) <= from.Limit {
		return found
	}
	for i := range from.Limit {
		some = append(some, found[i*len(found)/from.Limit])
	}
	return some
}

// of reads one input of a sample: of its type, which may only be another way of
// writing the same numbers, and of its shape, whose open sizes may be any, with or
// without the batch of 1 in front.
func of(path string, v *onnx.Value) (*onnx.Tensor, error) {
	a, err := arrays.Read(path, v.Name)
	if err != nil {
		return nil, err
	}
	want := types.TypeOf(int32(v.Elem))
	if !want.Known() || want == types.Text {
		return nil, fmt.Errorf("is of %v, of which no samples are read", v.Elem)
	}
	shape := slices.Clone(a.Shape)
	if v.Shape != nil && len(shape) == len(v.Shape)-1 && (!v.Shape[0].Known() || v.Shape[0].Size == 1) {
		shape = append([]int64{1}, shape...)
	}
	fits := v.Shape == nil || len(shape) == len(v.Shape)
	for i := 0; fits && v.Shape != nil && i < len(shape); i++ {
		fits = !v.Shape[i].Known() || v.Shape[i].Size == shape[i]
	}
	if !fits || onnx.Elements(shape) < 1 {
		return nil, fmt.Errorf("an array of shape %v, but the model takes %s", a.Shape, form(v.Shape))
	}
	if a, err = a.To(want); err != nil {
		return nil, err
	}
	return &onnx.Tensor{Name: v.Name, Dims: shape, Type: v.Elem, Raw: a.Data}, nil
}

func form(dims []onnx.Dim) string {
	var parts []string
	for _, d := range dims {
		switch {
		case d.Known():
			parts = append(parts, fmt.Sprint(d.Size))
		case d.Param != "":
			parts = append(parts, d.Param)
		default:
			parts = append(parts, "?")
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}
