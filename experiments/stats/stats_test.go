package stats

import (
	"math/rand/v2"
	"slices"
	"testing"

	"chexp/experiments/trial"
)

func TestSummarizeNothing(t *testing.T) {
	if s := NewSample(nil).Summary(1); s != nil {
		t.Fatalf("summary of no latencies is %+v, want nil", s)
	}
}

func TestSummarizeByHand(t *testing.T) {
	// 5 inferences of 2 inputs: sorted 10 20 30 40 100; sum 200 ns.
	s := NewSample([]int64{30, 10, 100, 20, 40}).Summary(2)
	if s.N != 5 || s.MinNS != 10 || s.MaxNS != 100 || s.MeanNS != 40 || s.MedianNS != 30 {
		t.Errorf("got %+v", s)
	}
	if want := 10 / 200e-9; s.Throughput != want { // 10 inputs in 200 ns
		t.Errorf("throughput %v, want %v", s.Throughput, want)
	}
	if s.P90NS.Value != nil || s.P90NS.Unavailable != "needs 64 inferences, has 5: 59 more" {
		t.Errorf("p90 of 5 is %+v", s.P90NS)
	}
	if s.MedianInterval.Unavailable != "5 inferences are too few for a 95 % interval" {
		t.Errorf("the interval of 5 is %+v", s.MedianInterval)
	}
	if i, ok := NewSample([]int64{30, 10, 100, 20, 40, 50}).Summary(1).MedianInterval.Get(); !ok || i.Low != 10 ||
		i.High != 100 {
		t.Errorf("the interval of 6 is %+v, want from the least to the greatest", i)
	}
	if m := NewSample([]int64{4, 1, 3, 2}).Summary(1).MedianNS; m != 2.5 {
		t.Errorf("median of 1 2 3 4 is %v, want 2.5", m)
	}
}

func TestSummarizeZeroTime(t *testing.T) {
	if s := NewSample([]int64{0}).Summary(1); s.Throughput != 0 {
		t.Errorf("throughput of zero time is %v; JSON cannot carry infinity", s.Throughput)
	}
}

// The thresholds, on both sides of each.
func TestPercentileNeedsSample(t *testing.T) {
	for _, tc := range []struct {
		n             int
		p90, p95, p99 float64 // 0: refused
	}{
		{63, 0, 0, 0},
		{64, 58, 0, 0},   // ceil(57.6) = 58th of 1..64
		{129, 117, 0, 0}, // ceil(116.1)
		{130, 117, 124, 0},
		{661, 595, 628, 0}, // ceil(594.9), ceil(627.95)
		{662, 596, 629, 656},
		{1000, 900, 950, 990},
	} {
		latencies := make([]int64, tc.n)
		for i := range latencies {
			latencies[i] = int64(i + 1)
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(tc.n, func(i, j int) { latencies[i], latencies[j] = latencies[j], latencies[i] })
		s := NewSample(latencies).Summary(1)
		for _, p := range []struct {
			name string
			got  trial.Reading[float64]
			want float64
		}{{"p90", s.P90NS, tc.p90}, {"p95", s.P95NS, tc.p95}, {"p99", s.P99NS, tc.p99}} {
			v, ok := p.got.Get()
			if ok != (p.want != 0) || v != p.want {
				t.Errorf("n=%d %s = %+v, want %v", tc.n, p.name, p.got, p.want)
			}
		}
	}
}

// Properties that hold for any sample; and the input keeps its order.
func TestSummarizeProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		latencies := make([]int64, 662+rng.IntN(400))
		for i := range latencies {
			latencies[i] = rng.Int64N(1 << 30)
		}
		before := slices.Clone(latencies)
		s := NewSample(latencies).Summary(1)
		if !slices.Equal(before, latencies) {
			t.Fatal("Summarize reordered the raw latencies")
		}
		p90, _ := s.P90NS.Get()
		p95, _ := s.P95NS.Get()
		p99, _ := s.P99NS.Get()
		chain := []float64{float64(s.MinNS), s.MedianNS, p90, p95, p99, float64(s.MaxNS)}
		if !slices.IsSorted(chain) {
			t.Fatalf("min, median, p90, p95, p99, max are not in order: %v", chain)
		}
		i, ok := s.MedianInterval.Get()
		if !ok || !(float64(s.MinNS) <= i.Low && i.Low <= s.MedianNS && s.MedianNS <= i.High && i.High <= float64(s.MaxNS)) {
			t.Fatalf("the interval %+v does not hold the median %v", s.MedianInterval, s.MedianNS)
		}
		if !slices.Contains(latencies, int64(p99)) {
			t.Fatalf("p99 %v was never measured", p99)
		}
	}
}
