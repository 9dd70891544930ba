package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/secret"
	"chexp/experiments/trial"
	"chexp/experiments/wait"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// measure starts the agent and follows it until every trial has its result.
func (a *attempt) measure(ctx context.Context) (string, error) {
	a.Observe.Phase(PhaseRun, "")
	if err := a.worthStarting(); err != nil {
		return "", err
	}
	fresh := !a.held.Started
	if err := a.start(ctx); err != nil {
		return "", err
	}
	if a.Detach {
		return "the agent runs on its own", nil
	}
	f := &follower{
		listener: listener{attempt: a}, pause: a.Patience.PollMin, answered: time.Now(), copied: time.Now(),
		silence: newOutage(a.Patience.PollMax),
		due:     homing{a}.notYetHome(),
	}
	if fresh { // else by whichever end an earlier process knew
		f.begun = a.lease.End
	}
	for {
		st, done, err := f.poll(ctx)
		if err != nil {
			return "", err
		}
		if done {
			return words.Plural(st.Done, "trial"), nil
		}
	}
}

// start tells the agent to start, and when to end by itself, as often as it takes
// to know that it did: its start is idempotent, and an answer can be lost.
func (a *attempt) start(ctx context.Context) error {
	a.lastSeq = a.mirrored()
	var unanswered, over error
	begin := func(ctx context.Context) error {
		limit := time.Duration(0)
		if end, ok := a.deadline(); ok {
			if limit = a.until(end); limit <= 0 {
				over = homing{a}.neverStarted(unanswered) // and is not to be asked again
				return nil
			}
		}
		_, unanswered = a.agent().Start(ctx, limit)
		return unanswered
	}
	a.held.Started = true // or perhaps: its answer may be lost
	h := homing{a}
	if err := h.whileHeld(ctx, "the device does not say whether its agent has started", begin); err != nil {
		return err
	}
	if over != nil {
		return over
	}
	a.record(store.Entry{Kind: store.Done, What: anAgent, ID: a.container.ID})
	return nil
}

// neverStarted says that the lease's end is near, and that no answer to the agent's
// start, if any was asked for, said that it measures.
func (a homing) neverStarted(unanswered error) error {
	over := a.leaseOver()
	if unanswered == nil {
		return over
	}
	kind := failure.KindOf(unanswered)
	if kind == failure.Unexpected {
		kind = failure.Device
	}
	return kind.Errorf("nobody knows whether the agent started before its lease, which ends at %s, had no time left",
		timeOfDay(a.lease.End)).
		Advise("`%s` measures in a new lease what is not whole", a.Commands.Resume()).
		Because(unanswered)
}

// follower polls the agent of an attempt, mirrors its events, starts it again if
// it dies, and stops it when the lease draws to its end.
type follower struct {
	listener
	pause    time.Duration // before the next poll
	answered time.Time     // the agent, for the last time
	restarts int           // of the agent
	copied   time.Time     // when its results were last copied home
	timeUp   bool          // the agent has ended by itself, at the time that it was given
	begun    time.Time     // the lease's end as the agent began, for the last time
	looked   time.Time     // when the lease was last looked at
	mute     bool          // for long: the user was told so
	told     time.Time     // until when trials can be measured, as the observer knows
	missing  int           // looks in a row that did not find the container
	silence  *outage       // since the last answer

	weighed bool // the user was told how long the rest takes

	due   []string  // trials that have finished and whose results are not home
	fetch time.Time // before which no more are brought
}

// poll asks the agent once and acts on its answer. done is true when every trial
// has its result and every event is mirrored.
func (f *follower) poll(ctx context.Context) (st trial.State, done bool, err error) {
	if err := f.watchLease(ctx); err != nil {
		return st, false, err
	}
	if end, ok := f.deadline(); ok && !end.Equal(f.told) {
		f.told = end
		f.Observe.MustEnd(end)
	}
	if news, enough := f.listen(ctx); enough {
		if len(news.Events) > 0 {
			f.answered = time.Now()
		}
		if err := f.mirror(news); err != nil {
			return st, false, err
		}
		f.comeHome(ctx, news)
		f.weigh(news)
		return st, false, f.rest(ctx, news)
	}
	reply, err := f.ask(ctx)
	if err != nil {
		return st, false, f.noAnswer(ctx, err)
	}
	f.answered, f.mute, f.missing, f.silence = time.Now(), false, 0, newOutage(f.Patience.PollMax)
	f.stuck.over()
	if err := f.mirror(reply); err != nil {
		return st, false, err
	}
	f.comeHome(ctx, reply)
	f.weigh(reply)
	st = reply.State
	switch st.Phase {
	case trial.Finished:
		return st, !reply.More, nil
	case trial.Dead, trial.Stopped, trial.NotStarted:
		if st.Why != nil && st.Why.Code == trial.ReasonDeadline {
			f.timeUp = !reply.More // the next look at the lease says what to do
			return st, false, nil
		}
		if err := f.restart(ctx, st); err != nil {
			return st, false, err
		}
	}
	return st, false, f.rest(ctx, reply)
}

// noAnswer waits after a poll that failed, unless the device is lost.
func (f *follower) noAnswer(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := f.lost(ctx, cause, time.Since(f.answered)); err != nil {
		return err
	}
	f.Observe.Again("the device does not answer: " + cause.Error())
	if f.stuck.is() { // asking more often mends nothing
		end, _ := f.deadline()
		return f.stuck.pause(ctx, max(f.Patience.PollMin, min(f.Patience.Stuck, f.until(end)+f.Patience.LeaseGrace)))
	}
	pause, left := f.silence.next(), f.Patience.Polls
	if end, ok := f.deadline(); ok {
		left = max(f.until(end), f.Patience.PollMax)
	}
	err := wait.For(ctx, min(pause, left))
	// The connection may have broken. What keeps it from coming about, the next poll says.
	_ = within(ctx, left, homing{f.attempt}.reach)
	return err
}

