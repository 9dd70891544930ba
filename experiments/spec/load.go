package spec

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/secret"
)

// MaxFileBytes bounds an experiment file.
const MaxFileBytes = 1 << 20

// Load reads and checks the file of one experiment. A file that cannot be read is an
// ordinary error; one that says something wrong is Problems. One with several systems
// is refused: see [LoadSystems].
func Load(path string) (*Experiment, error) {
	all, err := LoadSystems(path)
	if err != nil {
		return nil, err
	}
	return Only(path, all)
}

// Parse checks an experiment. Problems name the file as name says, and relative
// model paths start at its directory. All problems are reported at once, as
// [Problems]; the experiment is then nil.
func Parse(name string, data []byte) (*Experiment, error) {
	return parse(&reader{file: name, dir: filepath.Dir(name)}, data)
}

// ParseStored reads the copy of an experiment file that a run keeps. dir is
// the directory of the original; model files need not exist any more, since a
// run that is resumed has their sums in its plan.
func ParseStored(name, dir string, data []byte) (*Experiment, error) {
	return parse(&reader{file: name, dir: dir, stored: true}, data)
}

func parse(r *reader, data []byte) (*Experiment, error) {
	e, err := read(r, r.document(data), data)
	if err == nil {
		err = r.problems.err(r.file)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// read makes an experiment of a document, whose text is raw, and adds what is wrong
// with it; of a document that is nil that is known.
func read(r *reader, root *node, raw []byte) (*Experiment, error) {
	r.positions = map[string]position{}
	dir, err := filepath.Abs(r.dir)
	if err != nil {
		return nil, fmt.Errorf("experiment file %s: its directory: %w", r.file, err)
	}
	r.dir = dir
	e := defaults()
	if root != nil {
		r.experiment(root, e)
	}
	e.Dir, e.Raw = r.dir, raw
	e.file, e.positions = r.file, r.positions
	return e, nil
}

// document returns the root of the one document in the file. Without one it adds
// a problem and returns nil.
func (r *reader) document(data []byte) *yaml.Node {
	switch {
	case len(data) > MaxFileBytes:
		r.addf(nil, "", "is larger than %d bytes; an experiment is a page of text", MaxFileBytes)
		return nil
	case !utf8.Valid(data):
		r.addf(nil, "", "is not UTF-8 text")
		return nil
	}
	loader, err := yaml.NewLoader(strings.NewReader(string(data)))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		r.addf(nil, "", "is empty; `chexp experiment init` prints a file to start from")
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode {
		root = doc.Content[0]
	}
	switch err := loader.Load(&second); {
	case err == nil:
		n := &second
		if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
			n = n.Content[0]
		}
		r.addf(n, "", "starts a second document: one file is one experiment, put the other one into a file of its own")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	return root
}

// syntax turns the YAML library's error into a problem with its place.
func (r *reader) syntax(err error) {
	p := Problem{File: r.file, Msg: "is not YAML: " + err.Error()}
	var e *yaml.LoadError
	if errors.As(err, &e) {
		p.Line, p.Column = e.Mark.Line, e.Mark.Column
		p.Msg = "is not YAML: " + e.Message
		if c := e.ContextMark; c.Line > 0 && e.ContextMsg != "" {
			p.Msg += fmt.Sprintf(" (%s that starts in line %d)", e.ContextMsg, c.Line)
		}
	}
	r.problems = append(r.problems, p)
}

// Shared is the file as it is kept with a run, which people hand to each other:
// what in the models' URLs lets somebody in is taken out. The model's sum finds the
// file again.
func (e *Experiment) Shared() []byte {
	text := string(e.Raw)
	for _, m := range e.Models {
		for _, v := range secret.InURL(m.URL) {
			text = strings.ReplaceAll(text, "="+v, "="+secret.Removed) // the URL may be broken over lines there
		}
	}
	return []byte(text)
}
