package compare_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
	"chexp/experiments/input"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// All runs here are simulated.

func pooled(c simulated.Class) *compare.Comparison {
	return compare.Runs([]compare.Group{c.Group("")}, 1)
}

func said(lines []string, text string) bool {
	return slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, text) })
}

// Seven devices on three days: the interval comes from the devices, the slow one
// is named, and the scatter is where it was put.
func TestSevenDevices(t *testing.T) {
	class := simulated.Quiet(1, 7, 21)
	class.Factor = func(device, _ int) float64 {
		if device == 4 {
			return 1.25
		}
		return 1
	}
	c := pooled(class)
	if len(c.Rows) != 2 || len(c.Groups) != 1 || len(c.Groups[0].Runs) != 21 || len(c.Groups[0].Devices) != 7 ||
		len(c.Problems) > 0 || len(c.Differences) > 0 {
		t.Fatalf("%d rows, %+v, %+v, %+v", len(c.Rows), c.Groups, c.Problems, c.Differences)
	}
	p := c.Rows[0].Pools[0]
	i, ok := p.Interval.Get()
	if !ok || p.Unit != "device" || p.Runs != 21 || p.Devices != 7 || p.Starts != 63 || len(p.Points) != 21 ||
		!(i.Low < 8e6 && 8e6 < i.High) {
		t.Errorf("%+v", p)
	}
	s, _ := p.Spread.Get()
	slow := p.ByDevice[6]
	if s.Slowest != "sim-5" || slow.Device != "sim-5" || !slow.Outlier || s.Relative < 0.2 || p.ByDevice[0].Outlier {
		t.Errorf("spread %+v, slowest %+v", s, slow)
	}
	if p.Advice != "more devices" || p.Components[0].Level != "device" || p.Components[0].Share < 0.8 {
		t.Errorf("%q %+v", p.Advice, p.Components)
	}
	if b := p.Budgets[0]; b.Met != 21 || b.NotMet != 0 {
		t.Errorf("%+v", b)
	}
}

// More inferences, runs and process starts on few devices give no interval that
// speaks for devices.
func TestFewDevices(t *testing.T) {
	p := pooled(simulated.Quiet(2, 2, 20)).Rows[0].Pools[0]
	if p.Interval.Unavailable != "two devices: no interval, it takes 3" || p.Devices != 2 {
		t.Errorf("%+v", p.Interval)
	}
	p = pooled(simulated.Quiet(2, 1, 5)).Rows[0].Pools[0]
	if _, ok := p.Interval.Get(); !ok || p.Unit != "run" {
		t.Errorf("five runs on one device: %s %+v", p.Unit, p.Interval)
	}
	if p = pooled(simulated.Quiet(2, 1, 1)).Rows[0].Pools[0]; p.Interval.Value != nil || p.Spread.Value != nil {
		t.Errorf("one run: %+v %+v", p.Interval, p.Spread)
	}
}

// A trial that was interrupted and gone on with is two process starts, and all
// of its latencies count.
func TestInterruptedTrial(t *testing.T) {
	whole := simulated.Quiet(6, 3, 3)
	whole.Starts, whole.Blocks = 1, 8
	broken := whole
	broken.Change = func(_ int, r *trial.Result) {
		r.Restarts = []trial.Restart{{}}
		for i := range r.Blocks[5:] {
			r.Blocks[5+i].Restarts = 1
		}
	}
	a, b := pooled(whole).Rows[0].Pools[0], pooled(broken).Rows[0].Pools[0]
	if a.Starts != 3 || b.Starts != 6 {
		t.Errorf("process starts: whole %d, interrupted %d", a.Starts, b.Starts)
	}
	if n := b.Components[len(b.Components)-1].Groups; n != a.Components[len(a.Components)-1].Groups {
		t.Errorf("inferences: %d", n)
	}
}

// A device that is measured ten times as often as the others has no more weight.
func TestEachDeviceCountsOnce(t *testing.T) {
	class := simulated.Quiet(3, 3, 30)
	class.Device = 0
	class.Factor = func(device, _ int) float64 { return []float64{1, 1.1, 1.2}[device] }
	g := class.Group("")
	g.Runs = slices.DeleteFunc(g.Runs, func(r compare.Run) bool { return r.Device != "sim-3" && r.Started.Day() != 2 })
	c := compare.Runs([]compare.Group{g}, 1)
	if m := *c.Rows[0].Pools[0].Median.Value; len(c.Groups[0].Runs) != 12 || math.Abs(m/(1.1*8e6)-1) > 0.02 {
		t.Errorf("%d runs, median %.0f", len(c.Groups[0].Runs), m)
	}
}

