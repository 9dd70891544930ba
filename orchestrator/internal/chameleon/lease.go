package chameleon

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/signin"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// LeaseClient makes, finds, changes and gives back leases, of one device or several.
type LeaseClient struct {
	client  *Client
	devices *DeviceClient
}

// NewLeaseClient returns the client of the site's leases.
func NewLeaseClient(c *Client) *LeaseClient { return &LeaseClient{c, NewDeviceClient(c)} }

// Reserve makes the lease, or adopts the one of this name. See run.Reserver.
func (c *LeaseClient) Reserve(ctx context.Context, req run.LeaseRequest) (run.Lease, error) {
	opts, err := leaseOptions(c.client.lends(), req, c.client.Now())
	if err != nil {
		return run.Lease{}, err
	}
	existing, err := c.liveLease(ctx, req.Name)
	if err != nil {
		return run.Lease{}, err
	}
	if existing != nil {
		return toLease(*existing), nil
	}
	for draw := 1; ; draw++ {
		var boards []run.Device
		if req.Devices > 0 {
			if boards, err = c.draw(ctx, req); err != nil {
				return run.Lease{}, err
			}
			opts.Reservations = oneForEach(c.client.lends(), boards)
		}
		l, clash, err := c.makeAlone(ctx, req, opts, boards)
		if clash == "" || err != nil {
			return l, err
		}
		if draw == draws {
			return run.Lease{}, failure.Capacity.Errorf("%s was booked by somebody else at the same moment, %d times "+
				"in a row", clash, draws).Advise("try again in some minutes: many are booking now")
		}
		if err := wait.For(ctx, c.client.Pace.Most+rand.N(4*c.client.Pace.Most)); err != nil {
			return run.Lease{}, err
		}
	}
}

// leaseOptions checks what Blazar would answer with 400 or, worse, 201.
func leaseOptions(of Lending, req run.LeaseRequest, now time.Time) (leases.CreateOpts, error) {
	var terms []leases.Term
	for _, t := range []leases.Term{
		leases.Equal(of.kind, req.MachineName), leases.Equal(of.name, req.DeviceName),
		leases.Equal("uid", req.DeviceUID),
	} {
		if t[2] != "" {
			terms = append(terms, t)
		}
	}
	opts := leases.CreateOpts{
		Name: req.Name,
		// A start that has passed, or that is in the current minute of a
		// clock that may be off, is "now" to the server.
		StartDate:    req.Start,
		EndDate:      req.End,
		Reservations: []leases.ReservationOpts{of.reservation(terms...)},
	}
	if !req.Start.After(now) {
		opts.StartDate = time.Time{}
	}
	begin := cmp.Or(opts.StartDate, now).Truncate(time.Minute)
	wrong := ""
	switch {
	case req.Name == "" || len(req.Name) > site.MaxLeaseName:
		wrong = fmt.Sprintf("the name of a lease has 1 to %d characters, not %d", site.MaxLeaseName, len(req.Name))
	case len(terms) != 1 && len(req.Boards) == 0:
		wrong = fmt.Sprintf("a lease asks for exactly one of %s, device and uid", of.kind)
	case !req.End.Truncate(time.Minute).After(begin):
		wrong = fmt.Sprintf("the lease would end at %s, before it is a minute long", clock.UTC(req.End))
	}
	if wrong != "" {
		return opts, failure.Usage.Errorf("%s", wrong).
			Advise("change the lease section of the experiment")
	}
	return opts, nil
}

// createLease makes the lease; see [Create]. Of two with its name, which an answer
// that came late can leave, it takes either: the caller looks for the other one.
func (c *LeaseClient) createLease(ctx context.Context, req run.LeaseRequest,
	opts leases.CreateOpts) (*leases.Lease, error) {
	what := "making the lease " + req.Name
	return Create(ctx, c.client, Creation[leases.Lease]{
		What: what,
		Post: func(ctx context.Context) (*leases.Lease, error) {
			ctx, cancel := c.client.Posting(ctx)
			defer cancel()
			return leases.Create(ctx, c.client.Reservation, opts).Extract()
		},
		Is: func(l *leases.Lease) bool { return l.ID != "" && l.Name == req.Name },
		Find: func(ctx context.Context) (*leases.Lease, error) {
			all, err := c.live(ctx, req.Name)
			if len(all) == 0 {
				return nil, err
			}
			return &all[0], nil
		},
		Refused: func(e *apierror.Error) error { return c.reserveFailure(ctx, req, what, e) },
		Unknown: fmt.Sprintf("look with `%s` before you try again, and delete it there",
			c.client.Commands.Line("lease", "list")),
	})
}

// mine lists this user's leases of this name, or the one with it for an id.
// Another member's is not ours, whatever its name.
func (c *LeaseClient) mine(ctx context.Context, name string) ([]leases.Lease, error) {
	all, err := c.client.AllLeases(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(l leases.Lease) bool {
		return l.Name != name && l.ID != name || l.UserID != c.client.Me()
	}), nil
}

// stateOf translates Blazar's statuses [BLZ:blazar/status.py (LeaseStatus)].
// A lease that was deleted has none: Blazar answers 404.
func stateOf(status string) run.LeaseState {
	switch status {
	case leases.StatusActive:
		return run.LeaseActive
	case leases.StatusTerminating, leases.StatusDeleting:
		return run.LeaseEnding
	case leases.StatusTerminated:
		return run.LeaseOver
	case leases.StatusError:
		return run.LeaseFailed
	}
	return run.LeasePending // CREATING, PENDING, STARTING, and UPDATING, which goes back to what it was
}

// Ended reports whether a lease serves no more.
func Ended(l leases.Lease) bool { return !stateOf(l.Status).Serves() }

