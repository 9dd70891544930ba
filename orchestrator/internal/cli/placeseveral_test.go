package cli

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// several is a chooser for a run with two Pis.
func (b *books) several(told *[]string) *chooser {
	c := b.chooser(told)
	c.placer.several, c.want.Devices = true, 2
	c.want.End = b.now.Add(30 * time.Minute)
	return c
}

// That too few devices are free is known before anything is made, and waited for also
// where the experiment names them.
func TestTooFewOfSeveral(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.short = failure.Capacity.Errorf("1 device is free")
	c := b.several(&told)
	if _, err := c.choose(t.Context(), nil); failure.KindOf(err) != failure.Capacity {
		t.Fatal(err)
	}
	c.want.MachineName, c.want.Boards = "", []string{"pi-1", "pi-2"}
	c.wait = time.Nanosecond
	_, err := c.choose(t.Context(), b.short)
	if failure.KindOf(err) != failure.Capacity ||
		!strings.Contains(err.Error(), "waited 0 s for pi-1, pi-2: 1 device is free") {
		t.Error(err)
	}
}

// An idle lease of the user's beside which a run with several makes another is named, with
// what to do; one that a container is in, of another time or another kind is not.
func TestIdleLeaseBesideSeveralIsNamed(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	jetson := b.lease("jetson", run.Device{Name: "j", MachineName: "jetson"}, time.Hour)
	later := b.lease("later", pi2, 3*time.Hour)
	later.Start = b.now.Add(2 * time.Hour)
	pair := b.lease("pair", pi1, time.Hour)
	pair.Boards = make([]run.Board, 2)
	b.leases = []site.Lease{jetson, later, b.lease("mine", pi1, time.Hour), pair}
	chosen(t, b.several(&told))
	all := strings.Join(told, "\n")
	if strings.Contains(all, "jetson") || strings.Contains(all, "later") ||
		!strings.Contains(all, "your lease mine has pi-1, idle until 2026-12-01 15:00 UTC") ||
		!strings.Contains(all, "`chexp lease delete mine` gives it back") ||
		!strings.Contains(all, "`chexp run x.yaml --lease pair` uses it") {
		t.Errorf("said %q", told)
	}
	told = nil
	b.containers = []site.Container{{Container: run.Container{ID: "c", Name: "serve-edge"}}}
	if chosen(t, b.several(&told)); len(told) > 0 {
		t.Errorf("said %q", told)
	}
}

// Of several, the boards that the user has right before are drawn last; where that is no
// way out, it is said.
func TestSeveralBackToBack(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("before", pi1, 55*time.Minute)}
	place := func(edit func(*chooser)) run.LeaseRequest {
		told = nil
		c := b.several(&told)
		c.want.Start, c.want.End = b.now.Add(time.Hour), b.now.Add(90*time.Minute)
		edit(c)
		req, err := c.place(t.Context())
		if err != nil || len(req.Beside) != 1 || req.Beside[0] != "pi-1" {
			t.Errorf("%+v, %v", req, err)
		}
		return req
	}
	const rule = "your lease before has pi-1 right before or after this one"
	if place(func(*chooser) {}); len(told) > 0 {
		t.Errorf("said %q", told)
	}
	place(func(c *chooser) { c.want.MachineName, c.want.Boards = "", []string{"pi-1", "pi-2"} })
	if !strings.Contains(strings.Join(told, ""), rule) {
		t.Errorf("said %q", told)
	}
	b.shortWithout = failure.Capacity.Errorf("1 device is free")
	if place(func(*chooser) {}); !strings.Contains(strings.Join(told, ""), rule) {
		t.Errorf("said %q", told)
	}
}

// A lease that is made by hand although the user has one of such a device at that time is
// spoken of.
func TestSecondLeaseByHandIsNamed(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.leases = []site.Lease{b.lease("mine", pi1, time.Hour)}
	c := b.chooser(&told)
	c.byHand = true
	if _, err := c.place(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(told, ""), "your lease mine has pi-1, 2026-12-01 13:00 to 15:00 UTC: leases of one "+
		"user beside") {
		t.Errorf("said %q", told)
	}
}

// A lease that exists is used by a run with several devices only where it has as many of
// those that the experiment asks for.
func TestLeaseOfOtherOrTooFewBoards(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	jetson := run.Device{ID: "3", Name: "j", MachineName: "jetson-nano"}
	l := b.lease("mine", pi1, time.Hour)
	for _, has := range [][]run.Device{{jetson}, {pi1}, {pi1, jetson}, {pi1, pi2}} {
		l.Device, l.Devices = has[0], has
		b.leases = []site.Lease{l}
		c := b.several(&told)
		c.named = "mine"
		choice, err := c.choose(t.Context(), nil)
		if len(has) == 2 && has[1] == pi2 {
			if err != nil || choice.Lease == nil {
				t.Errorf("of two Pis: %v", err)
			}
		} else if failure.KindOf(err) != failure.Usage ||
			!strings.Contains(err.Error(), l.DeviceNames()+" ("+has[0].MachineName+"), and the experiment asks for 2") {
			t.Errorf("of %s: %v", l.DeviceNames(), err)
		}
	}
}

// Boards that no lease has are not waited for; what a resumed run lacks, it knows later.
func TestWaitingForUnusableBoardsIsInVain(t *testing.T) {
	b, told := newBooks(t), []string(nil)
	b.short = failure.Capacity.Errorf("1 device is free")
	b.devices = []site.Device{{Device: pi1, Reservable: true, Authorized: true, FreeNow: true}, {Device: pi2}}
	c := b.several(&told)
	c.wait = time.Hour
	if _, err := c.choose(t.Context(), nil); err == nil || len(told) > 0 {
		t.Errorf("%v, said %q", err, told)
	}
	c.want.MachineName = ""
	if _, some := c.whoHasIt(t.Context()); !some {
		t.Error("a resume does not wait")
	}
}
