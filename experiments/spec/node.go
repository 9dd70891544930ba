package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/words"
)

// reader walks the YAML and collects problems. It follows the format, never
// the data, so that neither depth nor aliases in a file can make it run long.
type reader struct {
	file      string
	dir       string
	stored    bool // the file is a run's copy: what it names need not exist any more
	problems  Problems
	positions map[string]position
}

func (r *reader) addf(n *node, path, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	p := Problem{File: r.file, Path: words.Line(path, maxProblem), Msg: words.Line(msg, maxProblem)}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	r.problems = append(r.problems, p)
}

// maxProblem bounds the text of a problem, in runes: it quotes the file.
const maxProblem = 2000

// plain refuses what this format has no use for: aliases, anchors and tags.
// An alias would make one line mean another one; a tag could turn text into
// something else.
func (r *reader) plain(n *node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.addf(n, path, "is a YAML alias (*%s); aliases are not supported, write the value out", short(n.Value))
	case n.Anchor != "":
		r.addf(n, path, "has a YAML anchor (&%s); anchors are not supported, remove it", short(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0:
		r.addf(n, path, "has a YAML tag (%s); tags are not supported, remove it", short(n.Tag))
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == "":
		r.addf(n, path, "has no value: write one or remove the line")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		r.addf(n, path, "is null: write a value or remove the line")
	default:
		return true
	}
	return false
}

// what names a node's type for people.
func what(n *node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "the number " + short(n.Value)
	case "!!bool":
		return "the truth value " + short(n.Value)
	case "!!timestamp":
		return "the date " + short(n.Value)
	}
	return strconv.Quote(short(n.Value))
}

// short bounds what of a file is repeated in an error.
func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// node is a node of the YAML tree.
type node = yaml.Node

const mappingKind = yaml.MappingNode

// section is a mapping of the file with known keys.
type section struct {
	r      *reader
	node   *node
	path   string
	values map[string]*node
	keys   map[string]*node
}

// section reads a mapping; unknown and repeated keys are problems.
func (r *reader) section(n *node, path string, allowed ...string) (*section, bool) {
	if !r.plain(n, path) {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		r.addf(n, path, "is %s, but must be a group of keys: %s", what(n), strings.Join(allowed, ", "))
		return nil, false
	}
	s := &section{r: r, node: n, path: path, values: map[string]*node{}, keys: map[string]*node{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := s.at(short(key.Value))
		switch {
		case key.Kind != yaml.ScalarNode:
			r.addf(key, path, "has a key that is no plain word; allowed: %s", strings.Join(allowed, ", "))
		case !r.plain(key, at):
		case s.keys[key.Value] != nil:
			r.addf(key, at, "is given twice, first in line %d", s.keys[key.Value].Line)
		case !contains(allowed, key.Value):
			r.addf(key, at, "is not a key of %s; %s", orFile(path), didYouMean(key.Value, allowed))
		default:
			s.keys[key.Value] = key
			r.positions[at] = position{key.Line, key.Column}
			if r.plain(value, at) {
				s.values[key.Value] = value
			}
		}
	}
	return s, true
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func orFile(path string) string {
	if path == "" {
		return "an experiment"
	}
	return path
}

func (s *section) at(key string) string {
	if s.path == "" || key == "" {
		return s.path + key
	}
	return s.path + "." + key
}

// has reports whether the key is in the file, with or without a good value.
func (s *section) has(key string) bool { return s.keys[key] != nil }

func (s *section) addf(key, format string, args ...any) {
	n := s.values[key]
	if n == nil {
		n = s.keys[key]
	}
	if n == nil {
		n = s.node
	}
	s.r.addf(n, s.at(key), format, args...)
}

// require reports whether the key is there, and a problem if it is not.
func (s *section) require(key, hint string) bool {
	if !s.has(key) {
		n := s.node
		if s.path != "" { // a section is best found by its key
			if p, ok := s.r.positions[s.path]; ok {
				n = &node{Line: p.line, Column: p.column}
			}
		}
		s.r.addf(n, s.at(key), "is missing: %s", hint)
	}
	return s.has(key)
}

// text reads a string. Numbers and truth values must be quoted, so that what
// a person means is never guessed.
func (s *section) text(key string) (string, bool) {
	n := s.values[key]
	if n == nil {
		return "", false
	}
	return s.r.text(n, s.at(key))
}

func (r *reader) text(n *node, path string) (string, bool) {
	if !r.plain(n, path) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		r.addf(n, path, "is %s, but must be text", what(n))
		return "", false
	}
	if n.Tag != "!!str" {
		r.addf(n, path, "is %s, but must be text: write %q in quotes", what(n), short(n.Value))
		return "", false
	}
	return n.Value, true
}

// literal reads a scalar as it is written, for values such as hashes and
// dates, which YAML would take for numbers when they happen to look like it.
func (s *section) literal(key, kind string) (string, bool) {
	n := s.values[key]
	if n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		s.addf(key, "is %s, but must be %s", what(n), kind)
		return "", false
	}
	return n.Value, true
}

// integer reads a whole number within bounds.
func (s *section) integer(key string, into *int, low, high int) {
	if n := s.values[key]; n != nil {
		if v, ok := s.r.integer(n, s.at(key), low, high); ok {
			*into = v
		}
	}
}

func (r *reader) integer(n *node, path string, low, high int) (int, bool) {
	if !r.plain(n, path) {
		return 0, false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		r.addf(n, path, "is %s, but must be a whole number from %d to %d", what(n), low, high)
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64) // decimal only: 010 and 0x10 surprise people
	if err != nil || strings.HasPrefix(n.Value, "0") && n.Value != "0" {
		v = math.MinInt64
	}
	if v < int64(low) || v > int64(high) {
		r.addf(n, path, "is %s, but must be a decimal number from %d to %d", short(n.Value), low, high)
		return 0, false
	}
	return int(v), true
}

// list returns the items of a list with at least one item, and at most most.
func (s *section) list(key string, most int) []*node {
	n := s.values[key]
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.ScalarNode:
		s.addf(key, "is %s, but must be a list, such as [%s]", what(n), short(strings.TrimSpace(n.Value)))
		return nil
	case n.Kind != yaml.SequenceNode:
		s.addf(key, "is %s, but must be a list: put a '-' before each item", what(n))
		return nil
	case len(n.Content) == 0:
		s.addf(key, "is an empty list: give at least one, or remove the line for the default")
		return nil
	case len(n.Content) > most:
		s.addf(key, "has %d items; at most %d are allowed", len(n.Content), most)
		return nil
	}
	for i, item := range n.Content {
		s.r.positions[fmt.Sprintf("%s[%d]", s.at(key), i)] = position{item.Line, item.Column}
	}
	return n.Content
}

// truth reads true or false.
func (s *section) truth(key string, into *bool) {
	n := s.values[key]
	if n == nil {
		return
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		s.addf(key, "is %s, but must be true or false", what(n))
		return
	}
	*into = strings.EqualFold(n.Value, "true")
}
