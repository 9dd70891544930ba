package run

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

// afterwards has the fake agent of a lab do more when it has measured; R is its
// folder of results.
func (l *lab) afterwards(t *testing.T, commands string) {
	t.Helper()
	write(t, l.agent, strings.Replace(strings.ReplaceAll(fakeAgent, "LAB", l.dir), "\nfi\nphase=",
		"\n"+strings.ReplaceAll(commands, "R/", `"$res"/`)+"\nfi\nphase=", 1))
}

// A stray file and a link among the results cost nothing: all results come home,
// and the run is whole.
func TestStrayFilesAmongResults(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	l.afterwards(t, "echo x >R/run.sh; ln -s /etc/passwd R/m.cpu.t9.b1.r1.json; mkdir R/sub")
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	l.check(t, c)
}

// One result that is truncated on the device costs itself: the other comes home,
// the device is asked again before it is given back, and the error names what is
// missing.
func TestTruncatedResultAmongGoodOnes(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	l.patience = impatient()
	bad := l.plan.Trials[1].ID
	l.afterwards(t, "truncate -s 10 R/"+bad+".json")
	asked := 0
	c.onGet = func() { asked++ }
	err, _ := l.execute(t, t.Context(), c, nil)
	if failure.KindOf(err) != failure.Device || !strings.Contains(err.Error(), bad) {
		t.Errorf("it says %v", err)
	}
	s, openErr := l.root.Open(l.plan.RunID)
	if openErr != nil {
		t.Fatal(openErr)
	}
	if results, err := s.Results(l.plan); len(results) != 1 || err != nil {
		t.Errorf("%d results at home, %v", len(results), err)
	}
	if asked < maxFetches {
		t.Errorf("the results were asked for %d times, want %d", asked, maxFetches)
	}
	if len(c.leases)+len(c.containers) > 0 {
		t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
	}
}

// One result that is truncated on the device is measured again, in the same lease, and
// the run is whole.
func TestADamagedResultIsMeasuredAgain(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	l.patience = impatient()
	bad := l.plan.Trials[1].ID + ".json"
	l.afterwards(t, `if [ -e "$lab/again" ]; then cp "$lab/results/`+bad+`" R/; (cd "$res" && sha256sum *.json >SHA256SUMS)
else truncate -s 10 R/`+bad+`; : >"$lab/again"; fi`)
	var warned []string
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		cfg.Observe = hearing{warn: func(text string) { warned = append(warned, text) }}
	})
	l.atHome(t, c, err)
	if c.made != 2 || !strings.Contains(strings.Join(warned, "\n"), "measuring that again") {
		t.Errorf("%d things were made; it warns of %q", c.made, warned)
	}
}

// A result that comes whole at the second look is whole.
func TestResultThatComesWholeLater(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	l.patience = impatient()
	late := l.plan.Trials[1].ID + ".json"
	l.afterwards(t, "mv R/"+late+` "$lab/late"; echo half >R/`+late)
	asked := 0
	c.onGet = func() {
		if asked++; asked == 2 {
			found, _ := filepath.Glob(filepath.Join(c.dir, "*", "out", "results", late))
			for _, f := range found {
				if err := os.Rename(filepath.Join(l.dir, "late"), f); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	l.check(t, c)
}

// No time is taken for another try that the lease does not have.
func TestNoOtherTryAtTheLeasesEnd(t *testing.T) {
	for left, want := range map[time.Duration]int{340 * time.Millisecond: 1, time.Hour: maxFetches} {
		a := &attempt{Config: Config{Observe: quiet{}, Patience: impatient(), Site: newCloud(t)}}
		a.lease.End = time.Now().Add(left)
		tries := 0
		err := homing{a}.bringHome(t.Context(), func(context.Context) error {
			tries++
			return failure.Device.Errorf("damaged")
		})
		if err == nil || tries != want {
			t.Errorf("with %s left: %d tries, want %d; %v", left, tries, want, err)
		}
	}
}

// Exit code 2 says that nothing was created, so it is no failure's after a lease.
func TestNoUsageErrorOnceSomethingWasCreated(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		cfg.AgentFile = func(string) (string, error) {
			return "", failure.Usage.Errorf("there is no agent for riscv64").Advise("build it")
		}
	})
	if failure.KindOf(err) != failure.Device || failure.NextOf(err) != "build it" {
		t.Errorf("kind %v: %v", failure.KindOf(err), err)
	}
	if c.made == 0 || len(c.leases)+len(c.containers) > 0 {
		t.Errorf("%d things were made, left: %v %v", c.made, c.leases, c.containers)
	}
}
