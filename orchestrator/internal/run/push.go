package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
)

// push sends agent, models and plan: what the far end lacks of them.
func (a *attempt) push(ctx context.Context) (string, error) {
	a.Observe.Phase(PhasePush, "")
	agent, err := a.AgentFile(a.arch)
	if err != nil {
		return "", err
	}
	plan, err := a.plan()
	if err != nil {
		return "", err
	}
	b, err := bundle.Assemble(agent, plan, a.ModelFile)
	if err != nil {
		return "", err
	}
	var pushed bundle.Pushed
	err = homing{a}.through(ctx, func(ctx context.Context) (err error) { // it sends what is missing
		pushed, err = b.Push(ctx, a.tr, a.container.Dir, a.Observe.Bytes)
		return err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f MB sent, %.1f MB already there",
		float64(pushed.Sent)/1e6, float64(pushed.Skipped)/1e6), nil
}

// plan is what is pushed: the run's plan, or in a later attempt what had no
// result when that attempt began. It stays the same for the whole attempt,
// whatever is fetched meanwhile: an agent may be at work on it.
func (a *attempt) plan() (*trial.Plan, error) {
	if a.held.N <= 1 {
		return a.Plan, nil
	}
	name := a.file("plan", ".json")
	plan := new(trial.Plan)
	err := a.Store.ReadJSON(name, plan)
	if errors.Is(err, fs.ErrNotExist) {
		*plan = *a.Plan
		plan.Trials = a.todo.trials
		if n := a.todo.begun; n > 0 {
			a.Observe.Say(fmt.Sprintf("%d interrupted trials start over: blocks of another lease, and perhaps of "+
				"another device, make no sample with these; "+
				"their partial results stay until there are whole ones", n))
		}
		err = a.Store.WriteJSON(name, plan)
	}
	return plan, err
}
