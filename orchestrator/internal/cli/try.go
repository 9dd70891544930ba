package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/tryout"
)

// try loads and runs each model once on this machine, before anything is created.
// Models that only other runtimes measure are left out: it has the agent's own. So
// are all where there is no agent for this machine, or it carries another ONNX
// Runtime than the device's.
func (p *prepared) try(ctx context.Context, e *spec.Experiment, say func(string)) error {
	path, err := agentFile(runtime.GOARCH)
	if err != nil {
		say("! models were not tried on this machine: there is no agent for " + runtime.GOARCH)
		return nil
	}
	agent := tryout.Agent{Path: path, Memory: memory()}
	if agent.Manifest, err = agentManifest(runtime.GOARCH); err != nil {
		return err
	}
	if here, there := agent.Manifest.Runtime.Version, p.agent.Runtime.Version; here != there {
		say(fmt.Sprintf("! models were not tried on this machine: its agent has ONNX Runtime %s, the device's %s", here,
			there))
		return nil
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	agent.Cache = filepath.Join(cache, "tried")
	var problems spec.Problems
	for _, m := range p.models {
		model := tryout.Model{Model: m.Model, File: m.File, Packs: p.packs, Rows: m.Facts.Rows}
		for _, t := range p.plan.Trials {
			if t.Model == m.Name && t.Skip == "" && t.Provider.Runtime == "" {
				model.Batches = append(model.Batches, t.Batch)
			}
		}
		if len(model.Batches) == 0 {
			continue
		}
		v, err := agent.Try(ctx, model)
		if err != nil {
			return err
		}
		if v.Unknown != "" {
			say(words.Printable(fmt.Sprintf("! whether model %s runs was not found out on this machine: %s", m.Name,
				v.Unknown)))
		}
		if v.Problem != "" {
			next := v.Next
			if next != "" {
				next = ". What to do: " + next
			}
			problems = append(problems, e.Problemf(lineOf(e, m.Name), "model %s %s", m.Name,
				words.Line(v.Problem+next, 2000)))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return failure.Usage.Wrap(problems).Advise("nothing was created: the agent of this machine (ONNX Runtime %s, cpu) "+
		"tried each model once; --no-try measures them all the same", agent.Manifest.Runtime.Version)
}

// memory is three quarters of what is free on this machine; 0: not known.
func memory() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if n, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); n == 1 && err == nil {
			return kib * 1024 / 4 * 3
		}
	}
	return 0
}