// What must not be mixed is left out with a sentence.
func TestWhatIsLeftOut(t *testing.T) {
	class := simulated.Quiet(4, 4, 4)
	class.Change = func(run int, r *trial.Result) {
		switch {
		case run == 1:
			r.Device.Emulated = "qemu"
		case run == 2 && r.Model.Name == "sim-a": // as many, but far too slow at first: a drift
			for i := range len(r.LatenciesNS) / 2 {
				r.LatenciesNS[i] *= 3
			}
		case run == 3 && r.Model.Name == "sim-b":
			r.Model.SHA256 = strings.Repeat("cd", 32)
		}
	}
	c := pooled(class)
	ids := map[string][]string{}
	for _, p := range c.Problems {
		ids[p.Device] = append(p.LeftOut, p.Marked...)
	}
	if !said(ids["sim-2"], "emulated") || !said(ids["sim-3"], "INVALID 3 of 6: drift (3)") {
		t.Errorf("%q", ids)
	}
	if !said(c.Notes, "sim-b is the name of 2 different files") {
		t.Errorf("%q", c.Notes)
	}
	var rows []string
	for _, r := range c.Rows {
		rows = append(rows, fmt.Sprintf("%s %d", strings.Split(r.Model, "#")[0], r.Pools[0].Runs))
	}
	if want := []string{"sim-a 2", "sim-b 2", "sim-b 1"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	class.Change = func(_ int, r *trial.Result) { r.Device.Emulated = "qemu" }
	if c := pooled(class); len(c.Rows) != 2 || !said(c.Notes, "emulated") {
		t.Errorf("only emulated ones: %d rows, %q", len(c.Rows), c.Notes)
	}
}

// SUSPECT trials count, with a mark.
func TestSuspectOnesAreMarked(t *testing.T) {
	class := simulated.Quiet(5, 3, 3)
	class.Change = func(run int, r *trial.Result) {
		if run == 0 {
			r.Placement = trial.Unread[trial.Placement]("simulated")
			r.Provider.Name = "acl"
		} else {
			r.Provider.Name, r.Placement.Value.Providers[0].Provider = "acl", "acl"
		}
	}
	c := pooled(class)
	if p := c.Rows[0].Pools[0]; p.Runs != 3 || p.Suspect != 1 || c.Groups[0].Runs[0].Suspect != 6 ||
		!said(c.Problems[0].Marked, "SUSPECT 6 of 6: provider (6)") {
		t.Errorf("%+v %+v", c.Groups, c.Problems)
	}
}

// Boards of two kinds are two rows; a group of both is not compared.
func TestBoardsOfTwoKinds(t *testing.T) {
	class := simulated.Quiet(6, 4, 4)
	class.Change = func(run int, r *trial.Result) {
		if run == 0 {
			r.Device.Model = trial.Read("another board")
		}
	}
	if c := pooled(class); len(c.Rows) != 4 || c.Rows[0].Pools[0].Runs+c.Rows[1].Pools[0].Runs != 4 {
		t.Errorf("%d rows", len(c.Rows))
	}
	c := compare.Runs([]compare.Group{class.Group("a"), simulated.Quiet(7, 4, 4).Group("b")}, 1)
	if len(c.Rows) != 0 || !said(c.Notes, "a mixes 2 models of device") {
		t.Errorf("%d rows, %q", len(c.Rows), c.Notes)
	}
}

// What may change latencies is listed where it differs, and where it differs
// between the groups only, that is said.
func TestDifferences(t *testing.T) {
	old, updated := simulated.Quiet(8, 3, 3), simulated.Quiet(9, 3, 3)
	updated.Change = func(run int, r *trial.Result) {
		r.Runtime.Version = "1.1"
		if run == 1 {
			r.Device.Kernel = trial.Read("6.6.62")
		}
	}
	c := compare.Runs([]compare.Group{old.Group("old"), updated.Group("new")}, 1)
	if len(c.Differences) != 2 {
		t.Fatalf("%+v", c.Differences)
	}
	kernel, runtime := c.Differences[0], c.Differences[1]
	if kernel.Name != "kernel" || kernel.BetweenGroups || len(kernel.Values[0].Runs) != 5 ||
		kernel.Values[1].Value != "6.6.62" {
		t.Errorf("%+v", kernel)
	}
	if runtime.Name != "runtime" || !runtime.BetweenGroups || len(runtime.Values) != 2 {
		t.Errorf("%+v", runtime)
	}
	if c := pooled(old); len(c.Differences) != 0 {
		t.Errorf("%+v", c.Differences)
	}
}

func groups(devicesA, runsA, devicesB, runsB int, seed uint64, factor float64,
	change func(*simulated.Class)) []compare.Group {
	a, b := simulated.Quiet(seed, devicesA, runsA), simulated.Quiet(seed+1000, devicesB, runsB)
	a.Models, b.Models, b.Day = 1, 1, 7
	if change != nil {
		change(&a)
		change(&b)
	}
	b.Factor = func(int, int) float64 { return factor }
	return []compare.Group{a.Group("before"), b.Group("after")}
}

// Every design gets the interval that it can carry, and says what for.
func TestWhatAChangeHoldsFor(t *testing.T) {
	blocks := func(c *simulated.Class) { c.Starts, c.Blocks = 1, 10 }
	for _, c := range []struct {
		name                   string
		devA, runsA, devB, all int
		change                 func(*simulated.Class)
		unit                   string
		paired                 bool
		caveat                 string
	}{
		{"seven devices", 7, 7, 7, 7, nil, "device", true, ""},
		{"three of five devices", 5, 5, 3, 3, nil, "device", true, "2 devices in one group only"},
		{"one device, five days", 1, 5, 1, 5, nil, "run", true, "this device"},
		{"two devices, three days", 2, 6, 2, 6, nil, "run", true, "these two devices"},
		{"one run each", 1, 1, 1, 1, nil, "process start", true, "of these runs only"},
		{"one process each", 1, 1, 1, 1, blocks, "block", true, "of these processes only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compare.Runs(groups(c.devA, c.runsA, c.devB, c.all, 1, 0.85, c.change), 1)
			if len(r.Rows) != 1 || len(r.Rows[0].Changes) != 1 {
				t.Fatalf("%+v", r.Rows)
			}
			x := r.Rows[0].Changes[0]
			i, ok := x.Interval.Get()
			if !ok || x.Unit != c.unit || x.Paired != c.paired || !strings.Contains(x.Caveat, c.caveat) ||
				x.Finding != compare.Faster || i.Low > 0.86 || i.High < 0.84 {
				t.Errorf("%+v %+v", x, i)
			}
		})
	}
}

