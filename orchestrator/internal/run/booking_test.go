package run

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// existing puts a lease on the cloud that no run has made, and chooses it.
func (c *cloud) existing(name string) func(*Config) {
	l := Lease{ID: "id-of-" + name, Name: name, Status: "ACTIVE", State: LeaseActive, ReservationID: "r",
		End: time.Now().Add(time.Hour), Device: Device{Name: "nyu-rpi5-02"}}
	c.leases[l.ID] = l
	return func(cfg *Config) {
		cfg.Choose = func(context.Context, error) (Choice, error) { return Choice{Lease: &l}, nil }
	}
}

// only wants the lease that was there before, and nothing else.
func (c *cloud) only(t *testing.T, name string) {
	t.Helper()
	if _, there := c.leases["id-of-"+name]; !there || len(c.leases) != 1 || len(c.containers) != 0 {
		t.Errorf("left on the cloud: %v %v, want the lease %s alone", c.leases, c.containers, name)
	}
	if c.made != 1 {
		t.Errorf("%d things were made, want one container", c.made)
	}
}

// A lease that exists is used and stays; with Release it is given back.
func TestLeaseThatExistsIsUsed(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	if err, _ := l.execute(t, t.Context(), c, c.existing("mine")); err != nil {
		t.Fatal(err)
	}
	c.only(t, "mine")
	if st := l.replay(t); !st.Finished || st.Slot(1).N != 1 {
		t.Errorf("the journal says %+v", st)
	}

	l, c = newLab(t), newCloud(t)
	choose := c.existing("mine")
	if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { choose(cfg); cfg.Release = true }); err != nil {
		t.Fatal(err)
	}
	c.made++ // the lease that was there
	l.check(t, c)
}

func (l *lab) replay(t *testing.T) State {
	t.Helper()
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return Replay(entries)
}

// Wherever the run is killed, its resume goes on in the lease that exists, makes
// none and deletes none.
func TestKilledInALeaseThatExists(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	if err, _ := l.execute(t, t.Context(), c, c.existing("mine")); err != nil {
		t.Fatal(err)
	}
	total := c.calls
	for at := 1; at <= total; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d after=%v", at, after), func(t *testing.T) {
				l, c := newLab(t), newCloud(t)
				c.killAt, c.after = at, after
				choose := c.existing("mine")
				if _, dead := l.execute(t, t.Context(), c, choose); !dead {
					t.Fatal("was not killed")
				}
				// The journal knows the lease: nothing is chosen again.
				if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
					t.Fatalf("resume: %v", err)
				}
				c.only(t, "mine")
			})
		}
	}
}

// An adopted lease that ends too soon is left alone, without the run's container;
// the run goes on in one of its own.
func TestLeaseThatExistsEndsTooSoon(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	choose := c.existing("mine")
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { choose(cfg); cfg.Until = PhasePush })
	if err != nil || len(c.containers) != 1 {
		t.Fatalf("%v, %v", err, c.containers)
	}
	mine := c.leases["id-of-mine"]
	mine.End = time.Now().Add(time.Minute)
	c.leases[mine.ID] = mine
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	c.made -= 2 // a lease and a container of the run's own
	c.only(t, "mine")
	if st := l.replay(t); !st.Finished || st.Slot(1).N != 2 {
		t.Errorf("the journal says %+v", st)
	}
}

// later is a cloud whose leases begin when the request says.
type later struct {
	*cloud
	asked []LeaseRequest
	await func() // called when the run begins to wait
}

func (c *later) Reserve(ctx context.Context, req LeaseRequest) (Lease, error) {
	l, err := c.cloud.Reserve(ctx, req)
	l.Start = req.Start
	c.leases[l.ID] = l
	c.asked = append(c.asked, req)
	return l, err
}

func (c *later) Await(ctx context.Context, id string, _ func(string)) (Lease, error) {
	if l := c.leases[id]; l.State == LeaseActive {
		return l, nil
	}
	c.await()
	<-ctx.Done()
	return c.leases[id], ctx.Err()
}

// book chooses a lease that begins tomorrow.
func book(cfg *Config) {
	tomorrow := time.Now().UTC().Add(24 * time.Hour).Truncate(time.Hour)
	cfg.Choose = func(context.Context, error) (Choice, error) {
		return Choice{Request: LeaseRequest{DeviceUID: "u", Start: tomorrow, End: tomorrow.Add(time.Hour)}}, nil
	}
}

// A booking outlives Ctrl-C while it waits, and a run that detaches; the run comes
// back to it, also after it has begun.
func TestBookingStays(t *testing.T) {
	for _, how := range []string{"interrupted", "detached"} {
		t.Run(how, func(t *testing.T) {
			l, c := newLab(t), &later{cloud: newCloud(t)}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.await = cancel
			err, _ := l.execute(t, ctx, c, func(cfg *Config) { book(cfg); cfg.Detach = how == "detached" })
			switch {
			case how == "detached" && err != nil:
				t.Fatal(err)
			case how == "interrupted" && (failure.KindOf(err) != failure.Interrupted ||
				!strings.Contains(err.Error(), "stays booked, 20") ||
				!strings.Contains(failure.NextOf(err), "chexp run --resume /") ||
				!strings.Contains(failure.NextOf(err), l.plan.RunID)):
				t.Fatalf("%v: %s", err, failure.NextOf(err))
			}
			if len(c.leases) != 1 {
				t.Fatalf("the booking is gone: %v", c.leases)
			}
			for id, booked := range c.leases {
				booked.State, booked.Start = LeaseActive, time.Now().Add(-10*time.Minute)
				c.leases[id] = booked
			}
			if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
				t.Fatalf("resume: %v", err)
			}
			l.check(t, c.cloud)
		})
	}
}

