package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/words"
)

// How much a terminal shows of what may be long; the page and the JSON document
// hold all.
const (
	maxProblemLines = 40
	maxScatterLines = 8
)

// ComparisonText writes a comparison of runs for a terminal.
func ComparisonText(w io.Writer, c *compare.Comparison, width int, color bool) error {
	if width <= 0 {
		width = 1 << 20
	}
	p := &terminal{w: bufio.NewWriter(w), width: width, color: color}
	v := across{c}
	for i, line := range v.headline() {
		p.paragraph("", line, words.When(i == 0, "1"))
	}
	for _, n := range c.Notes {
		p.paragraph("! ", n, "33")
	}
	for g := range max(1, len(c.Groups)-1) {
		if len(c.Rows) > 0 {
			p.line("")
			p.mesh(v.mesh(g), c.Rows)
		}
	}
	if !v.changed() {
		p.scatter(v)
	}
	for _, s := range v.sections() {
		p.line("")
		p.paragraph("", s.head, "1")
		for _, line := range s.lines {
			text := strings.TrimLeft(line, " ")
			p.paragraph(strings.Repeat(" ", 2+len(line)-len(text)), text, words.When(len(text) < len(line), "2"))
		}
	}
	p.line("")
	p.paragraph("", v.legend(), "2")
	return p.w.Flush()
}

// mesh prints the table; columns that never change go under it if it is too wide,
// budgets get short names, and at last names are cut.
func (p *terminal) mesh(cols []meshColumn, rows []compare.Row) {
	var same, said []string
	widths := func() (all []int, sum int) {
		for _, c := range cols {
			w := utf8.RuneCountInString(c.head)
			for _, r := range rows {
				w = max(w, c.cell(r).width())
			}
			all, sum = append(all, w), sum+w+len(gap)
		}
		return all, sum - len(gap)
	}
	w, total := widths()
	for _, key := range []string{"batch", "threads", "shape", "provider", "board"} {
		i := slices.IndexFunc(cols, func(c meshColumn) bool { return c.key == key })
		if total <= p.width || i < 0 || slices.ContainsFunc(rows, func(r compare.Row) bool { return cols[i].cell(r).text != cols[i].cell(rows[0]).text }) {
			continue
		}
		same = append(same, cols[i].head+" "+cols[i].cell(rows[0]).text)
		cols = slices.Delete(slices.Clone(cols), i, i+1)
		w, total = widths()
	}
	if total > p.width {
		for i, c := range cols {
			if strings.HasPrefix(c.key, "budget ") {
				short := "B" + strings.TrimPrefix(c.key, "budget ")
				said = append(said, short+": in how many runs "+c.head+".")
				cols[i].head = short
			}
		}
		w, total = widths()
	}
	// The last column's text may go on below.
	if last, least := len(cols)-1, map[string]int{"change": 24, "advice": 13}[cols[len(cols)-1].key]; total > p.width && least > 0 {
		cut := min(total-p.width, max(0, w[last]-least))
		w[last], total = w[last]-cut, total-cut
	}
	for _, key := range []string{"board", "shape", "model", "provider"} {
		if i := slices.IndexFunc(cols, func(c meshColumn) bool { return c.key == key }); i >= 0 && total > p.width {
			cut := min(total-p.width, max(0, w[i]-12))
			w[i], total = w[i]-cut, total-cut
		}
	}
	var head, rule strings.Builder
	for i, c := range cols {
		if i > 0 {
			head.WriteString(gap)
			rule.WriteString(gap)
		}
		head.WriteString(pad(c.head, utf8.RuneCountInString(c.head), w[i], c.right))
		rule.WriteString(strings.Repeat("─", w[i]))
	}
	p.line(p.paint("1", strings.TrimRight(head.String(), " ")))
	p.line(p.paint("2", rule.String()))
	for _, r := range rows {
		p.meshRow(cols, w, r)
	}
	if len(same) > 0 {
		said = append([]string{"In every row: " + strings.Join(same, ", ") + "."}, said...)
	}
	for _, s := range said {
		p.paragraph("", s, "2")
	}
}

// meshRow prints one row; the last cell may take several lines.
func (p *terminal) meshRow(cols []meshColumn, w []int, r compare.Row) {
	var b strings.Builder
	var rest []string
	indent := 0
	for i, c := range cols {
		x := c.cell(r)
		if i > 0 {
			b.WriteString(gap)
			indent += len(gap)
		}
		if lines := wrap(x.text, w[i]); i == len(cols)-1 && len(lines) > 1 {
			x.text, rest = lines[0], lines[1:]
		} else {
			x.text = cutTo(x.text, w[i])
		}
		x.text = strings.ReplaceAll(x.text, "\u00a0", " ")
		b.WriteString(pad(p.cell(x), x.width(), w[i], c.right))
		if i < len(cols)-1 {
			indent += w[i]
		}
	}
	p.line(b.String())
	for _, s := range rest {
		p.line(strings.Repeat(" ", indent) + strings.ReplaceAll(s, "\u00a0", " "))
	}
}

// cutTo keeps the beginning and the end of a name, which tell most.
func cutTo(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	head := (width - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(width-1-head):])
}

// levels of scatter, from the outermost.
var levels = []string{"device", "run", "process start", "block", "inference"}

// scatter prints how much each level adds, and what to have more of.
func (p *terminal) scatter(v across) {
	rows := slices.DeleteFunc(slices.Clone(v.Rows), func(r compare.Row) bool { return len(r.Pools[0].Components) < 2 })
	if len(rows) == 0 {
		return
	}
	p.line("")
	p.paragraph("", "Where the latencies scatter: relative standard deviation of each level, beyond those inside of it", "1")
	left := len(rows) - maxScatterLines
	rows = rows[:min(len(rows), maxScatterLines)]
	var cols []meshColumn
	for _, c := range v.mesh(0) {
		if slices.Contains([]string{"model", "provider", "threads", "batch", "board"}, c.key) {
			cols = append(cols, c)
		}
	}
	for _, level := range levels {
		get := func(r compare.Row) cell {
			i := slices.IndexFunc(r.Pools[0].Components, func(c stats.Component) bool { return c.Level == level })
			if i < 0 {
				return cell{text: "-"}
			}
			return cell{text: words.Percent(r.Pools[0].Components[i].SD)}
		}
		if slices.ContainsFunc(rows, func(r compare.Row) bool { return get(r).text != "-" }) {
			cols = append(cols, meshColumn{level, level + "s", true, get})
		}
	}
	p.mesh(append(cols, meshColumn{"advice", "narrower with", false, func(r compare.Row) cell { return cell{text: r.Pools[0].Advice} }}), rows)
	if left > 0 {
		p.paragraph("", fmt.Sprintf("%d more rows: --html or -f json.", left), "2")
	}
}
