package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// Observer hears what happens, as it happens. Methods return quickly and are
// called from one goroutine.
type Observer interface {
	Phase(p Phase, text string)            // a phase began
	PhaseEnd(p Phase, text string)         // it ended well
	Say(text string)                       // what is being waited for, with the server's own words
	Bytes(done, total int64)               // of the push
	Trial(ev trial.Event, done, total int) // an event of the agent; trials with a result, and all of them
	Warn(text string)                      // something a person should know
}

// Config is everything an execution needs.
type Config struct {
	Store      *store.Run // locked by the caller
	Experiment *spec.Experiment
	Plan       *trial.Plan
	Site       Site
	// Agent returns the agent's file for a processor architecture.
	Agent func(arch string) (string, error)
	// ModelFile returns the file that holds the model with this sha256.
	ModelFile func(sha256 string) (string, error)
	// Report renders the reports from the store.
	Report  func() error
	Observe Observer

	Keep   bool  // leave lease and container as they are at the end
	Until  Phase // stop after this phase, leaving all as it is; "" for all
	Detach bool  // return as soon as the agent has started
	// FetchTime is kept free at the lease's end to bring the results home; 0:
	// Patience.LeaseTail.
	FetchTime time.Duration
}

// Patience bounds waits that no server bounds.
var Patience = struct {
	Cleanup   time.Duration // giving everything back
	Salvage   time.Duration // bringing partial results home after a failure
	Polls     time.Duration // of failing polls in a row before the device counts as lost
	PollMin   time.Duration
	PollMax   time.Duration
	LeaseTail time.Duration // kept free at the lease's end for fetch and release
	// LeaseLook before that the lease is looked at again; LeaseGrace after it an
	// agent that has not ended by itself is stopped.
	LeaseLook  time.Duration
	LeaseGrace time.Duration
	Backup     time.Duration // between copies of what a run has measured so far
	Restarts   int           // of an agent that died
}{3 * time.Minute, time.Minute, 5 * time.Minute, 300 * time.Millisecond, 3 * time.Second, 90 * time.Second,
	2 * time.Minute, 10 * time.Second, 10 * time.Minute, 2}

// execution is one process's go at a run.
type execution struct {
	Config
	state State

	lease     Lease
	container Container
	request   ContainerRequest
	tr        transport.Transport
	arch      string
	remaining []trial.Trial
	begun     int   // of the remaining, that have a partial result
	lastSeq   int64 // of the agent's events already mirrored

	agentEnded bool      // by itself, at the time that it was given
	looked     time.Time // at the lease
	backedUp   time.Time
	why        string // the run ended early, for the partial results
}

// Execute starts a run, or goes on with one whose journal has entries. ctx ends
// the work; cleanup ends the giving back that follows, so the caller can wire
// a first and a second Ctrl-C. The error says why the run is not complete; it
// is of kind failure.Trials when all is well but for failed trials.
func Execute(ctx, cleanup context.Context, cfg Config) error {
	entries, err := cfg.Store.Entries()
	if err != nil {
		return err
	}
	x := &execution{Config: cfg, state: Replay(entries), backedUp: time.Now()}
	if x.remaining, err = x.unmeasured(); err != nil {
		return err
	}
	stop, err := x.forward(ctx)
	if stop {
		return nil
	}
	if err != nil {
		x.record(store.Entry{Kind: store.Failed, Text: err.Error()})
		err = x.interrupted(ctx, err)
		if rescued := x.salvage(cleanup, x.early(ctx)); rescued != nil {
			x.Observe.Warn("partial results could not be brought home: " + rescued.Error())
		}
	}
	if x.tr != nil {
		x.tr.Close()
	}
	// What is left on a cloud outweighs every other news.
	kept := x.release(cleanup)
	return errors.Join(kept, err, x.finish(err == nil && kept == nil))
}

// interrupted gives a cancelled run its own words.
func (x *execution) interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return failure.Interrupted.Errorf("interrupted").
		Advise("`chexp run --resume %s` goes on with the trials that are not whole", x.Store.ID).
		Because(context.Cause(ctx))
}

// early is why a run ended before its trials, in the words of partial results.
func (x *execution) early(ctx context.Context) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return cmp.Or(x.why, "the run failed")
}

