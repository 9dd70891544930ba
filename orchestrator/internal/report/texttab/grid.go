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

const gap = "  "

// grid is a table that is being fitted into a width.
type grid struct {
	content.Table
	brief  bool  // without the cells' reasons
	widths []int // of the columns
	said   []string
}

// fit lets a table give way, from what costs a reader least to what costs most,
// until it is at most width wide:
//
//  1. columns that have the same in all rows become a sentence,
//  2. columns are left out, and named,
//  3. the reasons of cells are left to the footnotes,
//  4. heads become short, and are explained,
//  5. from the right, texts are shortened; those of the last column go on below,
//  6. columns are left out that go last.
//
// It reports false where all of that is not enough.
func fit(t content.Table, width int) (*grid, bool) {
	g := &grid{Table: t}
	g.measure()
	same, gone := g.fold(width), g.leave(width)
	if g.width() > width {
		g.brief = true
		g.measure()
	}
	if len(same) > 0 {
		g.said = append(g.said, "In every row: "+strings.Join(same, ", ")+".")
	}
	if g.width() > width {
		g.shortHeads()
	}
	g.shorten(width)
	if i := slices.IndexFunc(g.Columns, func(c content.Column) bool { return c.Last }); i >= 0 && g.width() > width {
		gone = append(gone, g.Columns[i].Head)
		g.Table = g.Drop(i)
		g.measure()
		g.shorten(width)
	}
	if len(gone) > 0 {
		g.said = append(g.said, fmt.Sprintf("Left out at %d columns: %s. A wider terminal, report.html and report.csv "+
			"show them.",
			width, strings.Join(gone, ", ")))
	}
	return g, g.width() <= width
}

// shorten takes columns down to the least that they may have, from the right.
func (g *grid) shorten(width int) {
	for i := len(g.Columns) - 1; i >= 0 && g.width() > width; i-- {
		if least := g.Columns[i].Least; least > 0 {
			g.widths[i] -= min(g.width()-width, max(0, g.widths[i]-least))
		}
	}
}

// measure sets each column's width to that of its widest text.
func (g *grid) measure() {
	g.widths = make([]int, len(g.Columns))
	for i, c := range g.Columns {
		g.widths[i] = utf8.RuneCountInString(c.Head)
		for _, row := range g.Rows {
			g.widths[i] = max(g.widths[i], utf8.RuneCountInString(g.text(row[i]))+len([]rune(marks(row[i]))))
		}
	}
}

func (g *grid) width() int {
	n := len(gap) * (len(g.Columns) - 1)
	for _, w := range g.widths {
		n += w
	}
	return n
}

func (g *grid) text(c content.Cell) string {
	if g.brief {
		return c.Text
	}
	return c.Full()
}

// fold takes out columns of one value, in the order of their ranks, and says in
// the order of the table what they held.
func (g *grid) fold(width int) (same []string) {
	all := g.Columns
	held := map[string]string{}
	g.giveWay(width, func(c content.Column) int { return c.Fold }, func(i int) bool {
		for _, row := range g.Rows {
			if row[i].Text != g.Rows[0][i].Text || len(row[i].Marks) > 0 {
				return false
			}
		}
		held[g.Columns[i].Key] = g.Columns[i].Head + " " + g.Rows[0][i].Text
		return true
	})
	for _, c := range all {
		if s := held[c.Key]; s != "" {
			same = append(same, s)
		}
	}
	return same
}

// leave takes out columns in the order of their ranks, and names them.
func (g *grid) leave(width int) (gone []string) {
	g.giveWay(width, func(c content.Column) int { return c.Leave }, func(i int) bool {
		gone = append(gone, g.Columns[i].Head)
		return true
	})
	return gone
}

// giveWay drops columns by rank while the grid is too wide and they may go.
func (g *grid) giveWay(width int, rank func(content.Column) int, may func(column int) bool) {
	last := 0
	for _, c := range g.Columns {
		last = max(last, rank(c))
	}
	for r := 1; r <= last && len(g.Rows) > 0 && g.width() > width; r++ {
		i := slices.IndexFunc(g.Columns, func(c content.Column) bool { return rank(c) == r })
		if i >= 0 && may(i) {
			g.Table = g.Drop(i)
			g.measure()
		}
	}
}

