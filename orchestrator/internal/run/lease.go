package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/store"
)

// revisit looks at the lease of an earlier process. serves is true when it can
// be gone on with; one that cannot is given back, after what its agent has left
// was brought home.
func (a reserving) revisit(ctx context.Context) (l Lease, serves bool, err error) {
	if !a.held.Lease.Found {
		a.alone(ctx, ALease, a.held.Lease.Name, a.held.Lease.ID)
	}
	l, found, err := a.Site.FindLease(ctx, a.held.Lease.Key())
	if err != nil {
		return l, false, err
	}
	if found && !a.ended(l) {
		return l, true, nil
	}
	if a.held.Lease.ID != "" {
		a.Observe.Say(a.servesNoMore(l, found))
	}
	if found {
		a.together(func(m *attempt) { reserving{m}.lastCall(ctx, l) })
	}
	if err := a.removeContainers(ctx); err != nil { // it is looked for again when the run ends
		a.Observe.Say(err.Error())
	}
	if found && !a.held.Lease.Adopted {
		if err := a.Site.Release(ctx, l.ID); err != nil && ctx.Err() != nil {
			return l, false, err
		} else if err != nil {
			a.setAside(l, err)
			return l, false, nil
		}
	}
	if found || a.held.Lease.ID != "" {
		a.record(store.Entry{
			Kind: store.Gone, What: aLease, ID: a.held.Lease.ID, Text: "it has ended or was deleted",
		})
	}
	return l, false, nil
}

// removeContainers removes the containers in a lease that serves no more, or is gone:
// a service may keep them when the lease ends.
func (a reserving) removeContainers(ctx context.Context) error {
	all := a.shared
	if all == nil {
		all = []*attempt{a.attempt}
	}
	var kept error
	for _, m := range all {
		kept = errors.Join(kept, m.giveBack(ctx, aContainer, m.held.Container, containerID(a.Site), a.Site.Destroy))
	}
	return kept
}

// setAside goes on without a lease that serves no more and cannot be given back: it
// must not keep the run from another.
func (a reserving) setAside(l Lease, why error) {
	text := fmt.Sprintf("the lease %s (%s, %s) cannot be given back and is set aside: %v", l.Name, l.ID, l.Status, why)
	if !errors.Is(why, ErrWedged) && !l.End.IsZero() {
		text += "; it ends by itself at " + timeOfDay(l.End)
	}
	a.Observe.Warn(text)
	for _, next := range failure.Advice(why) {
		a.Observe.Warn(next)
	}
	a.record(store.Entry{Kind: store.Gone, What: aLease, ID: l.ID, Text: text})
}

// Choice is how an attempt comes by its device: by a lease that exists, or by
// one that it makes.
type Choice struct {
	Lease   *Lease       // the one that exists; nil: one is made
	Request LeaseRequest // of the one to make; its name is the run's to give
}

// reserving is how an attempt comes by its lease.
type reserving struct{ *attempt }

// reserve makes the lease, or takes the one that was chosen. One that was asked
// for before, without an answer, is asked for by its own name again.
func (a reserving) reserve(ctx context.Context) (string, error) {
	if err := a.sendable(); err != nil {
		return "", err
	}
	draw := 1
	for taken := error(nil); ; {
		choice, err := a.choose(ctx, taken)
		if err != nil {
			return "", err
		}
		if choice.Lease != nil {
			return a.adopt(ctx, *choice.Lease)
		}
		req := choice.Request
		req.Name = a.leaseName()
		a.ask(&req)
		if err := a.intend(aLease, req.Name, req); err != nil {
			return "", err
		}
		if err := a.writeFacts(); err != nil { // in whose list it is going to stand
			return "", fmt.Errorf("no lease is made, as it could not be found again: %w", err)
		}
		l, err := a.Site.Reserve(ctx, req)
		if err == nil {
			a.alone(ctx, ALease, req.Name, l.ID)
			text, err := a.await(ctx, l)
			if !errors.Is(err, errNeighbour) {
				return text, err
			}
			if err := a.drawAnew(ctx, draw, err); err != nil {
				return "", err
			}
			draw++
			continue
		}
		if a.Choose == nil || failure.KindOf(err) != failure.Capacity {
			return "", err
		}
		taken = err
	}
}

