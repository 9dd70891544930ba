// Package runtimes finds the ONNX Runtimes that an experiment names, before
// anything is reserved: runtimes that this repository builds, bundles of
// chexp-pack, and plain shared libraries. It says which providers each has, so that
// an absent provider costs no lease. It refuses what the device could not load: a
// library for another processor, or one that needs newer interfaces than the
// agent's own libraries have.
//
// The files are the user's. They are read here and never run.
package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/provider"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
)

// maxManifest bounds a manifest; one has 3 kB.
const maxManifest = 1 << 20

// ReadManifest reads the manifest of the agent or runtime bundle at path.
func ReadManifest(path string) (m trial.Manifest, err error) {
	data, err := files.Read(path+".json", maxManifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s.json: %w", path, err)
	}
	return m, nil
}

// Resolver knows where things are.
type Resolver struct {
	Arch  string         // of the device, Go's name
	Agent trial.Manifest // of the agent for Arch: its runtime, and what it carries
	// Built is the path of a runtime that this repository builds, for Arch.
	Built func(name string) (string, error)
	// Released is the path of the library of an ONNX Runtime release, for Arch.
	Released func(version string) (string, error)
}

// Found is what Resolve found: what [spec.Expand] needs, and the path of each file
// by its SHA-256.
type Found struct {
	Runtimes []spec.Runtime // the agent's own first
	Files    map[string]string
}

// Resolve finds all runtimes of an experiment. It reports every problem at once,
// as [spec.Problems].
func (r Resolver) Resolve(e *spec.Experiment) (Found, error) {
	found := Found{Files: map[string]string{}}
	found.Runtimes = []spec.Runtime{{Version: r.Agent.Runtime.Version, Providers: r.Agent.Runtime.Providers}}
	var problems spec.Problems
	for i, src := range e.Runtimes {
		one, err := r.resolve(src, found.Files)
		if err != nil {
			for _, err := range unjoin(err) {
				text := err.Error()
				if next := failure.NextOf(err); next != "" {
					text += "; " + next
				}
				problems = append(problems, e.Problemf(fmt.Sprintf("runtimes[%d]", i), "runtime %s: %s", src.Name, text))
			}
			continue
		}
		found.Runtimes = append(found.Runtimes, one)
	}
	if len(problems) > 0 {
		return Found{}, problems
	}
	return found, nil
}

func unjoin(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range j.Unwrap() {
		all = append(all, unjoin(one)...)
	}
	return all
}

func (r Resolver) resolve(src spec.RuntimeSource, paths map[string]string) (one spec.Runtime, err error) {
	switch {
	case src.Path != "":
		one, err = r.given(src, paths)
	case src.Version != "":
		one, err = r.released(src, paths)
	case len(src.Plugins) > 0: // the agent's own, with more providers
		one = spec.Runtime{Version: r.Agent.Runtime.Version, Providers: r.Agent.Runtime.Providers}
	default:
		one, err = r.built(src, paths)
	}
	one.Name = src.Name
	errs := []error{err}
	for _, p := range src.Plugins {
		plugin, err := r.plugin(p, one, paths)
		one.Plugins = append(one.Plugins, plugin)
		errs = append(errs, err)
	}
	return one, errors.Join(errs...)
}

func (r Resolver) built(src spec.RuntimeSource, paths map[string]string) (spec.Runtime, error) {
	path, err := r.Built(src.Name)
	if err != nil {
		return spec.Runtime{}, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if !spec.BuiltFor(src.Name, r.Arch) {
			return spec.Runtime{}, fmt.Errorf("nobody publishes it for %s", r.Arch)
		}
		return spec.Runtime{}, fmt.Errorf("it has not been built for %s: run `make runtime-%s`", r.Arch, src.Name)
	}
	return r.bundle(path, "built "+src.Name, paths)
}

// released is ONNX Runtime's own library of a version.
func (r Resolver) released(src spec.RuntimeSource, paths map[string]string) (one spec.Runtime, err error) {
	if src.Path, err = r.Released(src.Version); err != nil {
		return one, err
	}
	if src.Path == "" { // pinned, and not here: what is known of every release
		return spec.Runtime{Version: src.Version, Providers: []string{provider.CPU}}, nil
	}
	one, err = r.library(src, "npm onnxruntime-node "+src.Version, paths)
	if err == nil && one.Version != src.Version && one.Version+".0" != src.Version {
		err = fmt.Errorf("%s says that it is ONNX Runtime %s", src.Path, one.Version)
	}
	one.Version = src.Version
	return one, err
}

// given is a file that the experiment names: a bundle where its manifest lies
// beside it, else a shared library.
func (r Resolver) given(src spec.RuntimeSource, paths map[string]string) (one spec.Runtime, err error) {
	origin := "path " + src.Path
	if _, statErr := os.Stat(src.Path + ".json"); statErr == nil {
		one, err = r.bundle(src.Path, origin, paths)
	} else {
		one, err = r.library(src, origin, paths)
	}
	if err == nil && src.SHA256 != "" && src.SHA256 != one.SHA256 {
		err = fmt.Errorf("%s has SHA-256 %s, the experiment says %s", src.Path, one.SHA256, src.SHA256)
	}
	return one, err
}

func (r Resolver) bundle(path, origin string, paths map[string]string) (one spec.Runtime, err error) {
	m, err := ReadManifest(path)
	if err != nil {
		return one, fmt.Errorf("its manifest: %w", err)
	}
	sum, size, err := files.Hash(context.Background(), path, maxFile)
	switch {
	case err != nil:
		return one, err
	case m.Arch != r.Arch:
		return one, fmt.Errorf("%s is made for %s, the device is %s", path, m.Arch, r.Arch)
	case m.SHA256 != sum || m.Bytes != size:
		return one, fmt.Errorf("%s is not what its manifest describes: build or copy both again", path)
	}
	paths[sum] = path
	one.NamedRuntime = trial.NamedRuntime{SHA256: sum, Bytes: size, Origin: origin}
	one.Version, one.Providers = m.Runtime.Version, m.Runtime.Providers
	return one, nil
}

// maxFile bounds what is pushed; CUDA's provider library has 1 GB.
const maxFile = 4 << 30
