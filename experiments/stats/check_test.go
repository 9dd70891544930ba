package stats

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func find(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q", name)
	return Check{}
}

// clean are trials with nothing wrong.
var clean = []struct {
	name string
	d    noise
	n    int
}{
	{"short", newNoise(21, 0.04, 0, 0.02), 40},
	{"as in the tutorial", newNoise(22, 0.04, 0, 0.02), 100},
	{"noisy", newNoise(23, 0.08, 0, 0.03), 100},
	{"each like the one before", newNoise(24, 0.03, 0.5, 0.02), 200},
	{"long", newNoise(25, 0.04, 0.3, 0.03), 1000},
}

// At most 5 of 100 trials with nothing wrong are not VALID (7.5 allows for
// chance among 300).
func TestFalseAlarms(t *testing.T) {
	for _, c := range clean {
		by := map[string]int{}
		alarms := rate(300, func() bool {
			checks := NewSample(c.d.draw(c.n, steady)).Checks()
			for _, k := range checks {
				if k.Outcome != Valid && k.Outcome != Unavailable {
					by[k.Name]++
				}
			}
			return Worst(checks) != Valid
		})
		t.Logf("%s: %.1f %% %v", c.name, alarms, by)
		if alarms > 7.5 {
			t.Errorf("%s: %.1f %% false alarms: %v", c.name, alarms, by)
		}
	}
}

// What is put into a trial is named in at least 95 of 100.
func TestInjectedFaultsAreNamed(t *testing.T) {
	d := newNoise(31, 0.03, 0.2, 0.02)
	for _, c := range []struct {
		fault, name string
		n           int
		factor      func(i int) float64
	}{
		{"warm-up", WarmUp, 100, func(i int) float64 { return when(i < 15, 1.25) }},
		{"a warm-up that fades", WarmUp, 300, func(i int) float64 { return 1 + 0.5*math.Exp(-float64(i)/20) }},
		{"a slope of 20 %", Drift, 100, func(i int) float64 { return 1 + 0.2*float64(i)/100 }},
		{"a slope of 20 % downwards", Drift, 300, func(i int) float64 { return 1.2 - 0.2*float64(i)/300 }},
		{"throttling to 80 % of the clock after two thirds", Drift, 100, func(i int) float64 { return when(i >= 65, 1/0.8) }},
		{"a neighbour in the middle third", Drift, 200, func(i int) float64 { return when(i >= 67 && i < 133, 1.3) }},
		{"two clock speeds in turns", Bimodality, 100, func(i int) float64 { return when(i/5%3 == 0, 1.25) }},
		{"two modes at random", Bimodality, 200, func(int) float64 { return when(d.rng.IntN(4) == 0, 1.25) }},
		{"a neighbour that comes and goes", OutlierShare, 200, func(int) float64 {
			return when(d.rng.IntN(6) == 0,
				1.5+2*d.rng.Float64())
		}},
	} {
		named := rate(200, func() bool {
			return find(t, NewSample(d.draw(c.n, c.factor)).Checks(), c.name).Outcome != Valid
		})
		t.Logf("%s: %s in %.1f %%", c.fault, c.name, named)
		if named < 95 {
			t.Errorf("%s is named %q in %.1f %% only", c.fault, c.name, named)
		}
	}
}

func when(yes bool, factor float64) float64 {
	if yes {
		return factor
	}
	return 1
}

// A steady fall is a drift; the scan for a slow start sees it too and must not
// take it for a warm-up that ended.
func TestFallIsNoWarmUp(t *testing.T) {
	d := newNoise(32, 0.02, 0, 0)
	both := rate(100, func() bool {
		checks := NewSample(d.draw(300, func(i int) float64 { return 1.5 - 0.5*float64(i)/300 })).Checks()
		return find(t, checks, Drift).Outcome == Invalid && find(t, checks, WarmUp).Outcome == Valid
	})
	if both < 90 {
		t.Errorf("a fall by a third is an INVALID drift and no warm-up in %.0f %%", both)
	}
}

