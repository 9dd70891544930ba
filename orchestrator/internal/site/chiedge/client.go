package chiedge

import (
	"context"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// client is what the clients of leases, devices, containers and addresses
// share: a signed-in user, the services, and how patient to be with them.
type client struct {
	session     *signin.Session
	reservation *gophercloud.ServiceClient
	container   *gophercloud.ServiceClient
	opts        Options
	pace        pace
	ways        ways
}

// pace is how long to wait for what; tests hurry it up.
type pace struct {
	patient.Pace
	create  time.Duration // for the answer to a creation: Blazar's takes 2 s, its proxy gives up after 60 s
	settle  time.Duration // for the result of a creation to show up whose answer was lost
	lease   time.Duration // for a lease to become active after its start; the site says "up to a minute"
	cleanup time.Duration // for removing one thing
	tcp     time.Duration // for a new floating IP to carry traffic
	sshPort string
}

var usualPace = pace{
	Pace:   patient.Usual,
	create: 90 * time.Second, settle: 15 * time.Second, lease: 300 * time.Second,
	cleanup: 3 * time.Minute, tcp: 120 * time.Second, sshPort: "22",
}

// me is the id of the user who is signed in.
func (s *client) me() string { return s.session.Token.User.ID }

// mayRepeat reports whether a creation whose absence was seen is worth another
// try: the answer got lost or the service was away. A 500 of its own is its
// answer.
func mayRepeat(e *apierror.Error) bool {
	switch e.Kind {
	case apierror.Lost, apierror.Transient, apierror.Unreachable:
		return true
	}
	return false
}

// settle looks for the result of a creation that failed with e. After a lost
// answer the service may still be at work, so it looks for a while.
func (s *client) settle(ctx context.Context, e *apierror.Error, look func() (bool, error)) (bool, error) {
	var limit time.Duration
	if e.Kind == apierror.Lost || e.Kind == apierror.Transient || e.Kind == apierror.Canceled {
		limit = s.pace.settle
	}
	end := time.Now().Add(limit)
	patience, found := s.pace.Patience(), false
	err := s.pace.Poll(ctx, func() (bool, error) {
		var err error
		found, err = look()
		if !patience.Forgive(err) {
			return false, err
		}
		return found || err == nil && !time.Now().Before(end), nil
	})
	return found, err
}

func (s *client) allLeases(ctx context.Context) ([]leases.Lease, error) {
	pages, err := leases.List(s.reservation, nil).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return leases.ExtractLeases(pages)
}
