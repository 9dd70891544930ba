package report

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// across draws a comparison.
type across struct{ *compare.Comparison }

// changed reports whether there are groups to hold against each other.
func (v across) changed() bool { return len(v.Groups) > 1 }

func (v across) headline() (out []string) {
	for _, g := range v.Groups {
		s := words.Plural(len(g.Runs), "run") + " on " + words.Plural(len(g.Devices), "device")
		if g.Label != "" {
			s = g.Label + ": " + s
		}
		if from, to := days(g); from != "" {
			s += ", " + from + words.When(to != from, " to "+to)
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
			return words.Digits(m / u.Size)
		}
		return "-"
	}
	suspect := func(pools ...int) meshColumn {
		return meshColumn{"suspect", "suspect", true, func(r compare.Row) cell { return suspectCell(r, pools) }}
	}
	if v.changed() {
		cols = append(cols,
			text("base", v.Groups[0].Label+" "+u.Name, true, func(r compare.Row) string { return p50(r.Pools[0]) }),
			text("other", v.Groups[g+1].Label+" "+u.Name, true, func(r compare.Row) string { return p50(r.Pools[g+1]) }))
		if v.suspect() {
			cols = append(cols, suspect(0, g+1))
		}
		return append(cols, meshColumn{"change", "change", false, func(r compare.Row) cell { return changeCell(r, v.Groups[g+1].Label) }})
	}
	cols = append(cols,
		text("runs", "runs", true, func(r compare.Row) string { return strconv.Itoa(r.Pools[0].Runs) }),
		text("devices", "devices", true, func(r compare.Row) string { return strconv.Itoa(r.Pools[0].Devices) }),
		text("p50", "p50 "+u.Name, true, func(r compare.Row) string { return p50(r.Pools[0]) }),
		text("interval", "95 %", false, func(r compare.Row) string { return intervalText(r.Pools[0].Interval, u) }),
		text("spread", "spread", true, func(r compare.Row) string {
			if s, ok := r.Pools[0].Spread.Get(); ok {
				return words.Percent(s.Relative)
			}
			return "-"
		}),
	)
	if v.suspect() {
		cols = append(cols, suspect(0))
	}
	for i, b := range v.budgets() {
		cols = append(cols, meshColumn{budgetColumn(i), b, false, func(r compare.Row) cell { return budgetCell(r.Pools[0], b) }})
	}
	return cols
}

func (v across) varies(get func(compare.Row) string) bool {
	return slices.ContainsFunc(v.Rows, func(r compare.Row) bool { return get(r) != get(v.Rows[0]) })
}

