package page

import (
	"testing"

	"chexp/experiments/compare"
)

// Devices that are far apart have a scale that ends above zero: the ticks of one from
// zero, with logarithms, have no end.
func TestDevicesFarApartHaveTicks(t *testing.T) {
	for _, medians := range [][]float64{{57_800, 81_400, 622_000}, {57_800, 3_400_000}, {5, 5e9}, {0, 1}, {1, 1}, {0, 0}} {
		pool := compare.Pool{}
		for _, m := range medians {
			pool.Points = append(pool.Points, compare.Point{Median: m})
		}
		s, _ := across{}.figureScale(compare.Row{Pools: []compare.Pool{pool}})
		if s.log && s.lo <= 0 {
			t.Fatalf("%v: from %g", medians, s.lo)
		}
		if n := len(s.ticks(5)); n < 1 || n > 40 {
			t.Errorf("%v: %d ticks", medians, n)
		}
		for _, m := range medians {
			if at := s.at(m); !(at >= 0 && at <= 1) {
				t.Errorf("%v: %g is at %g", medians, m, at)
			}
		}
	}
}
