package run

import (
	"context"
	"errors"
	"testing"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// The look at who works in a lease is not skipped because it is to be given back, and a
// lease in which another run works is not given back. Once that has gone, it is.
func TestReleasedLeaseIsLeftToWhoWorksThere(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	choose := c.existing("mine")
	busy := failure.Usage.Errorf("another works there")
	release := func(cfg *Config) { choose(cfg); cfg.Release = true }
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		release(cfg)
		cfg.Vacant = func(context.Context, Lease, *Run) error { return busy }
	})
	if !errors.Is(err, busy) || len(c.leases) != 1 || l.replay(t).Open() {
		t.Fatalf("%v, left %v", err, c.leases)
	}
	if err, _ := l.execute(t, t.Context(), c, release); err != nil || len(c.leases) != 0 || l.replay(t).Open() {
		t.Errorf("when it is vacant: %v, left %v", err, c.leases)
	}
}

// A lease of the user's that has the name of the one that is to be given back stays.
func TestReleaseTakesNoOtherOfItsName(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	choose := c.existing("mine")
	other := c.leases["id-of-mine"]
	other.ID = "other"
	c.leases[other.ID] = other
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		choose(cfg)
		cfg.Release, cfg.Site = true, &stocked{cloud: c}
	})
	if _, there := c.leases[other.ID]; err != nil || !there || len(c.leases) != 1 {
		t.Errorf("%v, left %v", err, c.leases)
	}
	st := Replay([]store.Entry{{Kind: store.Intent, What: aLease, Name: "mine", ID: "1"}})
	if st.Slot(1).Lease.Key() != "1" || !st.Open() {
		t.Errorf("%+v is not found again", st)
	}
}

// Without a file that would have to be pushed no lease is made.
func TestNoLeaseWithoutTheFiles(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	lacks := failure.Usage.Errorf("model m is not on this machine")
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Lacks = lacks })
	if !errors.Is(err, lacks) || failure.KindOf(err) != failure.Usage || c.made != 0 {
		t.Errorf("%v, %d things made", err, c.made)
	}

	// A booking stays.
	lab, at := newLab(t), &later{cloud: newCloud(t)}
	if err, _ := lab.execute(t, t.Context(), at, func(cfg *Config) { book(cfg); cfg.Detach = true }); err != nil {
		t.Fatal(err)
	}
	err, _ = lab.execute(t, t.Context(), at, func(cfg *Config) { cfg.Lacks = lacks })
	if !errors.Is(err, lacks) || len(at.leases) != 1 {
		t.Errorf("%v, left %v", err, at.leases)
	}
}
