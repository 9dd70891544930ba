package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
)

// forgetEnd has the agent forget that it has finished: started again, it measures the
// trials $1, $2, … that have no valid result. What is no file in a result's place goes.
const forgetEnd = `cd "$0" && rm -f ` + trial.StateFile + ` && for t; do f="` + trial.ResultsDir + `/$t.json"
if [ -L "$f" ] || [ ! -f "$f" ]; then rm -rf "$f"; fi; done`

// orMeasureAgain brings results home, and has the device measure once more what is
// damaged or missing there although the agent has finished, as long as the lease has
// time for it: what is not home when the device goes is lost. Of a run with several
// devices it is left to a resume, as the others wait for their turn to fetch.
func (a homing) orMeasureAgain(ctx context.Context, bring func(context.Context) error) error {
	err := a.bringHome(ctx, bring)
	if err == nil || ctx.Err() != nil || a.crowd != nil || passing(err) || isElsewhere(err) ||
		failure.KindOf(err) != failure.Device {
		return err
	}
	rest, unread := a.unmeasured()
	if unread != nil || len(rest.trials) == 0 || !a.hasTimeFor(rest.trials) {
		return err
	}
	a.Observe.Warn(fmt.Sprintf("%s. The lease has the time: measuring that again", words.Line(err.Error(), 400)))
	if again := a.measureAgain(ctx, rest.trials); again != nil {
		return errors.Join(err, again)
	}
	return a.bringHome(ctx, bring)
}

// hasTimeFor reports whether the lease leaves time to measure these trials.
func (a homing) hasTimeFor(trials []trial.Trial) bool {
	end, ok := a.deadline()
	rest := *a.Plan
	rest.Trials = trials
	least, _ := spec.EstimateTime(&rest)
	return !ok || a.until(end) > least+time.Second
}

func (a homing) measureAgain(ctx context.Context, trials []trial.Trial) error {
	args := []string{"sh", "-c", forgetEnd, a.container.Dir}
	for _, t := range trials[:min(len(trials), mostAtOnce)] {
		args = append(args, t.ID)
	}
	out, err := a.tr.Exec(ctx, transport.Command{Args: args})
	if err == nil && out.Code != 0 {
		err = failure.Device.Errorf("the agent's state cannot be changed: %s", transport.Said(out.Output))
	}
	if err != nil {
		return err
	}
	_, err = a.measure(ctx)
	return err
}
