// Package inputs brings together what a model's file says of its inputs and what
// a person says of them (package experiments/input), with the person's files of
// values. Experiments use it before anything is reserved, `chexp model …` before
// anything is run.
package inputs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chexp/experiments/files"
	"chexp/experiments/input"
	"chexp/models/arrays"
	"chexp/models/onnx"
)

// Settled is how a model's inputs are fed.
type Settled struct {
	Inputs []input.Input
	// Packs are the values of files, by the SHA-256 that Inputs name.
	Packs map[string][]byte
	// Notes are clauses about the model: what was decided without being asked.
	Notes    []string
	Problems []input.Problem
}

// Settle resolves a model's inputs. It runs nothing.
func Settle(m *onnx.Model, given []input.Given, o input.Options) Settled {
	s := Settled{Packs: map[string][]byte{}}
	ports := Ports(m)
	given = s.unpack(ports, given)
	read := map[string]*arrays.Array{}
	for i, g := range given {
		if g.Values.Kind != input.File {
			continue
		}
		a, err := s.array(ports, g)
		if err != nil {
			s.Problems = append(s.Problems, input.Problem{Input: g.Name,
				Text: fmt.Sprintf("is to come from %s, but %v", g.Values.Name, err)})
			given[i].Values = input.Values{}
			continue
		}
		given[i].Values.Shape, read[g.Name] = a.Shape, a
	}
	list, notes, problems := input.Resolve(ports, given, o)
	s.Notes, s.Problems = notes, append(s.Problems, problems...)
	for i, in := range list {
		if a := read[in.Name]; a != nil && in.Values.Kind == input.File {
			pack := a.Pack()
			v := &list[i].Values
			v.SHA256, v.Bytes = files.Sum(pack), int64(len(pack))
			s.Packs[v.SHA256] = pack
		}
	}
	s.Inputs = list
	return s
}

// unpack makes of an archive for the whole model (without an input's name) one
// entry for each input that it has an array for.
func (s *Settled) unpack(ports []input.Port, given []input.Given) (list []input.Given) {
	for _, g := range given {
		if g.Name != "" || g.Values.Kind != input.File {
			list = append(list, g)
			continue
		}
		names, err := arrays.Names(g.Values.Path)
		found := 0
		for _, p := range ports {
			if slices.Contains(names, p.Name) {
				one := g
				one.Name = p.Name
				list, found = append(list, one), found+1
			}
		}
		if err == nil && found == 0 {
			err = fmt.Errorf("no array of it is called as an input; it has: %s", strings.Join(names, ", "))
		}
		if err != nil {
			s.Problems = append(s.Problems, input.Problem{Text: fmt.Sprintf("has inputs from %s, but %v", g.Values.Name, err)})
		}
	}
	return list
}

// array reads a file of values in the type of the input that it is for.
func (s *Settled) array(ports []input.Port, g input.Given) (*arrays.Array, error) {
	a, err := arrays.Read(g.Values.Path, first(g.Values.Array, g.Name))
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		if p.Name == g.Name && p.Type.Known() {
			return a.To(p.Type)
		}
	}
	return a, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Sizes are the inputs' shapes where one inference handles batch inputs, as
// onnx.Infer takes them.
func Sizes(list []input.Input, batch int64) map[string][]int64 {
	sizes := map[string][]int64{}
	for _, in := range list {
		shape := slices.Clone(in.Shape)
		if a := in.Axis(); a >= 0 && a < len(shape) {
			shape[a] = batch
		}
		sizes[in.Name] = shape
	}
	return sizes
}

// Source gives tensors for one inference after the other: other values each time,
// and the same for the same seed.
type Source struct {
	list    []input.Input
	batch   int64
	fillers []*input.Filler
}

// NewSource prepares the values. The packs are Settled's.
func NewSource(s Settled, batch int64, seed uint64) (*Source, error) {
	src := &Source{list: s.Inputs, batch: batch}
	random := rand.New(rand.NewPCG(seed, 0x63686578702d696e))
	for _, in := range s.Inputs {
		f, err := input.NewFiller(in, batch, random, s.Packs[in.Values.SHA256])
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", in.Name, err)
		}
		src.fillers = append(src.fillers, f)
	}
	return src, nil
}

// Next makes the tensors of one inference.
func (s *Source) Next() (list []*onnx.Tensor, err error) {
	for i, in := range s.list {
		t := &onnx.Tensor{Name: in.Name, Type: onnx.DataType(in.Type.Number()), Dims: in.At(s.batch)}
		if f := s.fillers[i]; f.NextText != nil {
			for _, text := range f.NextText() {
				t.Strings = append(t.Strings, []byte(text))
			}
		} else {
			n := onnx.Elements(t.Dims)
			if n < 0 {
				return nil, fmt.Errorf("input %q cannot have the shape %v", in.Name, t.Dims)
			}
			t.Raw = make([]byte, int(n)*in.Type.Bytes())
			f.Next(t.Raw)
		}
		list = append(list, t)
	}
	return list, nil
}

// Error joins problems into one error, for a command about one model; nil where
// there are none.
func Error(problems []input.Problem) error {
	var list []error
	for _, p := range problems {
		if p.Input == "" {
			list = append(list, fmt.Errorf("the model %s", p.Text))
		} else {
			list = append(list, fmt.Errorf("input %q %s", p.Input, p.Text))
		}
	}
	return errors.Join(list...)
}

// Store keeps the packs in a folder, and returns their files by SHA-256.
func (s Settled) Store(dir string) (map[string]string, error) {
	out := map[string]string{}
	if len(s.Packs) > 0 {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	for sum, pack := range s.Packs {
		path := filepath.Join(dir, sum)
		if err := files.Write(path, pack); err != nil {
			return nil, err
		}
		out[sum] = path
	}
	return out, nil
}
