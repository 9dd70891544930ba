package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
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
		p.paragraph("", line, when(i == 0, "1"))
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
			p.paragraph(strings.Repeat(" ", 2+len(line)-len(text)), text, when(len(text) < len(line), "2"))
		}
	}
	p.line("")
	p.paragraph("", v.legend(), "2")
	return p.w.Flush()
}

// across draws a comparison.
type across struct{ *compare.Comparison }

// changed reports whether there are groups to hold against each other.
func (v across) changed() bool { return len(v.Groups) > 1 }

func (v across) headline() (out []string) {
	for _, g := range v.Groups {
		s := plural(len(g.Runs), "run") + " on " + plural(len(g.Devices), "device")
		if g.Label != "" {
			s = g.Label + ": " + s
		}
		if from, to := days(g); from != "" {
			s += ", " + from + when(to != from, " to "+to)
		}
		out = append(out, s)
	}
	return out
}

// days are the first and the last on which a group was measured.
func days(g compare.Summary) (from, to string) {
	for _, r := range g.Runs {
		if r.Started.IsZero() {
			continue
		}
		d := r.Started.UTC().Format("2006-01-02")
		if from == "" || d < from {
			from = d
		}
		to = max(to, d)
	}
	return from, to
}

// meshColumn is a column of a comparison.
type meshColumn struct {
	key, head string
	right     bool
	cell      func(compare.Row) cell
}

// mesh are the columns of the table that shows group g+1 against the first, or
// the only group.
func (v across) mesh(g int) []meshColumn {
	text := func(key, head string, right bool, get func(compare.Row) string) meshColumn {
		return meshColumn{key, head, right, func(r compare.Row) cell { return cell{text: get(r)} }}
	}
	u := v.unit()
	cols := []meshColumn{
		text("model", "model", false, func(r compare.Row) string { return r.Model }),
		text("provider", "provider", false, func(r compare.Row) string { return r.Provider }),
		text("threads", "threads", true, func(r compare.Row) string { return strconv.Itoa(r.Threads) }),
		text("batch", "batch", true, func(r compare.Row) string { return strconv.Itoa(r.Batch) }),
	}
	if v.varies(func(r compare.Row) string { return r.Shape }) {
		cols = append(cols, text("shape", "shape", false, func(r compare.Row) string { return r.Shape }))
	}
	if v.varies(func(r compare.Row) string { return r.Board }) {
		cols = append(cols, text("board", "device", false, func(r compare.Row) string { return r.Board }))
	}
	p50 := func(p compare.Pool) string {
		if m, ok := p.Median.Get(); ok {
			return sig3(m / u.size)
		}
		return "-"
	}
	if v.changed() {
		return append(cols,
			text("base", v.Groups[0].Label+" "+u.name, true, func(r compare.Row) string { return p50(r.Pools[0]) }),
			text("other", v.Groups[g+1].Label+" "+u.name, true, func(r compare.Row) string { return p50(r.Pools[g+1]) }),
			meshColumn{"change", "change", false, func(r compare.Row) cell { return changeCell(r, v.Groups[g+1].Label) }})
	}
	cols = append(cols,
		text("runs", "runs", true, func(r compare.Row) string { return strconv.Itoa(r.Pools[0].Runs) }),
		text("devices", "devices", true, func(r compare.Row) string { return strconv.Itoa(r.Pools[0].Devices) }),
		text("p50", "p50 "+u.name, true, func(r compare.Row) string { return p50(r.Pools[0]) }),
		text("interval", "95 %", false, func(r compare.Row) string { return u.interval(r.Pools[0].Interval) }),
		text("spread", "spread", true, func(r compare.Row) string {
			if s, ok := r.Pools[0].Spread.Get(); ok {
				return percentText(s.Relative)
			}
			return "-"
		}),
		meshColumn{"suspect", "suspect", true, func(r compare.Row) cell {
			if n := r.Pools[0].Suspect; n > 0 {
				return cell{text: strconv.Itoa(n), tone: open}
			}
			return cell{text: "-"}
		}})
	for i, b := range v.budgets() {
		cols = append(cols, meshColumn{budgetColumn(i), b, false, func(r compare.Row) cell { return budgetCell(r.Pools[0], b) }})
	}
	return cols
}

func (v across) varies(get func(compare.Row) string) bool {
	return slices.ContainsFunc(v.Rows, func(r compare.Row) bool { return get(r) != get(v.Rows[0]) })
}

