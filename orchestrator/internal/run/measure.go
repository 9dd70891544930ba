package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

type (
	command = transport.Command
	exit    = transport.Exit
)

// push sends agent, models and plan: what the far end lacks of them.
func (x *execution) push(ctx context.Context) (string, error) {
	x.Observe.Phase(PhasePush, "")
	agent, err := x.Agent(x.arch)
	if err != nil {
		return "", err
	}
	plan, err := x.attemptPlan()
	if err != nil {
		return "", err
	}
	b, err := bundle.Assemble(agent, plan, x.ModelFile)
	if err != nil {
		return "", err
	}
	pushed, err := b.Push(ctx, x.tr, x.container.Dir, x.Observe.Bytes)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f MB sent, %.1f MB already there", float64(pushed.Sent)/1e6, float64(pushed.Skipped)/1e6), nil
}

// attemptPlan is what is pushed: the run's plan, or in a later attempt what had
// no result when that attempt began. It stays the same for the whole attempt,
// whatever is fetched meanwhile: an agent may be at work on it.
func (x *execution) attemptPlan() (*trial.Plan, error) {
	if x.state.Attempt <= 1 {
		return x.Plan, nil
	}
	name := fmt.Sprintf("plan.%d.json", x.state.Attempt)
	plan := new(trial.Plan)
	err := x.Store.ReadJSON(name, plan)
	if errors.Is(err, fs.ErrNotExist) {
		*plan = *x.Plan
		plan.Trials = x.remaining
		if n := x.begun; n > 0 {
			x.Observe.Say(fmt.Sprintf("%d interrupted trials start over: blocks of another lease, and perhaps of another device, make no sample with these; "+
				"their partial results stay until there are whole ones", n))
		}
		err = x.Store.WriteJSON(name, plan)
	}
	return plan, err
}

// measure starts the agent and follows it until every trial has its result.
func (x *execution) measure(ctx context.Context) (string, error) {
	x.Observe.Phase(PhaseRun, "")
	agent := Agent{Tr: x.tr, Dir: x.container.Dir}
	if err := x.start(ctx, agent); err != nil {
		return "", err
	}
	if x.Detach {
		return "the agent runs on its own", nil
	}
	st, err := x.follow(ctx, agent)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d trials", st.Done), nil
}

// start tells the agent to start, and when to end by itself, as often as it takes
// to know that it did: its start is idempotent, and an answer can be lost.
func (x *execution) start(ctx context.Context, agent Agent) error {
	x.lastSeq = x.mirrored()
	for try := 1; ; try++ {
		limit := time.Duration(0)
		if end, ok := x.deadline(); ok {
			if limit = time.Until(end); limit <= 0 {
				return x.leaseOver()
			}
		}
		_, err := agent.Start(ctx, limit)
		var unsure *Unsure
		if err == nil {
			x.record(store.Entry{Kind: store.Done, What: anAgent, ID: x.container.ID})
			return nil
		}
		if !errors.As(err, &unsure) || try == 5 {
			return err
		}
		x.Observe.Say("starting the agent: " + err.Error())
		if err := pause(ctx, Patience.PollMax); err != nil {
			return err
		}
	}
}

