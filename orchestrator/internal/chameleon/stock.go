package chameleon

import (
	"context"
	"slices"

	"chexp/orchestrator/internal/run"
)

// OwnLeases lists the user's own leases that have not ended, the oldest first; one
// that failed is among them.
func (c *LeaseClient) OwnLeases(ctx context.Context) ([]run.Thing, error) {
	all, err := c.client.AllLeases(ctx)
	if err != nil {
		return nil, c.client.Failed("listing the leases", err)
	}
	var own []run.Thing
	for _, l := range all {
		if state := stateOf(l.Status); l.UserID == c.client.Me() && state != run.LeaseOver {
			own = append(own, run.Thing{Kind: run.ALease, ID: l.ID, Name: l.Name, Status: l.Status,
				Failed: state == run.LeaseFailed, Created: l.CreatedAt, End: l.EndDate})
		}
	}
	slices.SortStableFunc(own, func(a, b run.Thing) int { return a.Created.Compare(b.Created) })
	return own, nil
}
