package validity

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

const experiments = 100

func sampleOf(r *trial.Result) stats.Sample {
	s, _ := stats.SampleOf(r)
	return s
}

func checksOf(r *trial.Result) []stats.Check { return Checks(r, sampleOf(r)) }

func percentOf(yes func() bool) float64 {
	n := 0
	for range experiments {
		if yes() {
			n++
		}
	}
	return 100 * float64(n) / experiments
}

// At most 5 of 100 trials with nothing wrong are not VALID (8 allows for chance
// among 100), whatever signals the device lacks.
func TestFalseAlarms(t *testing.T) {
	lacking := func(b, n int, c *trial.Conditions) {
		*c = trial.Conditions{DurationNS: c.DurationNS, ProbeHz: c.ProbeHz, Outside: c.Outside,
			BelowTop: trial.Unread[float64]("no such file"), Temperature: trial.Unread[trial.Range]("no such file")}
	}
	for name, f := range map[string]fault{
		"all signals": {},
		"few signals": {change: lacking},
		"half of the blocks": {change: func(b, n int, c *trial.Conditions) {
			if b%2 == 0 {
				lacking(b, n, c)
			}
		}},
		"no signals": {change: func(b, n int, c *trial.Conditions) { *c = trial.Conditions{DurationNS: c.DurationNS} },
			result: func(r *trial.Result) { r.Device.Governor = trial.Unread[string]("no such file") }},
		"100 blocks": {inBlocks: 100},
	} {
		d := newDevice(11)
		by := map[string]int{}
		alarms := percentOf(func() bool {
			checks := checksOf(d.trial(f))
			for _, c := range checks {
				if bad(c.Outcome) {
					by[c.Name]++
				}
			}
			return stats.Worst(checks) != stats.Valid
		})
		t.Logf("%s: %.1f %% false alarms %v", name, alarms, by)
		if alarms > 8 {
			t.Errorf("%s: %.1f %% false alarms: %v", name, alarms, by)
		}
	}
}

