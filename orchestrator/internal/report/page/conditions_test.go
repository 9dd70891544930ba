package page

import (
	"math"
	"slices"
	"strings"
	"testing"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/findings"
)

func measuredIn(blocks int, change func(i int, c *trial.Conditions)) *findings.Row {
	r := &trial.Result{}
	for i := range blocks {
		c := &trial.Conditions{DurationNS: 1e9, Temperature: trial.Read(trial.Range{Low: 50, High: 50 + float64(i)}),
			ProbeHz: trial.Read(trial.Range{Low: 2.3e9, High: 2.4e9}), Outside: trial.Read(0.1 * float64(i)),
			Pressure: trial.Unread[int64]("no /proc/pressure")}
		if change != nil {
			change(i, c)
		}
		r.Blocks = append(r.Blocks, trial.Block{First: 10 * i, N: 10, Conditions: c})
	}
	return &findings.Row{Trial: &judge.Trial{Result: r, N: 10 * blocks}}
}

// A signal has a lane where blocks have it, each step under its block's inferences.
func TestLanes(t *testing.T) {
	var names []string
	for _, l := range lanes(measuredIn(4, nil), 0.2) {
		names = append(names, l.Name)
		first, last := l.Plot.Shapes[1], l.Plot.Shapes[len(l.Plot.Shapes)-1]
		if first.X != "20.00%" || last.X2 != "100.00%" {
			t.Errorf("%s begins at %s and ends at %s", l.Name, first.X, last.X2)
		}
		if l.Name == "temperature" && l.Range != "50 to 53 °C" {
			t.Errorf("%q", l.Range)
		}
	}
	if !slices.Equal(names, []string{"temperature", "clock", "other load"}) {
		t.Errorf("lanes %v", names)
	}
}

// What no sensor gives is in no picture, and one block is none.
func TestLanesOfLittle(t *testing.T) {
	if got := lanes(measuredIn(1, nil), 0); got != nil {
		t.Errorf("%+v", got)
	}
	hostile := lanes(measuredIn(5, func(i int, c *trial.Conditions) {
		*c = trial.Conditions{Outside: trial.Read(math.Inf(1)), Pressure: trial.Read(int64(math.MaxInt64)),
			Temperature: trial.Read(trial.Range{High: math.NaN()}), ProbeHz: trial.Read(trial.Range{High: -1})}
	}), 0)
	for _, l := range hostile {
		for _, s := range l.Plot.Shapes {
			if strings.Contains(s.Y+s.Y2+s.X+s.X2, "NaN") || strings.Contains(s.Y, "Inf") {
				t.Errorf("%s: %+v", l.Name, s)
			}
		}
	}
	old := measuredIn(3, nil)
	for i := range old.Result.Blocks {
		old.Result.Blocks[i].Conditions = nil
	}
	if got := lanes(old, 0); got != nil {
		t.Errorf("%+v", got)
	}
}
