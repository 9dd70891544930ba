package texttab

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"chexp/orchestrator/internal/report/content"
)

// wide is a table in which every way to give way has something to do.
func wide() content.Table {
	cell := func(text string) content.Cell { return content.Cell{Text: text} }
	marked := content.Cell{Text: "SUSPECT", Why: "clock", Marks: []int{1, 2}}
	return content.Table{
		Columns: []content.Column{{Key: "name", Head: "name", Least: 12}, {Key: "same", Head: "same", Fold: 1},
			{Key: "n", Head: "n", Leave: 1, Right: true}, {Key: "limit", Head: "p50 < 15 " +
				"ms", Short: "B1", Means: "p50 < 15 ms"},
			{Key: "validity", Head: "validity"}, {Key: "change", Head: "change", Least: 10}},
		Rows: [][]content.Cell{
			{cell("a-name-that-is-long"), cell("x"), {Text: "7", Marks: []int{3}}, cell("met"), marked,
				cell("12 % longer than before")},
			{cell("b"), cell("x"), cell("8"), cell("met"), cell("VALID"), cell("none")},
		},
	}
}

// Each step comes only when the ones before it were not enough, and no line is
// ever wider than the terminal.
func TestTablesGiveWayInSteps(t *testing.T) {
	steps := []struct {
		name string
		says func(out string) bool
	}{
		{"all of it", func(s string) bool {
			return strings.Contains(s, "same") &&
				!strings.Contains(s, "In every row")
		}},
		{"folded", func(s string) bool { return strings.Contains(s, "In every row: same x.") }},
		{"left out", func(s string) bool { return strings.Contains(s, "Left out at") }},
		{"without reasons", func(s string) bool { return !strings.Contains(s, "SUSPECT: clock") }},
		{"short heads", func(s string) bool { return strings.Contains(s, "B1: p50 < 15 ms") }},
		{"shortened", func(s string) bool { return !strings.Contains(s, "12 % longer than before") }},
		{"names too", func(s string) bool { return strings.Contains(s, "a-nam…s-long") }},
		{"blocks", func(s string) bool { return strings.Contains(s, "change: ") }},
	}
	var seen []string
	for width := 120; width >= 30; width-- {
		var out bytes.Buffer
		if err := Write(&out, &content.Document{Headline: []string{"t"}, Tables: []content.Table{wide()}}, width,
			false); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Fatalf("at %d columns a line has %d: %q", width, n, line)
			}
		}
		for i := range steps {
			if steps[i].says(out.String()) && !slices.Contains(seen, steps[i].name) {
				seen = append(seen, steps[i].name)
			}
		}
	}
	var want []string
	for _, s := range steps {
		want = append(want, s.name)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("tables gave way as %q, want %q", seen, want)
	}
}

// A footnote goes with the column that it is about.
func TestFootnotesGoWithTheirColumns(t *testing.T) {
	d := &content.Document{Headline: []string{"t"}, Tables: []content.Table{wide()},
		Notes: []content.Note{{Mark: 1, Text: "one"}, {Mark: 3, Text: "of n"}, {Mark: 4, Text: "of no cell"}}}
	for width, want := range map[int]bool{120: true, 75: false} {
		var out bytes.Buffer
		if err := Write(&out, d, width, false); err != nil {
			t.Fatal(err)
		}
		s := out.String()
		if strings.Contains(s, "³ of n") != want || !strings.Contains(s, "¹ one") ||
			!strings.Contains(s, "⁴ of no cell") {
			t.Errorf("at %d columns:\n%s", width, s)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  []string
	}{
		{"p50 is 21.5 ms today", 12, []string{"p50 is", "21.5 ms", "today"}}, // a number stays with its unit
		{"abcdefgh ij", 3, []string{"abc", "def", "gh", "ij"}},
		{"", 5, nil},
	} {
		if got := wrap(c.in, c.width); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
}

func TestParagraphHasNoLimitWithoutATerminal(t *testing.T) {
	long := strings.Repeat("word ", 60) + "end"
	for width, lines := range map[int]int{0: 1, 60: 7} {
		var out bytes.Buffer
		if err := Paragraph(&out, "takes    ", long, width); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != lines {
			t.Errorf("%d columns: %d lines, want %d:\n%s", width, n, lines, out.String())
		}
	}
}
