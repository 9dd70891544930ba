// Package wait is the one pause that ends early when its context does.
package wait

import (
	"context"
	"time"
)

// For waits for d, or until ctx ends, and then returns ctx's error.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