// unit is the one in which the middle median reads best.
func (v across) unit() unit {
	var all []float64
	for _, r := range v.Rows {
		for _, p := range r.Pools {
			if m, ok := p.Median.Get(); ok {
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 {
		return timeUnits[2]
	}
	slices.Sort(all)
	return unitFor(all[len(all)/2], timeUnits)
}

func (u unit) interval(i trial.Reading[trial.Interval]) string {
	if x, ok := i.Get(); ok {
		return "[" + sig3(x.Low/u.size) + ", " + sig3(x.High/u.size) + "]"
	}
	return "-"
}

// budgets that any run was held against.
func (v across) budgets() (out []string) {
	for _, r := range v.Rows {
		for _, p := range r.Pools {
			for _, b := range p.Budgets {
				if !slices.Contains(out, b.Budget) {
					out = append(out, b.Budget)
				}
			}
		}
	}
	return out
}

// budgetCell says how many runs met a budget: "7 of 7", "5 of 7, 1 ?".
func budgetCell(p compare.Pool, budget string) cell {
	for _, b := range p.Budgets {
		if b.Budget != budget {
			continue
		}
		c := cell{text: fmt.Sprintf("%d of %d", b.Met, b.Met+b.NotMet+b.Unknown), tone: good}
		switch {
		case b.Unknown > 0:
			c.text, c.tone = c.text+fmt.Sprintf(", %d ?", b.Unknown), open
		case b.NotMet > 0:
			c.tone = bad
		}
		return c
	}
	return cell{text: "-"}
}

func changeCell(r compare.Row, group string) cell {
	for _, c := range r.Changes {
		if c.Group == group {
			return cell{text: c.Text, tone: map[string]tone{compare.Faster: good, compare.Slower: bad, compare.NoInterval: open}[c.Verdict]}
		}
	}
	return cell{text: "not in both", tone: open}
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

// sections are what the table leaves out.
func (v across) sections() (out []section) {
	add := func(head string, lines []string) {
		if len(lines) > 0 {
			out = append(out, section{head: head, lines: lines})
		}
	}
	add("What the change holds for", v.basisLines(""))
	add("Devices", v.deviceLines())
	add("What differs between the runs", v.differenceLines())
	problems := v.problemLines()
	if n := len(problems); n > maxProblemLines {
		problems = append(problems[:maxProblemLines], fmt.Sprintf("and %d more: --html or -f json", n-maxProblemLines))
	}
	add("Left out, or marked", problems)
	return out
}

// basisLines say once for all rows that share it what an interval is made of; of
// one group, or of all.
func (v across) basisLines(group string) (out []string) {
	for _, r := range v.Rows {
		for _, c := range r.Changes {
			s := basisText(c)
			if s != "" && (group == "" || c.Group == group) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

func basisText(c compare.Change) string {
	if c.Verdict == compare.NoInterval {
		return ""
	}
	s := fmt.Sprintf("%s against %s: intervals over %s", c.Group, c.Base, plural(c.Units, c.Unit))
	switch {
	case c.Paired && c.Unit == "device":
		s += ", each against itself"
	case c.Unit != "device" || !c.Paired:
		s += " a side or more"
	}
	return s + when(c.Caveat != "", "; "+c.Caveat)
}

// deviceLines say how far devices are apart, and which is unlike the others.
func (v across) deviceLines() (out []string) {
	for g, group := range v.Groups {
		var most compare.Spread
		where, n := "", 0
		odd := map[string][]float64{} // device → how far from the median, in each row
		for _, r := range v.Rows {
			p := r.Pools[g]
			if x, ok := p.Spread.Get(); ok && p.Devices > 1 && x.Relative >= most.Relative {
				most, where, n = x, v.where(r, p), p.Devices
			}
			for _, d := range p.ByDevice {
				if d.Outlier {
					odd[d.Device] = append(odd[d.Device], d.Relative)
				}
			}
		}
		if n == 0 {
			continue
		}
		out = append(out, fmt.Sprintf("the slowest of %d, %s, takes %s longer than the fastest, %s,%s%s", n, most.Slowest, percentText(most.Relative), most.Fastest,
			where, when(len(v.Rows) > 1, ", more than in any other row")))
		for _, d := range slices.Sorted(maps.Keys(odd)) {
			low, high := slices.Min(odd[d]), slices.Max(odd[d])
			out = append(out, fmt.Sprintf("%s is unlike the others: %s the median device in %d of %d rows%s", d, far(low, high), len(odd[d]), len(v.Rows), when(group.Label != "", " ("+group.Label+")")))
		}
	}
	return out
}

// far writes how far a device lies from the median one: "23 to 24 % above".
func far(low, high float64) string {
	switch {
	case low < 0 && high > 0:
		return percentText(-low) + " below to " + percentText(high) + " above"
	case high < 0:
		low, high = -high, -low
		return span(low, high) + " below"
	}
	return span(low, high) + " above"
}

func span(low, high float64) string {
	a, b := percentText(low), percentText(high)
	return when(a != b, strings.TrimSuffix(a, " %")+" to ") + b
}

// where names a row in a sentence.
func (v across) where(r compare.Row, p compare.Pool) string {
	s := " for " + r.Model + " on " + r.Provider
	if v.varies(func(r compare.Row) string { return strconv.Itoa(r.Threads) }) {
		s += ", " + plural(r.Threads, "thread")
	}
	if v.varies(func(r compare.Row) string { return strconv.Itoa(r.Batch) }) {
		s += fmt.Sprintf(", batch %d", r.Batch)
	}
	return s + when(p.Group != "", " ("+p.Group+")")
}

// scatterText is the same of one row, in words.
func scatterText(p compare.Pool) string {
	var words []string
	for _, x := range p.Components {
		words = append(words, fmt.Sprintf("%s differ by %s", plural(x.Groups, x.Level), percentText(x.SD)))
	}
	if len(words) < 2 {
		return ""
	}
	return strings.Join(words, ", ") + when(p.Advice != "", "; "+p.Advice+" would narrow the interval most")
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
			return cell{text: percentText(r.Pools[0].Components[i].SD)}
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

// differenceLines name the runs of all values but the commonest.
func (v across) differenceLines() (out []string) {
	for _, d := range v.Differences {
		var parts []string
		for i, x := range d.Values {
			s := x.Value + " in " + plural(len(x.Runs), "run")
			if i > 0 || len(d.Values[0].Runs) == len(d.Values[len(d.Values)-1].Runs) {
				s += " (" + list(shortRuns(x.Runs), ", ", 4) + ")"
			}
			parts = append(parts, s)
		}
		out = append(out, d.Name+": "+list(parts, "; ", 6)+when(d.BetweenGroups, "; it differs between the groups and only there"))
	}
	return out
}

var fourLetters = regexp.MustCompile(`-([a-z]{4})$`)

// shortRun is the part of a run's name by which chexp finds it.
func shortRun(id string) string {
	if m := fourLetters.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return cutTo(id, 24)
}

func shortRuns(ids []string) (out []string) {
	for _, id := range ids {
		out = append(out, shortRun(id))
	}
	return out
}

// problemLines: first those of runs of which something is left out. Runs with the
// same problem share a line.
func (v across) problemLines() []string {
	var out, marked grouped
	for _, p := range v.Problems {
		if len(p.LeftOut) > 0 {
			out.add("left out: "+strings.Join(p.LeftOut, "; "), p)
		}
		if len(p.Marked) > 0 {
			marked.add(strings.Join(p.Marked, "; "), p)
		}
	}
	return append(out.lines(), marked.lines()...)
}

// grouped are runs by what is said of them.
type grouped struct {
	order []string
	runs  map[string][]compare.Problem
}

func (g *grouped) add(text string, p compare.Problem) {
	if g.runs == nil {
		g.runs = map[string][]compare.Problem{}
	}
	if len(g.runs[text]) == 0 {
		g.order = append(g.order, text)
	}
	g.runs[text] = append(g.runs[text], p)
}

func (g *grouped) lines() (out []string) {
	for _, text := range g.order {
		ps := g.runs[text]
		who := shortRun(ps[0].Run) + when(ps[0].Device != "", " on "+ps[0].Device)
		if len(ps) > 1 {
			var ids []string
			for _, p := range ps {
				ids = append(ids, p.Run)
			}
			who = list(shortRuns(ids), ", ", 12)
		}
		out = append(out, who+": "+text)
	}
	return out
}

// legend says what the numbers are.
func (v across) legend() string {
	if v.changed() {
		return "Medians over devices, each counting once. In brackets the 95 % interval of the difference. \"Detectable from\" is " +
			"how large a difference would have been found four times out of five."
	}
	s := "p50 is the median over devices of each device's median over its runs."
	units := map[string]bool{}
	for _, r := range v.Rows {
		if r.Pools[0].Interval.Value != nil {
			units[r.Pools[0].Unit] = true
		} else if why := r.Pools[0].Interval.Unavailable; why != "" && !strings.Contains(s, why[1:]) {
			s += " " + strings.ToUpper(why[:1]) + why[1:] + "."
		}
	}
	if units["device"] {
		s += " 95 %: interval of that median, from how devices differ, each counting once (from " + strconv.Itoa(stats.FewestUnits) +
			" devices by Student's t, from 6 by order statistics)."
	}
	if units["run"] {
		s += " Where there is one device, the interval is from how its runs differ, and holds for that device."
	}
	return s + " Spread: how much longer the slowest device takes than the fastest. Suspect: runs that count, with a mark."
}
