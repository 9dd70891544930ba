package matrix

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// processes brings trials to life, as many at a time as the memory holds.
type processes struct {
	plan   *trial.Plan
	dir    string // the bundle's
	runner Runner
	device func() trial.Device
	memory memory
	record *record
}

// load brings as many trials to life as the memory holds, one after the other,
// each measuring its first inference with the machine to itself. Where not all
// fit, the trials of a model stay together. number counts the groups.
func (p *processes) load(
	ctx context.Context, pending []trial.Trial, number int,
) (group []*living, rest []trial.Trial, err error) {
	take := 1 // a policy without blocks measures each trial in one piece, alone
	if p.plan.Policy.Block > 0 {
		pending, take = p.choose(pending)
		if later := len(pending) - take; later > 0 || number > 1 {
			p.record.note("the memory does not hold all trials at once: group %d has %d of them, %d come later; "+
				"only trials of one group take turns", number, take, later)
		}
	}
	for _, t := range pending[:take] {
		l, err := p.start(ctx, t)
		if l != nil && l.process != nil {
			group = append(group, l)
		}
		if err != nil {
			return group, nil, err
		}
		if !l.over {
			p.memory.learn(l)
		}
	}
	return group, pending[take:], nil
}

// start starts a trial's process and waits until it is ready: loaded, warm, and
// blocked in a read. A trial that fails in this is over.
func (p *processes) start(ctx context.Context, t trial.Trial) (*living, error) {
	p.record.event(p.record.about(t, trial.TrialStarted))
	if p.record.err != nil {
		return nil, p.record.err
	}
	l := newLiving(t, p.device(), p.record.out.Now())
	if err := p.ready(ctx, l); err != nil {
		if err := l.fail(err, p.plan.Policy); err != nil {
			return l, err
		}
	}
	p.record.resume(l)
	if l.result.Outcome != trial.OK {
		p.record.finish(l)
		return l, p.record.err
	}
	return l, l.rest(ctx, p.record)
}

// ready has a new process load the trial's model.
func (p *processes) ready(ctx context.Context, l *living) (err error) {
	begin := time.Now()
	defer func() { l.loading = time.Since(begin) }()
	request := requestFor(p.plan, p.dir, l.Trial)
	if l.process, err = p.runner.startFor(request); err != nil {
		return reason.Errorf(reason.RunnerMissing, "the trial's process did not start").Because(err)
	}
	line, err := l.process.ask(ctx, request, timeout(p.plan.Policy))
	if err != nil {
		return err
	}
	if l.result, err = decodeReady(line); err != nil {
		return l.process.nonsense(err)
	}
	for i, why := range l.result.Reasons {
		l.result.Reasons[i] = whyFailed(why, os.DirFS("/"))
	}
	return nil
}

// requestFor is what a trial's process is asked first. Every trial of a model
// sees the same inputs, so that alternatives are compared on the same work.
func requestFor(plan *trial.Plan, dir string, t trial.Trial) session.Request {
	model := modelOf(plan, t)
	return session.Request{
		ModelPath: filepath.Join(dir, filepath.FromSlash(model.Path())),
		Inputs:    model.Inputs, Packs: filepath.Join(dir, trial.InputsDir),
		Provider: t.Provider, Threads: t.Threads, Batch: t.Batch,
		Policy: plan.Policy, Seed: plan.Seed, TrialID: t.ID,
	}
}

func modelOf(plan *trial.Plan, t trial.Trial) trial.Model {
	for _, m := range plan.Models {
		if m.Name == t.Model {
			return m
		}
	}
	return trial.Model{} // Plan.Check excludes it
}

// choose puts the trials that form the next group first, and says how many
// those are: whole sets as long as they fit, and a part of a set, at least one
// trial, only where a set alone does not.
func (p *processes) choose(pending []trial.Trial) (order []trial.Trial, take int) {
	left := p.memory.forNew()
	takes := func(t trial.Trial) int64 { return p.memory.takes(t, modelOf(p.plan, t).Bytes) }
	fits := func(trials []trial.Trial) (n int) {
		for room := left; n < len(trials) && take+n < mostLiving; n++ {
			if room -= takes(trials[n]); room < 0 {
				break
			}
		}
		return n
	}
	if n := fits(pending); n == len(pending) {
		return pending, n
	}
	full := false
	for _, set := range sets(pending) {
		order = append(order, set...)
		n := fits(set)
		if full || n < len(set) && take > 0 {
			full = true
			continue
		}
		if n = max(n, 1); n < len(set) {
			full = true
		}
		for _, t := range set[:n] {
			left -= takes(t)
		}
		take += n
	}
	return order, take
}
