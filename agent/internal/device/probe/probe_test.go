package probe

import (
	"runtime"
	"strings"
	"testing"
)

// What the probe finds depends on the machine and its neighbours: here only that
// it answers within what a processor can be. BenchmarkClock prints the figure.
func TestClock(t *testing.T) {
	hz, err := ClockHz()
	if err != nil {
		t.Fatal(err)
	}
	if hz < lowestHz || hz > highestHz {
		t.Errorf("clock %g Hz", hz)
	}
}

// Whatever runs this test, a float operation takes longer than an addition. What
// emulators and processors show is in the device's check of validity.
func TestFloatInAdds(t *testing.T) {
	ratio, err := FloatInAdds()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.2f additions", ratio)
	if ratio < 1.5 || ratio > 1000 {
		t.Errorf("a float operation takes %g additions", ratio)
	}
}

// A busy machine gives no rate, and says so; one thread's small buffer finds a
// quiet moment almost anywhere.
func TestReadRate(t *testing.T) {
	for _, cores := range []int{1, runtime.NumCPU()} {
		rate, err := ReadRate(cores, 1<<20)
		switch {
		case err != nil && !strings.Contains(err.Error(), "other programs"):
			t.Error(err)
		case err != nil:
			t.Log(err)
		case rate < 1e6 || rate > 1e13:
			t.Errorf("%g bytes/s", rate)
		}
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
			b.Skip(err)
		}
		sum += rate
	}
	b.ReportMetric(sum/float64(b.N)/1e9, "GB/s")
}
