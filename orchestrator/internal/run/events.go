package run

import (
	"bytes"
	"encoding/json"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
)

// mirror keeps the agent's events and shows them. Numbers come from a device:
// an event out of sequence is refused.
func (a *attempt) mirror(reply trial.StatusReply) error {
	a.measured = max(a.measured, reply.State.Done)
	var lines []byte
	for _, ev := range reply.Events {
		if ev.Seq <= a.lastSeq {
			continue
		}
		if ev.Seq != a.lastSeq+1 {
			return failure.Device.Errorf("the agent's event %d follows event %d", ev.Seq, a.lastSeq).
				Advise("the event file on the device is damaged")
		}
		a.lastSeq = ev.Seq
		line, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
		a.Observe.Trial(ev, reply.State.Done, reply.State.Total)
	}
	if lines == nil {
		return nil
	}
	if err := a.Store.Append(a.file("events", ".jsonl"), lines); err != nil {
		a.Observe.Warn(err.Error()) // the events stay on the device; the results matter more
	}
	return nil
}

// mirrored is the number of the last event that an earlier process mirrored.
func (a *attempt) mirrored() int64 {
	last := int64(0)
	for _, ev := range a.events() {
		last = max(last, ev.Seq)
	}
	return last
}

// finished are the trials of which the agent has told that they have a result.
func (a homing) finished() map[string]bool {
	ids := map[string]bool{}
	for _, ev := range a.events() {
		if ev.Type == trial.TrialFinished {
			ids[ev.Trial] = true
		}
	}
	return ids
}

// events are those that were mirrored so far.
func (a *attempt) events() (all []trial.Event) {
	data, err := a.Store.Read(a.file("events", ".jsonl"))
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(data) {
		var ev trial.Event
		if json.Unmarshal(line, &ev) == nil {
			all = append(all, ev)
		}
	}
	return all
}