// Where the groups share no device, boards differ too; with fewer than three of
// each nobody knows by how much.
func TestOtherDevices(t *testing.T) {
	g := groups(3, 3, 3, 3, 1, 0.85, nil)
	for i := range g[1].Runs {
		g[1].Runs[i].Device += "x"
	}
	if x := compare.Runs(g, 1).Rows[0].Changes[0]; x.Unit != "device" || x.Paired ||
		!strings.Contains(x.Caveat, "other devices") || x.Interval.Value == nil {
		t.Errorf("%+v", x)
	}
	g[1].Runs = g[1].Runs[:2]
	x := compare.Runs(g, 1).Rows[0].Changes[0]
	if x.Finding != compare.NoInterval || !strings.Contains(x.Text, "share no device") || math.Abs(x.Ratio-0.85) > 0.05 {
		t.Errorf("%+v", x)
	}
}

// Equal groups are said to differ in at most 5 of 100 comparisons (7 allows for
// chance among 60), whatever the interval is made of, as long as its caveat is
// heeded; where nothing is found, the size that would have been is said.
func TestChangeErrorRates(t *testing.T) {
	for _, c := range []struct {
		name          string
		devices, runs int
		change        func(*simulated.Class)
		power         int // of finding 5 %
	}{
		{"seven devices", 7, 7, nil, 55},
		{"one device, five days", 1, 5, nil, 55},
		{"one run each, days alike", 1, 1, func(c *simulated.Class) { c.Run = 0 }, 50},
		{"one process each, starts alike", 1, 1, func(c *simulated.Class) { c.Run, c.Start, c.Starts, c.Blocks = 0, 0, 1, 8 },
			55},
	} {
		alarms, found := 0, 0
		for seed := range uint64(60) {
			x := compare.Runs(groups(c.devices, c.runs, c.devices, c.runs, seed, 1, c.change), seed).Rows[0].Changes[0]
			if x.Finding != compare.NotFound {
				alarms++
			} else if d, ok := x.Detectable.Get(); !ok || d <= 0 || !strings.HasPrefix(x.Text,
				"no difference found (detectable from ") {
				t.Errorf("%+v", x)
			}
			x = compare.Runs(groups(c.devices, c.runs, c.devices, c.runs, seed, 1.05, c.change), seed).Rows[0].Changes[0]
			if x.Finding == compare.Slower {
				found++
			}
		}
		t.Logf("%s: %d of 60 equals differ, 5 %% is found in %d of 60", c.name, alarms, found)
		if alarms > 7 || found < c.power {
			t.Errorf("%s: %d of 60 equals differ, 5 %% is found in %d", c.name, alarms, found)
		}
	}
}

