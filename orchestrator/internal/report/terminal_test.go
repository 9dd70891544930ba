package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
)

// No line may be wider than the terminal, whatever its width; what is left out
// must be said, and no two rows may become alike by leaving something out.
func TestTerminalWidth(t *testing.T) {
	r := newRun(fp32, static, dynamic)
	for _, threads := range []int{1, 4} {
		for _, batch := range []int{1, 32} {
			r.add(fp32, cpu, threads, batch, 1, 100, 20*ms)
			r.add(static, acl, threads, batch, 1, 700, 9*ms)
		}
	}
	r.Run.Dir = ""
	for _, in := range []findings.Input{r.Input, tutorial().Input, hostile(), allFailed(), {}} {
		in.Run.Dir = ""
		table := findings.Build(in)
		for width := 30; width < 200; width++ {
			var out bytes.Buffer
			if err := Terminal(&out, table, width, false, false); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(out.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > width {
					t.Fatalf("at %d columns a line is %d wide: %q", width, n, line)
				}
			}
			if len(content.Measured(table)) > 0 && width >= 60 && width < 100 &&
				!strings.Contains(out.String(), "Left out at") && !strings.Contains(out.String(), "validity:") {
				t.Errorf("at %d columns nothing is said to be left out:\n%s", width, out.String())
			}
		}
	}
}

// Leaving out threads or batch would make rows look alike.
func TestTerminalKeepsRowsApart(t *testing.T) {
	r := newRun(fp32)
	for _, threads := range []int{1, 4} {
		r.add(fp32, cpu, threads, 1, 1, 100, 20*ms)
	}
	var out bytes.Buffer
	if err := Terminal(&out, findings.Build(r.Input), 60, false, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "threads") {
		t.Errorf("two rows that differ in threads do not show them:\n%s", out.String())
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestTerminalColorOnlyColors(t *testing.T) {
	table := findings.Build(tutorial().Input)
	var plain, color bytes.Buffer
	if err := Terminal(&plain, table, 100, false, false); err != nil {
		t.Fatal(err)
	}
	if err := Terminal(&color, table, 100, true, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(color.String(), "\x1b[32mmet\x1b[0m") ||
		!strings.Contains(color.String(), "\x1b[31mNOT met\x1b[0m") {
		t.Error("verdicts have no colour")
	}
	if got := escapes.ReplaceAllString(color.String(), ""); got != plain.String() {
		t.Error("colour changed the text")
	}
}
