package cli

import (
	"cmp"
	"context"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"
)

// siteOf is the kind of site that a run is at, as its journal says; before that was
// kept, it was where experiments run by default.
func siteOf(entries []store.Entry) spec.SiteKind {
	name := ""
	if len(entries) > 0 && entries[0].Kind == store.Ended {
		name = entries[0].Text
	}
	kind, _ := spec.SiteNamed(cmp.Or(name, spec.Sites[0].Name))
	return kind
}

// heldBy is what a run holds, in words.
func heldBy(s *store.Run, entries []store.Entry, st run.State) string {
	switch {
	case !siteOf(entries).Leases:
		return "its directory"
	case strings.HasPrefix(strings.Join(st.Held(), ""), s.ID):
		return "its lease"
	}
	return strings.Join(st.Held(), ", ")
}

// askArch asks a machine that the experiment names for its architecture, before
// anything is planned for it. Where devices are of one kind there is nothing to ask.
func (a *app) askArch(ctx context.Context, e *spec.Experiment, o site.Options) error {
	if !e.SiteKind().Hosts || a.deviceArch != "" {
		return nil
	}
	o.Host = e.Host
	s, err := a.connect(ctx, e.Site, o)
	if err != nil {
		return err
	}
	asked, ok := s.(interface {
		Arch(context.Context) (string, error)
	})
	if !ok {
		return failure.Unexpected.Errorf("site %s does not tell what its machines are", e.Site)
	}
	a.deviceArch, err = asked.Arch(ctx)
	return err
}

// tryArch is askArch for a look that works without: then the machine counts as one
// like this.
func (a *app) tryArch(ctx context.Context, e *spec.Experiment, o site.Options) {
	if err := a.askArch(ctx, e, o); err != nil && ctx.Err() == nil {
		a.warn("it is taken for a machine of this one's kind, " + a.archOf(e) + ", as it could not be asked: " + err.Error())
		for _, next := range failure.Advice(err) {
			a.warn(next)
		}
	}
}

// findHosts lists what runs that were cut off have left on machines of the user's own.
func (h *heap) findHosts() {
	for _, s := range h.runs {
		entries, err := s.Entries()
		if err != nil || !siteOf(entries).Hosts {
			continue
		}
		for _, a := range run.Replay(entries).Slots {
			if a.Container.Open() {
				host := hostOf(s)
				h.all = append(h.all, litter{What: "directory", Name: a.Container.Name, ID: a.Container.ID,
					Where: host.Name, Since: entries[0].Time, Why: "its run's journal", Run: s.ID,
					from: s, host: true, Stays: h.stays(s, entries), thing: run.Thing{Kind: run.AContainer}})
			}
		}
	}
}

// onHosts reports whether all runs that are named are on machines of the user's own:
// no cloud has anything of them.
func (h *heap) onHosts() bool {
	for _, s := range h.runs {
		if entries, err := s.Entries(); err != nil || !siteOf(entries).Hosts {
			return false
		}
	}
	return h.c.NArg() > 0
}

// stillHeld reports whether a run on such a machine still has something there.
func stillHeld(s *store.Run) bool {
	entries, err := s.Entries()
	if err != nil {
		return true
	}
	_, held := run.Holds(entries)
	return held
}
