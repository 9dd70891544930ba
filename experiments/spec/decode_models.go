package spec

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"chexp/experiments/files"
	"chexp/experiments/provider"
	"chexp/experiments/secret"
	"chexp/experiments/trial"
	"chexp/models/catalog"
)

const nameForm = "a-z, 0-9, '-' and '_', starting and ending with a letter or digit, at most 64: it becomes part of " +
	"file names"

func (r *reader) models(s *section, e *Experiment) {
	if !s.require("models", "a list of at least one, for example models: [{name: baseline, builtin: mobilenetv2-11}]") {
		return
	}
	lines := map[string]int{}
	for i, n := range s.list("models", maxModels) {
		path := fmt.Sprintf("models[%d]", i)
		m, ok := r.section(n, path, "name", "builtin", "path", "url", "sha256", "swhid", "stand_in", "inputs")
		if !ok {
			continue
		}
		src := r.model(m)
		if first, twice := lines[src.Name]; twice && src.Name != "" {
			m.addf("name", "is %q, as in line %d: each model needs a name of its own", src.Name, first)
		} else {
			lines[src.Name] = n.Line
		}
		e.Models = append(e.Models, src)
	}
}

func (r *reader) model(m *section) ModelSource {
	src := ModelSource{Line: m.node.Line}
	if v, ok := m.text("name"); ok {
		src.Name = v
		if !trial.ValidName(v) {
			m.addf("name", "is %q, but may hold only %s", short(v), nameForm)
		}
	} else {
		m.require("name", "a short name for tables and files, such as baseline")
	}
	var chosen []string
	for _, key := range []string{"builtin", "path", "url"} {
		if m.has(key) {
			chosen = append(chosen, key)
		}
	}
	switch {
	case len(chosen) == 0:
		m.addf("", "does not say where the model is: give one of builtin, path and url")
	case len(chosen) > 1:
		m.addf(chosen[1], "contradicts %s: give exactly one of builtin, path and url", chosen[0])
	}
	src.Pin = r.pin(m)
	if v, ok := m.text("builtin"); ok {
		src.Builtin = m.builtin("builtin", v)
	}
	if v, ok := m.text("path"); ok {
		src.Path = r.modelFile(m, v)
	}
	if v, ok := m.text("url"); ok {
		src.URL = v
		secret.HideURL(v)
		if why := badURL(v); why != "" {
			m.addf("url", "%s", why)
		}
		if !m.has("sha256") && !m.has("swhid") {
			m.addf("url", "has no sha256 beside it: a download is accepted by its content only; download it once, look at "+
				"it, and add what `sha256sum FILE` prints; or the file's SWHID, as swhid")
		}
	}
	if v, ok := m.text("stand_in"); ok {
		src.StandIn = m.builtin("stand_in", v)
		if !m.has("url") {
			m.addf("stand_in", "is what a rehearsal measures where the file at a url cannot be had; there is no url here")
		}
	}
	if n := m.values["inputs"]; n != nil {
		src.Inputs = (&inputReader{m.r}).inputs(n, m.at("inputs"))
	}
	return src
}

// builtin checks the name of a builtin model.
func (s *section) builtin(key, name string) string {
	if _, found := catalog.Find(name); !found {
		s.addf(key, "is %q, which chexp does not have; %s", short(name), didYouMean(name, catalog.Names()))
	}
	return name
}

// pin reads what a model's file must hold.
func (r *reader) pin(m *section) (pin files.Pin) {
	if v, ok := m.literal("sha256", "64 hexadecimal digits"); ok {
		pin.SHA256 = strings.ToLower(v)
		switch {
		case strings.HasPrefix(v, "swh:"):
			m.addf("sha256", "is a SWHID: write it as swhid")
		case !files.IsSum(pin.SHA256):
			m.addf("sha256", "is %q (%d characters), but must be 64 hexadecimal digits, as `sha256sum FILE` prints", short(v),
				len(v))
		}
	}
	if v, ok := m.text("swhid"); ok {
		var err error
		if pin.SWHID, err = files.ParseSWHID(v); err != nil {
			m.addf("swhid", "is %q, but %v", short(v), err)
		}
	}
	for _, key := range []string{"sha256", "swhid"} {
		if m.has(key) && m.has("builtin") {
			m.addf(key, "contradicts builtin: a builtin model's sum is part of chexp; remove it")
		}
	}
	return pin
}

