package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"
)

// findRuns lists the runs with a journal on this machine that gc is about: those
// below --runs and those in the user's index, or those that are named.
func (h *heap) findRuns() error {
	var err error
	if h.index, err = working(); err != nil {
		return err
	}
	for _, name := range h.c.Args().Slice() {
		s, err := h.open(h.c, name)
		if err != nil {
			return err
		}
		h.runs = append(h.runs, s)
	}
	if h.runs != nil {
		return nil
	}
	ids, err := h.gcVerb.runs(h.c).IDs()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if s, err := h.open(h.c, id); err == nil {
			h.runs = append(h.runs, s)
			seen[id] = true
		}
	}
	indexed, unread := h.index.Runs()
	if unread != nil {
		h.warn(unread.Error())
	}
	for _, s := range indexed {
		if !seen[s.ID] {
			h.runs = append(h.runs, s)
		}
	}
	return nil
}

// journalled is what the journals say of the things on the cloud: by kind and name,
// and of a container by its id.
type journalled struct {
	run   *store.Run
	stays string // why what it holds is left alone
}

func (h *heap) journals() map[string]journalled {
	known := map[string]journalled{}
	for _, s := range h.runs {
		entries, lost, err := store.Readable(s)
		if errors.Is(err, fs.ErrNotExist) { // it never began: see findFiles
			continue
		}
		if err != nil {
			h.warn(err.Error())
			continue
		}
		if isRehearsal(s) { // its cloud is gone
			continue
		}
		j := journalled{run: s, stays: h.stays(s, entries)}
		asked := run.Asked(entries)
		if lost != nil {
			h.warn(lost.Error())
			asked = run.Named(s.ID, entries)
		}
		for kind, names := range asked {
			for _, name := range names {
				known[string(kind)+" "+name] = j
			}
		}
		for _, e := range entries {
			if e.Kind == store.Done && e.What == string(run.AContainer) {
				known[e.ID] = j
			}
		}
		for _, a := range run.Replay(entries).Slots {
			if l := a.Lease; l.Open() && l.Found && !l.Adopted { // by --release: others may have its name
				known[l.ID] = j
			}
		}
	}
	return known
}

// stays is why the things of a run are left alone; "" if they are not.
func (h *heap) stays(s *store.Run, entries []store.Entry) string {
	if store.InUse(s) {
		return "a chexp works on its run"
	}
	held, ok := run.Holds(entries)
	named := h.c.NArg() > 0
	end := h.commandsFor(h.c, s).End()
	switch {
	case !ok || named:
		return ""
	case held.Left != "":
		return fmt.Sprintf("left by %s; `%s` ends it", held.Left, end)
	case held.Booked(time.Now()):
		return fmt.Sprintf("it is booked for later; `%s` gives it up", h.commands(h.c).DeleteLease(held.Leases[0]))
	}
	return ""
}

// mark is chexp's in the name of what a run makes: the run's id, and a number behind
// it for another attempt or device.
var mark = regexp.MustCompile(`^([0-9]{8}t[0-9]{6}z)-[a-z0-9-]{1,60}-[a-z]{4}(-d[0-9]+)?(-[0-9]+)?$`)

// unknownHere is why a thing stays that nothing but its mark is known of.
const unknownHere = "no journal here knows it (--elsewhere)"

