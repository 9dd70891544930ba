package conditions

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/device/devicetest"
	"chexp/experiments/trial"
)

// on makes a sampler on a tree, and the pointer to its clock.
func on(tree devicetest.Tree) (*Sampler, *time.Time) {
	s := New(tree.FS(), "arm64")
	s.probe = func() trial.Reading[float64] { return trial.Unread[float64]("a test") }
	clock := time.Unix(1000, 0)
	s.self, s.now, s.own = devicetest.Self, func() time.Time { return clock }, func() time.Duration { return 0 }
	return s, &clock
}

// around reads before, lets time pass and files change, and reads after.
func around(tree devicetest.Tree, d time.Duration, changes map[string]string) *trial.Conditions {
	s, clock := on(tree)
	s.Before(devicetest.Trial)
	*clock = clock.Add(d)
	tree.Set(changes)
	return s.After()
}

func near[T int64 | float64](t *testing.T, name string, r trial.Reading[T], want T) {
	t.Helper()
	if v, ok := r.Get(); !ok || math.Abs(float64(v)-float64(want)) > 1e-9 {
		t.Errorf("%s is %v (unavailable: %q), want %v", name, v, r.Unavailable, want)
	}
}

func ranged(t *testing.T, name string, r trial.Reading[trial.Range], low, high float64) {
	t.Helper()
	if v, ok := r.Get(); !ok || v != (trial.Range{Low: low, High: high}) {
		t.Errorf("%s is %v (unavailable: %q), want %v to %v", name, v, r.Unavailable, low, high)
	}
}

func why[T any](t *testing.T, name string, r trial.Reading[T], sign string) {
	t.Helper()
	if r.Value != nil || !strings.Contains(r.Unavailable, sign) {
		t.Errorf("%s is %v (unavailable: %q), want a reason with %q", name, r.Value, r.Unavailable, sign)
	}
}

const (
	policy0 = "sys/devices/system/cpu/cpufreq/policy0/"
	word    = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
	alarm   = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
)

// twoSeconds is a block of 2 s on the Pi 5: of 8 core-seconds 3 were idle, the
// trial took 4 (by its threads' schedstat), 1 went elsewhere.
var twoSeconds = map[string]string{
	"proc/stat":                            devicetest.ProcStat(4, 1450, 550, 90280, 120, 0),
	"proc/42/stat":                         devicetest.Stat(devicetest.Trial, 480, 38),
	"proc/42/task/42/schedstat":            "3000000000 7 8\n",
	"proc/42/task/43/schedstat":            "2200000000 7 8\n",
	policy0 + "scaling_cur_freq":           "1800000\n",
	policy0 + "stats/time_in_state":        "1500000 1050\n1600000 0\n2400000 5150\n",
	"sys/class/thermal/thermal_zone0/temp": "55000\n",
	"sys/fs/cgroup/cpu.stat":               "nr_throttled 3\nthrottled_usec 90250\n",
	"proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=31000\nfull avg10=0.00 " +
		"avg60=0.00 avg300=0.00 total=0\n",
	"proc/vmstat": "pswpin 13\npswpout 5\n",
}

func TestPi5(t *testing.T) {
	c := around(devicetest.Pi5(), 2*time.Second, twoSeconds)
	checkTold(t, c)
	if c.DurationNS != 2e9 {
		t.Errorf("duration %d", c.DurationNS)
	}
	ranged(t, "clock", c.ClockHz, 18e8, 24e8)
	near(t, "below top", c.BelowTop, 0.25)
	ranged(t, "temperature", c.Temperature, 48.35, 55)
	near(t, "outside", c.Outside, 0.5)
	near(t, "steal", c.Steal, 0)
	near(t, "throttled", c.Throttled, 90e6)
	near(t, "pressure", c.Pressure, 30e6)
	near(t, "swapped", c.Swapped, 11)
	if v, _ := c.Firmware.Get(); v != trial.FirmwareFine {
		t.Errorf("firmware %q %q", v, c.Firmware.Unavailable)
	}
}

