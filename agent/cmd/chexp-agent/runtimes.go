package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"runtime"
	"slices"

	"chexp/agent/internal/matrix"
	"chexp/agent/internal/payload"
	"chexp/experiments/trial"
)

// maxRuntime bounds what a pushed runtime may take on the device's disk.
// TensorRT's libraries have 2 GB, CUDA's as much.
const maxRuntime = 8 << 30

// named makes the plan's runtimes ready and returns, for each, the command that
// starts the runner with it. A runtime that cannot be made ready fails its own
// trials and not the run.
func named(ctx context.Context, dir string, plan *trial.Plan, own payload.Tools,
	bases []string) map[string]matrix.Command {
	commands := map[string]matrix.Command{}
	for _, r := range plan.Runtimes {
		tools, err := ready(ctx, dir, r, own, bases)
		if err != nil {
			log.Printf("runtime %s: %v", r.Name, err)
			commands[r.Name] = matrix.Command{Err: fmt.Errorf("runtime %s: %w", r.Name, err)}
			continue
		}
		var plugins []string
		for _, p := range r.Plugins {
			plugins = append(plugins, "-plugin", p.Provider+"="+filepath.Join(dir, filepath.FromSlash(p.Path())))
		}
		commands[r.Name] = matrix.Command{Args: tools.Command(plugins...)}
		log.Printf("runtime %s is %s", r.Name, tools.Library)
	}
	return commands
}

// ready finds the files that the runner is started with for a runtime.
// [bundle.Verify] has checked the runtime's SHA-256.
func ready(ctx context.Context, dir string, r trial.NamedRuntime, own payload.Tools,
	bases []string) (payload.Tools, error) {
	if r.SHA256 == "" {
		return own, nil // the agent's own, with plugins
	}
	path := filepath.Join(dir, filepath.FromSlash(r.Path()))
	p, err := payload.Open(path)
	if errors.Is(err, payload.ErrNone) {
		// The library itself. It is used where it lies: the agent was
		// executed below the same directory, so libraries can be too.
		own.Library = path
		return own, nil
	}
	if err != nil {
		return own, err
	}
	defer p.Close()
	if err := usable(p.Header); err != nil {
		return own, err
	}
	unpacked, err := p.Unpack(ctx, bases)
	if err != nil {
		return own, err
	}
	tools := p.Header.Tools(unpacked)
	tools.Runner = own.Runner
	return tools, nil
}

func usable(h payload.Header) error {
	var total int64
	var names []string
	for _, f := range h.Files {
		if f.Bytes < 0 || f.Bytes > maxRuntime {
			return fmt.Errorf("%s has %d bytes", f.Name, f.Bytes)
		}
		total += f.Bytes
		names = append(names, f.Name)
	}
	switch {
	case h.Arch != runtime.GOARCH:
		return fmt.Errorf("it is made for %s, this device is %s", h.Arch, runtime.GOARCH)
	case total > maxRuntime:
		return fmt.Errorf("it has %d bytes unpacked, more than %d", total, int64(maxRuntime))
	case !slices.Contains(names, h.Loader) || !slices.Contains(names, h.Library):
		return fmt.Errorf("the bundle does not hold its loader %q and library %q; make it with chexp-pack",
			h.Loader, h.Library)
	}
	return nil
}
