package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnd: a run is killed before and after the effect of each of its calls, and ended
// in its place. Nothing is left on the cloud, and all that was measured is home.
func TestEnd(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	brought := 0
	for at := 1; at <= c.calls; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d after=%v", at, after), func(t *testing.T) {
				l, c := newLab(t), newCloud(t)
				c.killAt, c.after = at, after
				if _, dead := l.execute(t, t.Context(), c, nil); !dead {
					t.Fatal("was not killed")
				}
				before, _ := filepath.Glob(filepath.Join(l.dir, "runs", "*", "results", "*.json"))
				if err := l.end(t, c); err != nil {
					t.Fatalf("end: %v", err)
				}
				if len(c.leases)+len(c.containers) > 0 {
					t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
				}
				measured, _ := os.ReadFile(filepath.Join(l.dir, "measured"))
				home, _ := filepath.Glob(filepath.Join(l.dir, "runs", "*", "results", "*.json"))
				if n := strings.Count(string(measured), "\n"); n != len(home) {
					t.Errorf("%d trials were measured, %d are home", n, len(home))
				}
				brought += len(home) - len(before)
			})
		}
	}
	if brought == 0 {
		t.Error("nothing was to be brought home, so the test shows little")
	}
}

// A container that is gone has nothing that could come home: its lease is not kept for it.
func TestEndOfARunWhoseContainerIsGone(t *testing.T) {
	for _, ended := range []string{"deleted", "over"} {
		t.Run(ended, func(t *testing.T) {
			l, c := newLab(t), newCloud(t)
			l.patience = hasty()
			c.killAt, c.after = 9, true
			if _, dead := l.execute(t, t.Context(), c, nil); !dead {
				t.Fatal("was not killed")
			}
			if len(c.containers) != 1 {
				t.Fatal("it was killed without a container, so the test shows little")
			}
			for id, k := range c.containers {
				if k.Over = true; ended == "deleted" {
					delete(c.containers, id)
				} else {
					c.containers[id] = k
				}
			}
			if err := l.end(t, c); err != nil {
				t.Fatalf("end: %v", err)
			}
			if len(c.leases)+len(c.containers) > 0 {
				t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
			}
		})
	}
}

// end ends the run as another process would.
func (l *lab) end(t *testing.T, site Site, edit ...func(*Config)) (err error) {
	t.Helper()
	stop := fmt.Errorf("taken")
	ended, _ := l.execute(t, t.Context(), site, func(cfg *Config) {
		own := *cfg
		for _, e := range edit {
			e(&own)
		}
		cfg.Until = PhasePlan // Execute itself does nothing
		if err = End(context.Background(), own); err == nil {
			err = stop
		}
	})
	if err == stop {
		return ended
	}
	return err
}
