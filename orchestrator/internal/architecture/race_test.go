package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// unwatched start goroutines, and their tests run without the race detector.
var unwatched = map[string]string{
	"agent/cmd/chexp-agent": "its tests run the built agent, which has no race detector",
	"models/pictures":       "a test waits at most 20 s for a call",
	"models/samples":        "a test waits at most 20 s for a call",
	"models/quant":          "it computes for long; .ci/go-test runs its two concurrent tests again, watched",
}

// TestGoroutinesAreWatched holds the list of packages that `make test` runs under the race
// detector against the code: each that starts a goroutine, in itself or in its tests, is on it.
func TestGoroutinesAreWatched(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(moduleRoot, ".ci", "go-test"))
	if err != nil {
		t.Fatal(err)
	}
	list := ""
	for _, m := range regexp.MustCompile(`(?m)^racy=.*'(.*)'$`).FindAllStringSubmatch(string(script), -1) {
		list += m[1]
	}
	watched, err := regexp.Compile(list)
	if err != nil || list == "" {
		t.Fatalf("the list of packages in .ci/go-test is %q: %v", list, err)
	}
	starts := map[string]string{} // package → where
	for file := range sources(t) {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(moduleRoot, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if startsGoroutine(n) {
				starts[filepath.ToSlash(filepath.Dir(file))] = set.Position(n.Pos()).String()
			}
			return true
		})
	}
	for pkg, at := range starts {
		if unwatched[pkg] == "" && !watched.MatchString("chexp/"+pkg) {
			t.Errorf("%s: a goroutine, and %s is not on .ci/go-test's list for the race detector", at, pkg)
		}
	}
	for pkg := range unwatched {
		if starts[pkg] == "" || watched.MatchString("chexp/"+pkg) {
			t.Errorf("%s need not be excused", pkg)
		}
	}
}

func startsGoroutine(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		call, ok := n.Fun.(*ast.SelectorExpr)
		return ok && slices.Contains([]string{"Go", "AfterFunc"}, call.Sel.Name)
	}
	return false
}
