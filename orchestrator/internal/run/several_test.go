package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// hasty is a patience for tests with several devices.
func hasty() Patience {
	p := DefaultPatience()
	p.PollMin, p.PollMax, p.PerDevice = time.Millisecond, time.Millisecond, time.Millisecond
	p.Cleanup, p.Salvage = 20*time.Second, 5*time.Second
	return p
}

// on asks for n devices, and looks at them without pause.
func on(n int, more ...func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Experiment.Lease.MachineName, c.Experiment.Lease.Devices = "raspberrypi5", n
		c.Patience = hasty()
		for _, edit := range more {
			edit(c)
		}
	}
}

// whole asserts that every one of n devices has all results, the journal is closed
// and nothing is left.
func (l *lab) whole(t *testing.T, f *fleet, n int) {
	t.Helper()
	if len(f.leases)+len(f.containers) > 0 {
		t.Errorf("left on the site: %v %v", f.leases, f.containers)
	}
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	st := Replay(entries)
	if !st.Finished {
		t.Error("the journal does not say that the run is finished")
	}
	devices := s.Devices()
	if len(devices) != n {
		t.Fatalf("%d devices have results, want %d", len(devices), n)
	}
	seen := map[string]bool{}
	for _, d := range devices {
		results, err := d.Results(l.plan)
		if err != nil || len(results) != len(l.plan.Trials) {
			t.Errorf("device %d: %d results, %v", d.Slot(), len(results), err)
		}
		name := measuredOn(t, d, st)
		if seen[name] || name == "" {
			t.Errorf("device %d is %q, as is another", d.Slot(), name)
		}
		seen[name] = true
	}
}

// measuredOn is the board of the last attempt at a device, of a run in this state.
func measuredOn(t *testing.T, d *store.Run, st State) string {
	t.Helper()
	n := st.Slot(d.Slot()).N
	facts, err := ReadFacts(d, n)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	return facts[n-1].Lease.Device.Name
}

// Three devices in one run: one lease, each measures all trials, all is given back.
func TestThreeDevices(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 10)
	if err, _ := l.execute(t, t.Context(), f, on(3)); err != nil {
		t.Fatal(err)
	}
	l.whole(t, f, 3)
	if f.made["lease"] != 1 || f.made["container"] != 3 {
		t.Errorf("made %v", f.made)
	}
}

// The boards that a file names are had, each by the slot of its place in the list.
func TestNamedDevices(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 10)
	want := []string{"nyu-rpi5-07", "nyu-rpi5-02"}
	if err, _ := l.execute(t, t.Context(), f, on(0, func(c *Config) { c.Experiment.Lease.Boards = want })); err != nil {
		t.Fatal(err)
	}
	l.whole(t, f, 2)
	s, _ := l.root.Open(l.plan.RunID)
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range s.Devices() {
		if got := measuredOn(t, d, Replay(entries)); got != want[i] {
			t.Errorf("device %d is %s", i+1, got)
		}
	}
}

// Of a lease that was made elsewhere, a run has the boards of the type that it asks for.
func TestBoardsOfAnotherTypeAreNotTaken(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 3)
	mine := Lease{ID: "m", Name: "mine", Status: "ACTIVE", State: LeaseActive, End: f.Now().Add(time.Hour)}
	for i, name := range f.names {
		b := Board{ReservationID: name, Device: Device{Name: name, MachineName: "raspberrypi5"}}
		if i == 0 { // by name, it is the first
			b.Device.MachineName = "jetson-nano"
		}
		mine.Boards = append(mine.Boards, b)
	}
	f.leases[mine.ID] = mine
	err, _ := l.execute(t, t.Context(), f, on(2, func(c *Config) {
		c.Choose = func(context.Context, error) (Choice, error) { return Choice{Lease: &mine}, nil }
	}))
	if err != nil || f.measured[f.names[0]] > 0 || f.measured[f.names[1]] == 0 || f.measured[f.names[2]] == 0 {
		t.Errorf("%v, measured on %v", err, f.measured)
	}
}

// Of all-free, a run has as many devices as there are, also when it is resumed.
func TestAllFreeDevices(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 4)
	f.fails["nyu-rpi5-02"] = PhasePush
	all := func(c *Config) { c.Experiment.Lease.AllFree = true }
	if err, _ := l.execute(t, t.Context(), f, on(20, all)); failure.KindOf(err) != failure.Trials {
		t.Fatalf("with one broken board: %v", err)
	}
	clear(f.fails)
	if err, _ := l.execute(t, t.Context(), f, on(20, all)); err != nil {
		t.Fatalf("resume: %v", err)
	}
	l.whole(t, f, 4)
}

// One of three devices fails in each phase in turn. The others are whole, the
// error names it, everything is given back, and a resume measures it alone.
func TestOneDeviceFails(t *testing.T) {
	const bad = "nyu-rpi5-02"
	for _, phase := range []Phase{PhaseContainer, PhasePush, PhaseRun, PhaseFetch, PhaseRelease} {
		t.Run(string(phase), func(t *testing.T) {
			l := newLab(t)
			f := newFleet(t, l, 3)
			f.fails[bad] = phase
			err, _ := l.execute(t, t.Context(), f, on(3))
			if len(f.leases)+len(f.containers) > 0 {
				t.Errorf("left on the site: %v %v", f.leases, f.containers)
			}
			if phase == PhaseRelease { // its lease took the container along
				if err != nil {
					t.Fatal(err)
				}
				l.whole(t, f, 3)
				return
			}
			if failure.KindOf(err) != failure.Trials {
				t.Fatalf("%d: %v", failure.KindOf(err), err)
			}
			for _, want := range []string{
				"2 whole (nyu-rpi5-01, nyu-rpi5-03)", "1 missing (" + bad + ")", string(phase) + ": ",
			} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if n := len(failure.Advice(err)); n != 1 {
				t.Errorf("%d pieces of advice: %q", n, failure.Advice(err))
			}
			clear(f.fails)
			if err, _ := l.execute(t, t.Context(), f, on(3)); err != nil {
				t.Fatalf("resume: %v", err)
			}
			if f.made["lease"] != 2 {
				t.Errorf("%d leases, want a second one for one board", f.made["lease"])
			}
			l.whole(t, f, 3)
		})
	}
}

