package cli

import (
	"context"
	"fmt"
	"slices"

	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// placeSeveral is place for a lease of several devices. Which ones, the site's client draws
// when it reserves them; whether there are enough is seen before.
func (p *placer) placeSeveral(ctx context.Context) (run.LeaseRequest, error) {
	req := p.want.LeaseRequest
	if req.Start.IsZero() {
		req.End = p.want.end(p.cloud.Now())
	}
	if req.Devices > 0 {
		if err := p.checkFree(ctx, req); err != nil {
			return req, err
		}
	}
	p.manners(req)
	all, err := p.cloud.Leases(ctx)
	if err != nil {
		return req, err
	}
	var given []site.Lease
	for _, l := range backToBackWith(all, site.Later(req.Start, p.cloud.Now()), req.End) {
		if req.Wants(l.Device) {
			req.Beside = append(req.Beside, l.Device.Name)
			given = append(given, l)
		}
	}
	if len(given) == 0 || req.Devices == 0 {
		return req, nil
	}
	others := req
	others.Not = append(slices.Clone(req.Not), req.Beside...)
	if _, err := p.cloud.CheckFree(ctx, others); err != nil || len(req.Boards) > 0 || req.AllFree {
		for _, l := range given {
			p.warnBackToBack(all, l)
		}
	}
	return req, nil
}

// idleBeside says which idle leases the user has of the devices that a run with several
// makes another lease of.
func (c *chooser) idleBeside(ctx context.Context, all []site.Lease) error {
	if !c.several {
		return nil // such a lease is used, or was spoken of
	}
	start, end := site.Later(c.want.Start, c.cloud.Now()), c.want.End
	for _, l := range all {
		if !l.Mine || !l.State.Serves() || madeByRun.MatchString(l.Name) || !c.want.Wants(l.Device) ||
			!l.Start.Before(end) || !start.Before(l.End) {
			continue
		}
		runs, others, err := c.inside(ctx, l, all)
		if err != nil {
			return err
		}
		if len(runs)+len(others) > 0 {
			continue
		}
		next := "`" + c.lines.DeleteLease(key(all, l)) + "` gives it back"
		if len(l.Boards) >= max(c.want.Devices, 2) {
			next = "`" + c.use(key(all, l)) + "` uses it"
		}
		c.warn(fmt.Sprintf("your lease %s has %s, idle until %s. Leases of one user beside each other are against the "+
			"site's rules: %s", l.Name, l.Device.Name, clock.Both(l.End), next))
	}
	return nil
}