// What is injected is named, by the check that it is about, in at least 95 of
// 100 trials.
func TestInjectedFaultsAreNamed(t *testing.T) {
	late := func(b, n int) bool { return b >= 2*n/3 }
	middle := func(b, n int) bool { return b >= n/3 && b < n/2 }
	for _, c := range []struct {
		name   string
		checks []string
		worst  stats.Validity
		fault  fault
	}{
		{"throttling to 80 % from two thirds on, seen by sensors", []string{Throttling, Clock, Heat, stats.Drift},
			stats.Invalid, fault{
				factor: func(b, n, i int) float64 { return when(late(b, n), 1.25) },
				change: func(b, n int, c *trial.Conditions) {
					if late(b, n) {
						c.ProbeHz.Value.Low, c.ProbeHz.Value.High = 0.8*c.ProbeHz.Value.Low, 0.8*c.ProbeHz.Value.High
						c.BelowTop = trial.Read(0.95)
						c.Temperature = trial.Read(trial.Range{Low: 79, High: 83})
						c.Firmware = trial.Read("0x4")
					}
				}}},
		{"the same, seen by the probe alone", []string{Clock, stats.Drift}, stats.Invalid, fault{
			factor: func(b, n, i int) float64 { return when(late(b, n), 1.25) },
			change: func(b, n int, c *trial.Conditions) {
				probe := c.ProbeHz
				if late(b, n) {
					probe.Value.Low, probe.Value.High = 0.8*probe.Value.Low, 0.8*probe.Value.High
				}
				*c = trial.Conditions{DurationNS: c.DurationNS, ProbeHz: probe}
			}}},
		{"under-voltage", []string{Throttling}, stats.Suspect, fault{
			change: func(b, n int, c *trial.Conditions) { c.Firmware = trial.Read("under-voltage") }}},
		{"a neighbour on one core for a sixth of the run", []string{Outside}, stats.Suspect, fault{
			factor: func(b, n, i int) float64 { return when(middle(b, n), 1.3) },
			change: func(b, n int, c *trial.Conditions) {
				if middle(b, n) {
					c.Outside = trial.Read(1.6)
				}
			}}},
		{"a neighbour on all cores", []string{Outside}, stats.Invalid, fault{
			factor: func(b, n, i int) float64 { return 1.8 },
			change: func(b, n int, c *trial.Conditions) { c.Outside = trial.Read(1.9) }}},
		{"a CPU quota of 80 %", []string{Quota, stats.Bimodality}, stats.Suspect, fault{
			factor: func(b, n, i int) float64 { return when(i%4 == 0, 1.8) },
			change: func(b, n int, c *trial.Conditions) { c.Throttled = trial.Read(4 * c.DurationNS / 6) },
			result: func(r *trial.Result) { r.Device.Quota = trial.Read(3.2) }}},
		{"a CPU quota of half", []string{Quota}, stats.Invalid, fault{
			factor: func(b, n, i int) float64 { return when(i%2 == 0, 3) },
			change: func(b, n int, c *trial.Conditions) { c.Throttled = trial.Read(4 * c.DurationNS / 2) }}},
		{"a crowded hypervisor", []string{Steal}, stats.Suspect, fault{
			change: func(b, n int, c *trial.Conditions) { c.Steal = trial.Read(0.2) }}},
		{"swapping", []string{Swap}, stats.Suspect, fault{
			change: func(b, n int, c *trial.Conditions) { c.Swapped = trial.Read(int64(100)) }}},
		{"waiting for a core", []string{Pressure}, stats.Suspect, fault{
			change: func(b, n int, c *trial.Conditions) { c.Pressure = trial.Read(c.DurationNS / 3) }}},
		{"warm-up", []string{stats.WarmUp}, stats.Suspect, fault{
			factor: func(b, n, i int) float64 { return 1 + 0.5*math.Exp(-float64(25*b+i)/15) }}},
		{"two modes", []string{stats.Bimodality}, stats.Suspect, fault{
			factor: func(b, n, i int) float64 { return when((7*b+3*i)%5 < 2, 1.25) }}},
		{"a slow governor", []string{Clock, Governor}, stats.Suspect, fault{
			change: func(b, n int, c *trial.Conditions) { c.BelowTop = trial.Read(1.0) },
			result: func(r *trial.Result) { r.Device.Governor = trial.Read("powersave") }}},
	} {
		d := newDevice(12)
		found := map[string]float64{}
		for range experiments {
			for _, k := range checksOf(d.trial(c.fault)) {
				if bad(k.Outcome) {
					found[k.Name] += 100.0 / experiments
				}
			}
		}
		t.Logf("%s: %v %% of trials", c.name, found)
		for _, check := range c.checks {
			if found[check] < 95 {
				t.Errorf("%s is named %q in %.1f %%", c.name, check, found[check])
			}
		}
		if v := stats.Worst(checksOf(d.trial(c.fault))); v == stats.Valid || v == stats.Suspect && c.worst == stats.Invalid {
			t.Errorf("%s: %s, want %s", c.name, v, c.worst)
		}
	}
}

// Every answer has a text, a remedy exactly where something is wrong, and can be
// written as JSON; the order is fixed.
func TestAnswers(t *testing.T) {
	d := newDevice(13)
	order := []string{Provider, Physics, Emulation, stats.SampleSize, Quota, Steal, Outside, Throttling, Heat, Clock,
		Governor, Swap, Pressure, BlockStart,
		stats.WarmUp, stats.Drift, stats.Stationarity, stats.Bimodality, stats.OutlierShare, Harness}
	for name, r := range map[string]*trial.Result{
		"quiet":    d.trial(fault{}),
		"old":      {Provider: trial.Provider{Name: "cpu"}, LatenciesNS: d.trial(fault{}).LatenciesNS, Threads: 1, Batch: 1},
		"one":      {LatenciesNS: []int64{5}},
		"hostile":  hostile(d),
		"emulated": d.trial(fault{result: func(r *trial.Result) { r.Device.Emulated = "qemu-aarch64" }}),
	} {
		checks := checksOf(r)
		if _, err := json.Marshal(checks); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var names []string
		for _, c := range checks {
			names = append(names, c.Name)
			if c.Text == "" || bad(c.Outcome) != (c.Remedy != "") || strings.HasSuffix(c.Text, ".") ||
				strings.Contains(c.Text, "NaN") || strings.Contains(c.Text, "Inf") {
				t.Errorf("%s: %+v", name, c)
			}
			if name == "quiet" {
				t.Logf("%s: %s: %s", c.Name, c.Outcome, c.Text)
			}
		}
		if !slices.Equal(names, order) {
			t.Errorf("%s: %v", name, names)
		}
		if name == "emulated" && stats.Worst(checks) == stats.Valid {
			t.Error("emulation is VALID")
		}
	}
}