// forward carries the phases out until one fails. stop is true when the caller
// asked to leave everything as it is.
func (x *execution) forward(ctx context.Context) (stop bool, err error) {
	if x.Until == PhasePlan {
		return true, nil
	}
	steps := []struct {
		phase Phase
		do    func(context.Context) (string, error)
	}{
		{PhaseLease, x.reserve},
		{PhaseContainer, x.launch},
		{PhasePush, x.push},
		{PhaseRun, x.measure},
		{PhaseFetch, x.fetch},
	}
	if len(x.remaining) == 0 {
		steps = nil // every trial has its result: only giving back is left
	}
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		x.record(store.Entry{Kind: store.Began, Phase: string(s.phase)})
		text, err := s.do(ctx)
		if err != nil {
			return false, fmt.Errorf("%s: %w", s.phase, err)
		}
		x.record(store.Entry{Kind: store.Ended, Phase: string(s.phase), Text: text})
		x.Observe.PhaseEnd(s.phase, text)
		if x.Until == s.phase || x.Detach && s.phase == PhaseRun {
			if x.tr != nil {
				x.tr.Close()
			}
			return true, nil
		}
	}
	return false, nil
}

// finish renders the reports and closes the journal when nothing is left.
func (x *execution) finish(complete bool) error {
	x.Observe.Phase(PhaseReport, "")
	x.record(store.Entry{Kind: store.Began, Phase: string(PhaseReport)})
	if err := x.Report(); err != nil {
		return fmt.Errorf("%s: %w", PhaseReport, err)
	}
	x.record(store.Entry{Kind: store.Ended, Phase: string(PhaseReport)})
	x.Observe.PhaseEnd(PhaseReport, x.Store.Dir+"/report.html")
	if complete && !x.state.Lease.Open() && !x.state.Container.Open() {
		x.record(store.Entry{Kind: store.Finished})
	}
	return nil
}

// FailedTrials returns an error of kind Trials when some of the results are
// not OK, nil otherwise.
func FailedTrials(plan *trial.Plan, results []*trial.Result) error {
	failed, partial := 0, 0
	for _, r := range results {
		switch {
		case r.Partial != nil:
			partial++
		case r.Outcome == trial.Failed:
			failed++
		}
	}
	missing := len(plan.Trials) - len(results)
	switch {
	case partial > 0:
		text := fmt.Sprintf("%d of %d trials were interrupted", partial, len(plan.Trials))
		if missing > 0 {
			text += fmt.Sprintf(", %d have no result", missing)
		}
		return failure.Trials.Errorf("%s", text).
			Advise("`chexp run --resume %s` measures what is not whole", plan.RunID)
	case missing > 0:
		return failure.Trials.Errorf("%d of %d trials have no result", missing, len(plan.Trials)).
			Advise("`chexp run --resume %s` measures what is missing", plan.RunID)
	case failed > 0:
		return failure.Trials.Errorf("%d of %d trials failed", failed, len(plan.Trials)).
			Advise("the reasons stand below the table and in results/<trial>.json")
	}
	return nil
}

// unmeasured lists the trials that have no whole result in the store.
func (x *execution) unmeasured() ([]trial.Trial, error) {
	results, err := x.Store.Results(x.Plan)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	x.begun = 0
	for _, r := range results {
		have[r.TrialID] = r.Partial == nil
		if r.Partial != nil {
			x.begun++
		}
	}
	var rest []trial.Trial
	for _, t := range x.Plan.Trials {
		if !have[t.ID] {
			rest = append(rest, t)
		}
	}
	return rest, nil
}

// record writes to the journal and keeps the state in step with it. An entry
// that could not be written is said aloud; intents are written by intend.
func (x *execution) record(e store.Entry) {
	if err := x.Store.Record(e); err != nil {
		x.Observe.Warn("the journal could not be written: " + err.Error())
	}
	x.apply(e)
}

// intend writes an intent and refuses to go on if it is not on the disk: what
// is not in the journal must not be created.
func (x *execution) intend(what, name string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	e := store.Entry{Kind: store.Intent, What: what, Name: name, Data: raw}
	if err := x.Store.Record(e); err != nil {
		return fmt.Errorf("%s is not created, as the journal cannot be written: %w", what, err)
	}
	x.apply(e)
	return nil
}

// apply advances the state by one entry, by the same rules as Replay.
func (x *execution) apply(e store.Entry) {
	x.state = advance(x.state, e)
}

// pause waits, or returns early with ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
