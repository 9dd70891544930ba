package signin

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// tree is a mapping of a file: its values are text, a bool, nil, a list or a
// tree. Text is kept as it is written: a password of 0123 is no number.
type tree map[string]any

// below is the mapping under a key, empty if there is none.
func (t tree) below(key string) tree {
	sub, _ := t[key].(tree)
	return sub
}

// text is a setting's text, "" for what is none.
func (t tree) text(key string) string {
	s, _ := t[key].(string)
	return s
}

// underscored is a mapping of settings, in whose names - and _ are the same.
func (t tree) underscored() tree {
	all := tree{}
	for k, v := range t {
		if sub, ok := v.(tree); ok {
			v = sub.underscored()
		}
		all[strings.ReplaceAll(k, "-", "_")] = v
	}
	return all
}

// merged is what openstacksdk makes of a clouds.yaml and a secure.yaml: the
// second wins, mapping by mapping.
func merged(a, b tree) tree {
	all := tree{}
	for k, v := range a {
		all[k] = v
	}
	for k, v := range b {
		if sub, ok := v.(tree); ok {
			if old, ok := all[k].(tree); ok {
				v = merged(old, sub)
			}
		}
		all[k] = v
	}
	return all
}

// updated lays an entry over what it begins with, a profile for example: the
// entry wins key by key, and within auth.
func updated(a, b tree) tree {
	all := merged(a, nil)
	for k, v := range b {
		if k == "auth" {
			v = merged(all.below("auth"), b.below("auth"))
		}
		all[k] = v
	}
	return all
}

// found is a file that was looked for.
type found struct {
	path   string
	holds  tree
	looked []string // the first places that were looked at, for people
}

// findFile reads the first of the files that there is. As with openstacksdk, the
// variable's comes first and one that cannot be read is passed over.
func findFile(name, variable string) (found, error) {
	var f found
	var paths []string
	if given := os.Getenv(variable); variable != "" && given != "" {
		paths, f.looked = []string{given}, []string{given}
	}
	for _, dir := range usualDirs() {
		for i, ext := range []string{".yaml", ".yml", ".json"} {
			paths = append(paths, filepath.Join(dir, name+ext))
			if i == 0 {
				f.looked = append(f.looked, filepath.Join(dir, name+ext))
			}
		}
	}
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil || st.IsDir() {
			continue
		}
		holds, err := readTree(path)
		if errors.Is(err, fs.ErrPermission) {
			continue
		}
		f.path, f.holds = path, holds
		return f, err
	}
	return f, nil
}

// usualDirs are where openstacksdk looks, the first first.
func usualDirs() []string {
	home, _ := os.UserHomeDir()
	own, site := filepath.Join(home, ".config"), "/etc/xdg"
	switch runtime.GOOS {
	case "darwin":
		own, site = filepath.Join(home, "Library", "Application Support"), "/Library/Application Support"
	case "windows":
		own, site = os.Getenv("LOCALAPPDATA"), os.Getenv("PROGRAMDATA")
		own, site = filepath.Join(own, "OpenStack"), filepath.Join(site, "OpenStack")
	default:
		own = cmp.Or(os.Getenv("XDG_CONFIG_HOME"), own)
		site = cmp.Or(os.Getenv("XDG_CONFIG_DIRS"), site)
	}
	dirs := []string{"", filepath.Join(own, "openstack"), filepath.Join(home, ".config", "openstack"),
		filepath.Join(site, "openstack"), "/etc/openstack"}
	all := dirs[:0]
	for _, dir := range dirs {
		if !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	return all
}

// maxClouds bounds a clouds.yaml, and a file of certificates; maxNodes what its
// aliases may make of it.
const (
	maxClouds = 4 << 20
	maxNodes  = 200_000
)

var yamlLine = regexp.MustCompile(`line \d+`)

// readTree reads a clouds.yaml, secure.yaml or clouds-public.yaml. The parser's
// messages quote the file, which holds secrets: only the number of the line is
// passed on.
func readTree(file string) (tree, error) {
	b, err := files.Read(file, maxClouds)
	if err != nil {
		return nil, failure.Auth.Errorf("cannot read %s", file).Because(bare(err))
	}
	holds, err := parseTree(b)
	if err == nil {
		return holds, nil
	}
	at := yamlLine.FindString(err.Error())
	if at != "" {
		at = " at " + at
	}
	return nil, failure.Auth.Errorf("%s is not a valid clouds.yaml%s", file, at).
		Advise("compare it with the one that the site's dashboard makes")
}

var errMoreDocuments = errors.New("it has a second document")

func parseTree(b []byte) (tree, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return tree{}, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errMoreDocuments
	}
	left := maxNodes
	v, err := plainNode(&doc, &left)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return tree{}, nil
	}
	t, ok := v.(tree)
	if !ok {
		return nil, errors.New("line 1 is no mapping")
	}
	return t, nil
}

// plainNode is a node as text, bool, nil, list or tree. Of a key that stands twice
// the second counts, as in Python.
func plainNode(n *yaml.Node, left *int) (any, error) {
	if *left--; *left < 0 {
		return nil, errors.New("its aliases make it too large")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return plainNode(n.Alias, left)
	case yaml.DocumentNode:
		return plainNode(n.Content[0], left)
	case yaml.SequenceNode:
		var list []any
		for _, c := range n.Content {
			v, err := plainNode(c, left)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return mapping(n, left)
	}
	return scalar(n), nil
}

func mapping(n *yaml.Node, left *int) (tree, error) {
	t, under := tree{}, tree{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		v, err := plainNode(n.Content[i+1], left)
		if err != nil {
			return nil, err
		}
		if key != "<<" {
			t[key] = v
			continue
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, from := range slices.Backward(list) {
			if sub, ok := from.(tree); ok {
				under = merged(under, sub)
			}
		}
	}
	for k, v := range under {
		if _, ok := t[k]; !ok {
			t[k] = v
		}
	}
	return t, nil
}

// scalar reads the words of YAML 1.1 for true and false, as openstacksdk's parser
// does: where they are not quoted.
func scalar(n *yaml.Node) any {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	if n.Tag == "!!null" {
		return nil
	}
	switch n.Value {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false
	}
	return n.Value
}

// bare is an error without the path, which the sentence has already.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
