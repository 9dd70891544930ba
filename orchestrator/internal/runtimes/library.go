package runtimes

import (
	"context"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chexp/experiments/files"
	"chexp/experiments/provider"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
)

// oldestAPI is the oldest ONNX Runtime that the agent's runner can use: the first
// with version 24 of the C API.
const oldestAPI = "1.24"

// library looks at a plain libonnxruntime.
func (r Resolver) library(src spec.RuntimeSource, origin string,
	paths map[string]string) (one spec.Runtime, err error) {
	f, err := r.open(src.Path)
	if err != nil {
		return one, err
	}
	defer f.Close()
	// A plain path brings no file beside it, so a provider that has its code in
	// one (CUDA, TensorRT, …) is not there.
	nothing := func(string) bool { return false }
	if one.Version, one.Providers, err = provider.Describe(f, nothing); err != nil {
		return one, fmt.Errorf("%s: %w", src.Path, err)
	}
	one.Providers = append(one.Providers, src.Providers...)
	slices.Sort(one.Providers)
	one.Providers = slices.Compact(one.Providers)
	switch {
	case one.Version == "":
		return one, fmt.Errorf("%s is no ONNX Runtime: it has no OrtGetApiBase", src.Path)
	case trial.LaterVersion(oldestAPI, one.Version):
		return one, fmt.Errorf("%s is ONNX Runtime %s; the agent needs %s or later (C API 24)",
			src.Path, one.Version, oldestAPI)
	}
	sum, size, err := files.Hash(context.Background(), src.Path, maxFile)
	if err != nil {
		return one, err
	}
	paths[sum] = src.Path
	one.NamedRuntime = trial.NamedRuntime{SHA256: sum, Bytes: size, Origin: origin}
	return one, r.suits(f, src.Path, r.Agent)
}

// plugin looks at a library that brings a provider.
func (r Resolver) plugin(src spec.PluginSource, of spec.Runtime, paths map[string]string) (p trial.Plugin, err error) {
	f, err := r.open(src.Path)
	if err != nil {
		return p, err
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return p, fmt.Errorf("%s: %w", src.Path, err)
	}
	// What RegisterExecutionProviderLibrary looks for.
	factories := func(s elf.Symbol) bool { return s.Name == "CreateEpFactories" && s.Section != elf.SHN_UNDEF }
	if !slices.ContainsFunc(symbols, factories) {
		return p, fmt.Errorf("%s is no plugin: it exports no CreateEpFactories", src.Path)
	}
	sum, size, err := files.Hash(context.Background(), src.Path, maxFile)
	switch {
	case err != nil:
		return p, err
	case src.SHA256 != "" && src.SHA256 != sum:
		return p, fmt.Errorf("%s has SHA-256 %s, the experiment says %s", src.Path, sum, src.SHA256)
	}
	paths[sum] = src.Path
	if of.SHA256 == "" { // loaded beside the agent's own libraries
		err = r.suits(f, src.Path, r.Agent)
	}
	return trial.Plugin{Provider: src.Provider, SHA256: sum, Bytes: size, Origin: "path " + src.Path}, err
}

// open opens a shared library for the device's processor.
func (r Resolver) open(path string) (*elf.File, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s is no shared library, and no bundle of chexp-pack with its manifest beside it: %w",
			path, err)
	}
	if f.Type != elf.ET_DYN || f.Machine != provider.Machines[r.Arch] {
		f.Close()
		return nil, fmt.Errorf("%s is for %v, the device is %s", path, f.Machine, r.Arch)
	}
	return f, nil
}

// suits checks that the carried libraries have everything that a library needs.
func (r Resolver) suits(f *elf.File, path string, carried trial.Manifest) error {
	if carried.Libraries == nil {
		return nil // an agent of before its manifest told: the device will find out
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var lacks []string
	for _, lib := range needed {
		if !slices.Contains(carried.Libraries, lib) {
			lacks = append(lacks, lib)
		}
	}
	if newer := newerInterfaces(f, carried.Interfaces); newer != nil {
		lacks = append(lacks, newer...)
	}
	if lacks == nil {
		return nil
	}
	return fmt.Errorf("%s needs %s, which the agent does not carry: "+
		"make a bundle with chexp-pack that has them, its own C library and its loader",
		path, strings.Join(lacks, ", "))
}

// newerInterfaces lists what a library needs in a newer version than there is, as
// "GLIBC 2.38 (not 2.36)".
func newerInterfaces(f *elf.File, have map[string]string) (list []string) {
	versions, err := f.DynamicVersionNeeds()
	if err != nil {
		return nil // it needs no versions
	}
	newest := map[string]string{}
	for _, need := range versions {
		for _, v := range need.Needs {
			kind, number, ok := strings.Cut(v.Dep, "_")
			newer := ok && have[kind] != "" && trial.LaterVersion(number, have[kind])
			if newer && trial.LaterVersion(number, newest[kind]) {
				newest[kind] = number
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(newest)) {
		list = append(list, fmt.Sprintf("%s %s (not %s)", kind, newest[kind], have[kind]))
	}
	return list
}
