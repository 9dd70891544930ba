package inspect

import (
	"testing"

	"chexp/experiments/provider"
)

// The table of providers and the functions that say what they take agree.
func TestTakersAreThoseOfTheTable(t *testing.T) {
	known := map[string]bool{}
	for _, p := range provider.All {
		known[p.Name] = p.Known != ""
		if (takers[p.Name] != nil) != known[p.Name] {
			t.Errorf("%s: the table knows %q, and there is a function: %v", p.Name, p.Known, takers[p.Name] != nil)
		}
	}
	for name := range takers {
		if !known[name] {
			t.Errorf("there is a function for %s, which the table does not know", name)
		}
	}
}
