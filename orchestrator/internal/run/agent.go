package run

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strconv"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// Agent speaks to the agent in a container.
type Agent struct {
	Tr  transport.Transport
	Dir string // of the bundle, at the far end
	// Origin is that of its results: the attempt, and the container.
	Origin store.Origin
	Now    func() time.Time // the site's time; nil: this machine's
}

// home is the origin of results that have just come home.
func (a Agent) home() store.Origin {
	if a.Now != nil {
		a.Origin.Time = a.Now()
	}
	return a.Origin
}

// Unsure is an error after which the command may or may not have run.
type Unsure struct{ Err error }

func (e *Unsure) Error() string { return e.Err.Error() }
func (e *Unsure) Unwrap() error { return e.Err }

// Start starts the agent if it does not run yet. limit is for how long it may
// measure from now on, also if it runs already; 0: for as long as it takes.
func (a Agent) Start(ctx context.Context, limit time.Duration) (trial.StatusReply, error) {
	args := []string{"start", a.Dir}
	if limit > 0 {
		args = append(args, "--for", limit.Round(time.Millisecond).String())
	}
	return a.call(ctx, args...)
}

// Stop ends the agent in order: each trial that has blocks has a partial result
// then, which says why.
func (a Agent) Stop(ctx context.Context, why string) (trial.StatusReply, error) {
	return a.call(ctx, "stop", a.Dir, "--why", why)
}

// Status asks for the state and the events after seq.
func (a Agent) Status(ctx context.Context, seq int64) (trial.StatusReply, error) {
	return a.call(ctx, "status", a.Dir, "--since", strconv.FormatInt(seq, 10))
}

func (a Agent) call(ctx context.Context, args ...string) (reply trial.StatusReply, err error) {
	out, err := a.Tr.Exec(ctx, transport.Command{Args: append([]string{path.Join(a.Dir, trial.AgentFile)}, args...)})
	if err != nil {
		return reply, &Unsure{fmt.Errorf("chexp-agent %s: %w", args[0], err)}
	}
	if out.Code != 0 {
		return reply, failure.Device.
			Errorf("chexp-agent %s ended with code %d: %.2000q", args[0], out.Code, bytes.TrimSpace(out.Output)).
			Advise("code 4: the files on the device are damaged; 126 or -1: the container cannot run the agent " +
				"(wrong architecture, or a file system without exec)")
	}
	if reply, err = trial.ParseReply(out.Output); err != nil {
		return reply, &Unsure{fmt.Errorf("chexp-agent %s gave no answer (%w): %.200q", args[0], err, out.Output)}
	}
	if reply.State.Schema != trial.EventSchema {
		return reply, failure.Device.
			Errorf("chexp-agent speaks %.40q, this chexp speaks %s", reply.State.Schema, trial.EventSchema).
			Advise("chexp and its agents must come from one build: `make build agents`")
	}
	return reply, nil
}
