package chiedge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// Await waits until the lease is active, at most pace.lease beyond its start,
// and finds out its device. Blazar looks for due leases every 10 s.
func (s *Site) Await(ctx context.Context, id string, progress func(string)) (run.Lease, error) {
	what := "waiting for the lease " + id
	var got leases.Lease
	said, patience := "", s.pace.patience()
	asked := time.Now()
	err := s.pollLease(ctx, func() (time.Duration, bool, error) {
		l, err := leases.Get(ctx, s.reservation, id).Extract()
		if !patience.forgive(err) {
			return 0, false, err
		}
		if err != nil {
			progress(badLook(err))
			return 0, false, nil
		}
		got = *l
		if say := describeLease(got); say != said {
			progress(say)
			said = say
		}
		if done, err := leaseReady(got); done || err != nil {
			return 0, done, err
		}
		left := time.Until(got.StartDate)
		if over := time.Since(later(got.StartDate, asked)); over > s.pace.lease {
			return 0, false, failure.New(failure.Cloud, fmt.Sprintf("lease %s is still %s, %s after it should have started", got.Name, got.Status, over.Round(time.Second)),
				"delete it and try again, with another device if it is always the same", nil)
		}
		return left, false, nil
	})
	if apierror.Is(err, apierror.NotFound) {
		return toLease(got), failure.New(failure.Cloud, "lease "+id+" is gone: somebody deleted it", "start again", apierror.From(err))
	}
	if err != nil {
		return toLease(got), s.failed(what, err)
	}
	lease := toLease(got)
	device, err := s.deviceOf(ctx, id)
	if err != nil {
		// The container can be started without it.
		progress("the device of the lease is unknown: " + err.Error())
		return lease, ctx.Err()
	}
	lease.Device = device
	return lease, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pollLease is poll with longer pauses while the start is far away: half of
// what is left, up to a minute.
func (s *Site) pollLease(ctx context.Context, look func() (left time.Duration, done bool, err error)) error {
	return s.pace.poll(ctx, func() (bool, error) {
		left, done, err := look()
		if done || err != nil || left/2 <= s.pace.most {
			return done, err
		}
		return false, pause(ctx, min(left/2, time.Minute))
	})
}

func describeLease(l leases.Lease) string {
	say := fmt.Sprintf("lease %s is %s", l.Name, l.Status)
	if left := time.Until(l.StartDate); l.Status == leases.StatusPending && left > 10*time.Second {
		say += fmt.Sprintf(", starts at %s, in %s", Clock(l.StartDate), countdown(left))
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
		{2 * time.Hour, 30 * time.Minute}, {20 * time.Minute, 10 * time.Minute}, {2 * time.Minute, time.Minute}, {0, 10 * time.Second},
	} {
		if left > step.above {
			return Span((left + step.step - 1).Truncate(step.step))
		}
	}
	return "no time"
}

// leaseReady reports whether the lease can be used: Zun wants the reservation
// in it active, too.
func leaseReady(l leases.Lease) (bool, error) {
	res := deviceReservation(l)
	switch {
	case l.Status == leases.StatusError, res != nil && res.Status == "error":
		return false, failure.New(failure.Cloud, fmt.Sprintf("lease %s failed: its status is %s%s", l.Name, l.Status, failedEvent(l)),
			"the device could not be set up: delete the lease and try again, with another device if it is always the same", nil)
	case ended(l):
		return false, failure.New(failure.Cloud, fmt.Sprintf("lease %s has ended (%s, at %s)", l.Name, l.Status, utc(l.EndDate)), "start again", nil)
	case res == nil:
		return false, failure.New(failure.Cloud, "lease "+l.Name+" has no reservation of a device", "delete it and start again", nil)
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

// deviceOf finds the device of an active lease: by Chameleon's own route, else
// among the allocations.
func (s *Site) deviceOf(ctx context.Context, leaseID string) (run.Device, error) {
	id, err := s.deviceID(ctx, leaseID)
	if err != nil {
		return run.Device{}, err
	}
	all, err := s.allDevices(ctx)
	if err != nil {
		return run.Device{}, err
	}
	for _, d := range all {
		if d.ID == id {
			return toDevice(d), nil
		}
	}
	return run.Device{}, fmt.Errorf("device %s is not listed", id)
}

func (s *Site) deviceID(ctx context.Context, leaseID string) (string, error) {
	listed, err := leases.ListDevices(ctx, s.reservation, leaseID).Extract()
	if err == nil && len(listed) > 0 {
		return listed[0].ID, nil
	}
	allocations, allocErr := s.allocations(ctx)
	if allocErr != nil {
		return "", errors.Join(err, allocErr)
	}
	for _, a := range allocations {
		for _, r := range a.Reservations {
			if r.LeaseID == leaseID {
				return a.ResourceID, nil
			}
		}
	}
	return "", errors.New("the service lists none for it")
}
