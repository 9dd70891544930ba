package chiedge

import (
	"context"
	"time"

	"chexp/orchestrator/openstack/apierror"
)

// poll calls look at growing intervals until it is done, fails, or ctx ends.
func (p pace) poll(ctx context.Context, look func() (done bool, err error)) error {
	for wait := p.first; ; wait = min(wait*2, p.most) {
		done, err := look()
		if done || err != nil {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// patience forgives failed looks while they may be a bad moment of the
// service: p.failures in a row, and no others.
type patience struct {
	left int
	most int
}

func (p pace) patience() patience { return patience{left: p.failures, most: p.failures} }

// forgive reports whether to look again after err; nil refills it.
func (p *patience) forgive(err error) bool {
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

// detached is ctx's values without its end, with an end of its own: for a
// creation whose answer must not get lost to a Ctrl-C, and for cleaning up.
func detached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// badLook tells of a look that failed and is going to be repeated.
func badLook(err error) string {
	return "no answer worth having: " + apierror.From(err).Error() + "; looking again"
}