func TestSampleSize(t *testing.T) {
	for _, c := range []struct {
		n    int
		sd   float64
		want Validity
		text string
	}{
		{1, 0.02, Invalid, "1 inference, it takes 6"},
		{5, 0.02, Invalid, "5 inferences, it takes 6"},
		{6, 0.02, Suspect, "6 inferences, it takes 30 to see whether the trial was steady, 130 for a p95 and 662 for a p99"},
		{29, 0.02, Suspect, "29 inferences, it takes 30"},
		{30, 0.02, Valid, "30 inferences, median known to ±"},
		{40, 0.5, Suspect, "the median is known to ±"},
		{10000, 0.5, Valid, "10000 inferences, median known to ±"},
	} {
		checks := NewSample(newNoise(41, c.sd, 0, 0).draw(c.n, steady)).Checks()
		got := find(t, checks, SampleSize)
		if got.Outcome != c.want || !strings.HasPrefix(got.Text, c.text) || (got.Remedy == "") != (c.want == Valid) {
			t.Errorf("n = %d, sd %v: %+v", c.n, c.sd, got)
		}
		if v, _ := got.Value.Get(); int(v) != c.n || (got.Limit > v) != (c.want != Valid) {
			t.Errorf("n = %d: value %v, limit %v", c.n, v, got.Limit)
		}
		if steady := find(t, checks, Drift).Outcome; (steady == Unavailable) != (c.n < Steady) {
			t.Errorf("n = %d: drift is %s", c.n, steady)
		}
		if c.n < Steady && Worst(checks) != c.want {
			t.Errorf("n = %d: checks that were not made change the verdict to %s", c.n, Worst(checks))
		}
	}
}

// With as many inferences as the check asks for, the interval is as narrow as
// it wants.
func TestSampleSizeAsksForEnough(t *testing.T) {
	d := newNoise(42, 0.3, 0, 0)
	c := find(t, NewSample(d.draw(50, steady)).Checks(), SampleSize)
	p, _ := NewSample(d.draw(int(c.Limit), steady)).Precision()
	if c.Outcome != Suspect || p < 0.6*precise || p > 1.6*precise {
		t.Errorf("%+v; that many give ±%.3f", c, p)
	}
}

func TestVerdict(t *testing.T) {
	for want, outcomes := range map[Validity][]Validity{
		Valid:   {Valid, Unavailable, Valid},
		Suspect: {Valid, Suspect, Unavailable},
		Invalid: {Suspect, Invalid, Valid},
	} {
		var checks []Check
		for _, o := range outcomes {
			checks = append(checks, Check{Outcome: o})
		}
		if got := Worst(checks); got != want {
			t.Errorf("%v make %s, want %s", outcomes, got, want)
		}
	}
	if Worst(nil) != Valid {
		t.Error("no check makes a trial anything but VALID")
	}
}

// Whatever a device sends, the answers can be written as JSON, in one order,
// with a remedy exactly where something is wrong.
func TestChecksOfOddSamples(t *testing.T) {
	d := newNoise(51, 3, 0, 0.5)
	for name, values := range map[string][]int64{
		"equal":   make([]int64, 100),
		"largest": {math.MaxInt64},
		"wide":    d.draw(500, func(int) float64 { return math.Exp(10 * d.rng.NormFloat64()) }),
		"two":     {1, math.MaxInt64},
		"step":    d.draw(90, func(i int) float64 { return when(i < 45, 1e9) }),
		"none":    nil,
	} {
		for len(values) > 0 && len(values) < 30 {
			values = append(values, values...)
		}
		for i, v := range values {
			values[i] = max(v, 1)
		}
		checks := NewSample(values).Checks()
		if _, err := json.Marshal(checks); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, want := range []string{SampleSize, WarmUp, Drift, Stationarity, Bimodality, OutlierShare} {
			c := checks[i]
			bad := c.Outcome == Suspect || c.Outcome == Invalid
			if c.Name != want || c.Text == "" || bad != (c.Remedy != "") || strings.HasSuffix(c.Text, ".") {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

func TestRoundUp(t *testing.T) {
	for in, want := range map[int]int{5: 5, 8: 10, 50: 50, 51: 100, 308: 350, 501: 1000} {
		if got := roundUp(in); got != want {
			t.Errorf("roundUp(%d) = %d, want %d", in, got, want)
		}
	}
}