// modelFile checks that the path names a file. Package models reads it.
func (r *reader) modelFile(m *section, written string) string {
	path, info := r.existing(m, "path", written)
	switch {
	case info == nil:
	case !info.Mode().IsRegular():
		m.addf("path", "names %s, which is %s, not a file", path, kindOf(info.Mode()))
	case info.Size() == 0:
		m.addf("path", "names %s, which is empty", path)
	}
	return path
}

func kindOf(mode os.FileMode) string {
	if mode.IsDir() {
		return "a directory"
	}
	return "a device or pipe"
}

// badURL says why a model may not be downloaded from there, "" if it may.
func badURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || len(s) > 2000:
		return fmt.Sprintf("is %q, but must be an https:// address", short(secret.Redact(s)))
	case u.User != nil:
		return "holds a user name or password: an experiment file is shared, put no secret into it"
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && Loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "is http, which anyone on the way can read and change: use https (http is allowed from this machine itself " +
			"only)"
	}
	return fmt.Sprintf("has the scheme %q, but must be an https:// address", short(u.Scheme))
}

// Loopback reports whether a URL's host is this machine: the one place from
// which plain http is accepted.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (r *reader) providers(s *section, e *Experiment) {
	items := s.list("providers", maxProviders)
	if items == nil {
		return
	}
	e.Providers, e.providers = nil, map[string]string{}
	lines := map[string]int{}
	for i, n := range items {
		path := fmt.Sprintf("providers[%d]", i)
		p, ok := r.provider(n, path)
		if !ok {
			continue
		}
		if first, twice := lines[p.Label()]; twice {
			r.addf(n, path, "is %s, as in line %d: each provider once, since trials are named after it", p.Label(), first)
			continue
		}
		lines[p.Label()] = n.Line
		e.providers[p.Label()] = path
		e.Providers = append(e.Providers, p)
	}
}

// provider reads `cpu` or `{name: acl, runtime: mine, optional: true, options: {…}}`.
func (r *reader) provider(n *node, path string) (p trial.Provider, ok bool) {
	if !r.plain(n, path) {
		return p, false
	}
	if len(n.Content) == 0 && n.Tag == "!!str" {
		p.Name = n.Value
		return p, r.providerName(n, path, p.Name)
	}
	s, ok := r.section(n, path, "name", "runtime", "optional", "options")
	if !ok {
		return p, false
	}
	s.truth("optional", &p.Optional)
	if o := s.values["options"]; o != nil {
		p.Options = r.options(o, s.at("options"))
	}
	if v, given := s.text("runtime"); given && v != trial.Stock {
		p.Runtime = v
	}
	if p.Name, ok = s.text("name"); !ok {
		s.require("name", "an ONNX Runtime execution provider, such as cpu")
		return p, false
	}
	if !r.providerName(s.values["name"], s.at("name"), p.Name) {
		return p, false
	}
	if !trial.ValidLabel(p.Label()) {
		s.addf("name", "and runtime together are %q, which is too long for a file name: at most 64", short(p.Label()))
		return p, false
	}
	return p, true
}

func (r *reader) providerName(n *node, path, name string) bool {
	if trial.ValidName(name) {
		return true
	}
	lower := strings.ToLower(strings.TrimSuffix(name, provider.Suffix))
	if trial.ValidName(lower) {
		r.addf(n, path, "is %q; provider names are lower case here: write %s", short(name), lower)
	} else {
		r.addf(n, path, "is %q, but must be an ONNX Runtime execution provider, such as cpu, acl or xnnpack", short(name))
	}
	return false
}

// options reads what is passed to the provider word for word.
func (r *reader) options(n *node, path string) map[string]string {
	if n.Kind != mappingKind {
		r.addf(n, path, "is %s, but must be a group of names and texts, such as {enable_fast_math: \"1\"}", what(n))
		return nil
	}
	out := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := r.text(n.Content[i], path)
		if !ok {
			continue
		}
		at := path + "." + short(key)
		if _, twice := out[key]; twice {
			r.addf(n.Content[i], at, "is given twice")
			continue
		}
		if v, ok := r.text(n.Content[i+1], at); ok {
			out[key] = v
		}
	}
	return out
}
