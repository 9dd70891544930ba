package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rule says what the files below dir may not import, or the only things that
// they may. Paths are relative to the module; "C" is cgo, "std" the standard
// library.
type rule struct {
	dir    string
	except []string // files or folders below dir that the rule spares
	never  []string // import path prefixes
	only   []string // if set, any other import is refused
	tests  bool     // whether test files are held to it as well
	why    string
}

const gophercloud = "github.com/gophercloud/gophercloud/v2"

var rules = []rule{
	{dir: "agent", never: []string{"chexp/orchestrator"}, tests: true,
		why: "agent and orchestrator meet only in experiments and models"},
	{dir: "orchestrator", never: []string{"chexp/agent"}, tests: true,
		why: "agent and orchestrator meet only in experiments and models"},
	{dir: "experiments", only: []string{"std", "chexp/experiments", "chexp/models/catalog", "go.yaml.in/yaml/v4",
		"github.com/pjbgf/sha1cd"},
		why: "both sides import it, so it imports neither; the catalogue is a leaf of names and sums, and SHA-1 " +
			"with collision detection is in no other place"},
	{dir: "models", never: []string{"chexp/agent", "chexp/orchestrator"}, tests: true,
		why: "models know the experiment file, and nobody who runs it"},
	{dir: "models/plates", only: []string{"std"},
		why: "the agent draws the pictures on the device, so they bring nothing along"},
	{dir: "models/pictures/pack", only: []string{"std", "github.com/klauspost/compress", "chexp/experiments/files"},
		why: "both sides import it, so it brings little along: one writes packs (as files that are whole), the " +
			"other reads them"},
	{dir: "agent", never: []string{"chexp/models/builtin", "chexp/models/catalog", "chexp/models/quant",
		"golang.org/x/image"},
		why: "an agent is carried to the device: no weights in it, no decoders of pictures"},
	{dir: "orchestrator/openstack", only: []string{"std", gophercloud, "chexp/orchestrator/openstack"},
		why: "upstreamable as it stands: no experiments, no logging, no printing"},
	{dir: "orchestrator/internal/emulator", never: []string{gophercloud, "chexp/orchestrator/openstack",
		"chexp/orchestrator/internal/run",
		"chexp/orchestrator/internal/site", "chexp/orchestrator/internal/transport", "chexp/experiments",
		"chexp/models"}, tests: true,
		why: "a client and an emulator that share structs agree with each other and not with Chameleon"},
	{dir: "orchestrator/internal/run", never: []string{"chexp/orchestrator/internal/site",
		"chexp/orchestrator/internal/cli", "chexp/orchestrator/internal/emulator",
		"chexp/orchestrator/internal/transport/zunexec", "chexp/orchestrator/internal/transport/sshexec",
		"chexp/orchestrator/openstack", gophercloud},
		why: "run knows interfaces; cli is where concrete types meet"},
	{dir: "orchestrator/internal/chameleon", never: []string{"chexp/orchestrator/openstack/container",
		"chexp/orchestrator/internal/site/chiedge", "chexp/orchestrator/internal/transport",
		"chexp/orchestrator/internal/cli"}, tests: true,
		why: "it is what all of Chameleon's sites share: nothing of containers"},
	{dir: "orchestrator/internal/signin", never: []string{"chexp/orchestrator/openstack/reservation",
		"chexp/orchestrator/openstack/container",
		"chexp/orchestrator/internal/run", "chexp/orchestrator/internal/site", "chexp/orchestrator/internal/cli",
		"chexp/orchestrator/internal/transport"},
		tests: true,
		why:   "signing in is the same for every site: it knows nothing of leases, containers or runs"},
	{dir: "orchestrator/internal/report", never: []string{"net", "net/http", "chexp/orchestrator/internal/site",
		"chexp/orchestrator/internal/transport", gophercloud},
		why: "a report is made from the store; it cannot reach the network"},
	{dir: ".", except: []string{"agent/internal/ort"}, never: []string{"C", "github.com/yalue/onnxruntime_go"},
		why: "agent/internal/ort is the only package with cgo; all else builds without"},
	{dir: ".", except: []string{"orchestrator/internal/cli"}, never: []string{"github.com/urfave/cli/v2"}, tests: true,
		why: "only cli knows the command-line library"},
}

func TestImports(t *testing.T) {
	files := sources(t)
	for _, r := range rules {
		seen := 0
		for file, imports := range files {
			if !below(file, r.dir) || spared(file, r.except) || strings.HasSuffix(file, "_test.go") && !r.tests {
				continue
			}
			seen++
			for _, path := range imports {
				if refused(r, path) {
					t.Errorf("%s imports %s: %s", file, path, r.why)
				}
			}
		}
		if seen == 0 {
			t.Errorf("the rule for %s (%s) looks at no file: has the folder moved?", r.dir, r.why)
		}
	}
}

// A site is one package and its line in cli's registry: sites do not import each
// other, and nobody else imports one.
func TestSitesAreApart(t *testing.T) {
	const dir, registry = "orchestrator/internal/site/", "orchestrator/internal/cli/sites.go"
	sites := map[string]bool{}
	for file, imports := range sources(t) {
		own := ""
		if below, ok := strings.CutPrefix(file, dir); ok && strings.Contains(below, "/") {
			own, _, _ = strings.Cut(below, "/")
		}
		for _, path := range imports {
			site, ok := strings.CutPrefix(path, "chexp/"+dir)
			if !ok {
				continue
			}
			sites[site] = true
			if file != registry && site != own {
				t.Errorf("%s imports the site %s: only %s may", file, site, registry)
			}
		}
	}
	if len(sites) < 2 {
		t.Errorf("the rule looks at the sites %v: has the folder moved?", sites)
	}
}

// Only commands end the process; only cli and commands touch the standard
// streams.
func TestProcessWideThings(t *testing.T) {
	for file := range sources(t) {
		if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "/cmd/") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, file), nil,
			parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range selectors(f) {
			if use == "os.Exit" || (use == "os.Stdout" || use == "os.Stderr") &&
				!below(file, "orchestrator/internal/cli") {
				t.Errorf("%s uses %s: only cmd/* (and cli, for the streams) may", file, use)
			}
		}
	}
}

const moduleRoot = "../../.."

// sources maps every Go file of the module to its imports.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(moduleRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != moduleRoot && (strings.HasPrefix(name, ".") || name == "bin" || name == "runs" ||
				name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(moduleRoot, path)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		files[filepath.ToSlash(rel)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func below(file, dir string) bool { return dir == "." || strings.HasPrefix(file, dir+"/") }

func spared(file string, except []string) bool {
	for _, e := range except {
		if below(file, e) {
			return true
		}
	}
	return false
}

func refused(r rule, path string) bool {
	for _, p := range r.never {
		if path == p || strings.HasPrefix(path, p+"/") && p != "net" { // net/url and net/netip reach nothing
			return true
		}
	}
	if r.only == nil {
		return false
	}
	for _, p := range r.only {
		if path == p || strings.HasPrefix(path, p+"/") || p == "std" &&
			!strings.Contains(strings.SplitN(path, "/", 2)[0], ".") && !strings.HasPrefix(path, "chexp/") {
			return false
		}
	}
	return true
}
