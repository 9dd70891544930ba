package conditions

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/device/devicetest"
	"chexp/experiments/trial"
)

// sane holds for whatever a machine shows: a value or a reason for every signal,
// short reasons, no negative amounts, and numbers that JSON can hold.
func sane(t *testing.T, c *trial.Conditions) {
	t.Helper()
	checkTold(t, c)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 6000 {
		t.Errorf("%d bytes: %.300s", len(text), text)
	}
	for name, r := range map[string]trial.Reading[float64]{"outside": c.Outside, "steal": c.Steal,
		"below top": c.BelowTop} {
		if v, ok := r.Get(); ok && (v < 0 || name == "below top" && v > 1) {
			t.Errorf("%s is %v", name, v)
		}
	}
	for name, r := range map[string]trial.Reading[int64]{"throttled": c.Throttled, "pressure": c.Pressure,
		"swapped": c.Swapped} {
		if v, ok := r.Get(); ok && v < 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
}

var numbers = []string{"0", "1", "-1", "10", "999999", "4611686018427387903", "9223372036854775807",
	"18446744073709551615", "1e9", "NaN", "x", "", "0x10", "\xff", strings.Repeat("9", 300)}

// TestAnything replaces words in all files of a machine by others, before and after.
func TestAnything(t *testing.T) {
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		tree := devicetest.Pi5()
		if seed%3 == 0 {
			tree = devicetest.VM()
		}
		spoil := func() {
			for _, name := range slices.Sorted(maps.Keys(tree)) {
				if rng.IntN(4) > 0 {
					continue
				}
				words := strings.Split(string(tree[name].Data), " ")
				words[rng.IntN(len(words))] = numbers[rng.IntN(len(numbers))]
				tree.Set(map[string]string{name: strings.Join(words, " ")})
			}
		}
		if seed%2 == 0 {
			spoil()
		}
		s, clock := on(tree)
		s.Before(devicetest.Trial)
		*clock = clock.Add(time.Duration(rng.Int64N(int64(3 * time.Second))))
		if seed%5 == 0 {
			tree.Set(twoSeconds)
		}
		spoil()
		sane(t, s.After())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzCounters(f *testing.F) {
	pi := devicetest.Pi5()
	text := func(name string) string { return string(pi[name].Data) }
	f.Add(text("proc/stat"), text("proc/42/stat"), text(policy0+"stats/time_in_state"), text("proc/pressure/cpu"),
		text("sys/fs/cgroup/cpu.stat"), text(word), int64(2e9))
	f.Add("cpu  1 1 1 1 1 1 1 1\ncpu0", "42 () a", "1 1\n1 1", "some total=5", "throttled_usec 5", "ffffffff",
		int64(-1))
	f.Fuzz(func(t *testing.T, stat, process, states, pressure, cgroup, firmware string, d int64) {
		sane(t, around(devicetest.Pi5(), time.Duration(d), map[string]string{
			"proc/stat": stat, "proc/42/stat": process, policy0 + "stats/time_in_state": states,
			"proc/pressure/cpu": pressure, "sys/fs/cgroup/cpu.stat": cgroup, word: firmware,
		}))
	})
}
