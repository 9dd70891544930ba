package spec

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/input"
)

// Bounds of what a description of inputs may say.
const (
	maxInputs    = 64
	maxRank      = 16
	maxConstants = 4096
	maxSize      = 1 << 30
)

// batchWord stands for the batch in a list of sizes, noBatch for no batch axis.
const (
	batchWord = "batch"
	noBatch   = "none"
)

// inputReader reads descriptions of inputs.
type inputReader struct{ *reader }

// inputs reads a model's inputs: a file of arrays (.npz), one for each input, or a
// group with an entry for each input that is described.
func (r *inputReader) inputs(n *node, path string) (list []input.Given) {
	if !r.plain(n, path) {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		name, ok := r.text(n, path)
		if !ok {
			return nil
		}
		if strings.ToLower(filepath.Ext(name)) != ".npz" {
			r.addf(n, path, "is %q, but must be an .npz file with an array for each input, or a group with an entry for "+
				"each input, such as {images: [batch, 3, 320, 320], sr: 16000}", short(name))
			return nil
		}
		return []input.Given{{Line: n.Line, Values: r.valuesFile(n, path, name, "")}}
	}
	if n.Kind != mappingKind {
		r.addf(n, path, "is %s, but must be a group with an entry for each input, such as {images: [batch, 3, 320, 320], "+
			"sr: 16000}", what(n))
		return nil
	}
	if len(n.Content) > 2*maxInputs {
		r.addf(n, path, "describes more than %d inputs", maxInputs)
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := path + "." + short(key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || !r.plain(key, at):
			r.addf(key, path, "has a key that is no plain word: the keys are names of inputs")
			continue
		case slices.ContainsFunc(list, func(g input.Given) bool { return g.Name == key.Value }):
			r.addf(key, at, "is given twice")
			continue
		}
		r.positions[at] = position{key.Line, key.Column}
		list = append(list, r.input(value, at, key.Value))
	}
	return list
}

// input reads what is said of one input: its sizes (a list), a constant (a number
// or truth value), a file or a text (a text), sizes of symbols (a group of names
// and numbers), or all of that by its names.
func (r *inputReader) input(n *node, path, name string) input.Given {
	g := input.Given{Name: name, Line: n.Line}
	if !r.plain(n, path) {
		return g
	}
	switch n.Kind {
	case yaml.ScalarNode:
		g.Values = r.values(n, path)
		return g
	case yaml.SequenceNode:
		g.Sizes = r.sizes(n, path)
		return g
	}
	if isSymbols(n) {
		g.Symbols = r.symbols(n, path)
		return g
	}
	s, ok := r.section(n, path, "sizes", "batch_axis", "values")
	if !ok {
		return g
	}
	switch v := s.values["sizes"]; {
	case v == nil:
	case v.Kind == yaml.SequenceNode:
		g.Sizes = r.sizes(v, s.at("sizes"))
	case v.Kind == mappingKind:
		g.Symbols = r.symbols(v, s.at("sizes"))
	default:
		s.addf("sizes", "is %s, but must be a list such as [batch, 3, 320, 320], or a group of names and sizes such as "+
			"{height: 320, width: 320}", what(v))
	}
	if v, ok := s.literal("batch_axis", "an axis counted from 0, or none"); ok {
		g.AxisGiven, g.Axis = true, input.None
		axis, err := strconv.Atoi(v)
		switch {
		case v == noBatch:
		case err != nil || axis < 0 || axis >= maxRank:
			s.addf("batch_axis", "is %q, but must be an axis counted from 0 (0 is the first), or none", short(v))
		default:
			g.Axis = axis
		}
		if slices.ContainsFunc(g.Sizes, func(x input.Size) bool { return x.Batch }) {
			s.addf("batch_axis", "contradicts sizes, which has the word batch: give one of them")
		}
	}
	if v := s.values["values"]; v != nil {
		g.Values = r.values(v, s.at("values"))
	}
	return g
}

// isSymbols tells a group of names and sizes from one of the keys of an input.
func isSymbols(n *node) bool {
	numbers := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		if contains([]string{"sizes", "batch_axis", "values"}, n.Content[i].Value) {
			return false
		}
		numbers = numbers && n.Content[i+1].Tag == "!!int"
	}
	return numbers && len(n.Content) > 0
}

func (r *inputReader) sizes(n *node, path string) (list []input.Size) {
	if len(n.Content) > maxRank {
		r.addf(n, path, "has %d sizes; at most %d are allowed", len(n.Content), maxRank)
		return nil
	}
	list = []input.Size{} // without any: a scalar
	seen := false
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.Kind == yaml.ScalarNode && item.Value == batchWord {
			if seen {
				r.addf(item, at, "is the word batch a second time: one axis is the batch")
			}
			seen = true
			list = append(list, input.Size{Batch: true})
			continue
		}
		if item.Kind == yaml.ScalarNode && item.Tag == "!!str" {
			r.addf(item, at, "is %s, but must be a size, or the word batch", what(item))
			continue
		}
		if v, ok := r.integer(item, at, 0, maxSize); ok {
			list = append(list, input.Size{N: int64(v)})
		}
	}
	return list
}

func (r *inputReader) symbols(n *node, path string) map[string]int64 {
	out := map[string]int64{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := path + "." + short(key.Value)
		if _, twice := out[key.Value]; twice {
			r.addf(key, at, "is given twice")
		}
		if v, ok := r.integer(n.Content[i+1], at, 0, maxSize); ok {
			out[key.Value] = int64(v)
		}
	}
	return out
}

// Words for random values of the default kind, and of the normal kind.
const (
	randomWord = "random"
	textKey    = "text"
	fileKey    = "file"
)

