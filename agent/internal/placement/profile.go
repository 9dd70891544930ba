package placement

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// How long a profiled session runs: the first inference, then at least one and
// at most maxInferences in about budget. Placement does not change from one
// inference to the next; the others are for the times.
const (
	maxInferences = 10
	budget        = 2 * time.Second
)

// Profile loads the model with the profiler on, runs a few inferences and
// reads what the profiler wrote. open opens the model so that ONNX Runtime
// writes its profile to prefix, a time and ".json" when the engine is closed;
// planName says what an experiment calls a provider. The profile lies below dir
// until Profile returns.
func Profile(dir string, seed uint64, planName func(string) string,
	open func(prefix string) (session.Engine, error)) (*trial.Placement, error) {
	tmp, err := os.MkdirTemp(dir, ".profile-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	engine, err := open(filepath.Join(tmp, "profile"))
	if err != nil {
		return nil, err
	}
	err = infer(engine, seed)
	if closeErr := engine.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	written, err := filepath.Glob(filepath.Join(tmp, "profile*.json"))
	if err != nil || len(written) != 1 {
		return nil, fmt.Errorf("the runtime wrote %d profiles below %s, not one (is the disk full?)", len(written), dir)
	}
	f, err := os.Open(written[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(f, planName)
}

func infer(engine session.Engine, seed uint64) error {
	next, err := session.Values(engine, seed)
	if err != nil {
		return err
	}
	start := time.Now()
	for i := range 1 + maxInferences {
		err := next()
		if err == nil {
			err = engine.Prepare()
		}
		if err != nil {
			return fmt.Errorf("a profiled inference could not be prepared: %w", err)
		}
		if err := engine.Run(); err != nil {
			return fmt.Errorf("a profiled inference failed: %w", err)
		}
		if i > 0 && time.Since(start) > budget {
			break
		}
	}
	return nil
}