// Who ends a run gives its booking up; who ends it in a dead process's place does not.
func TestEndOfABooking(t *testing.T) {
	for _, giveUp := range []bool{false, true} {
		l, c := newLab(t), &later{cloud: newCloud(t)}
		if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { book(cfg); cfg.Detach = true }); err != nil {
			t.Fatal(err)
		}
		if err := l.end(t, c, func(cfg *Config) { cfg.EndBooked = giveUp }); err != nil || giveUp != (len(c.leases) == 0) {
			t.Errorf("given up %v: %v, left %v", giveUp, err, c.leases)
		}
	}
}

// A run that comes back when its booking is over says so, and makes another lease.
func TestBookingThatEndedIsSaid(t *testing.T) {
	l, c := newLab(t), &later{cloud: newCloud(t)}
	if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { book(cfg); cfg.Detach = true }); err != nil {
		t.Fatal(err)
	}
	for id, booked := range c.leases {
		booked.State, booked.End = LeaseOver, time.Date(2026, 12, 1, 14, 55, 0, 0, time.UTC)
		c.leases[id] = booked
	}
	var lines []string
	if err, _ := l.execute(t, t.Context(), c.cloud, func(cfg *Config) { cfg.Observe = said{lines: &lines} }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(lines, "\n"), "of before ended at 2026-12-01 14:55 UTC") {
		t.Errorf("said %q", lines)
	}
}

// A lease in which another run has come to work is left to that one.
func TestLeaseThatIsNotVacantIsLeft(t *testing.T) {
	l, c := newLab(t), newCloud(t)
	choose := c.existing("mine")
	busy := failure.Usage.Errorf("another works there")
	err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
		choose(cfg)
		cfg.Vacant = func(context.Context, Lease, *Run) error { return busy }
	})
	if !errors.Is(err, busy) || len(c.leases) != 1 || l.replay(t).Slot(1).Container.Open() {
		t.Errorf("%v, left %v", err, c.leases)
	}
	if err, _ := l.execute(t, t.Context(), c, nil); err != nil {
		t.Errorf("when it is vacant: %v", err)
	}
}

// A lease that has begun is given back by an interrupt, also while it is not yet
// active.
func TestBegunLeaseIsNotLeftBehind(t *testing.T) {
	l, c := newLab(t), &later{cloud: newCloud(t)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.await = cancel
	if err, _ := l.execute(t, ctx, c, nil); failure.KindOf(err) != failure.Interrupted {
		t.Fatal(err)
	}
	if len(c.leases) != 0 {
		t.Errorf("left on the cloud: %v", c.leases)
	}
}

// A booking whose answer got lost is asked for again as it was: the same device at
// the same time.
func TestBookingIsAskedForAgain(t *testing.T) {
	l, c := newLab(t), &later{cloud: newCloud(t)}
	c.killAt = 1
	if _, dead := l.execute(t, t.Context(), c, book); !dead {
		t.Fatal("was not killed")
	}
	asked := l.replay(t).Slot(1).Asked
	if err, _ := l.execute(t, t.Context(), c, func(cfg *Config) { cfg.Detach = true }); err != nil {
		t.Fatal(err)
	}
	if len(c.asked) != 1 || asked.DeviceUID != "u" || !reflect.DeepEqual(c.asked[0], asked) {
		t.Errorf("asked for %+v, want %+v", c.asked, asked)
	}
}

// What the journal knows of a lease that the run did not make.
func TestReplayOfAdoption(t *testing.T) {
	entries := []store.Entry{
		{Kind: store.Intent, What: aLease, Name: "mine", ID: "1", Text: adopted},
		{Kind: store.Done, What: aLease, ID: "1"},
	}
	st := Replay(entries)
	if !st.Slot(1).Lease.Open() || st.Open() || st.Slot(1).Lease.Key() != "1" {
		t.Errorf("%+v is the run's to give back", st)
	}
	st = Replay(append(entries, store.Entry{Kind: store.Intent, What: aContainer, Name: "c"}))
	if !st.Open() {
		t.Errorf("%+v is not the run's to give back", st)
	}
}

// A lease that was made elsewhere may hold several boards: the run uses the
// reservation of the one that its experiment wants, and knows it.
func TestOneBoardOfALeaseWithSeveral(t *testing.T) {
	for name, x := range map[string]struct {
		boards []Board
		uses   string // the reservation
		board  string
	}{
		"the second": {[]Board{{ReservationID: "r1", Device: Device{Name: "a"}},
			{ReservationID: "r2", Device: Device{Name: "b", MachineName: "raspberrypi5"}}}, "r2", "b"},
		"not proven":     {[]Board{{ReservationID: "r1", Unproven: "it has two"}}, "r1", ""},
		"nothing to say": {[]Board{{ReservationID: "r1"}}, "r", "nyu-rpi5-02"},
	} {
		l, c := newLab(t), newCloud(t)
		choose := c.existing("mine")
		had := c.leases["id-of-mine"]
		had.Boards = x.boards
		c.leases["id-of-mine"] = had
		var lines []string
		err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
			choose(cfg)
			cfg.Experiment.Lease.MachineName = "raspberrypi5"
			cfg.Observe = said{lines: &lines}
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s, err := l.root.Open(l.plan.RunID)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := ReadFacts(s, 1)
		if err != nil || facts[0].Lease.ReservationID != x.uses || facts[0].Lease.Device.Name != x.board {
			t.Errorf("%s: %+v, %v", name, facts[0].Lease, err)
		}
		unproven := strings.Contains(strings.Join(lines, "\n"), "board not proven")
		if unproven != (x.board == "") {
			t.Errorf("%s: said %q", name, lines)
		}
	}
}
