package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// giveBackDamaged is what --resume does for a run whose files cannot be read: it
// gives back what the run holds, by the journal alone, and says what is damaged.
func (a runVerbs) giveBackDamaged(c *cli.Context, cfg run.Config, s *store.Run, damage error) error {
	entries, lost, err := store.Readable(s)
	if err != nil {
		return err
	}
	st := run.Replay(entries)
	if !st.Open() && lost == nil { // a line that is lost may tell of something
		if errors.Is(damage, fs.ErrNotExist) && len(st.Held()) == 0 && st.Leases == 0 {
			return failure.Locked.Errorf("run %s cannot be resumed", s.ID).
				Advise("it was cut off before it had a plan: start a new one").Because(damage)
		}
		return failure.Storage.Errorf("run %s cannot be resumed; it holds nothing", s.ID).Because(damage)
	}
	cfg.Run = &run.Run{Store: s, Commands: a.commandsFor(c, s)}
	if plan, err := s.Plan(); err == nil {
		cfg.Plan = plan
	}
	goOn := func(o site.Options) error {
		obs := a.progress()
		obs.warned, cfg.Observe, o.Notice, o.Commands = a.warned, obs, obs.Again, cfg.Commands
		obs.Warn("files of this run are damaged, so all that can be done is to give back what it holds: " +
			damage.Error())
		o.Host = hostOf(s)
		if cfg.Site, err = a.connect(c.Context, siteOf(entries).Name, o); err != nil {
			return err
		}
		if err := checkOwnerOfDamaged(c, cfg, st); err != nil {
			return err
		}
		return run.GiveBack(a.cleanup, cfg, damage)
	}
	if isRehearsal(s) {
		at := siteOf(entries).Name
		return emulatorVerb(a).withEmulator(c, "", []string{at}, func(of emulated) error { return goOn(of.options(at)) })
	}
	return goOn(a.siteOptions(c))
}

// checkOwnerOfDamaged refuses an account in whose lists the run's lease cannot
// stand. Where it is not readable whose run it is, the lease must be there.
func checkOwnerOfDamaged(c *cli.Context, cfg run.Config, st run.State) error {
	if isRehearsal(cfg.Store) {
		return nil
	}
	unknown := cfg.CheckOwner(cfg.Site)
	if failure.KindOf(unknown) != failure.Storage {
		return unknown
	}
	for _, name := range st.Held() {
		if _, found, err := cfg.Site.FindLease(c.Context, name); err != nil || !found {
			return errors.Join(err, unknown)
		}
	}
	return nil
}

// stillThere says what a run holds by its journal, where a resume failed before it came
// to look at that.
func stillThere(r *run.Run, err error) error {
	entries, unread := r.Store.Entries()
	held, ok := run.Holds(entries)
	if unread != nil || !ok || len(held.Leases) == 0 {
		return err
	}
	text := fmt.Sprintf("run %s still holds the lease %s by its journal", r.Store.ID, strings.Join(held.Leases, ", "))
	if !held.Ends.IsZero() {
		text += ", which ends at " + clock.UTC(held.Ends)
	}
	return failure.KindOf(err).Errorf("%s, and was not gone on with", text).
		Advise("`%s` tries again", r.Commands.Resume()).Because(err)
}
