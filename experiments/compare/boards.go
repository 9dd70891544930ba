package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// boards finds runs that measured on one board whatever their sites say, by the id
// that its kernel has had since it was started. At one time they disturbed each other:
// the one that came second does not count, and the first is marked. One after the
// other, under two names, they are one device.
func (t *table) boards() {
	var all []*Run
	for g := range t.groups {
		for i := range t.groups[g].Runs {
			if r := &t.groups[g].Runs[i]; r.Boot != "" && !r.Started.IsZero() {
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *Run) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
	for i, r := range all {
		for _, first := range all[:i] {
			if first.Boot != r.Boot || t.beside[first] != "" || first.ID == r.ID {
				continue
			}
			if r.together(first) {
				t.beside[r] = fmt.Sprintf("its container was on one board with that of %s, at the same time (both have the "+
					"boot id %s): two on one board disturb each other", first.ID, r.Boot)
				first.remark(fmt.Sprintf("%s measured on its board at the same time", r.ID))
				break
			}
			if name := cmp.Or(first.Device, r.Device); name != r.Device {
				r.remark(fmt.Sprintf("it was measured on the board of %s, as the boot id says, which its site called %s then",
					first.ID, name))
				r.Device = name
			}
			first.Device = cmp.Or(first.Device, r.Device)
		}
	}
}

// together reports whether two runs on one board, and so by one clock, measured at one
// time. A run's start is known to the second.
func (r *Run) together(o *Run) bool {
	return r.Started.Add(time.Second).Before(o.Ended) && o.Started.Add(time.Second).Before(r.Ended)
}

// remark adds to what a reader should know of the run.
func (r *Run) remark(text string) { r.Remarks = append(slices.Clone(r.Remarks), text) }
