package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"
)

// books is a cloud's leases, devices and containers. What else a cloud can do, it
// cannot: the tests would panic.
type books struct {
	site.Cloud
	now        time.Time
	leases     []site.Lease
	devices    []site.Device
	containers []site.Container
	slot       site.Slot
	neighbours map[string]map[string]string // by lease

	short, shortWithout error // too few devices are free; without some
}

func (b *books) Now() time.Time                                       { return b.now }
func (b *books) Leases(context.Context) ([]site.Lease, error)         { return b.leases, nil }
func (b *books) Devices(context.Context) ([]site.Device, error)       { return b.devices, nil }
func (b *books) Containers(context.Context) ([]site.Container, error) { return b.containers, nil }

func (b *books) CheckFree(_ context.Context, req run.LeaseRequest) (string, error) {
	if len(req.Not) > 0 {
		return "", b.shortWithout
	}
	return "", b.short
}

func (b *books) Neighbours(_ context.Context, id string) (map[string]string, error) {
	return b.neighbours[id], nil
}

func (b *books) NextSlot(context.Context, run.LeaseRequest, func(time.Time) time.Time) (site.Slot, error) {
	return b.slot, nil
}

var (
	pi1 = run.Device{ID: "1", Name: "pi-1", UID: "uid-1", MachineName: "raspberrypi5"}
	pi2 = run.Device{ID: "2", Name: "pi-2", UID: "uid-2", MachineName: "raspberrypi5"}
)

// lease is an active one of the user's own, with this name and id.
func (b *books) lease(name string, d run.Device, left time.Duration) site.Lease {
	return site.Lease{Mine: true, Lease: run.Lease{ID: "id-" + name, Name: name, Status: "ACTIVE", State: run.LeaseActive,
		ReservationID: "r-" + name, Start: b.now.Add(-time.Hour), End: b.now.Add(left), Device: d}}
}

// chooser is one for an experiment of five to ten minutes on any Pi, in a lease of
// half an hour. What it tells people is added to told.
func (b *books) chooser(told *[]string) *chooser {
	tell := func(text string) { *told = append(*told, text) }
	c := &chooser{command: []string{"run", "x.yaml"}, least: 5 * time.Minute, most: 10 * time.Minute,
		tail: time.Minute, note: tell, maker: func(site.Lease) string { return "" },
		placer: placer{cloud: b, say: tell, warn: tell}}
	c.want.MachineName, c.want.length, c.want.kind = "raspberrypi5", 30*time.Minute, spec.Sites[0]
	return c
}

