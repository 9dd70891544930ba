package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

// A lease that has no time for one trial is not begun in: nothing is half measured.
func TestWhatCannotFinishIsRefusedBeforeItStarts(t *testing.T) {
	l := newTimedLab(t)
	l.plan.Policy.MinTime = time.Minute
	c := &ending{cloud: newCloud(t), left: 30 * time.Second}
	err, _ := l.execute(t, t.Context(), c, nil)
	if failure.KindOf(err) != failure.Trials || !strings.Contains(err.Error(), "none was begun") {
		t.Errorf("%v", err)
	}
	if calls, _ := os.ReadFile(filepath.Join(l.dir, "calls")); strings.Contains(string(calls), "start") {
		t.Errorf("the agent was started:\n%s", calls)
	}
	if len(c.leases)+len(c.containers) > 0 {
		t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
	}
}

// The time that the plan takes is said again once the device has shown how fast it is,
// with what the lease leaves, and what to type if that is less.
func TestTheDeviceSaysHowLongTheRestTakes(t *testing.T) {
	for rest, want := range map[time.Duration]string{
		40 * time.Minute: "the rest takes about 40 min; the lease leaves 1 h",
		3 * time.Hour:    "the rest takes about 3 h, and the lease leaves 1 h",
	} {
		l := newTimedLab(t)
		event := `{"schema":"chexp.event/v1","seq":1,"type":"progress","left_ns":` + asJSON(t, rest) + `}`
		agent := strings.ReplaceAll(timedAgent, "LAB", l.dir)
		write(t, l.agent, strings.Replace(agent, `echo '{"state"`, `
if [ "$verb" = status ] && [ "$2" = 0 ]; then echo '`+event+`'; else touch "$lab/finish"; fi
echo '{"state"`, 1))
		var lines []string
		err, _ := l.execute(t, t.Context(), newCloud(t), func(cfg *Config) { cfg.Observe = said{lines: &lines} })
		if all := strings.Join(lines, "\n"); err != nil || strings.Count(all, want) != 1 {
			t.Errorf("%v; it does not say once %q:\n%s", err, want, all)
		}
	}
}

// The end says how much of the lease was used, and how much is given back.
func TestTheEndSaysWhatWasUsed(t *testing.T) {
	a := &attempt{Config: Config{Site: newCloud(t)}}
	now := time.Now().UTC()
	a.lease.Start, a.lease.End = now.Add(-11*time.Minute), now.Add(104*time.Minute)
	if got := (concluding{a}).used(); got != "; used 11 of 115 minutes, 104 given back" {
		t.Errorf("%q", got)
	}
	a.lease.End = now.Add(-time.Minute)
	if got := (concluding{a}).used(); got != "; used 10 of 10 minutes, 0 given back" {
		t.Errorf("a lease that is over: %q", got)
	}
}

// Whole trials that the agent left out are named at the end, with what would hold them.
func TestTheEndNamesTheTrialsThatWereLeftOut(t *testing.T) {
	l := newTimedLab(t)
	out := l.plan.Trials[0].ID
	event := `{"schema":"chexp.event/v1","seq":1,"type":"trial_finished","trial":"` + out + `","outcome":"failed",` +
		`"needs_ns":` + asJSON(t, 20*time.Minute) + `}`
	agent := strings.ReplaceAll(timedAgent, "LAB", l.dir)
	write(t, l.agent, strings.Replace(agent, `echo '{"state"`, `
if [ "$verb" = status ] && [ "$2" = 0 ]; then echo '`+event+`'; fi
[ "$verb" = status ] && { phase=stopped; why=',"why":{"code":"deadline","text":"1 trial left out"}'; }
echo '{"state"`, 1))
	err, _ := l.execute(t, t.Context(), newCloud(t), nil)
	if failure.KindOf(err) != failure.Trials {
		t.Fatalf("%v", err)
	}
	told := err.Error() + "\n" + strings.Join(failure.Advice(err), "\n")
	for _, want := range []string{"1 of 2 trials left out, as the lease (until ",
		"has no time for them, about 20 min: " + out,
		"measures them in a new lease", " holds all of them (lease.duration)", "shorter trials.min_time"} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not say %q:\n%s", want, told)
		}
	}
}
