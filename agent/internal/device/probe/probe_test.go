package probe

import (
	"runtime"
	"testing"
)

// What the probes find depends on the machine and its neighbours: here only that
// they answer within what a processor can be. BenchmarkClock prints the figure.
func TestProbes(t *testing.T) {
	hz, err := ClockHz()
	if err != nil {
		t.Fatal(err)
	}
	if hz < lowestHz || hz > highestHz {
		t.Errorf("clock %g Hz", hz)
	}
	rate, err := ReadRate(runtime.NumCPU(), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	if rate < 1e6 || rate > 1e13 {
		t.Errorf("%g bytes/s", rate)
	}
}

func TestReadRateRefuses(t *testing.T) {
	for _, c := range []struct {
		cores int
		size  int64
	}{{0, 1 << 20}, {-1, 1 << 20}, {4, 0}, {4, 1000}, {4, -5}} {
		if rate, err := ReadRate(c.cores, c.size); err == nil {
			t.Errorf("%d cores, %d bytes: %g", c.cores, c.size, rate)
		}
	}
}

func BenchmarkClock(b *testing.B) {
	var sum float64
	for b.Loop() {
		hz, err := ClockHz()
		if err != nil {
			b.Fatal(err)
		}
		sum += hz
	}
	b.ReportMetric(sum/float64(b.N)/1e6, "MHz")
}

func BenchmarkReadRate(b *testing.B) {
	var sum float64
	for b.Loop() {
		rate, err := ReadRate(runtime.NumCPU(), 96<<20)
		if err != nil {
			b.Fatal(err)
		}
		sum += rate
	}
	b.ReportMetric(sum/float64(b.N)/1e9, "GB/s")
}