// Without a sign of an emulator nothing is claimed that was not measured: a whole
// emulated machine shows none, and read VALID.
func TestEmulationIsMeasured(t *testing.T) {
	quiet := newDevice(3).trial(fault{})
	took := func(v float64) trial.Reading[float64] { return trial.Read(v) }
	for name, c := range map[string]struct {
		device trial.Device
		want   stats.Validity
		text   string
	}{
		"no measurement": {trial.Device{}, stats.Unavailable, "no sign of it was found, which is no proof"},
		"it failed": {trial.Device{FloatInAdds: trial.Unread[float64]("the clock stood")}, stats.Unavailable,
			"the clock stood"},
		"a processor": {trial.Device{FloatInAdds: took(4)}, stats.Valid,
			"takes 4 times as long as an addition, as on a processor"},
		"the slowest one": {trial.Device{FloatInAdds: took(12)}, stats.Valid, ""},
		"between":         {trial.Device{FloatInAdds: took(15)}, stats.Unavailable, "under emulation 20 or more"},
		"QEMU on amd64":   {trial.Device{FloatInAdds: took(37.05)}, stats.Suspect, "takes 37 times as long"},
		"QEMU on arm64": {trial.Device{FloatInAdds: took(88), Virtual: "fw-cfg"}, stats.Suspect,
			"the processor was emulated"},
		"a sign": {trial.Device{Emulated: "qemu-aarch64", FloatInAdds: took(4)}, stats.Suspect,
			"the processor was emulated"},
		"a virtual one": {trial.Device{Virtual: "it has QEMU's firmware interface", FloatInAdds: took(3)}, stats.Valid,
			"a virtual one: it has QEMU's"},
		"no number at all": {trial.Device{FloatInAdds: took(math.NaN())}, stats.Unavailable, "no number"},
		"a negative one":   {trial.Device{FloatInAdds: took(-1)}, stats.Unavailable, "no number"},
	} {
		r := *quiet
		r.Device = c.device
		got := checkEmulation(&r)
		if got.Outcome != c.want || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v", name, got)
		}
		if suspect := r.Device.EmulatedBy() != ""; suspect != (c.want == stats.Suspect) {
			t.Errorf("%s: emulated by %q", name, r.Device.EmulatedBy())
		}
		if r.Device.OnProcessor() != (c.want == stats.Valid) {
			t.Errorf("%s: on a processor: %v", name, r.Device.OnProcessor())
		}
	}
}

// The kernel adds up the throttled time of all processors: four threads that were
// stopped for half of the time were stopped for 191 % of it, the check said.
func TestThrottledTimeIsAShareOfTheProcessors(t *testing.T) {
	for threads, want := range map[int]float64{4: 47.75, 2: 95.5, 1: 100, 99: 47.75} {
		r := newDevice(4).trial(fault{change: func(b, n int, c *trial.Conditions) {
			c.Throttled = trial.Read(c.DurationNS / 100 * 191)
		}})
		r.Threads = threads
		for _, c := range checksOf(r) {
			if v, ok := c.Value.Get(); c.Name == Quota && (!ok || math.Abs(v-want) > 0.01 || c.Outcome != stats.Invalid) {
				t.Errorf("%d threads: %+v", threads, c)
			}
		}
	}
}

