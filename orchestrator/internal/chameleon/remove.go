package chameleon

import (
	"cmp"
	"context"
	"errors"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/openstack/apierror"
)

// Removal is how one thing is given back, of whatever kind.
type Removal struct {
	What   string // is being done: "giving back the lease x"
	Delete func(context.Context) error
	// Look reports whether the thing is gone, and whether it is on its way, so that
	// asking again helps nothing. An error of its own words ends the removal.
	Look func(context.Context) (gone, going bool, err error)
	// Refused says what the last refusal means; nil: what it usually does.
	Refused func(*apierror.Error) error
}

// errStays is that a deletion was accepted, and that the thing is still there.
var errStays = &apierror.Error{Kind: apierror.Busy, Message: "it is still there after it was deleted"}

// Remove deletes until it has seen that the thing is gone. No answer to a deletion
// is believed: neither a success nor any refusal, be it a 404. A thing that stays
// is asked to go again, as often as [Pace] has patience with failures and as long
// as a clean-up may take; then the last refusal is said.
func Remove(ctx context.Context, c *Client, how Removal) error {
	end, left, going := time.Now().Add(c.Pace.Cleanup), c.Pace.Failures, false
	var last error
	err := c.Pace.Poll(ctx, func() (gone bool, err error) {
		var refused error
		if !going {
			refused = how.Delete(ctx)
		}
		gone, going, err = how.Look(ctx)
		var known *failure.Error
		switch {
		case gone:
			return true, nil
		case errors.As(err, &known):
			return false, err
		case ctx.Err() != nil:
			return false, cmp.Or(refused, err, ctx.Err())
		}
		if last = cmp.Or(refused, err, error(errStays)); !going || err != nil {
			left--
		}
		if left < 0 || !time.Now().Before(end) {
			return false, last
		}
		return false, nil
	})
	if err != nil && last != nil && ctx.Err() != nil { // the last answer says more than that time is up
		err = errors.Join(last, err)
	}
	if e := apierror.From(err); e != nil && how.Refused != nil && ctx.Err() == nil {
		if said := how.Refused(e); said != nil {
			return said
		}
	}
	return c.Failed(how.What, err)
}
