package architecture

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits of size. They keep a package readable by one person in one
// sitting; a number may rise only with a reason in the commit that raises it.
const (
	maxColumns  = 120 // of a line of Go, a tab counts one
	maxLines    = 460 // of a file that is not a test
	maxMethods  = 30  // of a type
	maxFunction = 80  // lines of a function that is not a test
)

// larger are the types that are over the limit, with the number that they may
// not exceed either. Each is the front of something: a service's calls, the
// verbs of the command line, what a YAML file may hold.
var larger = map[string]int{
	"experiments/spec.reader": 35,
}

// size is one measured thing: a file's lines, a type's methods.
type size struct {
	name string
	n    int
}

// TestSizes holds every file, type and function to the limits above. With -v it
// prints the largest of each, and the lines of Go by folder.
func TestSizes(t *testing.T) {
	var files, types, functions, wide []size
	code, tests := map[string]int{}, map[string]int{}
	for file := range sources(t) {
		data, err := os.ReadFile(filepath.Join(moduleRoot, file))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(data), "\n")
		for n, line := range strings.Split(string(data), "\n") {
			if columns := utf8.RuneCountInString(line); columns > maxColumns {
				wide = append(wide, size{fmt.Sprintf("%s:%d", file, n+1), columns})
			}
		}
		top, _, _ := strings.Cut(file, "/")
		if strings.HasSuffix(file, "_test.go") {
			tests[top] += lines
			continue
		}
		code[top] += lines
		files = append(files, size{file, lines})
		functions = append(functions, functionSizes(t, file, data)...)
	}
	for name, n := range methodCounts(t) {
		types = append(types, size{name, n})
	}
	for _, top := range []string{"agent", "experiments", "models", "orchestrator"} {
		t.Logf("%-13s %6d lines of code, %6d of tests", top, code[top], tests[top])
	}
	hold(t, "columns in a line", wide, maxColumns)
	hold(t, "lines in a file", files, maxLines)
	hold(t, "methods of a type", types, maxMethods)
	hold(t, "lines in a function", functions, maxFunction)
}

// hold reports what is over the limit and logs the five largest.
func hold(t *testing.T, what string, all []size, limit int) {
	t.Helper()
	slices.SortFunc(all, func(a, b size) int { return cmp.Or(b.n-a.n, strings.Compare(a.name, b.name)) })
	for i, s := range all {
		switch limit := max(limit, larger[s.name]); {
		case s.n > limit:
			t.Errorf("%s: %d %s, the limit is %d", s.name, s.n, what, limit)
		case i < 5:
			t.Logf("%4d %s: %s", s.n, what, s.name)
		}
	}
}

func functionSizes(t *testing.T, file string, data []byte) []size {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, data, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []size
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			lines := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1
			all = append(all, size{file + " " + fn.Name.Name, lines})
		}
	}
	return all
}

// methodCounts counts the methods of every type outside the tests, by
// folder and name.
func methodCounts(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for file := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
				counts[filepath.ToSlash(filepath.Dir(file))+"."+receiver(fn.Recv.List[0].Type)]++
			}
		}
	}
	return counts
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
