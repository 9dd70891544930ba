package conditions

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
)

// TestHere reads this machine. What it finds is the machine's affair; that every
// signal has a value or a reason is not.
func TestHere(t *testing.T) {
	s := New(os.DirFS("/"), runtime.GOARCH)
	s.Before(os.Getpid())
	for begin := time.Now(); time.Since(begin) < 150*time.Millisecond; {
	}
	c := s.After()
	checkTold(t, c)
	if c.DurationNS < int64(150*time.Millisecond) {
		t.Errorf("duration %d", c.DurationNS)
	}
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if r := told(s.Temperature()); r[0] == r[1] {
		t.Errorf("temperature: a value: %v, a reason: %v", r[0], r[1])
	}
}

// checkTold wants every signal to have a value or a reason, and none to have both.
func checkTold(t *testing.T, c *trial.Conditions) {
	t.Helper()
	for name, told := range map[string][2]bool{
		"clock": told(c.ClockHz), "probe": told(c.ProbeHz), "below top": told(c.BelowTop),
		"temperature": told(c.Temperature),
		"outside":     told(c.Outside), "steal": told(c.Steal), "throttled": told(c.Throttled),
		"pressure": told(c.Pressure),
		"swapped":  told(c.Swapped), "firmware": told(c.Firmware),
	} {
		if told[0] == told[1] {
			t.Errorf("%s: a value: %v, a reason: %v", name, told[0], told[1])
		}
	}
}

func told[T any](r trial.Reading[T]) [2]bool { return [2]bool{r.Value != nil, r.Unavailable != ""} }

// BenchmarkBlock prints what the readings around a block cost (medians), and what they find
// around 300 ms of work in another process, alone and beside a busy neighbour; and,
// where the machine's root cgroup counts processor time in ns or µs, by how much
// the outside load was wrong at most.
func BenchmarkBlock(b *testing.B) {
	loop := func() *exec.Cmd {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		return cmd
	}
	for _, neighbours := range []int{0, 1} {
		b.Run(fmt.Sprintf("neighbours-%d", neighbours), func(b *testing.B) {
			s := New(os.DirFS("/"), runtime.GOARCH)
			work := loop()
			defer func() { work.Process.Kill(); work.Wait() }()
			for range neighbours {
				other := loop()
				defer func() { other.Process.Kill(); other.Wait() }()
			}
			var before, after []time.Duration
			var outside, worst float64
			median := func(d []time.Duration) float64 {
				slices.Sort(d)
				return float64(d[len(d)/2].Microseconds())
			}
			for b.Loop() {
				begin := time.Now()
				s.Before(work.Process.Pid)
				before = append(before, time.Since(begin))
				all, mine := machineTime(), s.exactTime(fmt.Sprintf("proc/%d", work.Process.Pid))
				time.Sleep(300 * time.Millisecond)
				mine, all = s.exactTime(fmt.Sprintf("proc/%d", work.Process.Pid))-mine, machineTime()-all
				begin = time.Now()
				c := s.After()
				after = append(after, time.Since(begin))
				v, ok := c.Outside.Get()
				if !ok {
					b.Fatal(c.Outside.Unavailable)
				}
				outside += v
				worst = max(worst, math.Abs(v-float64(all-mine)/float64(c.DurationNS)))
			}
			b.ReportMetric(median(before), "before-µs")
			b.ReportMetric(median(after), "after-µs")
			b.ReportMetric(outside/float64(b.N), "outside-cores")
			if machineTime() > 0 {
				b.ReportMetric(worst, "worst-error-cores")
			}
		})
	}
}

// machineTime is the processor time in ns that all processes of the machine have
// taken, 0 where no root cgroup shows it.
func machineTime() int64 {
	root := os.DirFS("/")
	if ns, err := kernelfs.Count(root, "sys/fs/cgroup/cpuacct/cpuacct.usage"); err == nil {
		return ns
	}
	us, _ := kernelfs.Keyed(root, "sys/fs/cgroup/cpu.stat", "usage_usec")
	return us * 1000
}
