package run

import (
	"context"
	"strings"
	"testing"

	"chexp/experiments/failure"
)

// Two containers that share a boot id are on one board, whatever the site says: the
// second is given up before it measures, the run says why, and a resume measures it on
// another board.
func TestTwoContainersOnOneBoard(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 4)
	f.lies["nyu-rpi5-02"] = "nyu-rpi5-01"
	err, _ := l.execute(t, t.Context(), f, on(3))
	if failure.KindOf(err) != failure.Trials || !strings.Contains(err.Error(), "both have the boot id 00000000-") ||
		!strings.Contains(err.Error(), "2 whole") {
		t.Fatalf("two on one board: %v", err)
	}
	if n := f.measured["nyu-rpi5-01"] + f.measured["nyu-rpi5-02"]; n != len(l.plan.Trials) {
		t.Errorf("%d trials were begun on the one board", n)
	}
	// Nor is it measured when the other is done and gone.
	f.lies["nyu-rpi5-01"], f.lies["nyu-rpi5-04"] = "nyu-rpi5-03", "nyu-rpi5-03"
	if err, _ = l.execute(t, t.Context(), f, on(3)); err == nil || !strings.Contains(err.Error(), "boot id") {
		t.Fatalf("resume on a board that is done: %v", err)
	}
	clear(f.lies)
	f.lies["nyu-rpi5-01"] = "nyu-rpi5-04" // whose name may have measured on the board of the other
	if err, _ = l.execute(t, t.Context(), f, on(3)); err != nil {
		t.Fatalf("resume: %v", err)
	}
	l.whole(t, f, 3)
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := ReadFacts(s.Device(1), 1)
	if err != nil || facts[0].ProvenBoot() == "" {
		t.Errorf("the boot id is not among the facts: %+v, %v", facts, err)
	}
}

// A board that somebody else has as well is given back before anything is made in the
// lease, and drawn anew.
func TestBoardOfSomebodyElseIsDrawnAnew(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 3)
	f.rivals["nyu-rpi5-01"], f.rivals["nyu-rpi5-02"] = 1, 2
	if err, _ := l.execute(t, t.Context(), f, on(2)); err != nil {
		t.Fatal(err)
	}
	l.whole(t, f, 2)
	if f.made["lease"] != 3 || f.made["container"] != 2 {
		t.Errorf("made %v", f.made)
	}
}

// It is not drawn for ever.
func TestBoardOfSomebodyElseForEver(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 2)
	f.rivals["nyu-rpi5-01"] = 1000
	err, _ := l.execute(t, t.Context(), f, on(2))
	if failure.KindOf(err) != failure.Capacity || !strings.Contains(err.Error(), "a lease of carol has it") {
		t.Fatal(err)
	}
	if f.made["lease"] != draws || f.made["container"] != 0 || len(f.leases) > 0 {
		t.Errorf("made %v, left %v", f.made, f.leases)
	}
}

// A lease that the run did not make is refused then, and stays.
func TestBoardOfSomebodyElseInAdoptedLease(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 1)
	f.leases["mine"] = Lease{ID: "mine", Name: "mine", Status: "ACTIVE", State: LeaseActive,
		Boards: []Board{{ReservationID: "r", Device: Device{Name: "nyu-rpi5-01"}}}}
	f.rivals["nyu-rpi5-01"] = 1
	mine := f.leases["mine"]
	err, _ := l.execute(t, t.Context(), f, func(c *Config) {
		c.Choose = func(context.Context, error) (Choice, error) { return Choice{Lease: &mine}, nil }
	})
	if failure.KindOf(err) != failure.Capacity || !strings.Contains(err.Error(), "a lease of carol has it") {
		t.Fatal(err)
	}
	if f.made["container"] != 0 || len(f.leases) != 1 {
		t.Errorf("made %v, left %v", f.made, f.leases)
	}
}