// unit is the one in which the middle median reads best.
func (v across) unit() words.Unit {
	var all []float64
	for _, r := range v.Rows {
		for _, p := range r.Pools {
			if m, ok := p.Median.Get(); ok {
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 {
		return words.Times[2]
	}
	slices.Sort(all)
	return words.UnitFor(all[len(all)/2], words.Times)
}

func intervalText(i trial.Reading[trial.Interval], u words.Unit) string {
	if x, ok := i.Get(); ok {
		return "[" + words.Digits(x.Low/u.Size) + ", " + words.Digits(x.High/u.Size) + "]"
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

// suspectCell counts the runs that count with a mark: "3 of 12".
func suspectCell(r compare.Row, pools []int) cell {
	n, of := 0, 0
	for _, g := range pools {
		n, of = n+r.Pools[g].Suspect, of+r.Pools[g].Runs
	}
	if n == 0 {
		return cell{text: "-"}
	}
	return cell{text: fmt.Sprintf("%d of %d", n, of), tone: open}
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
			x := cell{text: c.Text, tone: map[compare.Finding]tone{compare.Faster: good, compare.Slower: bad,
				compare.NoInterval: open}[c.Finding]}
			if c.Small {
				x.tone = plainTone
			}
			return x
		}
	}
	return cell{text: "not in both", tone: open}
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
	if c.Finding == compare.NoInterval {
		return ""
	}
	s := fmt.Sprintf("%s against %s: intervals over %s", c.Group, c.Base, words.Plural(c.Units, c.Unit))
	switch {
	case c.Paired && c.Unit == "device":
		s += ", each against itself"
	case c.Unit != "device" || !c.Paired:
		s += " a side or more"
	}
	return s + words.When(c.Caveat != "", "; "+c.Caveat)
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
		out = append(out, fmt.Sprintf("the slowest of %d, %s, takes %s longer than the fastest, %s,%s%s", n, most.Slowest, words.Percent(most.Relative), most.Fastest,
			where, words.When(len(v.Rows) > 1, ", more than in any other row")))
		for _, d := range slices.Sorted(maps.Keys(odd)) {
			low, high := slices.Min(odd[d]), slices.Max(odd[d])
			out = append(out, fmt.Sprintf("%s is unlike the others: %s the median device in %d of %d rows%s", d, far(low, high), len(odd[d]), len(v.Rows), words.When(group.Label != "", " ("+group.Label+")")))
		}
	}
	return out
}

// far writes how far a device lies from the median one: "23 to 24 % above".
func far(low, high float64) string {
	switch {
	case low < 0 && high > 0:
		return words.Percent(-low) + " below to " + words.Percent(high) + " above"
	case high < 0:
		low, high = -high, -low
		return span(low, high) + " below"
	}
	return span(low, high) + " above"
}

func span(low, high float64) string {
	a, b := words.Percent(low), words.Percent(high)
	return words.When(a != b, strings.TrimSuffix(a, " %")+" to ") + b
}

// where names a row in a sentence.
func (v across) where(r compare.Row, p compare.Pool) string {
	s := " for " + r.Model + " on " + r.Provider
	if v.varies(func(r compare.Row) string { return strconv.Itoa(r.Threads) }) {
		s += ", " + words.Plural(r.Threads, "thread")
	}
	if v.varies(func(r compare.Row) string { return strconv.Itoa(r.Batch) }) {
		s += fmt.Sprintf(", batch %d", r.Batch)
	}
	return s + words.When(p.Group != "", " ("+p.Group+")")
}

// scatterText says at which levels the latencies of one row scatter, and what to
// have more of.
func scatterText(p compare.Pool) string {
	var levels []string
	for _, x := range p.Components {
		levels = append(levels, x.String())
	}
	if len(levels) < 2 {
		return ""
	}
	return strings.Join(levels, ", ") + words.When(p.Advice != "", "; "+p.Advice+" would narrow the interval most")
}

// differenceLines name the runs of all values but the commonest.
func (v across) differenceLines() (out []string) {
	for _, d := range v.Differences {
		var parts []string
		for i, x := range d.Values {
			s := x.Value + " in " + words.Plural(len(x.Runs), "run")
			if i > 0 || len(d.Values[0].Runs) == len(d.Values[len(d.Values)-1].Runs) {
				s += " (" + words.List(shortRuns(x.Runs), ", ", 4) + ")"
			}
			parts = append(parts, s)
		}
		out = append(out, d.Name+": "+words.List(parts, "; ", 6)+words.When(d.BetweenGroups, "; it differs between the groups and only there"))
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
		who := shortRun(ps[0].Run) + words.When(ps[0].Device != "", " on "+ps[0].Device)
		if len(ps) > 1 {
			var ids []string
			for _, p := range ps {
				ids = append(ids, p.Run)
			}
			who = words.List(shortRuns(ids), ", ", 12)
		}
		out = append(out, who+": "+text)
	}
	return out
}

// legend says what the numbers are.
func (v across) legend() string {
	if v.changed() {
		return "Medians over devices, each counting once. In brackets the 95 % interval of the difference. \"Detectable from\" is " +
			"how large a difference would have been found four times out of five." + words.When(v.suspect(), markedRuns)
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
	return s + " Spread: how much longer the slowest device" + words.When(units["run"], " (or run)") + " takes than the fastest." + words.When(v.suspect(), markedRuns)
}

const markedRuns = " Suspect: runs that count, with a mark, which is told under \"Left out, or marked\"."

// suspect reports whether any run that counts is SUSPECT.
func (v across) suspect() bool {
	return slices.ContainsFunc(v.Groups, func(g compare.Summary) bool {
		return slices.ContainsFunc(g.Runs, func(r compare.RunRef) bool { return r.Suspect > 0 })
	})
}