// sendable refuses to go on without a file that would have to be pushed. A container of
// before may have it.
func (a reserving) sendable() error {
	if a.atWork() {
		return nil
	}
	return a.Lacks
}

// choose says which lease is to be used or made. A booking whose answer got lost
// is asked for as it was.
func (a reserving) choose(ctx context.Context, taken error) (Choice, error) {
	now := a.Site.Now()
	switch asked := a.held.Asked; {
	case taken == nil && a.held.Lease.Open() && asked.Start.After(now):
		asked.Boards = nil // reserve asks for them again
		return Choice{Request: asked}, nil
	case a.Choose != nil:
		return a.Choose(ctx, taken)
	}
	return Choice{Request: a.leaseRequest(now)}, nil
}

// adopt uses a lease that the run did not make. It is the run's to give back only
// where that was asked for.
func (a reserving) adopt(ctx context.Context, l Lease) (string, error) {
	e := a.using(l, a.Release)
	if err := a.Store.Record(a.address(&e)); err != nil {
		return "", fmt.Errorf("the lease %s is not used, as the journal cannot be written: %w", l.Name, err)
	}
	a.learn(e)
	if err := a.writeFacts(); err != nil { // in whose list it stands
		return "", fmt.Errorf("the lease %s is not used, as it could not be found again: %w", l.Name, err)
	}
	return a.await(ctx, l)
}

// using is the journal's entry about a lease that the run did not make, and gives back
// where release says so.
func (a reserving) using(l Lease, release bool) store.Entry {
	e := store.Entry{Kind: store.Intent, What: aLease, Name: l.Name, ID: l.ID, Text: adopted, Data: raw(l)}
	if release {
		e.Text = ""
	}
	return e
}

// found reports whether an entry is about a lease that was there before.
func found(e store.Entry) bool {
	return e.Kind == store.Intent && e.What == aLease && (e.ID != "" || e.Text == adopted)
}

// await waits for the lease and says which device it gave, and until when. A
// lease that is booked for later is not waited for by a run that detaches.
func (a reserving) await(ctx context.Context, l Lease) (string, error) {
	a.record(store.Entry{Kind: store.Done, What: aLease, ID: l.ID, Data: raw(l)})
	a.lease = l
	if a.Detach && a.booked() {
		return l.Name + ": " + clock.Window(l.Start, l.End), nil
	}
	l, err := a.Site.Await(ctx, l.ID, a.Observe.Say)
	if err != nil {
		if l.ID != "" {
			a.lease = l
		}
		return "", err
	}
	if err := a.take(l); err != nil {
		return "", err
	}
	if err := a.allUndisturbed(ctx); err != nil {
		return "", err
	}
	if err := a.vacant(ctx, l); err != nil {
		return "", err
	}
	if !a.Commands.NoLeases || !a.held.Started { // else what is at work there is the run's own agent
		for _, w := range a.Site.WarningsUntil(l.End) {
			a.Observe.Warn(w)
		}
	}
	if l.End.IsZero() {
		return a.boards(), nil
	}
	return strings.TrimSpace(a.boards() + " until " + timeOfDay(l.End)), nil
}

// soon is how close to its start a lease counts as begun. Blazar counts in whole
// minutes, and looks for due leases every ten seconds.
const soon = time.Minute

// booked reports whether the lease exists and is to begin later. It is not given
// back then: nothing has been held up, and the run can come back to it.
func (a *attempt) booked() bool {
	start := a.lease.Start
	if a.lease.ID == "" { // not looked at yet by this process
		start = a.held.Asked.Start
	}
	return !a.EndBooked && a.held.Lease.Open() && a.held.Lease.ID != "" && a.lease.State == LeasePending &&
		a.until(start) > soon
}

