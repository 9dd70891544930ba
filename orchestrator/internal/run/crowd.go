package run

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// How many devices of a run are at once in a phase that costs this machine or the
// site something. They bound memory: a transfer holds some pieces of 4 MiB.
const (
	launches  = 16 // each polls its container
	transfers = 1  // the site takes one execute, put or get at a time anyway
	removals  = 8

	// What is brought home as a run ends early shares the time for that. All at once, all
	// devices would be at the same command of several when it is over, and none home.
	salvages = 4
)

// crowd is what the devices of a run with several share.
type crowd struct {
	launching, moving, removing, saving chan struct{}

	mu    sync.Mutex
	boots map[string]settled // by boot id
	stuck stuck

	leases     fresh[foundLease]
	neighbours fresh[map[string]string]
}

func newCrowd() *crowd {
	return &crowd{
		launching: make(chan struct{}, launches), moving: make(chan struct{}, transfers),
		removing: make(chan struct{}, removals), saving: make(chan struct{}, salvages), boots: map[string]settled{},
	}
}

// inTurn does something when there is room for it.
func inTurn[T any](ctx context.Context, room chan struct{}, do func(context.Context) (T, error)) (got T, err error) {
	if room != nil {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
	return do(ctx)
}

// room is the bound of a phase; nil: there is none.
func (c *crowd) room(p Phase) chan struct{} {
	if c == nil {
		return nil
	}
	switch p {
	case PhaseContainer:
		return c.launching
	case PhasePush, PhaseFetch:
		return c.moving
	case PhaseRelease:
		return c.removing
	}
	return nil
}

// haven is the bound of what brings results home as a run ends early; nil: there is none.
func (c *crowd) haven() chan struct{} {
	if c == nil {
		return nil
	}
	return c.saving
}

// perDevice is Patience.PerDevice where that is 0. On Chameleon an execute is open
// to harm, and does harm, for the 0.1 s of its handshake; with 5 s times the number
// of devices between two looks at one of them, one handshake is under way for 2 %
// of the time.
const perDevice = 5 * time.Second

// perLook times the number of devices is at least between two looks at the log of one,
// which harm nobody: about three requests a second in all.
const perLook = 300 * time.Millisecond

// perFetch is what bringing one device's results home may take, while the others
// wait: some ten executes, and a piece or two.
const perFetch = 3 * time.Second

// among is the patience with one device among n: all of them together ask the site
// for no more than so many executes and looks a minute, however many they are. tells
// is true where the site shows what agents do without an execute.
func (p Patience) among(n int, tells bool) Patience {
	if n <= 1 {
		return p
	}
	most := time.Duration(n) * cmp.Or(p.PerDevice, perDevice)
	p.Ask, p.AskMute = max(p.Ask, most), most
	looks := most
	if tells {
		looks = time.Duration(n) * perLook
	}
	p.PollMin, p.PollMax = max(p.PollMin, looks/8), max(p.PollMax, looks)
	p.Backup = max(p.Backup, 12*most)
	p.Polls = max(p.Polls, 3*most)
	p.LeaseTail += time.Duration(n) * perFetch // they come home one after the other
	p.Salvage += time.Duration(n) * perFetch
	return p
}

// fresh is an answer of the site that serves all devices of a run for a while. That
// none came serves them, too: they wait for each other, and each look at a site that is
// silent takes its time, which a lease that ends does not have as often as there are
// devices.
type fresh[T any] struct {
	mu     sync.Mutex
	about  string
	looked time.Time
	answer T
	failed error
}

// get looks, unless that was done not long ago. A look that ended because its caller
// did says nothing to others.
func (f *fresh[T]) get(ctx context.Context, about string, long time.Duration, look func() (T, error)) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.about == about && time.Since(f.looked) < long {
		return f.answer, f.failed
	}
	got, err := look()
	if err == nil || ctx.Err() == nil {
		f.looked, f.about, f.answer, f.failed = time.Now(), about, got, err
	}
	return got, err
}

// foundLease is a lease, if there is one.
type foundLease struct {
	Lease
	found bool
}