func newBooks(t *testing.T) *books {
	t.Helper()
	now, err := time.Parse(time.RFC3339, "2026-12-01T14:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	return &books{now: now}
}

func chosen(t *testing.T, c *chooser) run.Choice {
	t.Helper()
	choice, err := c.choose(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return choice
}

// A name that two leases have is refused, with a command for each; of one that has
// ended and one that serves, the latter is meant.
func TestAmbiguousLease(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	first, second := b.lease("mine", pi1, time.Hour), b.lease("mine", pi2, time.Hour)
	second.ID = "another"
	b.leases = []site.Lease{first, second}
	c := b.chooser(&told)
	c.named = "mine"
	_, err := c.choose(t.Context(), nil)
	if failure.KindOf(err) != failure.Usage ||
		!strings.Contains(failure.NextOf(err), "`chexp run x.yaml --lease id-mine`") ||
		!strings.Contains(failure.NextOf(err), "`chexp run x.yaml --lease another`") {
		t.Errorf("%v: %s", err, failure.NextOf(err))
	}
	b.leases[0].State = run.LeaseOver
	if l := chosen(t, c).Lease; l == nil || l.ID != "another" {
		t.Errorf("chose %+v", l)
	}
}

// Which lease is used without a word: the idle one that has begun and lasts longest;
// none that another has, that a run made, that is too short or that is not for this
// device.
func TestIdleLeaseIsUsed(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	bobs, ended := b.lease("bobs", pi1, time.Hour), b.lease("ended", pi1, time.Hour)
	other := b.lease("other", pi1, time.Hour)
	bobs.Mine, ended.State, other.Device.MachineName = false, run.LeaseOver, "jetson"
	later := b.lease("later", pi2, 3*time.Hour)
	later.State, later.Start = run.LeasePending, b.now.Add(time.Hour)
	b.leases = []site.Lease{bobs, ended, other, later, b.lease("20261201t130000z-x-abcd", pi1, 2*time.Hour),
		b.lease("short", pi1, 4*time.Minute), b.lease("tight", pi1, 8*time.Minute)}
	if l := chosen(t, b.chooser(&told)).Lease; l != nil {
		t.Errorf("chose %+v", l)
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{"later has pi-2", "it begins later: `chexp run x.yaml --lease later` uses it",
		"your lease tight has pi-1", "8 min that it has left may be too short"} {
		if !strings.Contains(all, want) {
			t.Errorf("said %q, want %q", told, want)
		}
	}
	told = nil
	b.leases = append(b.leases, b.lease("mine", pi1, 20*time.Minute), b.lease("long", pi2, time.Hour))
	if l := chosen(t, b.chooser(&told)).Lease; l == nil || l.Name != "long" {
		t.Errorf("chose %+v", l)
	}
	// A person may insist on a new one, and is told what that is.
	c := b.chooser(&told)
	c.named, told = newLease, nil
	if l := chosen(t, c).Lease; l != nil || !strings.Contains(strings.Join(told, "\n"),
		"Leases of one user beside each other are against the site's rules: `chexp run x.yaml --lease long`") {
		t.Errorf("chose %+v, said %q", l, told)
	}
}

// A run that is asked to begin at four is not given the lease of two, nor the one
// that has begun; that of four it is given.
func TestEarlierLeaseIsNotUsed(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	four := b.lease("four", pi2, 3*time.Hour)
	two := b.lease("two", pi1, 4*time.Hour)
	two.State, two.Start = run.LeasePending, b.now.Add(time.Hour)
	four.State, four.Start = run.LeasePending, b.now.Add(2*time.Hour)
	b.leases = []site.Lease{b.lease("begun", pi1, 5*time.Hour), two}
	c := b.chooser(&told)
	c.want.Start = four.Start
	c.want.End = four.Start.Add(30 * time.Minute)
	if l := chosen(t, c).Lease; l != nil {
		t.Errorf("chose %+v", l)
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{"your lease begun has pi-1", "your lease two has pi-1",
		"it begins before the start that is asked for", "`chexp run x.yaml --lease two` uses it"} {
		if !strings.Contains(all, want) {
			t.Errorf("said %q, want %q", told, want)
		}
	}
	b.leases = append(b.leases, four)
	if l := chosen(t, c).Lease; l == nil || l.Name != "four" {
		t.Errorf("chose %+v", l)
	}
}

// A machine has one server: one that was made by hand is in the way of a run's, which is
// said before anything is made.
func TestAMachineHasOneServer(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("mine", pi1, time.Hour)}
	b.containers = []site.Container{{Container: run.Container{ID: "5a6f", Name: "by-hand"}, Image: "an image"}}
	c := b.chooser(&told)
	c.named, c.want.kind = "mine", spec.SiteKind{Name: "CHI@TACC", Servers: true}
	_, err := c.choose(t.Context(), nil)
	if failure.KindOf(err) != failure.Usage ||
		!strings.Contains(err.Error(), "server by-hand (5a6f) of yours is on the machine") ||
		!strings.Contains(strings.Join(failure.Advice(err), ""), "openstack server delete 5a6f") {
		t.Errorf("%v", err)
	}
}

// A container that the tutorial's notebook left is named; by its name the lease is
// used all the same, without a word it is not.
func TestNotebooksContainerIsNamed(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("mine", pi1, time.Hour)}
	b.containers = []site.Container{{Container: run.Container{ID: "c", Name: "serve-edge"}, Image: "jupyter"}}
	if l := chosen(t, b.chooser(&told)).Lease; l != nil ||
		!strings.Contains(strings.Join(told, "\n"), "container serve-edge of yours is on its device") {
		t.Errorf("chose %+v, said %q", l, told)
	}
	c := b.chooser(&told)
	c.named, told = "mine", nil
	if l := chosen(t, c).Lease; l == nil ||
		!strings.Contains(strings.Join(told, "\n"),
			"container serve-edge (jupyter) of yours is on its device: it is left alone") {
		t.Errorf("chose %+v, said %q", l, told)
	}
}

// Another run's container is in the lease that the run made, wherever else it may
// be found; in the only lease it is in the way.
func TestAnotherRunsContainer(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("mine", pi1, time.Hour), b.lease("team-abcd-2", pi2, time.Hour)}
	b.containers = []site.Container{{Container: run.Container{ID: "c", Name: "20261201t130000z-x-abcd-2"}}}
	if l := chosen(t, b.chooser(&told)).Lease; l == nil || l.Name != "mine" {
		t.Errorf("chose %+v, said %q", l, told)
	}
	b.leases = b.leases[:1]
	c := b.chooser(&told)
	c.named = "mine"
	_, err := c.choose(t.Context(), nil)
	if failure.KindOf(err) != failure.Usage || !strings.Contains(err.Error(), "works in the lease mine") {
		t.Errorf("%v", err)
	}
}

// A run that comes to a lease which it chose before is not let in beside another, whether
// that has one device or several; its own container is no reason.
func TestLeaseIsNoLongerVacant(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("mine", pi1, time.Hour)}
	b.leases[0].ID += fmt.Sprint(time.Now().UnixNano()) // held until the tests end
	c, own := b.chooser(&told), &run.Run{Store: &store.Run{ID: "20261201t130000z-x-efgh"}}
	for name, other := range map[string]string{
		"20261201t130000z-x-abcd":      "20261201t130000z-x-abcd",
		"20261201t130000z-x-abcd-2":    "20261201t130000z-x-abcd",
		"20261201t130000z-x-abcd-d3":   "20261201t130000z-x-abcd",
		"20261201t130000z-x-abcd-d3-2": "20261201t130000z-x-abcd",
		"20261201t130000z-x-efgh":      "", // its own
		"serve-edge":                   "",
	} {
		b.containers = []site.Container{{Container: run.Container{ID: "c", Name: name}}}
		err := c.vacant(t.Context(), run.Lease{ID: "another"}, own)
		if err != nil {
			t.Errorf("of a lease that is not listed: %v", err)
		}
		err = c.vacant(t.Context(), b.leases[0].Lease, own)
		if other == "" && err != nil || other != "" && (failure.KindOf(err) != failure.Usage ||
			!strings.Contains(err.Error(), "run "+other+" works in the lease mine") ||
			!strings.Contains(failure.NextOf(err), "`chexp run --resume "+other+"`")) {
			t.Errorf("%s: %v: %s", name, err, failure.NextOf(err))
		}
	}
	if l := b.lease("20261201t130000z-x-abcd-2", pi1, time.Hour); !ofRun(l, "20261201t130000z-x-abcd-d3") ||
		ofRun(l, "20261201t130000z-x-efgh-d3") || ofRun(l, "20261201t130000z-x-abcd") {
		t.Error("whose lease it is, its name tells")
	}
}

