package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// barred are commands in advice that fail when pasted: each needs the run or the
// lease that it is about. run.Commands writes them with it.
var barred = regexp.MustCompile("`chexp (run --resume|results (show|fetch|report)|" +
	"lease (show|wait|extend|shorten|delete))( --[a-z]+)?`")

// What an error tells a person to type works when pasted.
func TestAdviceNamesWhatItIsAbout(t *testing.T) {
	for file := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && barred.MatchString(text.Value) &&
				!strings.Contains(text.Value, "--help`") {
				t.Errorf("%s: %s does not say which", file, barred.FindString(text.Value))
			}
			return true
		})
	}
}