// A run that finds no boards says so once, and makes nothing else.
func TestNoBoards(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 2)
	err, _ := l.execute(t, t.Context(), f, on(3))
	if err == nil || strings.Count(err.Error(), "2 boards are free, not 3") != 1 {
		t.Errorf("%v", err)
	}
	if len(f.made) > 0 {
		t.Errorf("made %v", f.made)
	}
}

// Ctrl-C while three devices measure gives all back.
func TestThreeDevicesInterrupted(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 3)
	ctx, cancel := context.WithCancelCause(t.Context())
	f.looks = 1 << 30
	f.photoAt = 60 // they measure then
	f.photo = func() { cancel(errors.New("received interrupt")) }
	err, _ := l.execute(t, ctx, f, on(3))
	if failure.KindOf(err) != failure.Interrupted {
		t.Fatalf("%v", err)
	}
	if len(f.leases)+len(f.containers) > 0 {
		t.Errorf("left on the site: %v %v", f.leases, f.containers)
	}
	if f.asked["stop"] != 3 {
		t.Errorf("%d agents were stopped in order, want 3", f.asked["stop"])
	}
	f.looks = 2
	if err, _ := l.execute(t, t.Context(), f, on(3)); err != nil {
		t.Fatalf("resume: %v", err)
	}
	l.whole(t, f, 3)
}

// --until and --keep leave all boards; a resume finishes all.
func TestThreeDevicesKept(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"keep": func(c *Config) { c.Keep = true }, "until": func(c *Config) { c.Until = PhasePush },
		"until lease": func(c *Config) { c.Until = PhaseLease },
		"detach":      func(c *Config) { c.Detach = true },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			f := newFleet(t, l, 3)
			if err, _ := l.execute(t, t.Context(), f, on(3, edit)); err != nil {
				t.Fatal(err)
			}
			if len(f.leases) != 1 || name != "until lease" && len(f.containers) != 3 {
				t.Fatalf("not kept: %v %v", f.leases, f.containers)
			}
			if err, _ := l.execute(t, t.Context(), f, on(3)); err != nil {
				t.Fatalf("resume: %v", err)
			}
			l.whole(t, f, 3)
			if f.made["lease"] != 1 || f.made["container"] != 3 {
				t.Errorf("made %v", f.made)
			}
		})
	}
}

// Devices that are left at work on purpose are left so by the journal, too, although
// another device failed: nobody takes the run for one that was cut off.
func TestOneDeviceFailsOthersDetached(t *testing.T) {
	l := newLab(t)
	f := newFleet(t, l, 3)
	f.fails["nyu-rpi5-02"] = PhasePush
	if err, _ := l.execute(t, t.Context(), f, on(3, func(c *Config) { c.Detach = true })); err == nil {
		t.Fatal("no device failed")
	}
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if h, held := Holds(entries); !held || h.Left != "--detach" {
		t.Errorf("%+v, %v", h, held)
	}
}

// All devices of a run look once, be it in vain: a site that is silent takes the time of
// a lease that ends once, and not for each of them.
func TestAFailedLookServesAllDevices(t *testing.T) {
	t.Parallel()
	var f fresh[int]
	looks, silent := 0, errors.New("silent")
	look := func() (int, error) { looks++; return 0, silent }
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := f.get(ended, "x", time.Hour, look); err == nil || looks != 1 {
		t.Fatal(looks, err)
	}
	for range 3 { // the caller's own end is nobody else's answer
		if _, err := f.get(t.Context(), "x", time.Hour, look); !errors.Is(err, silent) {
			t.Error(err)
		}
	}
	if looks != 2 {
		t.Errorf("%d looks", looks)
	}
	if _, _ = f.get(t.Context(), "y", time.Hour, look); looks != 3 {
		t.Error("another question is answered with an old answer")
	}
}

func TestPatienceAmong(t *testing.T) {
	p := DefaultPatience()
	if p.among(1, true) != p {
		t.Error("one device is looked at as ever")
	}
	for _, n := range []int{2, 7, 50, 200} {
		q := p.among(n, false)
		if perMinute := float64(n) * float64(time.Minute) / float64(q.PollMax); perMinute > 40 {
			t.Errorf("%d devices: %.0f looks a minute once nothing happens", n, perMinute)
		}
		// Where logs tell, they are looked at, and only a silent agent is asked.
		q = p.among(n, true)
		if perMinute := float64(n) * float64(time.Minute) / float64(q.PollMax); perMinute > 210 {
			t.Errorf("%d devices: %.0f looks at logs a minute", n, perMinute)
		}
		if perMinute := float64(n) * float64(time.Minute) / float64(q.Ask); perMinute > 12 {
			t.Errorf("%d devices: %.0f executes a minute, all of them silent", n, perMinute)
		}
	}
}
