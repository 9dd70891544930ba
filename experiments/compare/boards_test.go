package compare_test

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
)

const boot = "4b1c3f4e-0d4e-4c8a-9d55-0c0b3a1f2e77"

// Two runs whose containers were on one board at one time disturbed each other: the
// second does not count, and the first is marked.
func TestTwoRunsOnOneBoardAtOnce(t *testing.T) {
	g := simulated.Quiet(20, 3, 3).Group("")
	for i := range g.Runs { // an hour apart, and as long as that
		g.Runs[i].Ended = g.Runs[i].Started.Add(90 * time.Minute)
	}
	g.Runs[0].Boot, g.Runs[1].Boot = boot, boot
	c := compare.Runs([]compare.Group{g}, 1)
	if len(c.Groups[0].Runs) != 2 || len(c.Groups[0].Devices) != 2 || len(c.Problems) != 2 {
		t.Fatalf("%+v, %+v", c.Groups, c.Problems)
	}
	first, second := c.Problems[0], c.Problems[1]
	if !said(first.Marked, g.Runs[1].ID+" measured on its board at the same time") || len(first.LeftOut) > 0 {
		t.Errorf("%+v", first)
	}
	if !said(second.LeftOut, "on one board with that of "+g.Runs[0].ID) || !strings.Contains(second.LeftOut[0], boot) {
		t.Errorf("%+v", second)
	}
	// Nor is it compared with the other across groups.
	a, b := compare.Group{Label: "a", Runs: g.Runs[:1]}, compare.Group{Label: "b", Runs: g.Runs[1:2]}
	if c := compare.Runs([]compare.Group{a, b}, 1); len(c.Rows) > 0 || len(c.Groups[1].Runs) > 0 {
		t.Errorf("%d rows, %+v", len(c.Rows), c.Groups)
	}
	if g.Runs[1].Device != "sim-2" || len(g.Runs[0].Remarks) > 0 {
		t.Errorf("what was given is changed: %+v", g.Runs[0])
	}
}

// One after the other under two names, they are one device.
func TestOneBoardUnderTwoNames(t *testing.T) {
	g := simulated.Quiet(21, 3, 3).Group("")
	for i := range g.Runs {
		g.Runs[i].Ended = g.Runs[i].Started.Add(time.Minute)
	}
	g.Runs[0].Boot, g.Runs[2].Boot = boot, boot
	c := compare.Runs([]compare.Group{g}, 1)
	if len(c.Groups[0].Runs) != 3 || len(c.Groups[0].Devices) != 2 || c.Rows[0].Pools[0].Devices != 2 {
		t.Fatalf("%+v", c.Groups)
	}
	if len(c.Problems) != 1 || !said(c.Problems[0].Marked, "as the boot id says, which its site called sim-1 then") {
		t.Errorf("%+v", c.Problems)
	}
	g.Runs[2].Boot = ""
	if c := compare.Runs([]compare.Group{g}, 1); len(c.Groups[0].Devices) != 3 || len(c.Problems) > 0 {
		t.Errorf("without a boot id: %+v", c.Groups)
	}
}
