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
	"chexp/experiments/failure"
	"chexp/experiments/trial"
)

// placementTimeout bounds a profiled session, loading included, where the
// policy's timeout is longer. On a Pi a session with 600 nodes takes seconds.
const placementTimeout = 10 * time.Minute

// Placement is the Examination that says which provider runs which nodes of a
// variant: by a short profiled session, in a process of its own that never times
// anything. dir is the bundle's. Whatever goes wrong but ctx makes the placement
// unavailable, with the reason.
func Placement(plan *trial.Plan, dir string, runner Runner) Examination {
	return func(ctx context.Context, t trial.Trial) (Finding, error) {
		r, err := profiled(ctx, runner, dir, requestFor(plan, dir, t))
		if err != nil {
			return nil, err
		}
		why, isIdle := trial.Reason{}, false
		if p, ok := r.Get(); ok {
			p.Providers = listed(p.Providers, t.Provider.Name)
			r = trial.Read(p)
			why, isIdle = idle(p, t.Provider.Name)
		}
		return func(res *trial.Result) {
			res.Placement = r
			if isIdle && res.Outcome == trial.OK {
				res.Reasons = append(res.Reasons, why)
			}
		}, nil
	}
}

// profiled asks for the placement of one request.
func profiled(
	ctx context.Context,
	runner Runner,
	dir string,
	req session.Request,
) (trial.Reading[trial.Placement], error) {
	none := func(why string) (trial.Reading[trial.Placement], error) {
		return trial.Unread[trial.Placement]("the profiled session: " + why), nil
	}
	timeout := placementTimeout
	if req.Policy.Timeout > 0 {
		timeout = min(timeout, req.Policy.Timeout)
	}
	// OutDir is the only place below the bundle that the agent writes to.
	answer, err := runner.Ask(ctx, req, timeout, "-profile", filepath.Join(dir, trial.OutDir))
	var failed *failure.Error
	switch {
	case errors.As(err, &failed):
		return none(failed.Error())
	case err != nil:
		return trial.Reading[trial.Placement]{}, err
	}
	reading, err := decodePlacement(answer)
	if err != nil {
		return none("its process answered nonsense: " + err.Error())
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
		return r, fmt.Errorf("%d nodes and %d ns in %d inferences, but the providers' are %d and %d",
			p.Nodes, p.TimeNS, p.Inferences, nodes, ns)
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
func idle(p trial.Placement, asked string) (trial.Reason, bool) {
	var others []string
	for _, s := range p.Providers {
		if s.Provider == asked && s.Nodes > 0 {
			return trial.Reason{}, false
		}
		if s.Nodes > 0 {
			others = append(others, s.Provider)
		}
	}
	return trial.Reason{
		Code: reason.ProviderIdle,
		Text: fmt.Sprintf("%s ran 0 of %d nodes: this is no %s result, all was done by %s",
			asked, p.Nodes, asked, strings.Join(others, ", ")),
		Next: "compare models whose operators and types the provider takes, or leave it out for this model",
	}, true
}
