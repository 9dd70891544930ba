package patient

import (
	"context"
	"time"

	"chexp/experiments/wait"
	"chexp/orchestrator/openstack/apierror"
)

// Pace is how long to wait between looks and retries, and how often. Tests
// hurry it up.
type Pace struct {
	First, Most time.Duration // between two looks at something that changes; doubles from First to Most
	Failures    int           // failed looks in a row before giving up

	Retries    int           // of one read or deletion, see Retry
	RetryFirst time.Duration // the first wait for a retry; doubles
	RetryMost  time.Duration // the longest wait for a retry; a longer Retry-After is not waited for
}

// Usual is the pace for services on the internet.
var Usual = Pace{
	First: 250 * time.Millisecond, Most: 5 * time.Second, Failures: 12,
	Retries: 4, RetryFirst: 500 * time.Millisecond, RetryMost: 30 * time.Second,
}

// Poll calls look at growing intervals until it is done, fails, or ctx ends.
func (p Pace) Poll(ctx context.Context, look func() (done bool, err error)) error {
	for pause := p.First; ; pause = min(pause*2, p.Most) {
		done, err := look()
		if done || err != nil {
			return err
		}
		if err := wait.For(ctx, pause); err != nil {
			return err
		}
	}
}

// Patience forgives failed looks while they may be a bad moment of the service.
// It forgives Failures of them in a row, and no failure of another kind.
type Patience struct {
	left, most int
}

// Patience returns a full one.
func (p Pace) Patience() Patience { return Patience{left: p.Failures, most: p.Failures} }

// Forgive reports whether to look again after err. A nil err refills the
// patience.
func (p *Patience) Forgive(err error) bool {
	if err == nil {
		p.left = p.most
		return true
	}
	if e := apierror.From(err); !e.Temporary() || p.left <= 0 {
		return false
	}
	p.left--
	return true
}

// Detached has ctx's values without its end, and an end of its own after d. It
// is for a creation whose answer must not get lost to a Ctrl-C, and for
// cleaning up.
func Detached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// Part ends when so great a part of the time is over that ctx has left: what comes
// afterwards has the rest. Where ctx has no end, it has none.
func Part(ctx context.Context, nth int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(nth))
}

// LookingAgain is how the sentences of [BadLook] end.
const LookingAgain = "; looking again"

// BadLook tells people of a look that failed and is going to be repeated.
func BadLook(err error) string {
	return "no answer worth having: " + apierror.From(err).Error() + LookingAgain
}