// hostile is a trial whose device sends numbers that no sensor gives.
func hostile(d device) *trial.Result {
	nan := trial.Read(math.NaN())
	r := d.trial(fault{change: func(b, n int, c *trial.Conditions) {
		*c = trial.Conditions{DurationNS: math.MaxInt64, ClockHz: trial.Read(trial.Range{High: math.NaN()}),
			ProbeHz:  trial.Read(trial.Range{High: math.Inf(1)}),
			BelowTop: nan, Outside: trial.Read(math.Inf(1)), Steal: trial.Read(-4.0),
			Throttled: trial.Read(int64(math.MinInt64)),
			Pressure:  trial.Read(int64(math.MaxInt64)), Swapped: trial.Read(int64(-1)),
			Temperature: trial.Read(trial.Range{Low: math.Inf(-1), High: math.NaN()})}
	}})
	r.Device.Roof = trial.Read(trial.Roof{Cores: -1, ClockHz: math.MaxInt64, FloatPerCycle: math.NaN()})
	r.Device.Cores, r.Threads = math.MinInt, math.MaxInt
	r.Device.Quota, r.Device.FloatInAdds = nan, nan
	r.Harness = trial.Read(trial.Harness{NullNS: math.MinInt64})
	r.Placement = trial.Read(trial.Placement{Nodes: math.MaxInt,
		Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: -1, TimeNS: math.MaxInt64}}})
	return r
}

func TestProvider(t *testing.T) {
	acl := trial.Provider{Name: "acl"}
	for _, c := range []struct {
		name      string
		provider  trial.Provider
		placement trial.Reading[trial.Placement]
		want      stats.Validity
		text      string
	}{
		{"all on it", acl, trial.Read(placed("acl", 68, "", 0)), stats.Valid, "acl: 68 of 68 nodes, 100 % of the time"},
		{"nothing on it", acl, trial.Read(placed("cpu", 68, "", 0)), stats.Invalid, "acl: 0 of 68 nodes: not an ACL result"},
		{"named, without a node", acl, trial.Read(placed("acl", 0, "cpu", 68)), stats.Invalid,
			"acl: 0 of 68 nodes: not an ACL result"},
		{"a little", acl, trial.Read(placed("acl", 4, "cpu", 64)), stats.Suspect,
			"acl: 4 of 68 nodes, 5.9 % of the time, limit 50 %: mostly a result of the others"},
		{"most", acl, trial.Read(placed("acl", 60, "cpu", 8)), stats.Valid, "acl: 60 of 68 nodes, 88 % of the time"},
		{"not measured", acl, trial.Unread[trial.Placement]("the profiler wrote nothing"), stats.Suspect,
			"nothing shows that acl ran any node: the profiler wrote nothing"},
		{"an old agent", acl, trial.Reading[trial.Placement]{}, stats.Suspect,
			"nothing shows that acl ran any node: the agent did not measure it"},
		{"cpu, not measured", trial.Provider{Name: "cpu"}, trial.Unread[trial.Placement]("no room"), stats.Unavailable,
			"no room"},
		{"contradiction", acl, trial.Read(trial.Placement{Nodes: 68,
			Providers: []trial.ProviderShare{{Provider: "acl", Nodes: 3}}}), stats.Suspect,
			"nothing shows that acl ran any node: the counts of nodes contradict each other: 68 in all, 3 of all providers"},
	} {
		got := checkProvider(&trial.Result{Provider: c.provider, Placement: c.placement})
		if got.Outcome != c.want || got.Text != c.text {
			t.Errorf("%s: %s %q, want %s %q", c.name, got.Outcome, got.Text, c.want, c.text)
		}
	}
}

