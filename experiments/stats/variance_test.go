package stats

import (
	"math"
	"testing"
)

// logs are latencies with these logarithms, give or take the rounding to 1 ns.
func logs(values ...float64) (out []int64) {
	for _, v := range values {
		out = append(out, int64(math.Round(1e9*math.Exp(v))))
	}
	return out
}

// By hand, in tenths: two processes of two blocks of two inferences.
//
//	within blocks: each value is 1 off its block: 8 squares of 1, 4 degrees of freedom: 2
//	between blocks: 2 and 6, 12 and 16 are 2 off: 4 · 4 / 2 = 8, less 2/2: 7
//	between processes: 4 and 14 are 5 off: 50 / 1 = 50, less 8/2: 46
func TestComponentsByHand(t *testing.T) {
	run := Group{Groups: []Group{
		{Groups: []Group{{Latencies: logs(0.1, 0.3)}, {Latencies: logs(0.5, 0.7)}}},
		{Groups: []Group{{Latencies: logs(1.1, 1.3)}, {Latencies: logs(1.5, 1.7)}}},
	}}
	got := Components(run, "process", "block", "inference")
	want := []Component{{"process", math.Sqrt(0.46), 46.0 / 55, 2}, {"block", math.Sqrt(0.07), 7.0 / 55, 4},
		{"inference", math.Sqrt(0.02), 2.0 / 55, 8}}
	compareComponents(t, got, want)
}

// One block per process: what blocks add cannot be told from what processes add.
func TestComponentsOfSingleGroups(t *testing.T) {
	run := Group{Groups: []Group{
		{Groups: []Group{{Latencies: logs(0.1, 0.3)}}},
		{Groups: []Group{{Latencies: logs(1.1, 1.3)}}},
	}}
	// Processes: 0.2 and 1.2, 0.5 off: 0.5, less 0.02/2.
	compareComponents(t, Components(run, "process", "block", "inference"),
		[]Component{{"process", math.Sqrt(0.49), 0.49 / 0.51, 2}, {"inference", math.Sqrt(0.02), 0.02 / 0.51, 4}})
	if got := Components(Group{Latencies: logs(1)}, "inference"); len(got) != 0 {
		t.Errorf("one value has the components %v", got)
	}
	if got := Components(Group{}, "process", "inference"); len(got) != 0 {
		t.Errorf("nothing has the components %v", got)
	}
}

// Blocks that are more alike than chance makes them add nothing.
func TestComponentsAreNeverNegative(t *testing.T) {
	run := Group{Groups: []Group{{Latencies: logs(1, 2, 3)}, {Latencies: logs(1, 2, 3)}}}
	compareComponents(t, Components(run, "block", "inference"), []Component{{"block", 0, 0, 2}, {"inference", 1, 1, 6}})
}

// Known spreads at three levels come back on average.
func TestComponentsOfKnownSpread(t *testing.T) {
	d := newNoise(11, 0.02, 0, 0)
	var sums [3]float64
	const times = 60
	for range times {
		var run Group
		for range 6 {
			process := 0.03 * d.rng.NormFloat64()
			var g Group
			for i := range 5 {
				level := process + 0.01*d.rng.NormFloat64()
				g.Groups = append(g.Groups, Group{Latencies: d.draw(20+i, func(int) float64 { return math.Exp(level) })})
			}
			run.Groups = append(run.Groups, g)
		}
		for i, c := range Components(run, "process", "block", "inference") {
			sums[i] += c.SD * c.SD / times
		}
	}
	for i, want := range []float64{0.03, 0.01, 0.02} {
		if got := math.Sqrt(sums[i]); math.Abs(got/want-1) > 0.1 {
			t.Errorf("level %d: %.4f, want %.4f", i, got, want)
		}
	}
}

func compareComponents(t *testing.T, got, want []Component) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for i, w := range want {
		g := got[i]
		if g.Level != w.Level || g.Groups != w.Groups || math.Abs(g.SD-w.SD) > 1e-6 || math.Abs(g.Share-w.Share) > 1e-6 {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
}
