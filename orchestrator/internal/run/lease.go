package run

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chexp/orchestrator/internal/store"
)

// revisit looks at the lease of an earlier process. serves is true when it can
// be gone on with; one that cannot is given back, after what its agent has left
// was brought home.
func (a *attempt) revisit(ctx context.Context) (l Lease, serves bool, err error) {
	l, found, err := a.Site.FindLease(ctx, a.held.Lease.Name)
	if err != nil {
		return l, false, err
	}
	if found && !a.ended(l) {
		return l, true, nil
	}
	if found {
		a.lastCall(ctx, l)
		if err := a.Site.Release(ctx, l.ID); err != nil {
			return l, false, err
		}
	}
	if found || a.held.Lease.ID != "" {
		a.record(store.Entry{
			Kind: store.Gone, What: aLease, ID: a.held.Lease.ID, Text: "it has ended or was deleted",
		})
	}
	return l, false, nil
}

// reserve makes the lease. One that was asked for before, without an answer, is
// asked for by its own name again.
func (a *attempt) reserve(ctx context.Context) (string, error) {
	req := a.leaseRequest(a.Site.Now())
	if err := a.intend(aLease, req.Name, req); err != nil {
		return "", err
	}
	if err := a.writeFacts(); err != nil { // in whose list it is going to stand
		return "", fmt.Errorf("no lease is made, as it could not be found again: %w", err)
	}
	l, err := a.Site.Reserve(ctx, req)
	if err != nil {
		return "", err
	}
	return a.await(ctx, l)
}

// await waits for the lease and says which device it gave, and until when.
func (a *attempt) await(ctx context.Context, l Lease) (string, error) {
	a.record(store.Entry{Kind: store.Done, What: aLease, ID: l.ID, Data: raw(l)})
	l, err := a.Site.Await(ctx, l.ID, a.Observe.Say)
	if err != nil {
		return "", err
	}
	a.lease = l
	a.noteFacts()
	for _, w := range a.Site.WarningsUntil(l.End) {
		a.Observe.Warn(w)
	}
	if l.Device.Name == "" || l.End.IsZero() {
		return l.Device.Name, nil
	}
	return l.Device.Name + " until " + clock(l.End), nil
}

// clock writes a time of day for people.
func clock(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// ended reports whether a lease can serve no more: it is over, or too little of
// it is left to measure and bring the results home.
func (a *attempt) ended(l Lease) bool {
	return !l.State.Serves() || !l.End.IsZero() && a.until(l.End) < a.Patience.LeaseTail
}

// until is how long it is until t, by the site's clock.
func (c *Config) until(t time.Time) time.Duration { return t.Sub(c.Site.Now()) }

// leaseRequest asks for the device that the experiment names.
func (a *attempt) leaseRequest(now time.Time) LeaseRequest {
	want := a.Experiment.Lease
	req := LeaseRequest{
		Name: a.held.Lease.Name, MachineName: want.MachineName, DeviceName: want.Device, DeviceUID: want.UID,
	}
	if req.Name == "" {
		base := a.Store.ID
		if want.Name != "" {
			base = want.Name + a.Store.ID[strings.LastIndexByte(a.Store.ID, '-'):]
		}
		req.Name = attemptName(base, a.held.N+1)
	}
	start := now
	if want.Start.After(now) {
		req.Start, start = want.Start, want.Start
	}
	// Blazar counts in whole minutes.
	req.End = start.Add(want.Duration).Truncate(time.Minute)
	if req.End.Before(start.Add(want.Duration)) {
		req.End = req.End.Add(time.Minute)
	}
	return req
}

// deadline is when measuring must stop so that the results can be brought
// home; ok=false when the site has no leases.
func (a *attempt) deadline() (t time.Time, ok bool) {
	if a.lease.End.IsZero() {
		return t, false
	}
	return a.lease.End.Add(-a.Patience.LeaseTail), true
}
