package spec

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// maxSystems bounds the systems of a file: each has a run and devices of its own.
const maxSystems = 8

// ofSystem are the keys that a system may have besides its name, in place of the
// file's own.
var ofSystem = []string{"description", "site", "cloud", "lease", "container", "server", "host", "port", "key",
	"runtimes", "providers", "threads", "batches", "trials", "budgets", "price_per_hour"}

// LoadSystems reads a file whose systems are measured side by side, and returns an
// experiment for each, in the file's order; of a file without systems, the one that it
// is. An experiment's Raw is a file of its own, as if only its system stood in it.
// Errors are those of [Load].
func LoadSystems(path string) ([]*Experiment, error) {
	data, err := files.Read(path, MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("experiment file: %w", err)
	}
	r := &reader{file: path, dir: filepath.Dir(path), positions: map[string]position{}}
	root := r.document(data)
	items := systems{r}.items(root)
	if len(r.problems) == 0 && items == nil {
		e, err := Parse(path, data)
		return []*Experiment{e}, err
	}
	problems := r.problems
	var all []*Experiment
	for _, item := range items {
		one := &reader{file: path, dir: r.dir}
		e, err := systems{one}.experiment(root, item)
		if err != nil {
			return nil, err
		}
		for _, p := range one.problems {
			if !slices.Contains(problems, p) { // what all systems share is said once
				problems = append(problems, p)
			}
		}
		all = append(all, e)
	}
	return all, problems.err(path)
}

// systems reads files with several.
type systems struct{ *reader }

// items returns those of the file's systems, nil where it has none, and adds what is
// wrong with them as a list.
func (r systems) items(root *node) (items []*node) {
	if root == nil || root.Kind != yaml.MappingNode {
		return nil
	}
	i := keyOf(root, "systems")
	if i < 0 || !r.plain(root.Content[i+1], "systems") {
		return nil
	}
	list := section{r: r.reader, node: root, values: map[string]*node{"systems": root.Content[i+1]},
		keys: map[string]*node{"systems": root.Content[i]}}
	names := map[string]bool{}
	for i, n := range list.list("systems", maxSystems) {
		path, before := fmt.Sprintf("systems[%d]", i), len(r.problems)
		s, ok := r.section(n, path, append([]string{"name"}, ofSystem...)...)
		if !ok {
			continue
		}
		name, ok := s.text("name")
		switch {
		case !ok:
			s.require("name", "a short name such as phone")
		case !experimentName.MatchString(name):
			s.addf("name", "is %q, but may hold only a-z, 0-9 and inner hyphens", short(name))
		case names[name]:
			s.addf("name", "is %q a second time: each system has a name of its own", short(name))
		}
		if names[name] = true; len(r.problems) == before {
			items = append(items, n)
		}
	}
	return items
}

// experiment reads the file as if only this system stood in it.
func (r systems) experiment(root, item *node) (*Experiment, error) {
	name := item.Content[keyOf(item, "name")+1].Value
	merged := *root
	merged.Content = nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Value == "systems":
			own := *key
			own.Value, own.HeadComment = "system", ""
			merged.Content = append(merged.Content, &own, item.Content[keyOf(item, "name")+1])
			continue
		case key.Value == "name":
			own := *value
			own.Value += "-" + name
			value = &own
		case keyOf(item, key.Value) >= 0:
			continue
		}
		merged.Content = append(merged.Content, key, value)
	}
	for i := 0; i+1 < len(item.Content); i += 2 {
		if item.Content[i].Value != "name" {
			merged.Content = append(merged.Content, item.Content[i], item.Content[i+1])
		}
	}
	var raw bytes.Buffer
	if err := yaml.NewEncoder(&raw).Encode(clone(&merged)); err != nil {
		return nil, fmt.Errorf("experiment file %s: system %s: %w", r.file, name, err)
	}
	return read(r.reader, &merged, raw.Bytes())
}

// clone copies a node with all below it: encoding one takes its tags off.
func clone(n *node) *node {
	c := *n
	c.Content = nil
	for _, below := range n.Content {
		c.Content = append(c.Content, clone(below))
	}
	return &c
}

// keyOf is where a mapping has a key; -1 where it has not.
func keyOf(n *node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// readPrice reads what an hour of the device costs, in whatever currency.
func readPrice(s *section, e *Experiment) {
	v, ok := s.literal("price_per_hour", "a number such as 0.77")
	if !ok {
		return
	}
	number, err := strconv.ParseFloat(v, 64)
	if err != nil || !(number > 0 && number < 1e6) || strings.ContainsAny(v, "xXpP_") {
		s.addf("price_per_hour", "is %q, but must be a number above 0, such as 0.77", short(v))
		return
	}
	e.PricePerHour = number
}

// Only returns the only experiment of a file, or says how to choose among several.
func Only(path string, all []*Experiment) (*Experiment, error) {
	if len(all) > 1 {
		return nil, failure.Usage.Errorf("%s has the systems %s, and this is about one", path,
			strings.Join(SystemNames(all), ", ")).Advise("name it: --system %s; nothing was created", all[0].System)
	}
	return all[0], nil
}

// SystemNames are the names of the systems of a file; none of one without systems.
func SystemNames(all []*Experiment) (names []string) {
	for _, e := range all {
		if e.System != "" {
			names = append(names, e.System)
		}
	}
	return names
}
