package compare

import (
	"cmp"
	"slices"
	"strings"
)

// differences lists every fact that has several values among trials that were
// put into one row.
func (t *table) differences() (out []Difference) {
	index := map[string]int{} // of a fact's name
	for _, r := range t.rows {
		values := map[string]map[string][]string{} // name, value, runs
		var names []string
		for g := range r.groups {
			for _, id := range r.order[g] {
				run := r.groups[g][id].run.ID
				for _, s := range r.groups[g][id].starts {
					for _, f := range s.trial.Facts {
						if values[f.Name] == nil {
							values[f.Name] = map[string][]string{}
							names = append(names, f.Name)
						}
						if had := values[f.Name][f.Value]; len(had) == 0 || had[len(had)-1] != run {
							values[f.Name][f.Value] = append(had, run)
						}
					}
				}
			}
		}
		for _, n := range names {
			if len(values[n]) < 2 {
				continue
			}
			i, ok := index[n]
			if !ok {
				i = len(out)
				index[n] = i
				out = append(out, Difference{Name: n})
			}
			out[i].add(values[n])
		}
	}
	for i := range out {
		slices.SortStableFunc(out[i].Values, func(a, b Value) int {
			return cmp.Or(cmp.Compare(len(b.Runs), len(a.Runs)), strings.Compare(a.Value, b.Value))
		})
		out[i].BetweenGroups = t.between(out[i])
	}
	return out
}

func (d *Difference) add(values map[string][]string) {
	for value, runs := range values {
		i := slices.IndexFunc(d.Values, func(v Value) bool { return v.Value == value })
		if i < 0 {
			i = len(d.Values)
			d.Values = append(d.Values, Value{Value: value})
		}
		all := append(d.Values[i].Runs, runs...)
		slices.Sort(all)
		d.Values[i].Runs = slices.Compact(all)
	}
}

// between reports that every value belongs to whole groups.
func (t *table) between(d Difference) bool {
	if len(t.groups) < 2 {
		return false
	}
	for _, g := range t.groups {
		n := 0
		for _, v := range d.Values {
			if slices.ContainsFunc(g.Runs, func(r Run) bool { return slices.Contains(v.Runs, r.ID) }) {
				n++
			}
		}
		if n > 1 {
			return false
		}
	}
	return true
}
