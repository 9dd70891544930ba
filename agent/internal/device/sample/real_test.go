package sample

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

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
		"clock": told(c.ClockHz), "probe": told(c.ProbeHz), "below top": told(c.BelowTop), "temperature": told(c.Temperature),
		"outside": told(c.Outside), "steal": told(c.Steal), "throttled": told(c.Throttled), "pressure": told(c.Pressure),
		"swapped": told(c.Swapped), "firmware": told(c.Firmware),
	} {
		if told[0] == told[1] {
			t.Errorf("%s: a value: %v, a reason: %v", name, told[0], told[1])
		}
	}
}

func told[T any](r trial.Reading[T]) [2]bool { return [2]bool{r.Value != nil, r.Unavailable != ""} }

// BenchmarkBlock prints what the readings around a block cost, and what they find
// around 300 ms of work in another process, alone and beside a busy neighbour.
func BenchmarkBlock(b *testing.B) {
	spin := func(d string) *exec.Cmd {
		cmd := exec.Command("timeout", d, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		return cmd
	}
	for _, tc := range []struct {
		name       string
		neighbours int
	}{{"alone", 0}, {"beside-1", 1}} {
		b.Run(tc.name, func(b *testing.B) {
			s := New(os.DirFS("/"), runtime.GOARCH)
			var before, after time.Duration
			var outside, most float64
			for b.Loop() {
				work := exec.Command("sh", "-c", "while :; do :; done")
				if err := work.Start(); err != nil {
					b.Fatal(err)
				}
				for range tc.neighbours {
					defer spin("0.5").Wait()
				}
				t0 := time.Now()
				s.Before(work.Process.Pid)
				before += time.Since(t0)
				time.Sleep(300 * time.Millisecond)
				t0 = time.Now()
				c := s.After()
				after += time.Since(t0)
				work.Process.Kill()
				work.Wait()
				v, ok := c.Outside.Get()
				if !ok {
					b.Fatal(c.Outside.Unavailable)
				}
				outside, most = outside+v, max(most, v)
			}
			n := float64(b.N)
			b.ReportMetric(float64(before.Microseconds())/n, "before-µs")
			b.ReportMetric(float64(after.Microseconds())/n, "after-µs")
			b.ReportMetric(outside/n, "outside-cores")
			b.ReportMetric(most, "most-outside-cores")
		})
	}
}