// follow polls the agent, mirrors its events, starts it again if it dies, and
// stops it when the lease draws to its end.
func (x *execution) follow(ctx context.Context, agent Agent) (trial.State, error) {
	wait, restarts := Patience.PollMin, 0
	lastGood := time.Now()
	for {
		over, err := x.leaseEnds(ctx, agent)
		if err != nil {
			return trial.State{}, err
		}
		if over {
			return trial.State{}, x.leaseOver()
		}
		reply, err := agent.Status(ctx, x.lastSeq)
		if err != nil {
			if ctx.Err() != nil {
				return trial.State{}, ctx.Err()
			}
			if gone := x.lost(ctx, err, time.Since(lastGood)); gone != nil {
				return trial.State{}, gone
			}
			x.Observe.Say("the device does not answer: " + err.Error())
			if err := pause(ctx, Patience.PollMax); err != nil {
				return trial.State{}, err
			}
			continue
		}
		lastGood = time.Now()
		if err := x.mirror(reply); err != nil {
			return trial.State{}, err
		}
		switch reply.State.Phase {
		case trial.Finished:
			if !reply.More {
				return reply.State, nil
			}
			continue
		case trial.Dead, trial.Stopped, trial.NotStarted:
			if why := reply.State.Why; why != nil && why.Code == trial.ReasonDeadline {
				if reply.More {
					continue
				}
				x.agentEnded = true // the next look at the lease says what to do
				continue
			}
			if restarts++; restarts > Patience.Restarts {
				return trial.State{}, failure.Device.
					Errorf("the agent ended %d times before its trials were done: %s", restarts, reply.State.Text).
					Advise("the results so far are kept; look at agent.log in the run's directory for the cause")
			}
			x.Observe.Warn(fmt.Sprintf("the agent is %s (%s); it is started again and goes on with the blocks that it has on record", reply.State.Phase, reply.State.Text))
			if err := x.start(ctx, agent); err != nil {
				return trial.State{}, err
			}
		}
		// A poll is a process on the device that measures: progress among trials
		// that take turns is no reason for more of them.
		if slices.ContainsFunc(reply.Events, func(e trial.Event) bool { return e.Type != trial.Progress }) {
			wait = Patience.PollMin
		}
		if reply.More {
			continue
		}
		x.backup(ctx)
		if err := pause(ctx, wait); err != nil {
			return trial.State{}, err
		}
		wait = min(wait*3/2, Patience.PollMax)
	}
}

// lost decides whether a poll's failure means that the device is gone. A
// container that is no longer there is; otherwise patience decides.
func (x *execution) lost(ctx context.Context, cause error, silent time.Duration) error {
	c, found, err := x.Site.FindContainer(ctx, x.container.Name)
	switch {
	case err == nil && (!found || c.ID != x.container.ID):
		x.record(store.Entry{Kind: store.Gone, What: aContainer, ID: x.container.ID, Text: "it vanished while the agent ran"})
		return failure.Device.Errorf("the container %s has vanished while the agent ran in it", x.container.Name).
			Advise("somebody deleted it, or its lease has ended; `chexp run --resume %s` goes on in a new one",
				x.Store.ID).
			Because(cause)
	case err == nil && c.Status != "" && c.Status != x.container.Status:
		return failure.Device.Errorf("the container %s is now in state %s", x.container.Name, c.Status).
			Advise("its files are lost with its process; `chexp run --resume %s` goes on in a new one", x.Store.ID).
			Because(cause)
	case silent > Patience.Polls:
		return failure.Device.Errorf("the device has not answered for %s", silent.Round(time.Second)).
			Advise("`chexp run --resume %s` tries again; the agent goes on by itself meanwhile", x.Store.ID).
			Because(cause)
	}
	return nil
}

// mirror keeps the agent's events and shows them. Numbers come from a device:
// an event out of sequence is refused.
func (x *execution) mirror(reply trial.StatusReply) error {
	var lines []byte
	for _, ev := range reply.Events {
		if ev.Seq <= x.lastSeq {
			continue
		}
		if ev.Seq != x.lastSeq+1 {
			return failure.Device.Errorf("the agent's event %d follows event %d", ev.Seq, x.lastSeq).
				Advise("the event file on the device is damaged")
		}
		x.lastSeq = ev.Seq
		line, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
		x.Observe.Trial(ev, reply.State.Done, reply.State.Total)
	}
	if lines == nil {
		return nil
	}
	if err := x.Store.Append(x.eventsFile(), lines); err != nil {
		x.Observe.Warn(err.Error()) // the events stay on the device; the results matter more
	}
	return nil
}

func (x *execution) eventsFile() string {
	if x.state.Attempt <= 1 {
		return "events.jsonl"
	}
	return fmt.Sprintf("events.%d.jsonl", x.state.Attempt)
}

// mirrored is the number of the last event that an earlier process mirrored.
func (x *execution) mirrored() int64 {
	data, err := x.Store.Read(x.eventsFile())
	if err != nil {
		return 0
	}
	last := int64(0)
	for line := range bytesLines(data) {
		var ev trial.Event
		if json.Unmarshal(line, &ev) == nil {
			last = max(last, ev.Seq)
		}
	}
	return last
}