// The supervisor's own time is no outside load.
func TestOwnTime(t *testing.T) {
	tree := devicetest.Pi5()
	s, clock := on(tree)
	used := time.Duration(0)
	s.own = func() time.Duration { return used }
	s.Before(devicetest.Trial)
	*clock, used = clock.Add(2*time.Second), 600*time.Millisecond
	tree.Set(twoSeconds)
	near(t, "outside", s.After().Outside, 0.2)
}

func TestVM(t *testing.T) {
	c := around(devicetest.VM(), time.Second, map[string]string{
		"proc/stat":                       devicetest.ProcStat(2, 1100, 500, 90060, 0, 50),
		"proc/42/task/42/schedstat":       "1950000000 7 8\n",
		"sys/fs/cgroup/cpu/user/cpu.stat": "nr_throttled 4\nthrottled_time 7000000\n",
	})
	checkTold(t, c)
	near(t, "outside", c.Outside, 0.05)
	near(t, "steal", c.Steal, 0.4)
	near(t, "throttled", c.Throttled, 2e6)
	why(t, "clock", c.ClockHz, "cpufreq")
	why(t, "below top", c.BelowTop, "cpufreq")
	why(t, "temperature", c.Temperature, "thermal")
	why(t, "firmware", c.Firmware, "firmware")
}

// A container that shows nothing, and one in which the files are gone the second
// time: every signal has a reason, none is zero.
func TestNothing(t *testing.T) {
	tree := devicetest.Pi5()
	gone := map[string]string{}
	for name := range tree {
		gone[name] = ""
	}
	for _, c := range []*trial.Conditions{around(devicetest.Nothing(), time.Second, nil),
		around(tree, time.Second, gone)} {
		checkTold(t, c)
		for name, has := range map[string]bool{
			"clock": c.ClockHz.Value != nil, "below top": c.BelowTop.Value != nil,
			"temperature": c.Temperature.Value != nil, "outside": c.Outside.Value != nil,
			"steal": c.Steal.Value != nil, "throttled": c.Throttled.Value != nil, "pressure": c.Pressure.Value != nil,
			"swapped":  c.Swapped.Value != nil,
			"firmware": c.Firmware.Value != nil,
		} {
			if has {
				t.Errorf("%s has a value", name)
			}
		}
	}
	if c := New(devicetest.Nothing().FS(), "arm64").After(); c != nil {
		t.Errorf("After without Before: %+v", c)
	}
}

// Counters of 10 ms say nothing about a block of 30.
func TestTooShort(t *testing.T) {
	c := around(devicetest.Pi5(), 30*time.Millisecond, map[string]string{
		"proc/stat":                     devicetest.ProcStat(4, 1010, 501, 90001, 100, 0),
		policy0 + "stats/time_in_state": "1500000 1001\n1600000 0\n2400000 5002\n",
	})
	why(t, "outside", c.Outside, "too short")
	why(t, "steal", c.Steal, "too short")
	why(t, "below top", c.BelowTop, "too short")
	near(t, "swapped", c.Swapped, 0)
}

