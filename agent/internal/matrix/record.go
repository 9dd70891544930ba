package matrix

import (
	"fmt"
	"time"

	"chexp/agent/internal/outdir"
	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/journal"
	"chexp/experiments/trial"
)

// record writes what is known of the run: events, journals and results. Its first
// error stays in err, and nothing is written after it: whoever gives it something
// looks there before the next block.
type record struct {
	out     *outdir.Recorder
	plan    *trial.Plan
	dir     string
	agent   trial.Agent
	runtime trial.Runtime
	device  func() trial.Device

	position map[string]int          // of each trial in the order, from 1
	found    map[variant][]Finding   // by the examinations
	pools    pools                   // of the latencies, where a precision is asked for
	logs     map[string]*journal.Log // of trials that an earlier start has begun, and this one not yet
	left     estimate
	trimmed  int       // trials that were left out
	said     time.Time // the latest Progress event
	moved    []*living // trials with blocks since then, the longest ago first
	synced   time.Time // when the journals were last brought to the disk
	err      error
}

func newRecord(s *Supervisor, order []trial.Trial) *record {
	r := &record{
		out: s.Recorder, plan: s.Plan, dir: s.Dir, agent: s.Agent, runtime: s.Runtime, device: s.Device,
		position: map[string]int{}, found: map[variant][]Finding{},
		logs: map[string]*journal.Log{}, left: newEstimate(order),
	}
	if s.Plan.Policy.Precision > 0 {
		r.pools = pools{}
	}
	for i, t := range order {
		r.position[t.ID] = i + 1
	}
	return r
}

func (r *record) event(e trial.Event) {
	if r.err == nil {
		r.err = r.out.Event(e)
	}
}

func (r *record) note(format string, args ...any) {
	r.event(trial.Event{Type: trial.Note, Text: fmt.Sprintf(format, args...)})
}

// progressEvery bounds the number of Progress events.
const progressEvery = 5 * time.Second

// progress says where the run is.
func (r *record) progress(text string) {
	if r.said.IsZero() {
		r.said = time.Now() // TrialStarted has just been said
	}
	if time.Since(r.said) < progressEvery {
		return
	}
	r.said = time.Now()
	e := trial.Event{Type: trial.Progress, Total: len(r.position), LeftNS: int64(r.left.time()), Text: text}
	e.Standings, e.Celsius = r.standings()
	r.event(e)
}

// about is an event about a trial.
func (r *record) about(t trial.Trial, kind trial.EventType) trial.Event {
	return trial.Event{
		Type: kind, Trial: t.ID, Index: r.position[t.ID], Total: len(r.position), LeftNS: int64(r.left.time()),
	}
}

// needsProcess is false for a trial that is skipped or has its result, and then
// makes sure that this is on record.
func (r *record) needsProcess(t trial.Trial) (bool, error) {
	switch {
	case r.out.Announced(t.ID) && r.out.Has(t.ID):
		return false, nil
	case r.out.Has(t.ID): // killed between the result and its event
		res, err := outdir.ReadResult(r.dir, t.ID)
		if err != nil {
			return false, err
		}
		r.announce(t, res, "measured before the agent was interrupted")
		return false, r.err
	case t.Skip == "":
		return true, nil
	}
	l := newLiving(t, r.device(), r.out.Now())
	l.result = silent(trial.Reason{Code: reason.SkippedByPlan, Text: t.Skip})
	l.result.Outcome = trial.Skipped
	r.event(r.about(t, trial.TrialStarted))
	r.result(l)
	return false, r.err
}

// finish ends a trial: its process, and its result.
func (r *record) finish(l *living) {
	l.conclude(r.plan.Policy)
	r.result(l)
}

// result completes a trial's result, writes and announces it.
func (r *record) result(l *living) {
	t, res := l.Trial, l.result
	if res.Outcome == trial.Failed && t.Provider.Optional && res.Reasons[0].Code == reason.ProviderAbsent {
		res.Outcome = trial.Skipped
	}
	r.complete(l, res)
	if err := l.summarize(); err != nil && r.err == nil {
		r.err = fmt.Errorf("the blocks of %s: %w", t.ID, err) // our own mistake, never the runner's
	}
	res.End = r.out.Now()
	r.pools.add(t, res)
	r.left.over(t)
	r.write(t, res)
}

