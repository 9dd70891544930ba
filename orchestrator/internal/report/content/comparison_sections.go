package content

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/words"
)

// basis says which units the intervals of the changes are taken over, once for all
// rows that share the answer. With a group it speaks of that group alone.
func (v Across) basis(group string) (out []string) {
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
	case c.Paired && c.Unit == stats.ByDevice:
		s += ", each against itself"
	case c.Unit != stats.ByDevice || !c.Paired:
		s += " a side or more"
	}
	return s + words.When(c.Caveat != "", "; "+c.Caveat)
}

// deviceLines say how far the slowest device is from the fastest, and name the
// devices that are unlike the others.
func (v Across) deviceLines() (out []string) {
	for g, group := range v.Groups {
		var most compare.Spread
		where, n := "", 0
		odd := map[string][]float64{} // device → how far from the median, in each row
		for _, r := range v.Rows {
			p := r.Pools[g]
			if x, ok := p.Spread.Get(); ok && p.Devices > 1 && x.Relative >= most.Relative {
				most, where, n = x, v.Where(r, p), p.Devices
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
		out = append(out, fmt.Sprintf("the slowest of %d, %s, takes %s longer than the fastest, %s,%s%s", n,
			most.Slowest, words.Percent(most.Relative), most.Fastest,
			where, words.When(len(v.Rows) > 1, ", more than in any other row")))
		for _, d := range slices.Sorted(maps.Keys(odd)) {
			low, high := slices.Min(odd[d]), slices.Max(odd[d])
			out = append(out, fmt.Sprintf("%s is unlike the others: %s the median device in %d of %d rows%s", d,
				far(low, high), len(odd[d]), len(v.Rows), words.When(group.Label != "", " ("+group.Label+")")))
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
		return words.FromTo(words.Percent(low), words.Percent(high)) + " below"
	}
	return words.FromTo(words.Percent(low), words.Percent(high)) + " above"
}

// Where names a row in a sentence: " for sim-a on cpu, 2 threads (before)".
func (v Across) Where(r compare.Row, p compare.Pool) string {
	s := " for " + r.Model + " on " + r.Provider
	if v.Varies(func(r compare.Row) string { return strconv.Itoa(r.Threads) }) {
		s += ", " + words.Plural(r.Threads, "thread")
	}
	if v.Varies(func(r compare.Row) string { return strconv.Itoa(r.Batch) }) {
		s += fmt.Sprintf(", batch %d", r.Batch)
	}
	return s + words.When(p.Group != "", " ("+p.Group+")")
}

// ScatterText says how far the latencies of a row scatter at each level, and what
// to have more of.
func ScatterText(p compare.Pool) string {
	var levels []string
	for _, x := range p.Components {
		levels = append(levels, x.String())
	}
	if len(levels) < 2 {
		return ""
	}
	return strings.Join(levels, ", ") + words.When(p.Advice != "", "; "+p.Advice+" would narrow the interval most")
}

// differenceLines list what is not the same in all runs. They name the runs that
// differ from most.
func (v Across) differenceLines() (out []string) {
	for _, d := range v.Differences {
		var parts []string
		for i, x := range d.Values {
			s := x.Value + " in " + words.Plural(len(x.Runs), "run")
			if i > 0 || len(d.Values[0].Runs) == len(d.Values[len(d.Values)-1].Runs) {
				s += " (" + words.List(shortRuns(x.Runs), ", ", 4) + ")"
			}
			parts = append(parts, s)
		}
		out = append(out, d.Name+": "+words.List(parts, "; ", 6)+words.When(d.BetweenGroups,
			"; it differs between the groups and only there"))
	}
	return out
}

var fourLetters = regexp.MustCompile(`-([a-z]{4}(?:/[0-9]+)?)$`)

// shortRun is the part of a run's name by which chexp finds it, and which of its
// devices: "abcd/2".
func shortRun(id string) string {
	if m := fourLetters.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return words.Shorten(id, 24)
}

func shortRuns(ids []string) (out []string) {
	for _, id := range ids {
		out = append(out, shortRun(id))
	}
	return out
}

// problemLines say what is left out of the comparison, then what is only marked. Runs
// with the same problem share a line.
func (v Across) problemLines() []string {
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

// grouped holds the runs that share a sentence, in the order of their first
// appearance.
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

// legend explains the numbers of the table.
func (v Across) legend() string {
	if v.Changed() {
		return "Medians over devices, each counting once. In brackets the 95 % interval of the difference. " +
			"\"Detectable from\" is how large a difference would have been found four times out of five." +
			words.When(v.suspect(), markedRuns)
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
	if units[stats.ByDevice] {
		s += " 95 %: interval of that median, from how devices differ, each counting once (from " +
			strconv.Itoa(stats.FewestUnits) +
			" devices by Student's t, from 6 by order statistics)."
	}
	if units[stats.ByRun] {
		s += " Where there is one device, the interval is from how its runs differ, and holds for that device."
	}
	return s + " Spread: how much longer the slowest device" + words.When(units[stats.ByRun], " (or run)") +
		" takes than the fastest." + words.When(v.suspect(), markedRuns)
}

const markedRuns = " Suspect: runs that count, with a mark, which is told under \"Left out, or marked\"."
