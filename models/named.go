package models

import (
	"context"
	"fmt"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/models/catalog"
)

// Named makes or fetches a model of the catalogue.
func (r *Resolver) Named(ctx context.Context, name string) (Resolved, error) {
	e, ok := catalog.FindEntry(name)
	if !ok {
		return Resolved{}, failure.Usage.Errorf("model %s: the catalogue has no such model", name).
			Advise("%s`chexp model list` shows what it has", Perhaps(name))
	}
	if e.URL == "" {
		return r.Resolve(ctx, spec.ModelSource{Name: name, Builtin: name})
	}
	return r.resolve(ctx, spec.ModelSource{Name: name, URL: e.URL, Pin: files.Pin{SHA256: e.SHA256}}, e.Bytes)
}

// Perhaps is the model that may have been meant by a name that none has,
// as the beginning of an advice.
func Perhaps(name string) string {
	var all []string
	for _, e := range catalog.Entries() {
		all = append(all, e.Name)
	}
	if near := words.Nearest(name, all); near != "" {
		return "perhaps " + near + "? "
	}
	return ""
}

// Cached returns where the cache keeps the file of that content, and whether
// it is there and is that content.
func (r *Resolver) Cached(ctx context.Context, sum string) (path string, there bool, err error) {
	path = r.cacheFile(sum)
	got, _, err := hash(ctx, path)
	switch {
	case err != nil:
		return path, false, nil //nolint:nilerr // what cannot be read is not there
	case got != sum:
		return path, true, fmt.Errorf("%s has sha256 %s: it is damaged", path, got)
	}
	return path, true, nil
}

// Find returns where the cache or the search path has a model of that content; "" where
// neither has.
func (r *Resolver) Find(ctx context.Context, sum string) string {
	if path, there, err := r.Cached(ctx, sum); there && err == nil {
		return path
	}
	found, _ := r.search(ctx, files.Pin{SHA256: sum})
	return found.Path
}

// Sum is the SHA-256 of a file.
func Sum(ctx context.Context, path string) (string, error) {
	sum, _, err := hash(ctx, path)
	return sum, err
}
