package cli

import (
	"context"
	"path/filepath"

	"chexp/experiments/spec"
	"chexp/models"
	"chexp/models/catalog"
	"chexp/orchestrator/internal/failure"

	"github.com/urfave/cli/v2"
)

func (a *app) modelCommand() *cli.Command {
	return &cli.Command{
		Name: "model", Usage: "look inside models, make INT8 ones, keep them",
		Subcommands: []*cli.Command{a.modelQuantizeCommand()},
	}
}

// catalogueFile makes or fetches the model of that name.
func (a *app) catalogueFile(ctx context.Context, name string) (models.Resolved, error) {
	r, err := a.resolver()
	if err != nil {
		return models.Resolved{}, err
	}
	if _, ok := catalog.Find(name); !ok {
		return models.Resolved{}, failure.New(failure.Usage, "there is no file and no model "+name, "`chexp model list` shows the models", nil)
	}
	return r.Resolve(ctx, spec.ModelSource{Name: name, Builtin: name})
}

func (a *app) resolver() (*models.Resolver, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	return &models.Resolver{CacheDir: filepath.Join(cache, "models"), SearchPath: models.DefaultSearchPath()}, nil
}
