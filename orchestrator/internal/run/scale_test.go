package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"chexp/experiments/failure"
)

// Two hundred devices in one run, with agents that a stand-in plays: memory, and how
// often the site and each device are asked, are bounded. The clock runs a thousand
// times as fast as the usual patience: a second stands for 1,000.
func TestTwoHundredDevices(t *testing.T) {
	const n, fast = 200, 1000
	l := newLab(t)
	// A tenth of a real one: two hundred of it in memory would be five times the bound.
	if err := os.WriteFile(l.agent, bytes.Repeat([]byte("agent"), 1<<19), 0o755); err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, l, n)
	f.looks = 8
	stop := make(chan struct{})
	peak := make(chan uint64)
	go watchHeap(stop, peak)
	began := time.Now()
	err, _ := l.execute(t, t.Context(), f, on(n, func(c *Config) {
		c.Patience.PerDevice = perDevice / fast
		c.Patience.PollMin, c.Patience.PollMax = 0, 0
	}))
	wall := time.Since(began)
	close(stop)
	heap := <-peak
	if err != nil {
		t.Fatal(err)
	}
	l.whole(t, f, n)
	if f.made["lease"] != 1 || f.made["container"] != n {
		t.Errorf("made %v", f.made)
	}
	// Between its start and its end an agent is asked at most as often as the
	// growing pause allows, and never more often than 8 times a pause.
	looks := f.asked["status"]
	minutes := wall.Minutes() * fast
	t.Logf("%d devices: heap at most %.1f MB; %d requests in all, %.1f a device; %d looks at agents, %.2f a device "+
		"and minute; leases asked for %d times", n, float64(heap)/1e6, f.calls, float64(f.calls)/n, looks,
		float64(looks)/n/minutes, f.asked["find lease"])
	if heap > 100e6 {
		t.Errorf("heap of %d MB, at most 100 are to be", heap/1e6)
	}
	if perMinute := float64(looks) / minutes; perMinute > 8*60/perDevice.Seconds() {
		t.Errorf("%.0f looks a minute", perMinute)
	}
	if f.asked["find lease"]+f.asked["await lease"]+f.asked["reserve"] > 10 {
		t.Errorf("the lease was asked for %d times: it is one for all", f.asked["find lease"])
	}
}

// Ctrl-C gives two hundred devices back within the clean-up's time.
func TestTwoHundredDevicesInterrupted(t *testing.T) {
	const n = 200
	l := newLab(t)
	f := newFleet(t, l, n)
	f.looks = 1 << 30
	ctx, cancel := context.WithCancelCause(t.Context())
	var interrupted time.Time
	f.photoAt, f.photo = 12*n, func() { interrupted = time.Now(); cancel(errors.New("received interrupt")) }
	err, _ := l.execute(t, ctx, f, on(n))
	if failure.KindOf(err) != failure.Interrupted {
		t.Fatal(err)
	}
	took := time.Since(interrupted)
	t.Logf("%d devices were given back in %s, %d agents stopped in order", n, took.Round(time.Millisecond),
		f.asked["stop"])
	if f.most > salvages {
		t.Errorf("%d devices brought home at once", f.most)
	}
	if len(f.leases)+len(f.containers) > 0 {
		t.Errorf("left on the site: %d leases, %d containers", len(f.leases), len(f.containers))
	}
	if p := hasty(); took > p.Cleanup+p.Salvage {
		t.Errorf("it took %s", took)
	}
}

// watchHeap reports the most memory that Go had from the system and had not given
// back.
func watchHeap(stop <-chan struct{}, peak chan<- uint64) {
	most := uint64(0)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse+m.StackInuse)
		select {
		case <-tick.C:
		case <-stop:
			peak <- most
			return
		}
	}
}