// A difference that is sure and tiny is said to be tiny.
func TestSmallDifference(t *testing.T) {
	quiet := func(c *simulated.Class) { c.Run, c.Start, c.Block, c.Inference = 0, 0, 0, 0.0001 }
	x := compare.Runs(groups(7, 7, 7, 7, 1, 1.004, quiet), 1).Rows[0].Changes[0]
	if x.Finding != compare.Slower || !x.Small || !strings.Contains(x.Text, "0.4 % longer") ||
		!strings.HasSuffix(x.Text, ", too little to matter") {
		t.Errorf("%+v", x)
	}
}

// What only one group has is named and not compared, also where the names are
// equal and the files are not.
func TestOnlyInOneGroup(t *testing.T) {
	a, b := simulated.Quiet(1, 3, 3), simulated.Quiet(2, 3, 3)
	b.Models = 3
	b.Change = func(_ int, r *trial.Result) {
		if r.Model.Name == "sim-b" {
			r.Model.SHA256 = strings.Repeat("cd", 32)
		}
	}
	c := compare.Runs([]compare.Group{a.Group("a"), b.Group("b")}, 1)
	if len(c.Rows) != 1 || c.Rows[0].Model != "sim-a" || !said(c.Notes, "sim-b is the name of 2 different files") ||
		!said(c.Notes, "only one group has it: sim-b#") || !said(c.Notes, "sim-c on cpu, 1 thread, batch 1 (in b)") {
		t.Errorf("%d rows, %q", len(c.Rows), c.Notes)
	}
}

// Several comparisons at once are named as such.
func TestManyComparisons(t *testing.T) {
	a, b := simulated.Quiet(1, 3, 3), simulated.Quiet(2, 3, 3)
	a.Models, b.Models = 9, 9
	a.Threads, b.Threads = []int{1, 4}, []int{1, 4}
	c := compare.Runs([]compare.Group{a.Group("a"), b.Group("b")}, 1)
	if !said(c.Notes, "18 comparisons, each at 95 %: if nothing had changed at all, 0.9 of them") {
		t.Errorf("%q", c.Notes)
	}
}

// Results of a stopped run, or of an old agent, have fewer blocks or none.
func TestWithoutBlocks(t *testing.T) {
	class := simulated.Quiet(10, 3, 6)
	class.Change = func(run int, r *trial.Result) {
		switch run {
		case 0:
			r.Blocks = nil
		case 1:
			r.Blocks = r.Blocks[:1]
			r.LatenciesNS = r.LatenciesNS[:r.Blocks[0].N]
			r.Summary = stats.NewSample(r.LatenciesNS).Summary(1)
		case 2:
			r.Outcome, r.LatenciesNS, r.Blocks, r.Summary = trial.Failed, nil, nil, nil
		}
	}
	c := pooled(class)
	if p := c.Rows[0].Pools[0]; p.Runs != 5 || p.Devices != 3 || p.Interval.Value == nil {
		t.Errorf("%+v", p)
	}
	if !said(c.Problems[len(c.Problems)-1].LeftOut, "no result 6 of 6") {
		t.Errorf("%+v", c.Problems)
	}
}

// The same file with other inputs is another amount of work.
func TestOtherInputsAreApart(t *testing.T) {
	g := simulated.Quiet(1, 2, 4).Group("")
	for i, r := range g.Runs {
		for _, x := range r.Trials {
			x.Result.Model.Inputs = []input.Input{{Name: "x", Type: input.Float32, Shape: []int64{1, int64(320 + 320*(i%2))},
				Values: input.Values{Kind: input.Normal}, Described: true}}
		}
	}
	c := compare.Runs([]compare.Group{g}, 1)
	if len(c.Rows) != 4 || c.Rows[0].Shape != "x float32 [1, 320], random, normal" {
		t.Errorf("%d rows, %q", len(c.Rows), c.Rows[0].Shape)
	}
	for _, r := range g.Runs {
		for _, x := range r.Trials {
			x.Result.Model.Inputs[0].Described = false
		}
	}
	if c := compare.Runs([]compare.Group{g}, 1); len(c.Rows) != 2 {
		t.Errorf("%d rows of inputs as the file has them", len(c.Rows))
	}
}
