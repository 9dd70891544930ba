package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deciders are what only package judge asks: whether latencies can be believed,
// how two options compare, whether a budget is met, which verdict is the worst.
var deciders = []string{
	"stats.Worst", "stats.Ratio", "stats.PairedRatio", "stats.RatioOfStarts", "stats.RatioOfUnits", "stats.MiddleOf",
	"stats.Components", "stats.Proportion", "validity.Checks", "validity.Ran", "validity.Roof",
	"judge.Worst",
}

// verdictWords are how verdicts read. Who compares one of them reads meaning back
// from what is displayed.
var verdictWords = []string{`"met"`, `"not_met"`, `"NOT met"`, `"VALID"`, `"SUSPECT"`, `"INVALID"`}

// judgements lists what in a file judges instead of drawing.
func judgements(f *ast.File) (found []string) {
	for _, use := range selectors(f) {
		if slices.Contains(deciders, use) {
			found = append(found, use)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Holds" {
				found = append(found, "a call of Holds")
			}
		case *ast.BasicLit:
			if slices.Contains(verdictWords, n.Value) {
				found = append(found, "the word "+n.Value)
			}
		case *ast.BinaryExpr:
			if ordered(n.Op) && (isLimit(n.X) || isLimit(n.Y)) {
				found = append(found, "a comparison with a limit")
			}
		}
		return true
	})
	return found
}

func ordered(op token.Token) bool {
	return op == token.LSS || op == token.LEQ || op == token.GTR || op == token.GEQ
}

func isLimit(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Limit"
}

// A report says and draws what package judge has judged. The figures of a page may
// ask where on an axis a limit lies.
func TestReportJudgesNothing(t *testing.T) {
	const dir = "orchestrator/internal/report"
	seen := 0
	for file := range sources(t) {
		if !below(file, dir) || strings.HasSuffix(file, "_test.go") {
			continue
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, file), nil,
			parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, what := range judgements(f) {
			if what == "a comparison with a limit" && below(file, dir+"/page") {
				continue
			}
			t.Errorf("%s holds %s: what is decided is decided in experiments/judge", file, what)
		}
	}
	if seen == 0 {
		t.Errorf("no file in %s: has the folder moved?", dir)
	}
}

func TestJudgementsAreFound(t *testing.T) {
	const source = `package p
func f() {
	if v < b.Limit || b.Limit >= v { }
	if b.Holds(v) { }
	stats.Worst(checks)
	if cell.text == "NOT met" { }
	drawn := b.Limit / 2
}`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"stats.Worst", "a comparison with a limit", "a comparison with a limit", "a call of Holds",
		`the word "NOT met"`}
	if got := judgements(f); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
