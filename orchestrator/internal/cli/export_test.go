package cli

import (
	"context"
	"io"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// Connect is how the commands sign in, for the tests outside of the package.
func Connect(ctx context.Context, cloudsFile, cloud string) (run.Site, error) {
	a := &app{out: io.Discard, err: io.Discard, warned: map[string]bool{}}
	return a.connect(ctx, "CHI@Edge", site.Options{CloudsFile: cloudsFile, Cloud: cloud})
}
