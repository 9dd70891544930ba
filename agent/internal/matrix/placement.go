package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// placementTimeout bounds a profiled session, loading included, where the
// policy's timeout is longer. On a Pi a session with 600 nodes takes seconds.
const placementTimeout = 2 * time.Minute

// Placement runs a short profiled session of the trial, in a process of its own
// that never times anything. The error is ctx's; everything else that goes wrong
// makes the placement unavailable, with the reason.
func (r Runner) Placement(ctx context.Context, req session.Request) (trial.Reading[trial.Placement], error) {
	none := func(why string) (trial.Reading[trial.Placement], error) {
		return trial.Unread[trial.Placement](why), nil
	}
	timeout := placementTimeout
	if req.Policy.Timeout > 0 {
		timeout = min(timeout, req.Policy.Timeout)
	}
	dir := r.Dir
	if out := filepath.Join(dir, trial.OutDir); dir != "" {
		dir = out // the only place that the agent writes to
	}
	r.Args = append(slices.Clone(r.Args), "-profile", dir)
	p, err := r.start(req)
	if err != nil {
		return none("the profiled session's process did not start: " + err.Error())
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.kill()
		return none(fmt.Sprintf("the profiled session took longer than %v and was killed%s", timeout, p.words()))
	case <-ctx.Done():
		p.kill()
		return trial.Reading[trial.Placement]{}, ctx.Err()
	}
	if p.err != nil {
		return none("the profiled session: " + p.crashed(false).Reasons[0].Text)
	}
	reading, err := decodePlacement(p.answer)
	if err != nil {
		return none(fmt.Sprintf("the profiled session's process answered nonsense: %v%s", err, p.words()))
	}
	return reading, nil
}

// decodePlacement checks that what the process says adds up: the code that it
// calls may have corrupted it.
func decodePlacement(answer []byte) (r trial.Reading[trial.Placement], err error) {
	const most = 1 << 20
	if len(answer) > most {
		return r, fmt.Errorf("more than %d bytes", most)
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	p, ok := r.Get()
	if !ok {
		if r.Unavailable == "" {
			err = errors.New("neither a placement nor a reason")
		}
		return r, err
	}
	nodes, ns := 0, int64(0)
	for _, s := range p.Providers {
		nodes, ns = nodes+s.Nodes, ns+s.TimeNS
		if s.Nodes < 0 || s.TimeNS < 0 || s.Provider == "" {
			return r, fmt.Errorf("provider %q with %d nodes and %d ns", s.Provider, s.Nodes, s.TimeNS)
		}
	}
	if p.Inferences < 1 || p.Nodes < 1 || nodes != p.Nodes || ns != p.TimeNS {
		return r, fmt.Errorf("%d nodes and %d ns in %d inferences, but the providers' are %d and %d", p.Nodes, p.TimeNS, p.Inferences, nodes, ns)
	}
	for _, o := range p.Operators {
		nodes, ns = nodes-o.Nodes, ns-o.TimeNS
		if o.Nodes < 0 || o.TimeNS < 0 {
			return r, fmt.Errorf("operator %q with %d nodes and %d ns", o.Operator, o.Nodes, o.TimeNS)
		}
	}
	if nodes != 0 || ns != 0 {
		return r, errors.New("the operators do not add up to the providers")
	}
	return r, nil
}

// place finds the placement of a trial: one session for all repetitions of the
// same model, provider, threads and batch.
func (s *Supervisor) place(ctx context.Context, req session.Request, model trial.Model) (trial.Reading[trial.Placement], error) {
	key := trial.NewID(model.Name, req.Provider.Label(), req.Threads, req.Batch, 1)
	if known, ok := s.placements[key]; ok {
		return known, nil
	}
	r, err := s.Runner.Placement(ctx, req)
	if err != nil {
		return r, err
	}
	if p, ok := r.Get(); ok {
		p.Providers = listed(p.Providers, req.Provider.Name)
		r = trial.Read(p)
	}
	if s.placements == nil {
		s.placements = map[string]trial.Reading[trial.Placement]{}
	}
	s.placements[key] = r
	return r, nil
}

// listed makes sure that the provider that was asked for has its line, with 0
// nodes where it took none.
func listed(shares []trial.ProviderShare, asked string) []trial.ProviderShare {
	if slices.ContainsFunc(shares, func(s trial.ProviderShare) bool { return s.Provider == asked }) {
		return shares
	}
	return append(slices.Clone(shares), trial.ProviderShare{Provider: asked})
}

// idle says so where the provider that was asked for ran nothing: the latencies
// are then those of other code.
func idle(r trial.Reading[trial.Placement], asked trial.Provider) (trial.Reason, bool) {
	p, ok := r.Get()
	if !ok {
		return trial.Reason{}, false
	}
	var others []string
	for _, s := range p.Providers {
		if s.Provider == asked.Name && s.Nodes > 0 {
			return trial.Reason{}, false
		}
		if s.Nodes > 0 {
			others = append(others, s.Provider)
		}
	}
	return trial.Reason{
		Code: reason.ProviderIdle,
		Text: fmt.Sprintf("%s ran 0 of %d nodes: this is not an %s result, all was done by %s", asked.Name, p.Nodes, asked.Name, strings.Join(others, ", ")),
		Next: "compare models whose operators and types the provider takes, or leave it out for this model",
	}, true
}
