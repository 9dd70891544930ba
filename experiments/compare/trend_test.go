package compare_test

import (
	"slices"
	"testing"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
	"chexp/experiments/trial"
)

// Sixteen runs on one board, of which the last eight have another kernel and take
// 8 % longer: one step, between the right runs, with its ratio and the kernel.
func TestTrend(t *testing.T) {
	class := simulated.Quiet(9, 1, 16)
	class.Factor = func(_, run int) float64 {
		if run >= 8 {
			return 1.08
		}
		return 1
	}
	class.Change = func(run int, r *trial.Result) {
		if run >= 8 {
			r.Device.Kernel = trial.Read("newer")
		}
	}
	runs := class.Group("").Runs
	slices.Reverse(runs) // their times say in which order they were
	trend := compare.TrendOf("simulated", runs, 1)
	if len(trend.Runs) != 16 || len(trend.Rows) != 2 || trend.Schema != compare.TrendSchema {
		t.Fatalf("%+v", trend)
	}
	for _, row := range trend.Rows {
		if len(row.Points) != 16 || len(row.Steps) != 1 {
			t.Fatalf("%d points, %+v", len(row.Points), row.Steps)
		}
		s := row.Steps[0]
		if s.First != 8 || s.Before != row.Points[7].Run || s.After != row.Points[8].Run ||
			!row.Points[7].Started.Before(row.Points[8].Started) {
			t.Errorf("%+v", s)
		}
		c, ok := s.Change.Get()
		i, _ := c.Interval.Get()
		if !ok || c.Finding != compare.Slower || i.Low > 1.08 || i.High < 1.08 ||
			s.MedianAfter/s.MedianBefore < 1.06 || s.MedianAfter/s.MedianBefore > 1.1 {
			t.Errorf("%+v", s)
		}
		if len(s.Facts) != 1 || s.Facts[0].Name != "kernel" || s.Facts[0].Values[1].Value != "newer" {
			t.Errorf("what differs: %+v", s.Facts)
		}
	}
}

// Where nothing changed there is no step, and with few runs none is looked for.
func TestTrendWithoutSteps(t *testing.T) {
	for _, n := range []int{1, 8, 20} {
		trend := compare.TrendOf("simulated", simulated.Quiet(11, 1, n).Group("").Runs, 1)
		for _, row := range trend.Rows {
			if len(row.Points) != n || row.Steps == nil || len(row.Steps) > 0 {
				t.Errorf("%d runs: %d points, %+v", n, len(row.Points), row.Steps)
			}
		}
	}
}
