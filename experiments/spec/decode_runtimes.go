package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"chexp/experiments/files"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// BuiltRuntimes are the runtimes that scripts of this repository build; an
// experiment names them without saying where they are.
var BuiltRuntimes = []string{"debian", "openvino"}

// BuiltFor reports whether one of them can be built for an architecture, Go's word.
func BuiltFor(runtime, arch string) bool { return runtime != "openvino" || arch == "amd64" }

// maxRuntimeName is the most characters of a runtime's name, which follows the
// provider's in a trial's id and must leave room there.
const maxRuntimeName = 24

func (r *reader) runtimes(s *section, e *Experiment) {
	lines := map[string]int{}
	for i, n := range s.list("runtimes", maxRuntimes) {
		path := fmt.Sprintf("runtimes[%d]", i)
		src, ok := r.runtime(n, path)
		if !ok {
			continue
		}
		if first, twice := lines[src.Name]; twice {
			r.addf(n, path, "is %s, as in line %d: each runtime needs a name of its own", src.Name, first)
			continue
		}
		lines[src.Name] = n.Line
		e.Runtimes = append(e.Runtimes, src)
	}
}

// releaseForm is how ONNX Runtime numbers its releases.
var releaseForm = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`)

// runtime reads `debian` or `{name, path, version, sha256, providers, plugins}`.
func (r *reader) runtime(n *node, path string) (src RuntimeSource, ok bool) {
	if !r.plain(n, path) {
		return src, false
	}
	src.Line, src.at = n.Line, path
	if len(n.Content) == 0 && n.Tag == "!!str" {
		src.Name = n.Value
		return src, r.runtimeName(n, path, src.Name, false)
	}
	s, ok := r.section(n, path, "name", "path", "version", "sha256", "providers", "plugins")
	if !ok {
		return src, false
	}
	if v, ok := s.text("path"); ok {
		src.Path = r.modelFile(s, v)
	}
	if v, ok := s.literal("version", "a release of ONNX Runtime, such as 1.30.0"); ok {
		src.Version = v
		switch {
		case !releaseForm.MatchString(v):
			s.addf("version", "is %q, but must be a release of ONNX Runtime, such as 1.30.0", short(v))
		case s.has("path"):
			s.addf("version", "contradicts path: give the library, or the version of the release to get")
		}
	}
	src.SHA256 = s.sum("sha256", "path")
	for i, item := range s.list("providers", maxProviders) {
		at := fmt.Sprintf("%s[%d]", s.at("providers"), i)
		if v, ok := r.text(item, at); ok && r.providerName(item, at, v) {
			src.Providers = append(src.Providers, v)
		}
	}
	if src.Providers != nil && !s.has("path") {
		s.addf("providers", "belongs to a library given by path: it says what no symbol of that library shows")
	}
	for i, item := range s.list("plugins", maxProviders) {
		if p, ok := r.plugin(item, fmt.Sprintf("%s[%d]", s.at("plugins"), i)); ok {
			src.Plugins = append(src.Plugins, p)
		}
	}
	if src.Name, ok = s.text("name"); !ok {
		s.require("name", "a short name that providers use")
		return src, false
	}
	named := s.has("path") || s.has("plugins") || s.has("version")
	return src, r.runtimeName(s.values["name"], s.at("name"), src.Name, named)
}

func (r *reader) plugin(n *node, path string) (p PluginSource, ok bool) {
	s, ok := r.section(n, path, "provider", "path", "sha256")
	if !ok {
		return p, false
	}
	if p.Provider, ok = s.text("provider"); !ok {
		s.require("provider", "the name by which this experiment's providers use it, such as webgpu")
	} else {
		ok = r.providerName(s.values["provider"], s.at("provider"), p.Provider)
	}
	if v, found := s.text("path"); found {
		p.Path = r.modelFile(s, v)
	} else {
		s.require("path", "the shared library with the execution provider")
	}
	p.SHA256 = s.sum("sha256", "path")
	return p, ok
}

// sum reads an optional SHA-256; needs is the key that it is about.
func (s *section) sum(key, needs string) string {
	v, ok := s.literal(key, "64 hexadecimal digits")
	if !ok {
		return ""
	}
	v = strings.ToLower(v)
	switch {
	case !files.IsSum(v):
		s.addf(key, "is %q (%d characters), but must be 64 hexadecimal digits, as `sha256sum FILE` prints", short(v), len(v))
	case !s.has(needs):
		s.addf(key, "says what %s must hold, which is not here", needs)
	}
	return v
}

// runtimeName checks a name; located says that the entry tells where the
// runtime is.
func (r *reader) runtimeName(n *node, path, name string, located bool) bool {
	switch {
	case name == trial.Stock:
		r.addf(n, path, "is %s, which is what the agent carries and needs no entry: providers without runtime use it",
			trial.Stock)
	case !trial.ValidLabel(name) || len(name) > maxRuntimeName:
		r.addf(n, path, "is %q, but may hold only a-z, 0-9, '.', '-' and '_', at most %d: it becomes part of file names",
			short(name), maxRuntimeName)
	case !located && !slices.Contains(BuiltRuntimes, name):
		r.addf(n, path, "is %q, which no script here builds: say which it is with version, path or plugins; without them, %s",
			short(name), didYouMean(name, BuiltRuntimes))
	default:
		return true
	}
	return false
}

// ofRuntimes checks what providers and runtimes say about each other, and puts
// the CPU provider of the same runtime beside every other one: against the CPU
// code of another build, a difference would be the builds'.
func (r *reader) ofRuntimes(e *Experiment) {
	declared := map[string]bool{"": true}
	used := map[string]bool{}
	var names []string
	for _, src := range e.Runtimes {
		declared[src.Name] = true
		names = append(names, src.Name)
	}
	for _, p := range e.Providers {
		at := e.providers[p.Label()]
		used[p.Runtime] = true
		if !declared[p.Runtime] {
			hint := "add it to runtimes"
			if names != nil {
				hint = didYouMean(p.Runtime, names)
			}
			pos := r.positions[at]
			r.addf(&node{Line: pos.line, Column: pos.column}, at+".runtime", "is %q, which runtimes does not have; %s",
				short(p.Runtime), hint)
		}
		r.inNoRuntime(e, p, at)
	}
	for _, src := range e.Runtimes {
		if !used[src.Name] {
			pos := r.positions[src.at]
			r.addf(&node{Line: pos.line, Column: pos.column}, src.at,
				"%s is used by no provider: write {name: cpu, runtime: %s} below providers, or remove it", src.Name, src.Name)
		}
	}
	e.Providers = withCPU(e.Providers)
}

// inNoRuntime says that nobody knows a provider, where its runtime is none that
// the user brings, which may have providers of its own.
func (r *reader) inNoRuntime(e *Experiment, p trial.Provider, at string) {
	var names []string
	for _, known := range provider.All {
		names = append(names, known.Name)
	}
	for _, src := range e.Runtimes {
		if src.Name != p.Runtime {
			continue
		}
		if src.Path != "" {
			return
		}
		for _, plugin := range src.Plugins {
			names = append(names, plugin.Provider)
		}
	}
	near := words.Nearest(p.Name, names)
	if slices.Contains(names, p.Name) || near == "" && p.Optional {
		return
	}
	pos := r.positions[at]
	r.addf(&node{Line: pos.line, Column: pos.column}, at, "is %q, which is no execution provider of ONNX Runtime; %s",
		short(p.Name), didYouMean(p.Name, names))
}

// withCPU adds the missing CPU providers, each before the first other provider
// of its runtime.
func withCPU(list []trial.Provider) (out []trial.Provider) {
	has := map[string]bool{}
	for _, p := range list {
		has[p.Runtime] = has[p.Runtime] || p.Name == provider.CPU
	}
	for _, p := range list {
		if !has[p.Runtime] {
			has[p.Runtime] = true
			out = append(out, trial.Provider{Name: provider.CPU, Runtime: p.Runtime})
		}
		out = append(out, p)
	}
	return out
}