// A lease that another run has made, and gives back when it goes on, is refused with what
// to do.
func TestLeaseOfAnotherRunIsRefused(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("20261201t130000z-x-abcd", pi1, time.Hour)}
	c := b.chooser(&told)
	c.named = b.leases[0].Name
	c.maker = func(l site.Lease) string { return l.Name }
	_, err := c.choose(t.Context(), nil)
	if failure.KindOf(err) != failure.Usage ||
		!strings.Contains(failure.NextOf(err), "`chexp run --resume "+c.named+"` goes on with that run, `chexp gc --yes ") {
		t.Errorf("%v: %s", err, failure.NextOf(err))
	}
}

// What is announced is asked for: the device of the first free time, by its uid.
func TestNextIsPinned(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.slot = site.Slot{Start: b.now.Add(time.Hour), End: b.now.Add(90 * time.Minute), Device: pi2}
	c := b.chooser(&told)
	c.want.next = true
	req := chosen(t, c).Request
	if req.DeviceUID != "uid-2" || req.MachineName != "" || !req.Start.Equal(b.slot.Start) ||
		!strings.Contains(strings.Join(told, "\n"), "on pi-2") {
		t.Errorf("asks for %+v, said %q", req, told)
	}
}

// A lease right after one of the user's own goes to another device, if one is free;
// if not, or if the device is given, it is said.
func TestBackToBack(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	before := b.lease("before", pi1, 55*time.Minute)
	b.leases = []site.Lease{before}
	b.devices = []site.Device{{Device: pi1, Reservable: true, Authorized: true},
		{Device: pi2, Reservable: true, Authorized: true}}
	place := func(edit func(*chooser)) run.LeaseRequest {
		told = nil
		c := b.chooser(&told)
		c.want.Start = b.now.Add(time.Hour)
		c.want.End = c.want.end(c.want.Start)
		edit(c)
		req, err := c.place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	const rule = "your lease before has pi-1 right before or after this one, 2026-12-01 13:00 to 14:55 UTC"
	if req := place(func(*chooser) {}); req.DeviceUID != "uid-2" || strings.Contains(strings.Join(told, ""), rule) {
		t.Errorf("asks for %+v, said %q", req, told)
	}
	given := func(c *chooser) { c.want.MachineName, c.want.DeviceName = "", "pi-1" }
	if req := place(given); req.DeviceName != "pi-1" || !strings.Contains(strings.Join(told, ""), rule) {
		t.Errorf("asks for %+v, said %q", req, told)
	}
	b.devices = b.devices[:1]
	if req := place(func(*chooser) {}); req.MachineName != "raspberrypi5" ||
		!strings.Contains(strings.Join(told, ""), rule) {
		t.Errorf("asks for %+v, said %q", req, told)
	}
}

// What departs from the manners is said: more than two hours, a booking off the hour.
func TestMannersAreSaid(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	c := b.chooser(&told)
	c.want.length, c.want.Start = 3*time.Hour, b.now.Add(80*time.Minute)
	c.want.End = c.want.end(c.want.Start)
	req, err := c.place(t.Context())
	if err != nil || req.End.Minute() != 55 {
		t.Errorf("ends at %s, %v", req.End, err)
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{"3 h in all on a device that others wait for",
		"--at 2026-12-01T15:00Z or --at 2026-12-01T16:00Z"} {
		if !strings.Contains(all, want) {
			t.Errorf("said %q, want %q", told, want)
		}
	}
}

// The manners do not cut a lease below what the plan needs.
func TestEndLeavesThePlanItsTime(t *testing.T) {
	b := newBooks(t)
	start := b.now.Add(40 * time.Minute)
	w := leaseWanted{length: 30 * time.Minute, kind: spec.Sites[0]}
	if end := w.end(start); end.Minute() != 55 {
		t.Errorf("ends at %s", end)
	}
	w.least = 25 * time.Minute
	if end := w.end(start); !end.Equal(start.Add(30 * time.Minute)) {
		t.Errorf("ends at %s", end)
	}
}

// A lease of the web page can have any name; what is told to be typed works.
func TestALeaseIsNamedByWhatFlagsTake(t *testing.T) {
	for name, want := range map[string]string{
		"serve edge": "serve edge", newLease: "id", "": "id", " x ": "id", "a\nb": "id", "--help": "id",
	} {
		l := site.Lease{Lease: run.Lease{ID: "id", Name: name}}
		if got := key([]site.Lease{l}, l); got != want {
			t.Errorf("%q is named by %q", name, got)
		}
	}
}

// A lease whose board somebody else has as well is refused by its name, and not used by
// itself.
func TestSharedBoardIsNotUsed(t *testing.T) {
	b, told := newBooks(t), []string{}
	b.leases = []site.Lease{b.lease("mine", pi1, time.Hour)}
	b.neighbours = map[string]map[string]string{"id-mine": {"pi-1": "a lease of carol has it"}}
	c := b.chooser(&told)
	if got := chosen(t, c); got.Lease != nil || !strings.Contains(strings.Join(told, "\n"), "a lease of carol has it") {
		t.Errorf("%+v, told %q", got, told)
	}
	c = b.chooser(&told)
	c.named = "mine"
	if _, err := c.choose(t.Context(), nil); failure.KindOf(err) != failure.Capacity ||
		!strings.Contains(err.Error(), "pi-1: a lease of carol has it") {
		t.Error(err)
	}
}