// MobileNetV2 on a Pi 5: 0.3 G multiply-adds over 4 cores × 2.4 GHz × 8 take
// 3.906 ms.
func TestPhysics(t *testing.T) {
	d := newDevice(14)
	at := func(ns int64, f func(*trial.Result)) *trial.Result {
		r := d.trial(fault{result: f})
		for i := range r.LatenciesNS {
			r.LatenciesNS[i] = ns
		}
		return r
	}
	b, _ := Roof(at(10*ms, nil), sampleOf(at(10*ms, nil))).Get()
	if math.Abs(b.ComputeNS-3.90625e6) > 1 || math.Abs(b.Achieved-0.390625) > 1e-9 || b.Cores != 4 {
		t.Errorf("%+v", b)
	}
	if m, ok := b.MemoryNS.Get(); !ok || math.Abs(m-0.8*ms) > 1 {
		t.Errorf("memory: %v", m)
	}
	for _, c := range []struct {
		name string
		r    *trial.Result
		want stats.Validity
		text string
	}{
		{"plausible", at(10*ms, nil), stats.Valid, "300 M multiply-adds at 39 % of what 4 cores can do"},
		{"impossible", at(3.9*ms, nil), stats.Invalid, "300 M multiply-adds at 100 % of what 4 cores can do, limit 100 %"},
		{"one thread", at(10*ms, func(r *trial.Result) { r.Threads = 1 }), stats.Invalid,
			"300 M multiply-adds at 156 % of what 1 core can do, limit 100 %"},
		{"batch", at(10*ms, func(r *trial.Result) { r.Batch = 2 }), stats.Valid,
			"600 M multiply-adds at 78 % of what 4 cores can do"},
		{"8 bits", at(10*ms, func(r *trial.Result) { r.Model.Work = trial.Read(trial.Work{Integer: 300e6}) }), stats.Valid,
			"300 M multiply-adds at 9.8 % of what 4 cores can do"},
		{"large weights", at(10*ms, func(r *trial.Result) { r.Model.Work.Value.WeightBytes = 500e6 }), stats.Suspect,
			"300 M multiply-adds at 39 % of what 4 cores can do; " +
				"reading its weights once takes 41.7 ms, and the median is 10 ms"},
		{"no roof", at(10*ms, func(r *trial.Result) { r.Device.Roof = trial.Unread[trial.Roof]("unknown processor") }),
			stats.Unavailable,
			"the device's roof: unknown processor"},
		{"no work", at(10*ms, func(r *trial.Result) { r.Model.Work = trial.Reading[trial.Work]{} }), stats.Unavailable,
			"the model's work: the plan does not count it"},
	} {
		if got := checkPhysics(c.r, sampleOf(c.r)); got.Outcome != c.want || got.Text != c.text {
			t.Errorf("%s: %s %q", c.name, got.Outcome, got.Text)
		}
	}
}

func TestHarness(t *testing.T) {
	at := func(median int64, h trial.Reading[trial.Harness]) stats.Check {
		r := &trial.Result{LatenciesNS: []int64{median}, Harness: h}
		return checkHarness(r, sampleOf(r))
	}
	null := trial.Harness{NullNS: 2500, NullCNS: trial.Read(int64(2200))}
	if c := at(10*ms, trial.Read(null)); c.Outcome != stats.Valid ||
		c.Text != "an empty call takes 2500 ns, in C 2200 ns; the difference is 0.003 % of the median" {
		t.Errorf("%+v", c)
	}
	if c := at(20_000, trial.Read(null)); c.Outcome != stats.Suspect || *c.Value.Value != 1.5 {
		t.Errorf("%+v", c)
	}
	null.NullCNS = trial.Unread[int64]("no C loop")
	if c := at(10_000, trial.Read(null)); c.Outcome != stats.Invalid {
		t.Errorf("%+v", c)
	}
	if c := at(10_000, trial.Reading[trial.Harness]{}); c.Outcome != stats.Unavailable {
		t.Errorf("%+v", c)
	}
}

func TestFirmwareWords(t *testing.T) {
	for word, want := range map[string]bool{"": true, "ok": true, "0x0": true, "0x50000": true, "50000": true,
		"0x50005": false, "4": false, "under-voltage": false} {
		if quiet(word) != want {
			t.Errorf("%q", word)
		}
	}
}