// bookingStays says that a run ended before its lease began, and what to type.
func (a concluding) bookingStays(ctx context.Context, err error) error {
	kind, what := failure.KindOf(err), ""
	if ctx.Err() != nil {
		kind, what, err = failure.Interrupted, "interrupted; ", context.Cause(ctx)
	}
	when := ""
	if a.lease.ID != "" {
		when = ", " + clock.Window(a.lease.Start, a.lease.End)
	}
	lines := a.Commands.Anywhere(a.Store.Dir)
	return kind.Errorf("%sthe lease %s stays booked%s", what, a.held.Lease.Name, when).
		Advise("`%s` comes back to it, from any shell, also late; `%s` gives it up", lines.Resume(),
			lines.DeleteLease(a.held.Lease.ID)).
		Because(err)
}

// servesNoMore says why a lease of an earlier process is not gone on with.
func (a reserving) servesNoMore(l Lease, found bool) string {
	text := "the lease " + a.held.Lease.Name + " of before "
	switch {
	case !found:
		return text + "is gone"
	case l.State.Serves() && a.until(l.End) > 0:
		return text + "ends in " + clock.Span(a.until(l.End)) + ", which is too soon to measure"
	case l.State == LeaseFailed:
		return text + "failed: its status is " + l.Status
	case l.End.IsZero():
		return text + "has ended"
	}
	return text + "ended at " + clock.Both(l.End)
}

// foundAgain says which lease of an earlier process is gone on with.
func (a reserving) foundAgain(l Lease) string {
	text := "found the lease " + l.Name + " of before"
	if l.State != LeaseActive || l.End.IsZero() {
		return text
	}
	return text + ", " + clock.Span(a.until(l.End)) + " left"
}

// timeOfDay writes a time of day for people.
func timeOfDay(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// ended reports whether a lease can serve no more: it is over, or too little of
// it is left to measure and bring the results home.
func (a reserving) ended(l Lease) bool {
	return !l.State.Serves() || !l.End.IsZero() && a.until(l.End) < a.Patience.LeaseTail
}

// until is how long it is until t, by the site's clock.
func (c *Config) until(t time.Time) time.Duration { return t.Sub(c.Site.Now()) }

// leaseName is the name of the attempt's lease: it carries the run's id, so that
// the lease is found by it.
func (a reserving) leaseName() string {
	if l := a.held.Lease; l.Open() {
		return l.Name
	}
	base := a.Store.ID
	if name := a.Experiment.Lease.Name; name != "" {
		base = name + a.Store.ID[strings.LastIndexByte(a.Store.ID, '-'):]
	}
	return attemptName(base, a.leases+1)
}

// leaseRequest asks for the device that the experiment names.
func (a reserving) leaseRequest(now time.Time) LeaseRequest {
	want := a.Experiment.Lease
	req := LeaseRequest{MachineName: want.MachineName, DeviceName: want.Device, DeviceUID: want.UID}
	if want.Duration == 0 { // the site has no leases: nothing ends by itself
		return req
	}
	start := now
	if want.Start.After(now) {
		req.Start, start = want.Start, want.Start
	}
	req.End = EndAfter(start, want.Duration)
	return req
}

// EndAfter is when a lease ends that lasts at least so long: Blazar counts in
// whole minutes.
func EndAfter(start time.Time, length time.Duration) time.Time {
	end := start.Add(length).Truncate(time.Minute)
	if end.Before(start.Add(length)) {
		end = end.Add(time.Minute)
	}
	return end
}

// deadline is when measuring must stop so that the results can be brought
// home; ok=false when the site has no leases.
func (a *attempt) deadline() (t time.Time, ok bool) {
	if a.lease.End.IsZero() {
		return t, false
	}
	return a.lease.End.Add(-a.Patience.LeaseTail), true
}