// write writes and announces a result that is complete.
func (r *record) write(t trial.Trial, res *trial.Result) {
	if r.err != nil {
		return
	}
	if _, err := r.out.Result(res); err != nil {
		r.err = fmt.Errorf("the result of %s cannot be written: %w", t.ID, err)
	}
	r.announce(t, res, "")
}

func (r *record) announce(t trial.Trial, res *trial.Result, text string) {
	e := r.about(t, trial.TrialFinished)
	if res.Partial != nil {
		text, e.NeedsNS = res.Partial.String(), int64(res.Partial.Needs)
	}
	e.SHA256, e.Text = r.out.Sum(t.ID), text
	e.Outcome, e.Reasons = res.Outcome, res.Reasons
	if res.Summary != nil {
		e.MedianNS = res.Summary.MedianNS
		e.Standings = []trial.Standing{standing(t.ID, res)}
	}
	r.event(e)
}

// complete adds what the trial's process does not know.
func (r *record) complete(l *living, res *trial.Result) {
	t := l.Trial
	res.Schema, res.RunID, res.TrialID = trial.ResultSchema, r.plan.RunID, t.ID
	res.Model, res.Provider, res.Threads, res.Batch = modelOf(r.plan, t), t.Provider, t.Threads, t.Batch
	res.Repetition, res.Policy, res.Seed = t.Repetition, r.plan.Policy, r.plan.Seed
	res.Scenario = trial.ScenarioOf(t.Batch)
	res.Agent, res.Device, res.Start = r.agent, l.device, l.start
	if res.Runtime.Name == "" {
		res.Runtime = trial.Runtime{Name: "onnxruntime"}
		if t.Provider.Runtime == "" {
			res.Runtime = r.runtime
		}
	}
	for _, f := range r.found[variantOf(t)] {
		f(res)
	}
}

// begin opens, or goes on with, the journal of a trial that is about to get its
// first block from this process, and is to have so many in all.
func (r *record) begin(l *living, blocks int) {
	l.wanted, l.journalled = blocks, true
	soFar := *l.result
	started := l.start
	if l.restarts > 0 { // the newest start's own
		last := soFar.Restarts[len(soFar.Restarts)-1]
		soFar.WarmupNS, soFar.WarmUp = last.WarmupNS, last.WarmUp
		soFar.SessionCreateNS, soFar.FirstInferenceNS = last.SessionCreateNS, last.FirstInferenceNS
		started = last.Time
	}
	soFar.LatenciesNS, soFar.Blocks, soFar.Restarts = []int64{}, nil, nil
	r.complete(l, &soFar)
	soFar.Start = started
	r.journalled(l, r.out.Begun(journal.Begun{Result: &soFar, Rounds: blocks}))
}

// block adds the block that the trial has just had, and that took so long, to its
// journal.
func (r *record) block(l *living, s *session.Stretch, took time.Duration) {
	r.left.spend(l)
	r.moves(l)
	if l.journalled {
		last := l.result.Blocks[len(l.result.Blocks)-1]
		b := journal.Block{Block: last, LatenciesNS: s.LatenciesNS, Peak: s.Peak, Took: took}
		r.journalled(l, r.out.Block(l.ID, b))
	}
}

// journalled ends the journal at its first error. That costs no measurement, and
// a gap in it would be worse.
func (r *record) journalled(l *living, err error) {
	if err != nil {
		l.journalled = false
		r.note("%s: its blocks are not on record from here on, should the agent be killed: %v", l.ID, err)
	}
}

// syncEvery is how old a block may get that is not on the disk, but for the round
// that it is in. Syncing a file took 0.6 to 3 ms on a virtual disk; a memory card,
// not measured, may be far slower, and with this stays a small share. The kernel
// would begin by itself after 30 s (dirty_expire_centisecs), in the middle of a
// block.
const syncEvery = 5 * time.Second

// sync brings the journals to the disk, between two rounds.
func (r *record) sync() {
	if time.Since(r.synced) < syncEvery {
		return
	}
	r.synced = time.Now()
	if err := r.out.Sync(); err != nil {
		r.note("the journals cannot be brought to the disk: %v", err)
	}
}

// close ends the record of a run whose trials all have their results.
func (r *record) close() error {
	if r.err == nil {
		r.err = r.out.Sums()
	}
	r.event(trial.Event{Type: trial.RunFinished, Total: len(r.plan.Trials)})
	return r.err
}