// values reads where an input's values come from.
func (r *inputReader) values(n *node, path string) (v input.Values) {
	if !r.plain(n, path) {
		return v
	}
	switch {
	case n.Kind == yaml.SequenceNode:
		return r.constants(n, path)
	case n.Kind == mappingKind:
		return r.valuesGroup(n, path)
	case n.Tag != "!!str":
		return input.Values{Kind: input.Constant, Constant: []string{plainNumber(n)}}
	case n.Value == randomWord:
		return v
	case n.Value == input.Normal:
		return input.Values{Kind: input.Normal}
	case contains([]string{".npy", ".npz", ".txt"}, strings.ToLower(filepath.Ext(n.Value))):
		return r.valuesFile(n, path, n.Value, "")
	}
	return input.Values{Kind: input.Constant, Constant: []string{n.Value}}
}

// plainNumber is a number or truth value of the file, as the values' types read it.
func plainNumber(n *node) string {
	if n.Tag == "!!int" || n.Tag == "!!float" {
		return strings.ReplaceAll(n.Value, "_", "")
	}
	return n.Value
}

func (r *inputReader) constants(n *node, path string) (v input.Values) {
	if len(n.Content) == 0 || len(n.Content) > maxConstants {
		r.addf(n, path, "has %d values; 1 to %d are allowed, a file takes more", len(n.Content), maxConstants)
		return v
	}
	v.Kind = input.Constant
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !r.plain(item, at) {
			continue
		}
		if item.Kind != yaml.ScalarNode {
			r.addf(item, at, "is %s, but must be one value: list them all, row after row", what(item))
			continue
		}
		v.Constant = append(v.Constant, plainNumber(item))
	}
	return v
}

// valuesGroup reads {random: [0, 255]}, {file: x.npz, array: k} or {text: hello}.
func (r *inputReader) valuesGroup(n *node, path string) (v input.Values) {
	s, ok := r.section(n, path, randomWord, fileKey, "array", textKey)
	if !ok {
		return v
	}
	if len(s.keys) != 1 && (len(s.keys) != 2 || !s.has(fileKey) || !s.has("array")) {
		s.addf("", "must be one of {random: [low, high]}, {file: x.npy}, {file: x.npz, array: NAME} and {text: WORDS}")
		return v
	}
	if s.has(randomWord) {
		v.Kind = input.Uniform
		items := s.list(randomWord, 2)
		if len(items) != 2 {
			s.addf(randomWord, "must be a list of the lowest and the highest value, such as [0, 255]")
			return v
		}
		for i, into := range []*float64{&v.Low, &v.High} {
			x, err := strconv.ParseFloat(plainNumber(items[i]), 64)
			if err != nil || math.IsInf(x, 0) || math.IsNaN(x) || math.Abs(x) > 1<<53 && x != math.Trunc(x) {
				s.r.addf(items[i], fmt.Sprintf("%s[%d]", s.at(randomWord), i), "is %s, but must be a number", what(items[i]))
			}
			*into = x
		}
		return v
	}
	if text, ok := s.literal(textKey, "a text"); ok {
		return input.Values{Kind: input.Constant, Constant: []string{text}}
	}
	array, _ := s.literal("array", "the name of an array")
	if name, ok := s.text(fileKey); ok {
		return r.valuesFile(s.values[fileKey], s.at(fileKey), name, array)
	}
	return v
}

// valuesFile checks that the path names a file that can be read here. Package
// models reads it.
func (r *inputReader) valuesFile(n *node, path, name, array string) input.Values {
	ext := strings.ToLower(filepath.Ext(name))
	if !contains([]string{".npy", ".npz", ".txt"}, ext) {
		r.addf(n, path, "is %q, but must be an array (.npy), a file of arrays (.npz), or lines of text (.txt)", short(name))
	}
	s := &section{r: r.reader, node: n, values: map[string]*node{path: n}, keys: map[string]*node{path: n}}
	full, info := r.existing(s, path, name)
	if info != nil && !info.Mode().IsRegular() {
		r.addf(n, path, "names %s, which is %s, not a file", full, kindOf(info.Mode()))
	}
	return input.Values{Kind: input.File, Path: full, Array: array, Name: filepath.Base(name)}
}

// ParseInput reads one description as a flag gives it, NAME=DESCRIPTION, where the
// description is as in an experiment file, and may be a list without its brackets:
// x=1,3,320,320, sr=16000, state=[2,batch,8], ids={length: 128}, x=data.npy, or
// FILE.npz alone. Paths are relative to the current directory.
func ParseInput(text string) (input.Given, error) {
	const flag = "--input"
	r := &inputReader{&reader{file: flag, dir: ".", positions: map[string]position{}}}
	name, value, ok := strings.Cut(text, "=")
	if !ok && strings.HasSuffix(strings.ToLower(text), ".npz") {
		name, value = "", text
	} else if !ok || name == "" {
		return input.Given{}, Problems{{File: flag, Msg: fmt.Sprintf("is %q; it takes NAME=WHAT, such as "+
			"x=1,3,320,320 or sr=16000 or x=data.npy, or FILE.npz with an array for each input", short(text))}}
	}
	if bare := strings.TrimSpace(value); strings.Contains(bare, ",") && !strings.ContainsAny(bare[:1], "[{\"'") {
		value = "[" + bare + "]"
	}
	var g input.Given
	if root := r.document([]byte(value)); root != nil {
		if name == "" {
			if list := r.inputs(root, "inputs"); len(list) == 1 {
				g = list[0]
			}
		} else {
			g = r.input(root, name, name)
		}
	}
	for i := range r.problems { // a flag has no lines
		r.problems[i].Line, r.problems[i].Column = 0, 0
	}
	return g, r.problems.err(flag)
}
