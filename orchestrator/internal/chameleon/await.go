package chameleon

import (
	"context"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// Await waits until the lease is active, at most [Pace.Lease] beyond its start,
// and finds out its device. Blazar looks for due leases every 10 s.
func (c *LeaseClient) Await(ctx context.Context, id string, progress func(string)) (run.Lease, error) {
	what := "waiting for the lease " + id
	var got leases.Lease
	said, patience := "", c.client.Pace.Patience()
	asked := c.client.Now()
	err := pollLease(ctx, c.client.Pace, func() (time.Duration, bool, error) {
		l, err := leases.Get(ctx, c.client.Reservation, id).Extract()
		if !patience.Forgive(err) {
			return 0, false, err
		}
		if err != nil {
			progress(patient.BadLook(err))
			return 0, false, nil
		}
		got = *l
		if say := describeLease(got, c.client.Now()); say != said {
			progress(say)
			said = say
		}
		if done, err := leaseReady(got); done || err != nil {
			return 0, done, err
		}
		now := c.client.Now()
		if over := now.Sub(site.Later(got.StartDate, asked)); over > c.client.Pace.Lease {
			return 0, false, failure.Cloud.Errorf("lease %s is still %s, %s after it should have started", got.Name,
				got.Status, over.Round(time.Second)).
				Advise("delete it and try again, with another device if it is always the same")
		}
		return got.StartDate.Sub(now), false, nil
	})
	if apierror.Is(err, apierror.NotFound) {
		return toLease(got), failure.Cloud.Errorf("lease %s is gone: somebody deleted it", id).
			Advise("start again").
			Because(apierror.From(err))
	}
	if err != nil {
		return toLease(got), c.client.Failed(what, err)
	}
	lease := toLease(got)
	if boards, err := c.devices.boardsOf(ctx, lease); err != nil {
		progress("the devices of the lease are unknown: " + err.Error())
	} else if lease.Boards = boards; len(boards) > 1 || len(boards) == 1 && boards[0].Unproven == ofSeveral {
		return lease, nil
	}
	device, err := c.devices.deviceOf(ctx, id)
	if err != nil {
		// The container can be started without it.
		progress("the device of the lease is unknown: " + err.Error())
		return lease, ctx.Err()
	}
	lease.Device = device
	for i := range lease.Boards { // there is one, and the lease's device is its
		lease.Boards[i].Device, lease.Boards[i].Unproven = device, ""
	}
	return lease, nil
}

// pollLease is [patient.Pace.Poll] with longer pauses while the start is far
// away: half of what is left, up to a minute.
func pollLease(ctx context.Context, p Pace, look func() (left time.Duration, done bool, err error)) error {
	return p.Poll(ctx, func() (bool, error) {
		left, done, err := look()
		if done || err != nil || left/2 <= p.Most {
			return done, err
		}
		return false, wait.For(ctx, min(left/2, time.Minute))
	})
}

func describeLease(l leases.Lease, now time.Time) string {
	say := fmt.Sprintf("lease %s is %s", l.Name, l.Status)
	if left := l.StartDate.Sub(now); l.Status == leases.StatusPending && left > 10*time.Second {
		say += fmt.Sprintf(", starts at %s, in %s", clock.Both(l.StartDate), countdown(left))
	}
	if l.Degraded {
		say += ", degraded: its device does not answer"
	}
	return say
}

// countdown is how long there is to wait, in steps that grow with it: each is
// a line of a log.
func countdown(left time.Duration) string {
	for _, step := range []struct{ above, step time.Duration }{
		{2 * time.Hour, 30 * time.Minute}, {20 * time.Minute, 10 * time.Minute}, {2 * time.Minute, time.Minute},
		{0, 10 * time.Second},
	} {
		if left > step.above {
			return clock.Span((left + step.step - 1).Truncate(step.step))
		}
	}
	return "no time"
}

// leaseReady reports whether the lease can be used: Zun wants the reservation
// in it active, too.
func leaseReady(l leases.Lease) (bool, error) {
	res := deviceReservation(l)
	for _, r := range l.Reservations { // they become active one after the other
		if lent(r) && r.Status != "active" {
			res = &r
		}
	}
	switch {
	case l.Status == leases.StatusError, res != nil && res.Status == "error":
		return false, failure.Cloud.Errorf("lease %s failed: its status is %s%s", l.Name, l.Status, failedEvent(l)).
			Advise("the device could not be set up: delete the lease and try again, with another device if it is " +
				"always the same")
	case Ended(l):
		return false, failure.Cloud.Errorf("lease %s has ended (%s, at %s)", l.Name, l.Status, clock.UTC(l.EndDate)).
			Advise("start again")
	case res == nil:
		return false, failure.Cloud.Errorf("lease %s has no reservation of a device", l.Name).
			Advise("delete it and start again")
	}
	return l.Status == leases.StatusActive && res.Status == "active", nil
}

// failedEvent names what failed; Blazar gives no reason.
func failedEvent(l leases.Lease) string {
	for _, e := range l.Events {
		if e.Status == "ERROR" {
			return ", its event " + e.EventType + " failed"
		}
	}
	return ""
}
