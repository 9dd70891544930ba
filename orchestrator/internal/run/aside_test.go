package run

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

// wedging is a site whose first lease goes to ERROR, and then refuses every deletion
// for ever, as Blazar does once the lease's node is gone.
type wedging struct {
	*cloud
	asked int // how often the wedged lease was to be deleted
}

func (w *wedging) Await(ctx context.Context, id string, say func(string)) (Lease, error) {
	if id != "lease-1" {
		return w.cloud.Await(ctx, id, say)
	}
	l := w.leases[id]
	l.Status, l.State = "ERROR", LeaseFailed
	w.leases[id] = l
	return l, failure.Cloud.Errorf("lease %s failed", l.Name)
}

func (w *wedging) Release(ctx context.Context, id string) error {
	if id != "lease-1" {
		return w.cloud.Release(ctx, id)
	}
	w.asked++
	return failure.Cloud.Errorf("the lease is wedged").Advise("tell the help desk").Because(ErrWedged)
}

// hears keeps what a run says.
type hears struct {
	quiet
	warned []string
}

func (h *hears) Warn(text string) { h.warned = append(h.warned, text) }

// A lease that is wedged in ERROR is said and set aside: the resumed run takes
// another, ends well, and does not ask for the same deletion again and again.
func TestAWedgedLeaseDoesNotBlock(t *testing.T) {
	for _, killed := range []bool{false, true} { // before it could be told that it is wedged
		t.Run(fmt.Sprint("killed=", killed), func(t *testing.T) {
			l, site := newLab(t), &wedging{cloud: newCloud(t)}
			h := &hears{}
			listen := func(c *Config) { c.Observe = h }
			if killed {
				site.killAt, site.after = 1, true // when the lease was made
				if _, dead := l.execute(t, t.Context(), site, listen); !dead {
					t.Fatal("was not killed")
				}
				stuck := site.leases["lease-1"]
				stuck.Status, stuck.State = "ERROR", LeaseFailed
				site.leases["lease-1"] = stuck
			} else if err, _ := l.execute(t, t.Context(), site, listen); failure.KindOf(err) != failure.Cloud ||
				!strings.Contains(err.Error(), "wedged") {
				t.Fatalf("the first run: %v", err)
			}
			if err, _ := l.execute(t, t.Context(), site, listen); err != nil {
				t.Fatalf("the resumed run: %v", err)
			}
			if said := strings.Join(h.warned, "\n"); killed && !strings.Contains(said, "is set aside") ||
				killed && !strings.Contains(said, "help desk") {
				t.Errorf("it was not said: %s", said)
			}
			if site.asked != 1 {
				t.Errorf("%d requests to delete what cannot be", site.asked)
			}
			if _, left := site.leases["lease-1"]; !left || len(site.leases) != 1 || len(site.containers) != 0 {
				t.Errorf("left: %v %v", site.leases, site.containers)
			}
		})
	}
}

// A lease may end and leave its container: it is removed before the next attempt
// begins, which has a name of its own.
func TestTheContainerOfALeaseThatEndedIsRemoved(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Until = PhasePush }); err != nil {
		t.Fatal(err)
	}
	for id, old := range c.leases {
		old.Status, old.State, old.End = "TERMINATED", LeaseOver, time.Now().Add(-time.Minute)
		c.leases[id] = old
	}
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	if len(c.containers)+len(c.leases) > 0 {
		t.Errorf("left: %v %v", c.containers, c.leases)
	}
}

// The same where somebody deleted the lease: nobody finds it, and its container is
// still there.
func TestTheContainerOfALeaseThatVanishedIsRemoved(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Until = PhasePush }); err != nil {
		t.Fatal(err)
	}
	clear(c.leases)
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	if len(c.containers)+len(c.leases) > 0 {
		t.Errorf("left: %v %v", c.containers, c.leases)
	}
}

// starting is a site on which no container ever starts.
type starting struct{ *cloud }

func (starting) Launch(ctx context.Context, _ ContainerRequest, _ func(string)) (Container, error) {
	<-ctx.Done()
	return Container{}, ctx.Err()
}

// A container that is Creating for ever, as with an image that cannot be pulled, is
// waited for until the lease has no time left to measure in, and then given up in words.
func TestALeaseEndsWhileAContainerStarts(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	err, _ := l.execute(t, t.Context(), starting{c}, func(cfg *Config) {
		cfg.Patience = DefaultPatience()
		cfg.Patience.LeaseTail = 61 * time.Minute // of a lease of an hour, in whole minutes
	})
	if failure.KindOf(err) != failure.Cloud || !strings.Contains(err.Error(), "did not start before its lease ends") {
		t.Errorf("%v", err)
	}
	if len(c.containers)+len(c.leases) > 0 {
		t.Errorf("left: %v %v", c.containers, c.leases)
	}
}
