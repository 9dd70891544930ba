package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// boards draws medians of n devices around 10 ms. Populations: those that
// scatter normally, those of which one in eight is 8 % slower, and those of
// which three in ten have another firmware setting, worth 10 %.
type boards struct {
	name  string
	sd    float64
	share float64 // of slower ones
	by    float64
}

var populations = []boards{
	{"normal, 2 %", 0.02, 0, 0}, {"normal, 10 %", 0.10, 0, 0},
	{"one in eight 8 % slower", 0.01, 0.125, 0.08}, {"three in ten 10 % slower", 0.02, 0.3, 0.10},
}

func (p boards) draw(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1e7 * math.Exp(p.sd*rng.NormFloat64())
		if rng.Float64() < p.share {
			out[i] *= 1 + p.by
		}
	}
	return out
}

// The interval holds the median of the population in 95 of 100 cases (93 allows
// for chance among 2000, and for Student's t where boards are of two kinds).
func TestMiddleOfCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	for _, p := range populations {
		all := p.draw(rng, 200001)
		slices.Sort(all)
		truth := all[len(all)/2]
		for _, n := range []int{3, 5, 6, 7, 8, 12, 30} {
			const times = 2000
			width := 0.0
			covers := rate(times, func() bool {
				m, _ := MiddleOf(p.draw(rng, n), "device")
				i, _ := m.Interval.Get()
				width += (i.High/i.Low - 1) / times
				return i.Low <= truth && truth <= i.High
			})
			t.Logf("%s, %d devices: covers %.1f %%, width %.1f %%", p.name, n, covers, 100*width)
			if covers < 93 {
				t.Errorf("%s: the interval over %d devices covers the median in %.1f %%", p.name, n, covers)
			}
		}
	}
}

func TestMiddleOfByHand(t *testing.T) {
	m, ok := MiddleOf([]float64{4, 1, 2}, "device")
	if !ok || math.Abs(m.Value-2) > 1e-12 || m.Units != 3 {
		t.Errorf("%+v", m)
	}
	// Logarithms to base 2: 0, 1, 2: mean 1, standard error 1/√3, Student's t 4.303.
	half := 4.303 / math.Sqrt(3)
	if i, _ := m.Interval.Get(); math.Abs(math.Log2(i.Low)-(1-half)) > 1e-9 ||
		math.Abs(math.Log2(i.High)-(1+half)) > 1e-9 {
		t.Errorf("interval %+v", i)
	}
	// Six: the outermost hold the median in 96.875 %, the next in 78.125 %. A
	// tenth of the way in confidence is 5·0.1/(1+4·0.1) of the way in value.
	m, _ = MiddleOf([]float64{1, 2, 4, 8, 16, 32}, "device")
	in := 0.5 / 1.4
	if i, _ := m.Interval.Get(); math.Abs(math.Log2(i.Low)-in) > 1e-9 || math.Abs(math.Log2(i.High)-(5-in)) > 1e-9 {
		t.Errorf("interval %+v", i)
	}
	m, ok = MiddleOf([]float64{1, 4}, "device")
	if !ok || math.Abs(m.Value-2) > 1e-12 || m.Interval.Unavailable != "two devices: no interval, it takes 3" {
		t.Errorf("%+v", m)
	}
	if _, ok := MiddleOf([]float64{0, math.NaN(), math.Inf(1), -1}, "device"); ok {
		t.Error("a median of nothing")
	}
}

// Of equal sets of runs at most 5 in 100 differ (7 allows for chance), and a
// difference of the size that is said to be detectable is found in about four of
// five; in two of three where one side has three units.
func TestRatioOfUnitsErrorRates(t *testing.T) {
	rng := rand.New(rand.NewPCG(22, 1))
	p := populations[0]
	for _, n := range [][2]int{{3, 3}, {3, 8}, {7, 7}, {40, 40}} {
		differs := func(a, b []float64) bool {
			c, _ := RatioOfUnits(a, b, "run")
			return c.Differs()
		}
		alarms := rate(1500, func() bool { return differs(p.draw(rng, n[0]), p.draw(rng, n[1])) })
		power := rate(1500, func() bool {
			// How much is detectable is known beforehand from runs that are no part of the comparison.
			c, _ := RatioOfUnits(p.draw(rng, n[0]), p.draw(rng, n[1]), "run")
			a := p.draw(rng, n[0])
			for i := range a {
				a[i] *= 1 + Detectable(*c.Interval.Value)
			}
			return differs(a, p.draw(rng, n[1]))
		})
		t.Logf("%d and %d runs: %.1f %% of equals differ, the detectable is found in %.1f %%", n[0], n[1], alarms, power)
		if alarms > 7 || power < 60 || power > 95 {
			t.Errorf("%d and %d runs: %.1f %% of equals differ, the detectable is found in %.1f %%", n[0], n[1], alarms, power)
		}
	}
}

// The same devices before and after: boards that differ by 10 % do not hide a
// difference of 3 %, as they do if they are taken for others.
func TestPairedByDevice(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 1))
	p := populations[1]
	one := func(gain float64) (paired, apart bool) {
		board := p.draw(rng, 7)
		a, b, ratios := make([]float64, 7), make([]float64, 7), make([]float64, 7)
		for i, v := range board {
			a[i] = v * (1 + gain) * math.Exp(0.01*rng.NormFloat64())
			b[i] = v * math.Exp(0.01*rng.NormFloat64())
			ratios[i] = a[i] / b[i]
		}
		m, _ := MiddleOf(ratios, "device")
		c := Estimate{Ratio: m.Value, Interval: m.Interval}
		d, _ := RatioOfUnits(a, b, "device")
		return c.Differs(), d.Differs()
	}
	alarms := rate(1500, func() bool { p, _ := one(0); return p })
	power := rate(500, func() bool { p, _ := one(0.03); return p })
	blind := rate(500, func() bool { _, a := one(0.03); return a })
	t.Logf("paired: %.1f %% of equals differ, 3 %% is found in %.1f %%, unpaired in %.1f %%", alarms, power, blind)
	if alarms > 7 || power < 90 || blind > 15 {
		t.Errorf("paired: %.1f %% of equals differ, 3 %% is found in %.1f %%, unpaired in %.1f %%", alarms, power, blind)
	}
}

// A board that is 25 % slower, as with another firmware setting, is found, and
// so are two of seven; sets of equals seldom have an outlier.
func TestOutliers(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 1))
	for _, n := range []int{6, 7, 20, 190} {
		for _, p := range populations[:2] {
			if alarms := rate(1000, func() bool { return len(Outliers(p.draw(rng, n))) > 0 }); alarms > 7 {
				t.Errorf("%s: %.1f %% of sets of %d equals have an outlier", p.name, alarms, n)
			}
		}
		found := rate(300, func() bool {
			v := boards{sd: 0.01}.draw(rng, n)
			v[0], v[1] = 1.25*v[0], 1.25*v[1]
			out := Outliers(v)
			return slices.Contains(out, 0) && slices.Contains(out, 1)
		})
		if found < 85 {
			t.Errorf("two boards of %d that are 25 %% slower are found in %.1f %%", n, found)
		}
	}
	if out := Outliers([]float64{1, 1, 1, 1, 2}); out != nil {
		t.Errorf("of five, %v are outliers", out)
	}
	if out := Outliers([]float64{100, 100, 100, 100, 100, 103}); out != nil {
		t.Errorf("3 %% is an outlier: %v", out)
	}
}
