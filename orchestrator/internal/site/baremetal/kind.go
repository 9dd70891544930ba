package baremetal

import (
	"context"
	"path/filepath"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
)

// The bare-metal sites as the registry of sites has them. The regions have their names.
var (
	UC   = kind("CHI@UC")
	TACC = kind("CHI@TACC")
)

func kind(region string) site.Kind {
	return site.Kind{
		Name:       region,
		Rehearsals: true,
		Connect: func(ctx context.Context, o site.Options) (run.Site, error) {
			s, err := Connect(ctx, Options{CloudsFile: o.CloudsFile, Cloud: o.Cloud, Region: region, Notice: o.Notice,
				Commands: o.Commands, KeyDir: filepath.Join(o.CacheDir, "keys")})
			if err != nil {
				return nil, err
			}
			return s, nil
		},
	}
}
