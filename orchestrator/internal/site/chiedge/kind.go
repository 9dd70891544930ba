package chiedge

import (
	"context"
	"path/filepath"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

var _ site.Cloud = (*Site)(nil)

// Kind is CHI@Edge as the registry of sites has it. The region has its name.
var Kind = site.Kind{
	Name:       "CHI@Edge",
	Rehearsals: true,
	Connect: func(ctx context.Context, o site.Options) (run.Site, error) {
		s, err := Connect(ctx, Options{
			CloudsFile: o.CloudsFile, Cloud: o.Cloud, Region: "CHI@Edge", PullGrace: o.PullGrace, Notice: o.Notice,
			Commands: o.Commands, LockDir: filepath.Join(o.CacheDir, "locks"),
		})
		if err != nil {
			return nil, err
		}
		return s, nil
	},
}
