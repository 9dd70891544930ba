//go:build unix

package zunexec_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"chexp/orchestrator/internal/transport"
)

var quoteSeeds = [][]string{
	{"echo", "a b"}, {""}, {"'"}, {`\`}, {`"`}, {"a\nb", "\t"}, {"$x", "`y`", "~"}, {"ü", "\u2028", "\u00a0"},
	{"#", "a#b"}, {"a=b", "if"}, {"'\\''", `"'"`},
}

// FuzzQuote holds Quote against a splitter written from shlex's documentation.
func FuzzQuote(f *testing.F) {
	for _, s := range quoteSeeds {
		f.Add(s[0], s[len(s)-1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		args := []string{a, b, a + b}
		got, err := split(transport.Quote(args))
		if err != nil || !slices.Equal(got, args) {
			t.Errorf("%q became %q: %q, %v", args, transport.Quote(args), got, err)
		}
	})
}

// TestQuotePython asks the very splitter that Zun uses.
func TestQuotePython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on this machine")
	}
	cmd := exec.Command(python, "-c",
		"import sys,json,shlex\nfor l in sys.stdin: print(json.dumps(shlex.split(json.loads(l))))")
	words := append(slices.Clone(quoteSeeds), hardWords()...)
	var in strings.Builder
	for _, w := range words {
		line, err := json.Marshal(transport.Quote(w))
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for _, w := range words {
		line, err := r.ReadBytes('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		var got []string
		if err := json.Unmarshal(line, &got); err != nil || !slices.Equal(got, w) {
			t.Errorf("%q became %s: python says %q, %v", w, transport.Quote(w), got, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// hardWords pairs every character that could mean something with every other.
func hardWords() (all [][]string) {
	special := "'\"\\$`#~*?[]{}()<>|&;!=%^ \t\n\r-a\u00e9\u2713\u0001\u007f"
	for _, a := range special {
		for _, b := range special {
			w := string(a) + string(b)
			if utf8.ValidString(w) {
				all = append(all, []string{w, string(b) + "x" + string(a)})
			}
		}
	}
	return all
}
