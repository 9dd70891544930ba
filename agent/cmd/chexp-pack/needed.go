package main

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chexp/experiments/trial"
)

// findNeeded adds the libraries of the directory -search that the given files
// need, and the libraries that those need.
func (o *options) findNeeded() error {
	if o.search == "" {
		return nil
	}
	for todo := slices.Sorted(maps.Keys(o.paths)); len(todo) > 0; todo = todo[1:] {
		path := o.paths[todo[0]]
		if !isELF(path) {
			continue
		}
		f, err := elf.Open(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		needed, err := f.ImportedLibraries()
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, lib := range needed {
			if o.paths[lib] != "" {
				continue
			}
			found := filepath.Join(o.search, filepath.Base(lib))
			if _, err := os.Stat(found); errors.Is(err, fs.ErrNotExist) {
				continue // checkELFs says which file needs it
			}
			o.paths[lib] = found
			todo = append(todo, lib)
		}
	}
	return nil
}

// tell adds the version and the providers that the caller gave by flags.
func (o *options) tell(r *trial.Runtime) {
	r.Version = cmp.Or(o.runtimeVersion, r.Version)
	for _, p := range strings.FieldsFunc(o.providers, func(c rune) bool { return c == ',' }) {
		if !slices.Contains(r.Providers, p) {
			r.Providers = append(r.Providers, p)
		}
	}
	slices.Sort(r.Providers)
}

// provided are the names of the carried libraries and the newest versions of
// their interfaces.
func provided(paths map[string]string) (libraries []string, interfaces map[string]string, err error) {
	interfaces = map[string]string{}
	for name, path := range paths {
		if !strings.Contains(name, ".so") || !isELF(path) {
			continue
		}
		libraries = append(libraries, name)
		f, err := elf.Open(path)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		versions, err := f.DynamicVersions()
		f.Close()
		if err != nil {
			continue // a library without versions
		}
		for _, v := range versions {
			kind, number, ok := strings.Cut(v.Name, "_")
			known := ok && slices.Contains([]string{"GLIBC", "GLIBCXX", "CXXABI", "GCC"}, kind)
			if known && trial.LaterVersion(number, interfaces[kind]) {
				interfaces[kind] = number
			}
		}
	}
	slices.Sort(libraries)
	return libraries, interfaces, nil
}