// findThings finds what is the user's on the cloud.
func (h *heap) findThings() error {
	h.at = siteNamedBy(h.c).Name
	if h.c.NArg() > 0 && h.c.String("site") == "" { // the runs say where they are
		for _, s := range h.runs {
			if entries, err := s.Entries(); err == nil && siteOf(entries).Leases {
				h.at = siteOf(entries).Name
			}
		}
	}
	h.elsewhere()
	cloud, err := connectCloudAt(h.app, h.c, h.at, "")
	if err != nil {
		return err
	}
	if _, ok := cloud.(run.Stock); !ok {
		return failure.Unexpected.Errorf("this site cannot list what is there")
	}
	h.cloud = cloud
	things, unlisted, err := h.own(h.c.Context)
	known := h.journals()
	where := cloud.Describe()["site"]
	for _, t := range things {
		x := litter{What: t.Called(), Name: t.Name, ID: t.ID, Where: where, Until: t.End, thing: t}
		if x.Since = made(t); !t.Created.IsZero() {
			x.now = cloud.Now
		}
		j, ok := known[string(t.Kind)+" "+t.Name]
		if !ok && t.Kind == run.AnAddress {
			j, ok = known[t.For]
		} else if !ok {
			j, ok = known[t.ID]
		}
		switch {
		case ok:
			x.from, x.Run, x.Stays = j.run, j.run.ID, j.stays
			if x.Why = "the journal of run " + j.run.ID; t.Name == j.run.ID {
				x.Why = "its run's journal"
			}
		case h.c.NArg() > 0 || !mark.MatchString(t.Name):
			continue
		default:
			x.Why = "your user id and the mark in its name"
			if !h.c.Bool("elsewhere") {
				x.Stays = unknownHere
			}
		}
		h.all = append(h.all, x)
	}
	if slices.Contains(unlisted, run.ALease) {
		h.findUnlisted()
	}
	if h.c.NArg() > 0 {
		h.findBare()
	}
	return err
}

// elsewhere names the sites at which runs hold something that this gc does not look at.
func (h *heap) elsewhere() {
	for _, name := range lendingSites() {
		var ids []string
		for _, s := range h.runs {
			entries, _, err := store.Readable(s)
			if err != nil || isRehearsal(s) || name == h.at || siteOf(entries).Name != name {
				continue
			}
			if _, held := run.Holds(entries); held {
				ids = append(ids, s.ID)
			}
		}
		if len(ids) > 0 {
			h.warn(fmt.Sprintf("%s may hold something at %s, which is not looked at: `%s`", strings.Join(ids, ", "), name,
				h.commands(h.c).Line("gc", "--site", name)))
		}
	}
}

// unasked is why a thing stays that a journal knows of, and that nobody could look up.
const unasked = "the cloud does not say whether it is there"

// findUnlisted finds the leases that the journals know of where the cloud lists none. Of
// runs that are named they are given back by the journal alone.
func (h *heap) findUnlisted() {
	for _, s := range h.runs {
		entries, _, err := store.Readable(s)
		if err != nil || isRehearsal(s) || siteOf(entries).Name != h.at {
			continue
		}
		held, ok := run.Holds(entries)
		if !ok {
			continue
		}
		for _, name := range held.Leases {
			x := litter{What: string(run.ALease), Name: name, Where: "not listed", Until: held.Ends, Run: s.ID,
				Why: "the journal of run " + s.ID, Stays: h.stays(s, entries), from: s,
				thing: run.Thing{Kind: run.ALease, Name: name}}
			if x.Stays == "" && (h.cloud == nil || h.c.NArg() == 0) {
				x.Stays = unasked
			}
			h.all = append(h.all, x)
		}
	}
}

// findBare finds the named runs that the cloud has nothing of, although their journals
// say that they hold something: somebody else has deleted it. Until they are ended,
// they count as cut off.
func (h *heap) findBare() {
	for _, s := range h.runs {
		entries, err := s.Entries()
		if err != nil || isRehearsal(s) || h.stays(s, entries) != "" {
			continue
		}
		if _, held := run.Holds(entries); held &&
			!slices.ContainsFunc(h.all, func(x litter) bool { return x.from == s }) {
			h.bare = append(h.bare, s)
		}
	}
}

// own lists all that is the user's on the cloud, as far as it tells: a kind that it does
// not list hides no other.
func (h *heap) own(ctx context.Context) (all []run.Thing, unlisted []run.ThingKind, err error) {
	for _, kind := range run.ThingKinds {
		things, failed := h.cloud.(run.Stock).Own(ctx, kind)
		if all = append(all, things...); failed != nil {
			unlisted, err = append(unlisted, kind), errors.Join(err, failed)
		}
	}
	return all, unlisted, err
}

// made is when a thing was made: as the site says, else as its name does.
func made(t run.Thing) time.Time {
	if m := mark.FindStringSubmatch(t.Name); t.Created.IsZero() && m != nil {
		at, _ := time.Parse("20060102t150405z", m[1])
		return at
	}
	return t.Created
}
