package run

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"chexp/experiments/trial"
)

// listener hears from an agent what its container's log tells of its events, where the
// site shows that. At CHI@Edge each command in a container may break somebody else's
// request, and reading a log breaks nobody's: so commands are for what the log does not
// tell, that the agent has ended, and that it is alive when it has been silent.
type listener struct {
	*attempt
	heard time.Time // something of the agent, for the last time; zero: never
	asked time.Time // the agent, by a command
	done  int       // trials that have their result
}

// tells is the attempt's site, if it shows a log that follows the agent.
func (l *listener) tells() (Teller, bool) {
	t, ok := l.Site.(Teller)
	return t, ok && l.tr.Properties().MaxExec > 0
}

// listen returns the events that are new in the container's log. enough is false where
// the agent has to be asked itself: its log says that it has ended, leaves something
// out, or has told nothing for a while.
func (l *listener) listen(ctx context.Context) (news trial.StatusReply, enough bool) {
	t, ok := l.tells()
	if !ok {
		return news, false
	}
	text, err := t.Told(ctx, l.container)
	seen := l.lastSeq
	for line := range strings.Lines(text) {
		var ev trial.Event
		if json.Unmarshal([]byte(line), &ev) != nil || ev.Schema != trial.EventSchema || ev.Seq < 1 {
			continue
		}
		switch {
		case l.heard.IsZero() && ev.Seq <= seen:
			l.heard = time.Now()
		case ev.Seq <= seen: // mirrored, or printed again
		case ev.Seq != seen+1, ev.Type == trial.RunFinished, ev.Type == trial.RunStopped:
			return news, false
		default:
			seen, l.heard = ev.Seq, time.Now()
			if ev.Type == trial.TrialFinished {
				l.done++
			}
			news.State.Total = max(news.State.Total, ev.Total)
			news.Events = append(news.Events, ev)
		}
	}
	last := l.heard
	if l.asked.After(last) {
		last = l.asked
	}
	limit := l.Patience.Ask
	if l.heard.IsZero() {
		limit = l.Patience.AskMute
	}
	if err != nil && ctx.Err() != nil || time.Since(last) >= limit {
		return news, false
	}
	news.State.Schema, news.State.Phase, news.State.Done = trial.EventSchema, trial.Running, l.done
	return news, true
}

// ask asks the agent itself.
func (l *listener) ask(ctx context.Context) (trial.StatusReply, error) {
	l.asked = time.Now()
	if end, ok := l.deadline(); ok { // an answer that is held up may not take the time in which results come home
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(l.until(end), 0)+l.Patience.LeaseGrace)
		defer cancel()
	}
	reply, err := l.agent().Status(ctx, l.lastSeq)
	if err == nil {
		l.done = reply.State.Done
	}
	return reply, err
}
