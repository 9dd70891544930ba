// Package texttab writes a report for a terminal: paragraphs that are wrapped, and
// tables that give way step by step where they are too wide.
package texttab

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
)

// widest is as wide as a paragraph gets: long lines are hard to read.
const widest = 100

// Write writes a document for a terminal of a width in columns; 0 or less means no
// limit. What a table has no room for is left out and named. Colour is added only
// when asked for.
func Write(w io.Writer, d *content.Document, width int, color bool) error {
	if width <= 0 {
		width = 1 << 20
	}
	p := &printer{w: bufio.NewWriter(w), width: width, color: color}
	for i, line := range d.Headline {
		p.paragraph("", line, words.When(i == 0, bold))
	}
	for _, c := range d.Cautions {
		p.paragraph("! ", c, yellow)
	}
	shown := func(int) bool { return true }
	for _, t := range d.Tables {
		p.line("")
		shown = p.table(t)
	}
	if d.Trials != nil {
		p.line("")
		p.paragraph("", d.Trials.Title, bold)
		inTables, inTrials := shown, p.table(*d.Trials)
		shown = func(mark int) bool { return inTables(mark) || inTrials(mark) }
	}
	if d.Scatter != nil {
		p.line("")
		p.paragraph("", d.Scatter.Title, bold)
		p.table(*d.Scatter)
	}
	for _, s := range d.Sections {
		p.section(s)
	}
	for i, n := range slices.DeleteFunc(slices.Clone(d.Notes), func(n content.Note) bool { return !shown(n.Mark) }) {
		if i == 0 {
			p.line("")
		}
		p.paragraph(words.Superscript(n.Mark)+" ", n.Text, dim)
	}
	p.line("")
	for _, s := range d.Legend {
		p.paragraph("", s, dim)
	}
	if d.Dir != "" {
		p.line("Raw values: " + d.Dir)
	}
	p.answer(d)
	return p.w.Flush()
}

// Colours, as the parameters of a terminal's "select graphic rendition".
const (
	bold   = "1"
	dim    = "2"
	yellow = "33"
)

var tones = map[content.Tone]string{content.Good: "32", content.Bad: "31", content.Open: yellow}

type printer struct {
	w     *bufio.Writer
	width int
	color bool
}

// answer comes last: it is what stays on the screen.
func (p *printer) answer(d *content.Document) {
	if d.Answer != "" {
		p.line("")
	}
	p.paragraph("", d.Answer, bold)
	for _, s := range d.Details {
		p.paragraph("  ", s, "")
	}
	if d.Next != "" {
		p.paragraph("Next: ", d.Next, "")
	}
}

func (p *printer) section(s content.Section) {
	p.line("")
	p.paragraph("", s.Head, bold)
	for _, l := range s.Lines {
		p.paragraph(words.When(l.Below, "  ")+"  ", l.Text, words.When(l.Below, dim))
	}
	if s.Foot != "" {
		p.paragraph("  ", s.Foot, dim)
	}
}

// line writes one line; a bufio.Writer keeps its first error until Flush.
func (p *printer) line(s string) { fmt.Fprintln(p.w, strings.TrimRight(s, " ")) }

func (p *printer) paint(sgr, s string) string {
	if !p.color || sgr == "" || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// paragraph wraps a text; lines after the first are indented like it.
func (p *printer) paragraph(prefix, text, sgr string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	lead := prefix
	for _, line := range wrap(text, max(20, min(p.width, widest)-len(indent))) {
		p.line(lead + p.paint(sgr, line))
		lead = indent
	}
}

// wrap breaks a text into lines of at most width runes, between words where it
// can; a number stays with its unit.
func wrap(text string, width int) (lines []string) {
	line, n := "", 0
	end := func() {
		if line != "" {
			lines = append(lines, strings.ReplaceAll(line, "\u00a0", " "))
			line, n = "", 0
		}
	}
	for word := range strings.SplitSeq(words.Tie(text), " ") {
		r := []rune(word)
		if n > 0 && n+1+len(r) > width {
			end()
		}
		for ; len(r) > width; r = r[width:] { // a word longer than a line is broken
			line = string(r[:width])
			end()
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+string(r), n+len(r)
	}
	end()
	return lines
}
