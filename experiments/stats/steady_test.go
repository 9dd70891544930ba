package stats

import (
	"math"
	"slices"
	"testing"
)

// Ranks 1 to 9 in order: their thirds have the means 2, 5 and 8, and H is
// 12/90 · 3 · (9 + 0 + 9) = 7.2, the largest that any table of the test has for
// three groups of three; with two degrees of freedom p = exp(-3.6).
func TestKruskalWallisByHand(t *testing.T) {
	if p := kruskalWallis([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}); math.Abs(p-math.Exp(-3.6)) > 1e-12 {
		t.Errorf("p = %v, want %v", p, math.Exp(-3.6))
	}
	if p := kruskalWallis([]float64{5, 5, 5, 5, 5, 5}); p != 1 {
		t.Errorf("equal values have p = %v", p)
	}
	// Ties: 1 1 2 2 3 3 has the ranks 1.5 1.5 3.5 3.5 5.5 5.5. H of the textbook
	// is 12/42 · 2 · (4 + 0 + 4) = 4.571, its correction 1 - 3·6/210: 5.
	if p := kruskalWallis([]float64{1, 1, 2, 2, 3, 3}); math.Abs(p-math.Exp(-2.5)) > 1e-12 {
		t.Errorf("with ties p = %v, want %v", p, math.Exp(-2.5))
	}
}

func TestRankOf(t *testing.T) {
	if got, want := rankOf([]int64{30, 10, 20, 10, 40}), []float64{4, 1.5, 3, 1.5, 5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Ranks 1 2 3 4 5 around 3: Σ of neighbours (-2·-1 + -1·0 + 0·1 + 1·2) = 4, Σ
// of squares 10.
func TestAutocorrelation(t *testing.T) {
	for _, c := range []struct {
		values []int64
		want   float64
	}{{[]int64{1, 2, 3, 4, 50}, 0.4}, {[]int64{7, 7, 7, 7}, 0}, {[]int64{1, 2}, 0}, {nil, 0}} {
		if got := NewSample(c.values).Autocorrelation(); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
	for _, like := range []float64{0, 0.5, 0.8} {
		if got := NewSample(newNoise(1, 0.04, like, 0).draw(20000, steady)).Autocorrelation(); math.Abs(got-like) > 0.03 {
			t.Errorf("a sequence with autocorrelation %v has %v", like, got)
		}
	}
}

// The median of repeated samples must lie within the precision that each of
// them claims, for dependent values too.
func TestPrecisionCovers(t *testing.T) {
	for _, like := range []float64{0, 0.3, 0.7} {
		d := newNoise(2, 0.05, like, 0)
		missed := rate(400, func() bool {
			s := NewSample(d.draw(300, steady))
			p, _ := s.Precision()
			return math.Abs(s.Median()/1e7-1) > p
		})
		if missed > 9 { // the interval itself 5, its width is estimated, 400 experiments
			t.Errorf("autocorrelation %v: the median is off by more than the precision in %.1f %%", like, missed)
		}
	}
	if _, ok := NewSample([]int64{1, 2, 3, 4, 5}).Precision(); ok {
		t.Error("five values have a precision")
	}
}

func TestSlowStart(t *testing.T) {
	d := newNoise(3, 0.03, 0, 0.02)
	slow := d.draw(300, func(i int) float64 {
		if i < 30 {
			return 1.25
		}
		return 1
	})
	length, ratio := slowStart(slow)
	if length < 27 || length > 33 || math.Abs(ratio-1.25) > 0.02 {
		t.Errorf("30 slow ones by 25 %% are found as %d by %.0f %%", length, 100*(ratio-1))
	}
	slices.Reverse(slow)
	if length, _ := slowStart(slow); length != 0 {
		t.Errorf("a slow end is found as a start of %d", length)
	}
}

// Otsu cuts 10 values of 1, 2 and of 11, 12 in the middle.
func TestTwoModesByHand(t *testing.T) {
	var sorted []int64
	for i := range 40 {
		sorted = append(sorted, []int64{100, 101, 110, 111}[i/10])
	}
	m, ok := twoModes(sorted)
	if !ok || m.Fast != 100.5 || m.Slow != 110.5 || m.Share != 0.5 {
		t.Errorf("%+v %v", m, ok)
	}
}

// Samples with one mode, whatever their shape, have two in at most 1 of 100
// (2 allows for chance among 300).
func TestOneModeStaysOne(t *testing.T) {
	d := newNoise(4, 0, 0, 0)
	for name, shape := range map[string]func() float64{
		"uniform":      func() float64 { return 1 + d.rng.Float64() },
		"normal":       func() float64 { return 20 + d.rng.NormFloat64() },
		"exponential":  func() float64 { return 1 + d.rng.ExpFloat64() },
		"skewed":       func() float64 { return math.Exp(0.5 * d.rng.NormFloat64()) },
		"heavy tails":  func() float64 { return max(0.1, 1+0.05*math.Tan(math.Pi*(d.rng.Float64()-0.5))) },
		"coarse clock": func() float64 { return 1 + math.Round(10*d.rng.ExpFloat64())/50 },
	} {
		for _, n := range []int{50, 300, 1000} {
			two := rate(300, func() bool {
				values := make([]int64, n)
				for i := range values {
					values[i] = int64(1e6 * shape())
				}
				slices.Sort(values)
				_, ok := twoModes(values)
				return ok
			})
			if two > 2 {
				t.Errorf("%s, n = %d: two modes in %.1f %%", name, n, two)
			}
		}
	}
}

// Median 24.5, deviations 0.5 0.5 1.5 1.5 1.5 1.5 3.5 3.5 57.5 58.5: MAD 1.5.
// Of 21, z is 0.6745 · 3.5 / 1.5 = 1.6, of 82 it is 25.9.
func TestOutliersByHand(t *testing.T) {
	o := outliers([]int64{21, 21, 23, 23, 24, 25, 26, 26, 82, 83})
	if o.Slow != 2 || o.Fast != 0 || math.Abs(o.Slowest-83/24.5) > 1e-12 {
		t.Errorf("%+v", o)
	}
	// The MAD is 0; the mean deviation is 0.9: z of 19 is 9 / (1.253314 · 0.9) = 8.
	if o := outliers([]int64{10, 10, 10, 10, 10, 10, 10, 10, 10, 19}); o.Slow != 1 {
		t.Errorf("%+v", o)
	}
	if o := outliers([]int64{5, 5, 5}); o.Slow+o.Fast != 0 {
		t.Errorf("%+v", o)
	}
}
