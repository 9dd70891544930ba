package run

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/store"
)

// reserve gets the lease: the one of an earlier process if it still serves,
// else a new one.
func (x *execution) reserve(ctx context.Context) (string, error) {
	x.Observe.Phase(PhaseLease, "")
	if x.state.Lease.Open() {
		l, found, err := x.Site.FindLease(ctx, x.state.Lease.Name)
		if err != nil {
			return "", err
		}
		if found && !x.ended(l) {
			x.Observe.Say("found the lease " + l.Name + " of before")
			return x.await(ctx, l)
		}
		if found {
			x.lastCall(ctx, l)
			if err := x.Site.Release(ctx, l.ID); err != nil {
				return "", err
			}
		}
		if found || x.state.Lease.ID != "" {
			x.record(store.Entry{Kind: store.Gone, What: aLease, ID: x.state.Lease.ID, Text: "it has ended or was deleted"})
		}
	}
	req := x.leaseRequest(time.Now().UTC())
	if err := x.intend(aLease, req.Name, req); err != nil {
		return "", err
	}
	l, err := x.Site.Reserve(ctx, req)
	if err != nil {
		return "", err
	}
	return x.await(ctx, l)
}

func (x *execution) await(ctx context.Context, l Lease) (string, error) {
	data, _ := json.Marshal(l)
	x.record(store.Entry{Kind: store.Done, What: aLease, ID: l.ID, Data: data})
	l, err := x.Site.Await(ctx, l.ID, x.Observe.Say)
	if err != nil {
		return "", err
	}
	x.lease = l
	x.writeSite()
	for _, w := range x.Site.WarningsUntil(l.End) {
		x.Observe.Warn(w)
	}
	if l.Device.Name == "" {
		return "", nil
	}
	text := l.Device.Name
	if !l.End.IsZero() {
		text += " until " + l.End.UTC().Format("15:04 UTC")
	}
	return text, nil
}

// ended reports whether a lease can serve no more: it is over, or too little of
// it is left to measure and bring the results home.
func (x *execution) ended(l Lease) bool {
	return !l.State.Serves() || !l.End.IsZero() && time.Until(l.End) < x.tail()
}

// leaseRequest builds the request for the next attempt. An unanswered intent is
// repeated under its own name.
func (x *execution) leaseRequest(now time.Time) LeaseRequest {
	want := x.Experiment.Lease
	base := x.Store.ID
	if want.Name != "" {
		base = want.Name + x.Store.ID[strings.LastIndexByte(x.Store.ID, '-'):]
	}
	req := LeaseRequest{MachineName: want.MachineName, DeviceName: want.Device, DeviceUID: want.UID}
	if x.state.Lease.Open() {
		req.Name = x.state.Lease.Name
	} else {
		req.Name = attemptName(base, x.state.Attempt+1)
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
func (x *execution) deadline() (t time.Time, ok bool) {
	if x.lease.End.IsZero() {
		return t, false
	}
	return x.lease.End.Add(-x.tail()), true
}

func (x *execution) tail() time.Duration { return cmp.Or(x.FetchTime, Patience.LeaseTail) }

// siteFacts is site.json.
type siteFacts struct {
	Site      map[string]string `json:"site"`
	Lease     Lease             `json:"lease"`
	Container Container         `json:"container"`
	Image     string            `json:"image,omitempty"`
	Transport string            `json:"transport,omitempty"`
	Arch      string            `json:"arch,omitempty"` // of the container, as uname says
}

func (x *execution) writeSite() {
	err := x.Store.WriteJSON(store.SiteFile, siteFacts{
		Site: x.Site.Describe(), Lease: x.lease, Container: x.container,
		Image: x.request.Image, Transport: x.request.Transport, Arch: x.arch,
	})
	if err != nil {
		x.Observe.Warn("site.json could not be written: " + err.Error())
	}
}

// SiteFacts reads what writeSite wrote, for the report and `results fetch`.
func SiteFacts(s *store.Run) (site map[string]string, lease Lease, c Container, req ContainerRequest, err error) {
	var f siteFacts
	if err = s.ReadJSON(store.SiteFile, &f); err != nil {
		err = failure.Locked.Errorf("run %s never got as far as a lease", s.ID).
			Advise("`chexp run --resume %s` starts it", s.ID).Because(err)
		return
	}
	req = ContainerRequest{Name: f.Container.Name, Image: f.Image, ReservationID: f.Lease.ReservationID, Transport: f.Transport}
	return f.Site, f.Lease, f.Container, req, nil
}