// live lists the leases of this name that have not ended or failed.
func (c *LeaseClient) live(ctx context.Context, name string) ([]leases.Lease, error) {
	all, err := c.mine(ctx, name)
	if err != nil {
		return nil, c.client.Failed("looking for the lease "+name, err)
	}
	return slices.DeleteFunc(all, Ended), nil
}

// liveLease returns the lease of this name that has not ended or failed; nil
// when there is none. Two are an error: names carry the id of the run.
func (c *LeaseClient) liveLease(ctx context.Context, name string) (*leases.Lease, error) {
	live, err := c.live(ctx, name)
	if err != nil {
		return nil, err
	}
	switch len(live) {
	case 0:
		return nil, nil
	case 1:
		return &live[0], nil
	}
	var ids []string
	for _, l := range live {
		ids = append(ids, l.ID)
	}
	return nil, failure.Cloud.Errorf("%d leases are named %s: %s", len(live), name, strings.Join(ids, ", ")).
		Advise("delete all but one with `%s`, then resume", c.client.Commands.DeleteLease("ID"))
}

// FindLease looks a lease up by exact name or id. A live one comes before one that
// failed or ended, which is returned so that it can be released.
func (c *LeaseClient) FindLease(ctx context.Context, name string) (run.Lease, bool, error) {
	live, err := c.liveLease(ctx, name)
	if err != nil {
		return run.Lease{}, false, err
	}
	if live != nil {
		return toLease(*live), true, nil
	}
	all, err := c.mine(ctx, name)
	if err != nil {
		return run.Lease{}, false, c.client.Failed("looking for the lease "+name, err)
	}
	if len(all) == 0 {
		return run.Lease{}, false, nil
	}
	newest := slices.MaxFunc(all, func(a, b leases.Lease) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return toLease(newest), true, nil
}

// Release deletes the lease and sees that it is gone; see [Remove].
func (c *LeaseClient) Release(ctx context.Context, id string) error {
	what := "giving back the lease " + id
	busy := 0
	return Remove(ctx, c.client, Removal{
		What: what,
		Delete: func(ctx context.Context) error {
			err := leases.Delete(ctx, c.client.Reservation, id).ExtractErr()
			if busy++; !apierror.Is(err, apierror.Busy) {
				busy = 0
			}
			return err
		},
		Look: func(ctx context.Context) (gone, going bool, err error) {
			l, err := leases.Get(ctx, c.client.Reservation, id).Extract()
			switch {
			case apierror.Is(err, apierror.NotFound):
				return true, false, nil
			case err == nil && l.Status == leases.StatusError && busy >= wedged:
				return false, false, failure.Cloud.
					Errorf("the lease %s (%s) is wedged in ERROR: the reservation service refuses every deletion with "+
						"\"Invalid lease status.\", and goes on so after its end, at %s", l.Name, id, clock.UTC(l.EndDate)).
					Advise("only an operator of the site can remove it: give its help desk the lease's id. Nobody can use " +
						"its device meanwhile; a run can have another").
					Because(run.ErrWedged)
			}
			return false, false, err
		},
		Refused: func(e *apierror.Error) error {
			if e.Kind != apierror.ServerFault && e.Kind != apierror.Busy {
				return nil
			}
			return failure.Cloud.Errorf("%s", what).
				Advise("the device's node may be away: try `%s` later; a lease ends by itself at its end",
					c.client.Commands.DeleteLease(id)).
				Because(e)
		},
	})
}

// wedged is after how many deletions in a row that are refused with "Invalid lease
// status." a lease in ERROR counts as wedged: that is what a lease in transition is
// answered, too, and none is in ERROR for so long meanwhile.
const wedged = 4

func toLease(l leases.Lease) run.Lease {
	r := run.Lease{ID: l.ID, Name: l.Name, Status: l.Status, State: stateOf(l.Status), Start: l.StartDate,
		End: l.EndDate}
	if res := deviceReservation(l); res != nil {
		r.ReservationID = res.ID
	}
	for _, res := range l.Reservations {
		if lent(res) {
			r.Boards = append(r.Boards, run.Board{ReservationID: res.ID})
		}
	}
	return r
}

func deviceReservation(l leases.Lease) *leases.Reservation {
	for i := range l.Reservations {
		if lent(l.Reservations[i]) {
			return &l.Reservations[i]
		}
	}
	return nil
}

var maximumSeconds = regexp.MustCompile(`maximum lease duration of (\d+) seconds`)

// reserveFailure says what a refused lease means.
func (c *LeaseClient) reserveFailure(ctx context.Context, req run.LeaseRequest, what string, e *apierror.Error) error {
	switch e.Kind {
	case apierror.NoDeviceFree:
		return c.devices.whoIsFree(ctx, req).Because(e)
	case apierror.LeaseTooLong:
		next := "shorten the lease's duration"
		if m := maximumSeconds.FindStringSubmatch(e.Message); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				next += fmt.Sprintf("; this site allows %d hours", n/3600)
			}
		}
		return failure.Usage.Errorf("%s: it would be too long", what).Advise("%s", next).Because(e)
	case apierror.CredentialRestricted:
		if c.client.Session.Token.AppCred == nil {
			break
		}
		msg := what + ": the reservation service failed without a reason, as it does when the application credential " +
			c.client.Session.Token.AppCred.Name + " may not make trusts"
		if !c.client.Session.Token.Restricted() {
			return failure.Auth.Errorf("%s", msg).
				Advise("this credential says that it is unrestricted: try again in some minutes, then with "+
					"another credential. %s", signin.RemedyUnrestricted).
				Because(e)
		}
		return failure.Auth.Errorf("%s; this one is restricted", msg).
			Advise("%s", signin.RemedyUnrestricted).
			Because(e)
	}
	return c.client.Failed(what, e)
}
