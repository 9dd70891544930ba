package run

import (
	"fmt"
	"slices"
	"strings"
)

// elsewhere says that what the run has so far was measured on other devices than
// the attempt's; "" if it was not, or if that is not known.
func (a *attempt) elsewhere() string {
	if a.held.N < 2 || a.lease.Device.Name == "" {
		return ""
	}
	facts, err := ReadFacts(a.Store, a.held.N)
	if err != nil {
		return ""
	}
	brought, err := a.Store.Brought(a.Plan)
	if err != nil {
		return ""
	}
	var others []string
	for _, b := range brought {
		if b.Partial != nil || b.From.Attempt < 1 || b.From.Attempt >= a.held.N {
			continue
		}
		d := facts[b.From.Attempt-1].Lease.Device.Name
		if d != "" && d != a.lease.Device.Name && !slices.Contains(others, d) {
			others = append(others, d)
		}
	}
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("this is another device than before: %s measured the results that are here, %s measures the "+
		"rest. The report keeps them apart; to have one device measure all, begin a new run, with its name in the file",
		strings.Join(others, " and "), a.lease.Device.Name)
}