// restart starts an agent that has ended before its trials were done.
func (f *follower) restart(ctx context.Context, st trial.State) error {
	log := f.keepLog(ctx)
	if f.restarts++; f.restarts > f.Patience.Restarts {
		return failure.Device.
			Errorf("the agent ended %d times before its trials were done: %s", f.restarts, st.Text).
			Advise("the results so far are kept; %s", log)
	}
	f.Observe.Warn(fmt.Sprintf("the agent is %s (%s); it is started again and goes on with the blocks "+
		"that it has on record; %s", st.Phase, st.Text, log))
	err := f.start(ctx)
	f.begun = f.lease.End
	return err
}

// keepLog brings home the end of what the agent printed, and says where it is.
func (f *follower) keepLog(ctx context.Context) string {
	name := f.file("agent", ".log")
	out, err := f.tr.Exec(ctx, transport.Command{
		Args: []string{"tail", "-c", "60000", path.Join(f.container.Dir, trial.LogFile)},
	})
	if err == nil && out.Code != 0 {
		err = fmt.Errorf("tail ended with code %d", out.Code)
	}
	if err == nil {
		err = f.Store.Replace(name, []byte(secret.Redact(string(out.Output))))
	}
	if err != nil {
		return "what the agent printed could not be brought home: " + err.Error()
	}
	return "look at " + filepath.Join(f.Store.Dir, name) + " for the cause"
}

// rest waits between two polls. A poll is a process on the device that measures:
// progress among trials that take turns is no reason for more of them.
func (f *follower) rest(ctx context.Context, reply trial.StatusReply) error {
	if slices.ContainsFunc(reply.Events, func(e trial.Event) bool { return e.Type != trial.Progress }) {
		f.pause = f.Patience.PollMin
	}
	if reply.More {
		return nil
	}
	f.backup(ctx)
	pause := f.pause
	if end, ok := f.deadline(); ok { // it ends by itself then, and its results have to come home
		pause = max(min(pause, f.until(end)), f.Patience.PollMin)
	}
	if f.crowd != nil { // others poll as well, on other machines
		pause += rand.N(pause/4 + 1)
	}
	err := wait.For(ctx, pause)
	f.pause = min(f.pause*3/2, f.Patience.PollMax)
	return err
}

// lost decides whether a poll's failure means that the device is gone. A container
// that is no longer there is, twice in a row; as long as it is, what was measured on
// it is worth the lease's time.
func (f *follower) lost(ctx context.Context, cause error, silent time.Duration) error {
	c, found, err := f.Site.FindContainer(ctx, f.container.Name)
	if gone := err == nil && (!found || c.ID != f.container.ID); !gone {
		f.missing = 0
	} else if f.missing++; f.missing < 2 {
		return nil
	}
	switch {
	case f.missing > 0:
		f.record(store.Entry{
			Kind: store.Gone, What: aContainer, ID: f.container.ID, Text: "it vanished while the agent ran",
		})
		return failure.Device.Errorf("the %s %s has vanished while the agent ran in it", f.box(), f.container.Name).
			Advise("somebody deleted it, or its lease has ended; `%s` goes on in a new one", f.Commands.Resume()).
			Because(cause)
	case err == nil && (c.Over || changed(f.container, c)):
		return failure.Device.Errorf("the %s %s is now in state %s", f.box(), f.container.Name, c.Status).
			Advise("its files are lost with its process; `%s` goes on in a new one", f.Commands.Resume()).
			Because(cause)
	case err == nil && enduring{f.attempt}.serviceStuck(ctx, cause):
		enduring{f.attempt}.tellStuck()
		return nil
	}
	return f.silent(cause, silent)
}

// changed reports whether a container's status is another one than before, as far as
// the site knew it both times.
func changed(before, now Container) bool {
	return !before.Unheard && !now.Unheard && now.Status != "" && now.Status != before.Status
}

// silent gives a device up that has not answered for long, where no lease bounds that.
// Where one does, the device goes on measuring, and is asked until the lease ends.
func (f *follower) silent(cause error, silent time.Duration) error {
	switch end, ends := f.deadline(); {
	case silent <= f.Patience.Polls:
	case !ends:
		return failure.Device.Errorf("the device has not answered for %s", silent.Round(time.Second)).
			Advise("`%s` tries again", f.Commands.Resume()).
			Because(cause)
	case !f.mute:
		f.mute = true
		f.Observe.Warn(fmt.Sprintf("the device has not answered for %s. It may be measuring all the same: chexp goes on "+
			"asking until %s, and then brings home what it can. Ctrl-C ends that, and says how to fetch and give back",
			silent.Round(time.Second), timeOfDay(end)))
	}
	return nil
}

// backup brings home, now and then, what a long run has measured so far: a device
// can be lost with all that is on it. That it fails once is no news. It does so as well
// when another chexp asks for it.
func (f *follower) backup(ctx context.Context) {
	wanted, why := store.Wanted(f.Store), "the device was lost"
	if !wanted && time.Since(f.copied) < f.Patience.Backup {
		return
	}
	if wanted {
		why = "it was fetched while the agent measured"
		defer store.Served(f.Store)
	}
	f.copied = time.Now()
	got, err := f.Collect(ctx, f.agent(), why)
	if err = errors.Join(err, got.Unfinished); err != nil {
		f.Observe.Say("what is measured so far could not be copied: " + err.Error())
	} else if wanted {
		f.Observe.Say("brought home as another chexp asked: " + got.String())
	} else if got.Whole+got.Partial > 0 {
		f.Observe.Say("copied in case the device is lost: " + got.String())
	}
}
