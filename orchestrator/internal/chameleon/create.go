package chameleon

import (
	"context"
	"errors"
	"net/http"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/openstack/apierror"
)

// Creation is how one thing is made, of whatever kind: a lease, a container, a
// floating IP. It is posted once, and found again by its name.
type Creation[T any] struct {
	What string // is being done: "making the lease x"
	Post func(context.Context) (*T, error)
	// Is reports whether an answer is about the thing that was asked for. One that is
	// not is as good as none: the service may have made it.
	Is func(*T) bool
	// Find looks for it by its name; nil when there is none.
	Find func(context.Context) (*T, error)
	// Refused says what a refusal means; nil: what it usually does.
	Refused func(*apierror.Error) error
	Unknown string // the advice when nobody can tell whether it exists
}

// Create posts once, and once more only after it has seen that the first made
// nothing. Every answer that leaves open whether something was made is followed by
// a look for it: that nothing came, a 5xx, and a success that does not say what
// was made.
func Create[T any](ctx context.Context, c *Client, how Creation[T]) (*T, error) {
	refused := how.Refused
	if refused == nil {
		refused = func(e *apierror.Error) error { return c.Failed(how.What, e) }
	}
	for again := false; ; again = true {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		made, err := how.Post(ctx)
		if err == nil && how.Is(made) && !again {
			return made, nil
		}
		// Where it was posted again, the first may have been slower than the wait for it.
		e := unclear(err)
		if !e.Ambiguous() && e.Kind != apierror.Unreachable {
			return nil, refused(e)
		}
		found, lookErr := c.settle(ctx, e, func() (bool, error) {
			made, err = how.Find(ctx)
			return made != nil, err
		})
		switch {
		case found:
			return made, nil
		case lookErr != nil:
			return nil, failure.Cloud.Errorf("%s: no answer, and whether it exists cannot be found out", how.What).
				Advise("%s", how.Unknown).Because(errors.Join(e, lookErr))
		case again || !mayRepeat(e):
			return nil, refused(e)
		}
	}
}

// Posting bounds the post of a creation. It does not end with ctx: a Ctrl-C must
// not lose the answer.
func (c *Client) Posting(ctx context.Context) (context.Context, context.CancelFunc) {
	return patient.Detached(ctx, c.Pace.Create)
}

// unclear is what an answer to a creation says; a success that does not say what
// was made, and anything else that is no refusal, is an answer that was lost.
func unclear(err error) *apierror.Error {
	if err == nil {
		return &apierror.Error{Kind: apierror.Lost, Message: "the service answered success, and not what it made"}
	}
	e := apierror.From(err)
	if e.Status > 0 && e.Status < http.StatusBadRequest {
		e = &apierror.Error{Kind: apierror.Lost, Status: e.Status, Message: e.Message, RequestID: e.RequestID,
			Service: e.Service, Err: e.Err}
	}
	return e
}

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
func (c *Client) settle(ctx context.Context, e *apierror.Error, look func() (bool, error)) (bool, error) {
	var limit time.Duration
	if e.Kind == apierror.Lost || e.Kind == apierror.Transient || e.Kind == apierror.Canceled {
		limit = c.Pace.Settle
	}
	end := time.Now().Add(limit)
	patience, found := c.Pace.Patience(), false
	err := c.Pace.Poll(ctx, func() (bool, error) {
		var err error
		found, err = look()
		if !patience.Forgive(err) {
			return false, err
		}
		return found || err == nil && !time.Now().Before(end), nil
	})
	return found, err
}