// What a machine shows may be another's, or nonsense.
func TestMisled(t *testing.T) {
	outside := func(name, sign string, changes map[string]string) {
		t.Helper()
		all := map[string]string{}
		for k, v := range twoSeconds {
			all[k] = v
		}
		for k, v := range changes {
			all[k] = v
		}
		c := around(devicetest.Pi5(), 2*time.Second, all)
		checkTold(t, c)
		why(t, name, c.Outside, sign)
	}
	outside("a /proc/stat that stands still", "counted 0 s",
		map[string]string{"proc/stat": devicetest.ProcStat(4, 1000, 500, 90000, 100, 0)})
	outside("one processor less", "from 4 to 3", map[string]string{"proc/stat": devicetest.ProcStat(3, 1450, 550, 90280,
		120, 0)})
	outside("backwards", "backwards", map[string]string{"proc/stat": devicetest.ProcStat(4, 1, 550, 91680, 120, 0)})
	outside("overflow", "begins with", map[string]string{"proc/stat": "cpu  9223372036854775807 0 " +
		"9223372036854775807 1 1 1 1 1\ncpu0 1\n"})
	outside("far too much", "counted", map[string]string{"proc/stat": devicetest.ProcStat(4, 9e12, 550, 90280, 120, 0)})
	outside("negative", "begins with", map[string]string{"proc/stat": "cpu  -5 0 1 1 1 1 1 1\ncpu0 1\n"})
	outside("short line", "begins with", map[string]string{"proc/stat": "cpu  5 0 1\n"})
	outside("no processor", "no processor", map[string]string{"proc/stat": "intr 5\n"})
	outside("the process ended", "/proc/42/stat", map[string]string{"proc/42/stat": ""})
	outside("a cut line", "/proc/42/stat", map[string]string{"proc/42/stat": "42 (x) R 1\n"})
	outside("no parenthesis", "/proc/42/stat", map[string]string{"proc/42/stat": "42\n"})
	outside("its time goes backwards", "backwards", map[string]string{"proc/42/stat": devicetest.Stat(devicetest.Trial,
		0, 0)})

	s, _ := on(devicetest.Pi5())
	s.self = 1234
	s.Before(devicetest.Trial)
	why(t, "another PID namespace", s.After().Outside, "another PID namespace")
	s, _ = on(devicetest.Pi5())
	s.Before(0)
	why(t, "no process", s.After().Outside, "not known")

	c := around(devicetest.Pi5(), 2*time.Second, map[string]string{
		policy0 + "stats/time_in_state": "hot 5\n", policy0 + "scaling_cur_freq": "<unknown>\n",
		"sys/class/thermal/thermal_zone0/temp": "999999999\n", "proc/pressure/cpu": "some total=many\n",
		"proc/vmstat":            "pswpin 0\n",
		"sys/fs/cgroup/cpu.stat": "throttled_usec -1\n", word: "never\n", alarm: "?\n",
	})
	checkTold(t, c)
	why(t, "below top", c.BelowTop, "hot 5")
	why(t, "clock", c.ClockHz, "<unknown>")
	why(t, "temperature", c.Temperature, "999999999")
	why(t, "pressure", c.Pressure, "many")
	why(t, "swapped", c.Swapped, "pswpout")
	why(t, "throttled", c.Throttled, "no count")
	why(t, "firmware", c.Firmware, "?")
	c = around(devicetest.Pi5(), 2*time.Second, map[string]string{"proc/vmstat": "pswpin 0\npswpout 0\n",
		policy0 + "stats/time_in_state": "1500000 0\n2400000 1\n"})
	why(t, "swapped", c.Swapped, "back to")
	why(t, "below top", c.BelowTop, "backwards")
}

// Threads that end take their nanoseconds with them; kernels without schedstat
// have only the rounded number.
func TestProcessTime(t *testing.T) {
	for _, tc := range []struct {
		name    string
		changes map[string]string
		want    float64 // outside, in cores; the process took 4 s of 2 s × 4
	}{
		{"a thread ended", map[string]string{"proc/42/task/43/schedstat": "",
			"proc/42/stat": devicetest.Stat(devicetest.Trial, 500, 20)}, 0.51},
		{"no schedstat", map[string]string{"proc/42/task/42/schedstat": "", "proc/42/task/43/schedstat": "",
			"proc/42/stat": devicetest.Stat(devicetest.Trial, 510, 20)}, 0.45},
		{"nonsense", map[string]string{"proc/42/task/42/schedstat": "x y z\n",
			"proc/42/stat": devicetest.Stat(devicetest.Trial, 510, 20)}, 0.45},
	} {
		tree := devicetest.Pi5()
		s, clock := on(tree)
		s.Before(devicetest.Trial)
		*clock = clock.Add(2 * time.Second)
		tree.Set(twoSeconds).Set(tc.changes)
		near(t, tc.name, s.After().Outside, tc.want)
	}
}

// Outside load, trial and idle time add up to the machine whatever they are.
func TestOutsideAddsUp(t *testing.T) {
	for idle := int64(0); idle <= 800; idle += 80 {
		for mine := int64(0); mine+idle <= 800; mine += 80 {
			tree := devicetest.Pi5()
			c := around(tree, 2*time.Second, map[string]string{
				"proc/stat":                 devicetest.ProcStat(4, 1000+800-idle, 500, 90000+idle, 100, 0),
				"proc/42/stat":              devicetest.Stat(devicetest.Trial, 100+mine, 20),
				"proc/42/task/42/schedstat": fmt.Sprintf("%d 0 0\n", 1_000_000_000+mine*10_000_000),
			})
			near(t, fmt.Sprintf("outside with %d idle, %d mine", idle, mine), c.Outside, float64(800-idle-mine)/200)
		}
	}
}

