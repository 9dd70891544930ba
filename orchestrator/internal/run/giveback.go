package run

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"path/filepath"
	"slices"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/store"
)

// UnreadDir, in a run's directory, holds what came home from a device when the
// run's plan could not be read: nobody has checked it.
const UnreadDir = "unread"

// GiveBack gives back what a run holds that cannot go on, as files of its
// directory are damaged. It needs the journal and nothing else: neither plan nor
// experiment; where a line of the journal is lost, the names that the run gives tell
// the rest. What its agents have measured is brought home before, as results
// where there is a plan, else as it is, into [UnreadDir]. The error says what is
// damaged.
func GiveBack(cleanup context.Context, cfg Config, damage error) error {
	cfg.settle()
	entries, lost, err := store.Readable(cfg.Store)
	if err != nil {
		return err
	}
	st := Replay(entries)
	x := &execution{Config: cfg, leases: st.Leases}
	shared := newCrowd()
	for slot := 1; slot <= len(st.Slots); slot++ {
		held := st.Slot(slot)
		held.Asked = LeaseRequest{} // a booking is given back, too: nothing can come back to it
		at := cfg.device(slot, len(st.Slots))
		if lost != nil {
			held.N = max(1, held.N)
			if held.Container, err = findLost(cleanup, at, held); err != nil {
				return errors.Join(err, damage)
			}
			held.Started = held.Started || held.Container.Open()
		}
		a := newAttempt(at, held, todo{})
		if len(st.Slots) > 1 {
			a.crowd = shared
		}
		x.attempts = append(x.attempts, a)
	}
	for _, a := range x.attempts {
		req := requestOf(entries, a.held.Container.Name)
		if facts, err := ReadFacts(a.Store, a.held.N); req.Name == "" && err == nil && len(facts) > 0 {
			req = facts[len(facts)-1].Request()
		}
		if err := unload(cleanup, a, req); err != nil {
			a.Observe.Warn("not all that was measured could be brought home: " + err.Error())
		}
	}
	if err := x.giveAllBack(cleanup); err != nil {
		return errors.Join(err, damage)
	}
	if cfg.Keep {
		return damage
	}
	return failure.Storage.Errorf("run %s cannot go on; what it held is given back", cfg.Store.ID).Because(damage)
}

func (x *execution) giveAllBack(cleanup context.Context) error {
	if len(x.attempts) == 1 {
		return errors.Join(concluding{x.attempts[0]}.release(cleanup), x.sweep(cleanup))
	}
	var kept []error
	for _, a := range x.attempts {
		kept = append(kept, concluding{a}.releaseContainer(cleanup))
	}
	return errors.Join(append(kept, x.giveBackLeases(cleanup), x.sweep(cleanup))...)
}

// requestOf is what the journal says that a container was asked for with.
func requestOf(entries []store.Entry, name string) (req ContainerRequest) {
	for _, e := range entries {
		if e.Kind == store.Intent && e.What == aContainer && e.Name == name {
			_ = json.Unmarshal(e.Data, &req) // what cannot be read stays zero
		}
	}
	return req
}

// unload brings home what the agent in an attempt's container has measured.
func unload(ctx context.Context, a *attempt, req ContainerRequest) error {
	held := a.held.Container
	if !held.Open() || !a.held.Started {
		return nil
	}
	a.request, a.lastSeq = req, a.mirrored()
	defer a.hangUp()
	const why = "the run's files are damaged"
	if a.Plan != nil {
		return homing{a}.salvage(ctx, why, 0)
	}
	h := homing{a}
	h.recallLease()
	return h.bringHome(ctx, func(ctx context.Context) error { return h.bringUnread(ctx, why) })
}

// bringUnread brings home what nobody can check, as it is.
func (a homing) bringUnread(ctx context.Context, why string) error {
	if a.tr == nil {
		if err := a.reach(ctx); err != nil {
			return err
		}
	}
	_, stopped := stop(ctx, a.agent(), why, a.Patience.PollMin)
	dir := filepath.Join(a.Store.Dir, UnreadDir)
	results, err := bundle.Fetch(ctx, a.tr, path.Join(a.container.Dir, trial.ResultsDir), dir, bundle.Limits{})
	blocks, err2 := bundle.FetchJournals(ctx, a.tr, path.Join(a.container.Dir, trial.JournalDir),
		filepath.Join(dir, "journal"), bundle.Limits{})
	if len(results)+len(blocks) > 0 {
		a.Observe.Warn("brought home and not checked, as there is no plan to check it against: " + dir)
	}
	return errors.Join(stopped, present(err), present(err2))
}

// findLost finds the container of a device where the journal's line about it is lost:
// what it has measured comes home before the lease goes.
func findLost(ctx context.Context, cfg Config, held AttemptState) (Held, error) {
	if held.Container.Open() {
		return held.Container, nil
	}
	for _, n := range []int{held.N + 1, max(1, held.N)} { // the later one first
		name := containerName(cfg.Store.ID, cfg.Store.Slot(), n)
		c, found, err := cfg.Site.FindContainer(ctx, name)
		if err != nil {
			return held.Container, err
		}
		if found && !c.Over {
			return Held{Name: name, ID: c.ID}, nil
		}
	}
	return held.Container, nil
}

// Named are the names that a run gives to its things, as far as it can have come by
// what is left of its journal: for one with a line that is lost.
func Named(id string, entries []store.Entry) map[ThingKind][]string {
	names, st := Asked(entries), Replay(entries)
	add := func(kind ThingKind, name string) {
		if !slices.Contains(names[kind], name) {
			names[kind] = append(names[kind], name)
		}
	}
	for n := 1; n <= st.Leases+1; n++ {
		add(ALease, attemptName(id, n))
	}
	for slot, a := range st.Slots {
		for n := 1; n <= a.N+1; n++ {
			for _, s := range []int{0, slot + 1} {
				add(AContainer, containerName(id, s, n))
				add(AnAddress, containerName(id, s, n))
				add(AKeyPair, containerName(id, s, n))
			}
		}
	}
	return names
}