func (g *grid) shortHeads() {
	g.Columns = slices.Clone(g.Columns)
	for i, c := range g.Columns {
		if c.Short != "" {
			g.Columns[i].Head = c.Short
			g.said = append(g.said, c.Short+": "+c.Means)
		}
	}
	g.measure()
}

// table prints a table. The function that it returns tells which footnotes still
// belong to something.
func (p *printer) table(t content.Table) (shown func(mark int) bool) {
	g, ok := fit(t, p.width)
	if !ok {
		p.blocks(t)
		g = &grid{Table: t}
	} else {
		p.grid(g)
	}
	for _, c := range g.Columns {
		if c.Note != "" {
			g.said = append(g.said, c.Note)
		}
	}
	for _, s := range g.said {
		p.paragraph("", s, dim)
	}
	for _, s := range t.Foot { // may hold a device's text, which shall begin no line
		p.paragraph("  ", s, dim)
	}
	return func(mark int) bool { return !has(t.Rows, mark) || has(g.Rows, mark) }
}

// has reports whether any cell bears a mark.
func has(rows [][]content.Cell, mark int) bool {
	return slices.ContainsFunc(rows, func(row []content.Cell) bool {
		return slices.ContainsFunc(row, func(c content.Cell) bool { return slices.Contains(c.Marks, mark) })
	})
}

func (p *printer) grid(g *grid) {
	var head, rule []string
	for i, c := range g.Columns {
		head = append(head, pad(c.Head, utf8.RuneCountInString(c.Head), g.widths[i], c.Right))
		rule = append(rule, strings.Repeat("─", g.widths[i]))
	}
	p.line(p.paint(bold, strings.TrimRight(strings.Join(head, gap), " ")))
	p.line(p.paint(dim, strings.Join(rule, gap)))
	for _, row := range g.Rows {
		p.row(g, row)
	}
}

// row prints one row; the text of its last cell may go on below.
func (p *printer) row(g *grid, row []content.Cell) {
	var cells, rest []string
	last := len(row) - 1
	for i, c := range row {
		text, m := g.text(c), marks(c)
		room := g.widths[i] - utf8.RuneCountInString(m)
		if lines := wrap(text, room); i == last && len(lines) > 1 {
			text, rest = lines[0], lines[1:]
		} else {
			text = words.Shorten(text, room)
		}
		width := utf8.RuneCountInString(text) + utf8.RuneCountInString(m)
		cells = append(cells, pad(p.paint(tones[c.Tone], text)+m, width, g.widths[i], g.Columns[i].Right))
	}
	p.line(strings.Join(cells, gap))
	indent := g.width() - g.widths[last]
	for _, s := range rest {
		p.line(strings.Repeat(" ", indent) + s)
	}
}

// Blocks writes each row of a table as a paragraph under its first cell, in at most
// so many columns: nothing is left out.
func Blocks(w io.Writer, t content.Table, width int, color bool) error {
	p := &printer{w: bufio.NewWriter(w), width: width, color: color}
	p.blocks(t)
	return p.w.Flush()
}

// Paragraph writes a text behind a prefix, in at most so many columns; 0 or less
// means no limit. Lines after the first are indented like it.
func Paragraph(w io.Writer, prefix, text string, width int) error {
	p := &printer{w: bufio.NewWriter(w), width: width}
	if width > 0 {
		p.paragraph(prefix, text, "")
	} else {
		p.line(prefix + text)
	}
	return p.w.Flush()
}

// blocks prints each row as a paragraph under its first cell, for very narrow
// terminals.
func (p *printer) blocks(t content.Table) {
	for i, row := range t.Rows {
		if i > 0 {
			p.line("")
		}
		var parts []string
		for j, c := range row {
			if j > 0 && c.Text != content.Dash {
				parts = append(parts, t.Columns[j].Head+": "+c.Full()+marks(c))
			}
		}
		p.paragraph("", row[0].Full()+marks(row[0]), bold)
		p.paragraph("  ", strings.Join(parts, ", "), "")
	}
}

// marks are the footnotes of a cell, with blanks between them.
func marks(c content.Cell) string {
	var all []string
	for _, m := range c.Marks {
		all = append(all, words.Superscript(m))
	}
	return strings.Join(all, " ")
}

func pad(s string, width, want int, right bool) string {
	fill := strings.Repeat(" ", max(0, want-width))
	if right {
		return fill + s
	}
	return s + fill
}
