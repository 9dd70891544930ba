package local

import (
	"context"
	"path/filepath"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"
)

// Kind is this machine as the registry of sites has it.
var Kind = site.Kind{
	Name: "local",
	Connect: func(_ context.Context, o site.Options) (run.Site, error) {
		return New(filepath.Join(o.CacheDir, "local"), func(dir string) transport.Transport {
			return localexec.New(dir)
		})
	},
}
