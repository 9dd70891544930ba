package run

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// Two containers that share a boot id are on one board, whatever the site says: the
// second is given up before it measures, the run says why, and where no other board is
// free, a resume measures it on another.
func TestTwoContainersOnOneBoard(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 3)
	f.lies["nyu-rpi5-02"] = "nyu-rpi5-01"
	err, _ := l.execute(t, t.Context(), f, on(3))
	if failure.KindOf(err) != failure.Trials || !strings.Contains(err.Error(), "both have the boot id 00000000-") ||
		!strings.Contains(err.Error(), "2 whole") || !strings.Contains(err.Error(), "0 boards are free, not 1") {
		t.Fatalf("two on one board: %v", err)
	}
	if n := f.measured["nyu-rpi5-01"] + f.measured["nyu-rpi5-02"]; n != len(l.plan.Trials) {
		t.Errorf("%d trials were begun on the one board", n)
	}
	// Nor is it measured when the other is done and gone.
	f.lies["nyu-rpi5-01"], f.lies["nyu-rpi5-02"] = "nyu-rpi5-03", "nyu-rpi5-03"
	if err, _ = l.execute(t, t.Context(), f, on(3)); err == nil || !strings.Contains(err.Error(), "boot id") {
		t.Fatalf("resume on a board that is done: %v", err)
	}
	clear(f.lies)
	f.lies["nyu-rpi5-01"] = "nyu-rpi5-02" // whose name may have measured on the board of the other
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

// The second of two on one board gets another one in the same process, in a lease of its
// own that ends with the other: the run is whole.
func TestSecondOnOneBoardIsDrawnAnew(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 5)
	f.lies["nyu-rpi5-02"], f.lies["nyu-rpi5-04"] = "nyu-rpi5-01", "nyu-rpi5-03" // the first of the others is no better
	if err, _ := l.execute(t, t.Context(), f, on(3)); err != nil {
		t.Fatal(err)
	}
	l.whole(t, f, 3)
	if f.made["lease"] != 3 || f.made["container"] != 5 {
		t.Errorf("made %v", f.made)
	}
	for _, names := range [][2]string{{"nyu-rpi5-01", "nyu-rpi5-02"}, {"nyu-rpi5-03", "nyu-rpi5-04"}} {
		if n := f.measured[names[0]] + f.measured[names[1]]; n != len(l.plan.Trials) {
			t.Errorf("%d trials were begun on the one board", n)
		}
	}
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	var ends []string
	for _, e := range entries {
		var req LeaseRequest
		if e.Kind == store.Intent && e.What == aLease && json.Unmarshal(e.Data, &req) == nil {
			ends = append(ends, req.End.String())
		}
	}
	if len(slices.Compact(ends)) != 1 {
		t.Errorf("the leases end at %v", ends)
	}
}

// Boards that the experiment names are not replaced by others.
func TestNamedBoardIsNotDrawnAnew(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 5)
	f.lies["nyu-rpi5-02"] = "nyu-rpi5-01"
	err, _ := l.execute(t, t.Context(), f, on(0, func(c *Config) {
		c.Experiment.Lease.Boards = []string{"nyu-rpi5-01", "nyu-rpi5-02"}
	}))
	if failure.KindOf(err) != failure.Trials || f.made["lease"] != 1 {
		t.Errorf("%v; made %v", err, f.made)
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

// markedFleet has another lease of the user's on one of its boards.
type markedFleet struct {
	*fleet
	asked []string
}

func (m *markedFleet) Unmarked(_ context.Context, boards []string) []string {
	m.asked = append(m.asked, boards...)
	if slices.Contains(boards, "nyu-rpi5-02") {
		return []string{"your lease other has nyu-rpi5-02 as well"}
	}
	return nil
}

// warned keeps what several devices warn of.
type warned struct {
	quiet
	mu    sync.Mutex
	texts []string
}

func (w *warned) Warn(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// What a run's own giving back does to another lease of the user's, they are told.
func TestReleaseTellsOfALostMark(t *testing.T) {
	for _, n := range []int{2, 3} {
		l := newLab(t)
		f := &markedFleet{fleet: newFleet(t, l, n)}
		w := new(warned)
		if err, _ := l.execute(t, t.Context(), f, on(n, func(c *Config) { c.Observe = w })); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(f.asked); len(f.asked) != n || f.asked[1] != "nyu-rpi5-02" {
			t.Errorf("asked about %v", f.asked)
		}
		if text := strings.Join(w.texts, "\n"); strings.Count(text, "your lease other has nyu-rpi5-02 as well") != 1 {
			t.Errorf("said %q", w.texts)
		}
	}
}
