package content

import (
	"fmt"
	"slices"
	"strconv"

	"chexp/experiments/compare"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

// leastName is the width, in columns, to which a long name may be shortened.
const leastName = 12

type acrossField = field[compare.Row]

// identity returns the columns that say which trial a row is.
func (v Across) identity() []acrossField {
	text := func(c Column, get func(compare.Row) string) acrossField {
		return acrossField{c, func(r compare.Row) Cell { return Cell{Text: get(r)} }}
	}
	out := []acrossField{
		text(Column{Key: "model", Head: "model", Least: leastName}, func(r compare.Row) string { return r.Model }),
		text(Column{Key: "provider", Head: "provider", Fold: 4, Least: leastName},
			func(r compare.Row) string { return r.Provider }),
		text(Column{Key: "threads", Head: "threads", Fold: 2, Right: true},
			func(r compare.Row) string { return strconv.Itoa(r.Threads) }),
		text(Column{Key: "batch", Head: "batch", Fold: 1, Right: true},
			func(r compare.Row) string { return strconv.Itoa(r.Batch) }),
	}
	if v.Varies(shape) {
		out = append(out, text(Column{Key: "shape", Head: "shape", Fold: 3, Least: leastName}, shape))
	}
	if v.Varies(board) {
		out = append(out, text(Column{Key: "board", Head: "device", Fold: 5, Least: leastName}, board))
	}
	return out
}

func shape(r compare.Row) string { return r.Shape }

func board(r compare.Row) string { return r.Board }

// Identity lists the keys of the columns that say which trial a row is.
var Identity = []string{"model", "provider", "threads", "batch", "repetition", "shape", "board"}

// fields returns the columns of the table that shows group g+1 against the first.
// Where there is only one group, they show that group.
func (v Across) fields(g int) []acrossField {
	out, u := v.identity(), v.unit()
	number := func(key, head string, get func(compare.Row) string) {
		out = append(out, acrossField{Column{Key: key, Head: head, Right: true},
			func(r compare.Row) Cell { return Cell{Text: get(r)} }})
	}
	p50 := func(pool int) func(compare.Row) string {
		return func(r compare.Row) string {
			if m, ok := r.Pools[pool].Median.Get(); ok {
				return words.Digits(m / u.Size)
			}
			return Dash
		}
	}
	suspect := func(pools ...int) {
		if v.suspect() {
			out = append(out, acrossField{Column{Key: "suspect", Head: "suspect", Right: true},
				func(r compare.Row) Cell { return suspectCell(r, pools) }})
		}
	}
	if v.Changed() {
		label := v.Groups[g+1].Label
		number("base", v.Groups[0].Label+" "+u.Name, p50(0))
		number("other", label+" "+u.Name, p50(g+1))
		suspect(0, g+1)
		return append(out, acrossField{Column{Key: "change", Head: "change", Least: 24},
			func(r compare.Row) Cell { return changeCell(r, label) }})
	}
	number("runs", "runs", func(r compare.Row) string { return strconv.Itoa(r.Pools[0].Runs) })
	number("devices", "devices", func(r compare.Row) string { return strconv.Itoa(r.Pools[0].Devices) })
	number("p50", "p50 "+u.Name, p50(0))
	out = append(out, acrossField{Column{Key: "interval", Head: "95 %"},
		func(r compare.Row) Cell { return Cell{Text: IntervalText(r.Pools[0].Interval, u)} }})
	number("spread", "spread", func(r compare.Row) string {
		if s, ok := r.Pools[0].Spread.Get(); ok {
			return words.Percent(s.Relative)
		}
		return Dash
	})
	suspect(0)
	for i, b := range v.Budgets() {
		c := Column{Key: findings.BudgetColumn(i), Head: b, Short: fmt.Sprintf("B%d", i+1),
			Means: "in how many runs " + b}
		out = append(out, acrossField{c, func(r compare.Row) Cell { return budgetCell(r.Pools[0], b) }})
	}
	return out
}

// maxScatterLines bounds the rows of the scatter table.
const maxScatterLines = 8

// scatter returns the table of what each level adds to the scatter, and of what one
// should have more. It is nil where the levels are not known.
func (v Across) scatter() *Table {
	rows := slices.DeleteFunc(slices.Clone(v.Rows), func(r compare.Row) bool { return len(r.Pools[0].Components) < 2 })
	if len(rows) == 0 {
		return nil
	}
	left := len(rows) - maxScatterLines
	rows = rows[:min(len(rows), maxScatterLines)]
	out := slices.DeleteFunc(v.identity(), func(f acrossField) bool { return f.Key == "shape" })
	for _, level := range stats.Levels {
		get := func(r compare.Row) Cell {
			i := slices.IndexFunc(r.Pools[0].Components, func(c stats.Component) bool { return c.Level == level })
			if i < 0 {
				return Cell{Text: Dash}
			}
			return Cell{Text: words.Percent(r.Pools[0].Components[i].SD)}
		}
		if slices.ContainsFunc(rows, func(r compare.Row) bool { return !get(r).Empty() }) {
			out = append(out, acrossField{Column{Key: level, Head: level + "s", Right: true}, get})
		}
	}
	out = append(out, acrossField{Column{Key: "advice", Head: "narrower with", Least: 13},
		func(r compare.Row) Cell { return Cell{Text: r.Pools[0].Advice} }})
	t := tabulate(rows, out)
	t.Title = "Where the latencies scatter: relative standard deviation of each level, beyond those inside of it"
	if left > 0 {
		t.Foot = []string{fmt.Sprintf("%d more rows: --html or -f json.", left)}
	}
	return &t
}

// IntervalText writes an interval in a unit, without the unit: "[7.86, 8.62]".
func IntervalText(i trial.Reading[trial.Interval], u words.Unit) string {
	if x, ok := i.Get(); ok {
		return "[" + words.Digits(x.Low/u.Size) + ", " + words.Digits(x.High/u.Size) + "]"
	}
	return Dash
}

// suspectCell says how many of the runs are SUSPECT: "3 of 12".
func suspectCell(r compare.Row, pools []int) Cell {
	n, of := 0, 0
	for _, g := range pools {
		n, of = n+r.Pools[g].Suspect, of+r.Pools[g].Runs
	}
	if n == 0 {
		return Cell{Text: Dash}
	}
	return Cell{Text: fmt.Sprintf("%d of %d", n, of), Tone: Open}
}

// budgetCell says how many runs met a budget: "7 of 7", "5 of 7, 1 ?".
func budgetCell(p compare.Pool, budget string) Cell {
	for _, b := range p.Budgets {
		if b.Budget != budget {
			continue
		}
		c := Cell{Text: fmt.Sprintf("%d of %d", b.Met, b.Runs()), Tone: Good}
		switch {
		case b.Unknown+b.Undecided > 0:
			c.Text, c.Tone = c.Text+fmt.Sprintf(", %d ?", b.Unknown+b.Undecided), Open
		case b.NotMet > 0:
			c.Tone = Bad
		}
		return c
	}
	return Cell{Text: Dash}
}

func changeCell(r compare.Row, group string) Cell {
	for _, c := range r.Changes {
		if c.Group == group {
			x := Cell{Text: c.Text, Tone: map[compare.Finding]Tone{compare.Faster: Good, compare.Slower: Bad,
				compare.NoInterval: Open}[c.Finding]}
			if c.Small {
				x.Tone = Plain
			}
			return x
		}
	}
	return Cell{Text: "not in both", Tone: Open}
}
