package content

import (
	"slices"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/words"
)

// Across is a comparison of runs, with what its renderers ask of it.
type Across struct{ *compare.Comparison }

// Changed reports whether there are groups to hold against each other.
func (v Across) Changed() bool { return len(v.Groups) > 1 }

// Title names the comparison in one line.
func (v Across) Title() string {
	if !v.Changed() {
		return "Runs side by side"
	}
	var labels []string
	for _, g := range v.Groups {
		labels = append(labels, g.Label)
	}
	return strings.Join(labels[1:], ", ") + " against " + labels[0]
}

// Varies reports whether a property is not the same in all rows.
func (v Across) Varies(get func(compare.Row) string) bool {
	return slices.ContainsFunc(v.Rows, func(r compare.Row) bool { return get(r) != get(v.Rows[0]) })
}

// unit returns the unit in which the middle median reads best.
func (v Across) unit() words.Unit {
	var all []float64
	for _, r := range v.Rows {
		for _, p := range r.Pools {
			if m, ok := p.Median.Get(); ok {
				all = append(all, m)
			}
		}
	}
	return middleUnit(all)
}

// Budgets lists the budgets that any run was held against.
func (v Across) Budgets() (out []string) {
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

// suspect reports whether any run that counts is SUSPECT.
func (v Across) suspect() bool {
	return slices.ContainsFunc(v.Groups, func(g compare.Summary) bool {
		return slices.ContainsFunc(g.Runs, func(r compare.RunRef) bool { return r.Suspect > 0 })
	})
}
