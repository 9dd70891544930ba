package report

import (
	"bufio"
	"chexp/experiments/words"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Terminal writes the report for a terminal of the given width in columns; 0
// or less means no limit. What does not fit is left out and named, never
// wrapped. Colour is added only when asked for.
func Terminal(w io.Writer, t *Table, width int, color bool) error {
	if width <= 0 {
		width = 1 << 20
	}
	p := &terminal{w: bufio.NewWriter(w), width: width, color: color}
	for i, line := range t.headline() {
		p.paragraph("", line, words.When(i == 0, "1"))
	}
	for _, c := range t.Caveats {
		p.paragraph("! ", c, "33")
	}
	shown := func(int) bool { return true }
	if len(t.Rows) > 0 {
		p.line("")
		shown = p.table(t)
		p.line("")
	}
	p.paragraph("", t.Decision.Text, "1")
	for _, d := range t.Decision.Details {
		p.paragraph("  ", d, "")
	}
	for _, sec := range t.sections(true) {
		p.line("")
		p.paragraph("", sec.head, "1")
		for _, line := range sec.lines {
			text := strings.TrimLeft(line, " ")
			p.paragraph(strings.Repeat(" ", 2+len(line)-len(text)), text, words.When(len(text) < len(line), "2"))
		}
		if sec.foot != "" {
			p.paragraph("  ", sec.foot, "2")
		}
	}
	for i, n := range slices.DeleteFunc(slices.Clone(t.Notes), func(n Note) bool { return !shown(n.Mark) }) {
		if i == 0 {
			p.line("")
		}
		p.paragraph(superscript(n.Mark)+" ", n.Text, "2")
	}
	p.line("")
	p.paragraph("", legend, "2")
	if f := t.harness(); f != "" {
		p.paragraph("", f, "2")
	}
	if t.Run.Dir != "" {
		p.line("Raw values: " + t.Run.Dir)
	}
	return p.w.Flush()
}

type terminal struct {
	w     *bufio.Writer
	width int
	color bool
}

// line writes one line; a bufio.Writer keeps its first error until Flush.
func (p *terminal) line(s string) { fmt.Fprintln(p.w, strings.TrimRight(s, " ")) }

func (p *terminal) paint(sgr, s string) string {
	if !p.color || sgr == "" || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// paragraph wraps a text; lines after the first are indented like it.
func (p *terminal) paragraph(prefix, text, sgr string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	room := max(20, min(p.width, 100)-len(indent)) // long lines are hard to read
	lead := prefix
	for _, line := range wrap(text, room) {
		line = strings.ReplaceAll(line, "\u00a0", " ")
		p.line(lead + p.paint(sgr, line))
		lead = indent
	}
}

func wrap(text string, width int) (lines []string) {
	line, n := "", 0
	for _, word := range strings.Split(words.Tie(text), " ") {
		for utf8.RuneCountInString(word) > width { // a word longer than a line is broken
			if line != "" {
				lines = append(lines, line)
				line, n = "", 0
			}
			r := []rune(word)
			lines = append(lines, string(r[:width]))
			word = string(r[width:])
		}
		k := utf8.RuneCountInString(word)
		if line != "" && n+1+k > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if line != "" {
			line += " "
			n++
		}
		line += word
		n += k
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

const gap = "  "

// grid is the table as text: a head and the cells.
type grid struct {
	cols   []column
	cells  [][]cell // per row
	widths []int
}

func newGrid(t *Table, cols []column) *grid {
	g := &grid{cols: cols, widths: make([]int, len(cols))}
	for i, c := range cols {
		g.widths[i] = utf8.RuneCountInString(c.head)
	}
	for _, r := range t.Rows {
		line := make([]cell, len(cols))
		for i, c := range cols {
			line[i] = c.cell(r)
			g.widths[i] = max(g.widths[i], line[i].width())
		}
		g.cells = append(g.cells, line)
	}
	return g
}

func (c cell) width() int {
	n := utf8.RuneCountInString(c.text)
	for i, m := range c.marks {
		n += len(fmt.Sprint(m)) + min(i, 1) // a blank between two
	}
	return n
}

func (g *grid) width() int {
	n := len(gap) * (len(g.cols) - 1)
	for _, w := range g.widths {
		n += w
	}
	return n
}

// table fits the columns into the width in steps, from what costs a reader
// least to what costs most, and says what it left out. The function that it
// returns tells which footnotes still belong to something.
func (p *terminal) table(t *Table) (shown func(mark int) bool) {
	g, said := fit(t, p.width)
	if g == nil {
		p.blocks(t)
		return func(int) bool { return true }
	}
	var head, rule strings.Builder
	for i, c := range g.cols {
		if i > 0 {
			head.WriteString(gap)
			rule.WriteString(gap)
		}
		head.WriteString(pad(c.head, utf8.RuneCountInString(c.head), g.widths[i], c.right))
		rule.WriteString(strings.Repeat("─", g.widths[i]))
	}
	p.line(p.paint("1", strings.TrimRight(head.String(), " ")))
	p.line(p.paint("2", rule.String()))
	for _, row := range g.cells {
		var b strings.Builder
		for i, c := range row {
			if i > 0 {
				b.WriteString(gap)
			}
			b.WriteString(pad(p.cell(c), c.width(), g.widths[i], g.cols[i].right))
		}
		p.line(b.String())
	}
	for _, s := range said {
		p.paragraph("", s, "2")
	}
	return func(mark int) bool {
		has := func(c cell) bool { return slices.Contains(c.marks, mark) }
		anywhere := slices.ContainsFunc(t.Rows, func(r *Row) bool { return slices.Contains(r.Notes, mark) })
		return !anywhere || slices.ContainsFunc(g.cells, func(row []cell) bool { return slices.ContainsFunc(row, has) })
	}
}

var sgr = map[tone]string{good: "32", bad: "31", open: "33"}

func (p *terminal) cell(c cell) string {
	s := p.paint(sgr[c.tone], c.text)
	for i, m := range c.marks {
		if i > 0 {
			s += " "
		}
		s += superscript(m)
	}
	return s
}

func pad(s string, width, want int, right bool) string {
	fill := strings.Repeat(" ", max(0, want-width))
	if right {
		return fill + s
	}
	return s + fill
}

func superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var b strings.Builder
	for _, d := range fmt.Sprint(n) {
		b.WriteRune(digits[d-'0'])
	}
	return b.String()
}

// fit returns a grid that is at most width wide and what to say about it; nil
// when even the narrowest is too wide.
func fit(t *Table, width int) (*grid, []string) {
	cols := t.columns()
	g := newGrid(t, cols)
	var same, gone, said []string
	if g.width() > width { // a column that never changes becomes a line
		for _, key := range []string{"batch", "threads", "n", "provider"} {
			i := slices.IndexFunc(cols, func(c column) bool { return c.key == key })
			if v, ok := g.constant(i); ok && g.width() > width {
				same = append(same, cols[i].head+" "+v)
				cols = slices.Delete(slices.Clone(cols), i, i+1)
				g = newGrid(t, cols)
			}
		}
	}
	for _, key := range []string{"roof", "p99", "n", "throughput", "p90", "p95", "size", "batch", "threads"} {
		i := slices.IndexFunc(cols, func(c column) bool { return c.key == key })
		if i < 0 || g.width() <= width || (key != "n" && t.varying(key)) {
			continue
		}
		gone = append(gone, cols[i].head)
		cols = slices.Delete(slices.Clone(cols), i, i+1)
		g = newGrid(t, cols)
	}
	if g.width() > width { // the reason stands in the footnote
		cols = slices.Clone(cols)
		cols[len(cols)-1].cell = (*Row).shortValidityCell
		g = newGrid(t, cols)
	}
	if g.width() > width && len(t.Budgets) > 0 { // budgets get short names
		cols = slices.Clone(cols)
		for i, b := range t.Budgets {
			j := slices.IndexFunc(cols, func(c column) bool { return c.key == budgetColumn(i) })
			cols[j].head = fmt.Sprintf("B%d", i+1)
			said = append(said, fmt.Sprintf("B%d: %s", i+1, b.Text))
		}
		g = newGrid(t, cols)
	}
	if g.width() > width {
		return nil, nil
	}
	if len(same) > 0 {
		slices.Reverse(same)
		said = append(said, "In every row: "+strings.Join(same, ", ")+".")
	}
	if len(gone) > 0 {
		said = append(said, fmt.Sprintf("Left out at %d columns: %s. A wider terminal, report.html and report.csv show them.", width, strings.Join(gone, ", ")))
	}
	return g, said
}

// varying reports whether dropping a column would make rows look alike.
func (t *Table) varying(key string) bool {
	switch key {
	case "batch":
		return t.run.BatchVaries()
	case "threads":
		return t.run.ThreadsVary()
	}
	return false
}

// constant returns the one value that a column has in all of several rows.
func (g *grid) constant(i int) (string, bool) {
	if i < 0 || len(g.cells) == 0 {
		return "", false
	}
	for _, row := range g.cells {
		if row[i].text != g.cells[0][i].text || len(row[i].marks) > 0 {
			return "", false
		}
	}
	return g.cells[0][i].text, true
}

// blocks writes each row as a paragraph, for very narrow terminals.
func (p *terminal) blocks(t *Table) {
	for i, r := range t.Rows {
		if i > 0 {
			p.line("")
		}
		var parts []string
		for _, c := range t.columns() {
			if v := c.cell(r); c.key == "model" {
				p.paragraph("", (&terminal{}).cell(v), "1")
			} else if v.text != "-" {
				parts = append(parts, c.head+": "+(&terminal{}).cell(v))
			}
		}
		p.paragraph("  ", strings.Join(parts, ", "), "")
	}
}