func TestFirmware(t *testing.T) {
	for _, tc := range []struct{ before, after, alarmBefore, alarmAfter, want string }{
		{"0", "0", "0", "0", trial.FirmwareFine},
		{"50000", "50000", "0", "0", trial.FirmwareFine}, // happened before
		{"0", "50000", "0", "0", "under-voltage, throttled"},
		{"0", "e0008", "0", "0", "clock capped, throttled, soft temperature limit"},
		{"2", "0", "0", "0", "clock capped"},
		{"0", "1", "0", "1", "under-voltage"},
		{"0", "0", "1", "0", "under-voltage"},
		{"0", "4", "0", "1", "throttled, under-voltage"},
		{"0x0", "0x4", "0", "0", "throttled"},
		{"", "", "0", "1", "under-voltage"},
		{"", "", "0", "0", trial.FirmwareFine},
		{"0", "4", "", "", "throttled"},
	} {
		tree := devicetest.Pi5().Set(map[string]string{word: tc.before, alarm: tc.alarmBefore})
		c := around(tree, time.Second, map[string]string{word: tc.after, alarm: tc.alarmAfter})
		if v, _ := c.Firmware.Get(); v != tc.want {
			t.Errorf("%+v: %q (unavailable %q)", tc, v, c.Firmware.Unavailable)
		}
	}
}

// Only cores that may be used count, with their number.
func TestPolicies(t *testing.T) {
	const little = "sys/devices/system/cpu/cpufreq/policy4/"
	tree := devicetest.Pi5().Set(map[string]string{
		policy0 + "affected_cpus": "0-3\n", little + "affected_cpus": "4 5\n", little + "scaling_cur_freq": "1000000\n",
		little + "stats/time_in_state": "1000000 0\n2000000 0\n",
	})
	c := around(tree, time.Second, nil)
	ranged(t, "without the others", c.ClockHz, 24e8, 24e8)
	tree.Set(map[string]string{"proc/self/status": "Cpus_allowed_list:\t3-4\n"})
	c = around(tree, time.Second, map[string]string{
		policy0 + "stats/time_in_state": "1500000 1000\n1600000 0\n2400000 5100\n",
		little + "stats/time_in_state":  "1000000 100\n2000000 0\n",
	})
	ranged(t, "one of each", c.ClockHz, 10e8, 24e8)
	near(t, "below top", c.BelowTop, 0.5)
	tree.Set(map[string]string{"proc/self/status": "Cpus_allowed_list:\t9\n"})
	why(t, "none", around(tree, time.Second, nil).ClockHz, "usable")
}

func TestTemperature(t *testing.T) {
	const zone = "sys/class/thermal/thermal_zone"
	s, _ := on(devicetest.Pi5().Set(map[string]string{
		zone + "1/type": "acpitz\n", zone + "1/temp": "90000\n", zone + "2/type": "cpu1-thermal\n",
		zone + "2/temp": "61500\n",
	}))
	near(t, "the hottest of the processor's", s.Temperature(), 61.5)
	s, _ = on(devicetest.Nothing())
	why(t, "without a sensor", s.Temperature(), "no zone")
}

// The probe runs where the processor is known to be real, and nowhere else.
func TestProbe(t *testing.T) {
	probed := func(tree devicetest.Tree, arch string) trial.Reading[trial.Range] {
		s := New(tree.FS(), arch)
		s.Before(devicetest.Trial)
		return s.After().ProbeHz
	}
	r := probed(devicetest.Pi5(), "arm64")
	if v, ok := r.Get(); !ok || v.Low <= 0 || v.High < v.Low || v.High > 10e9 {
		t.Errorf("%+v %q", v, r.Unavailable)
	}
	why(t, "emulated", probed(devicetest.Pi5(), "amd64"), "emulated: ")
	why(t, "without /proc", probed(devicetest.Nothing(), "arm64"), "cannot be told")
}
