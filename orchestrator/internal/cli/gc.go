package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// gcVerb is the command about what chexp has left.
type gcVerb struct{ *app }

func (a gcVerb) gcCommand() *cli.Command {
	return &cli.Command{
		Name:      "gc",
		Usage:     "find what chexp has left on clouds and machines, and delete it",
		ArgsUsage: "[RUN...]",
		Description: "" +
			"Looks for leases, containers, servers, key pairs and floating IPs of runs whose chexp was killed, for what\n" +
			"they left on machines of your own (site: ssh), for temporary files, and for the directories of killed\n" +
			"rehearsals, and shows what there is, and why it is yours. --yes deletes it:\n" +
			"of a run, what is measured is brought home before. Then it looks again; what is still there is exit 6.\n" +
			"A thing is yours by a run's journal, or by your user id and chexp's mark in its name. What a chexp works\n" +
			"on, what is booked for later or was left on purpose (--keep, --detach, --until) stays; naming the RUN ends\n" +
			"the latter. What has the mark and no journal here may belong to a run on another machine: it stays, too,\n" +
			"unless --elsewhere is given.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "delete what is listed as to be deleted"},
			&cli.BoolFlag{Name: "elsewhere",
				Usage: "also what no journal on this machine knows: another machine may be at work with it"},
			&cli.BoolFlag{Name: "here", Usage: "look at this machine alone, and sign in nowhere"},
			siteFlag(), formatFlag(),
		},
		Action: a.gc,
	}
}

// litter is something that chexp has left.
type litter struct {
	What  string    `json:"what"`
	Name  string    `json:"name"` // of a file: its path
	ID    string    `json:"id,omitempty"`
	Where string    `json:"where"`
	Since time.Time `json:"since,omitzero"` // when it was made, or last written
	Until time.Time `json:"until,omitzero"` // of a lease
	Bytes int64     `json:"bytes,omitempty"`
	Why   string    `json:"why"`             // it is ours
	Stays string    `json:"stays,omitempty"` // why it is left alone; "": it is to be deleted
	State string    `json:"state,omitempty"` // after --yes: "gone", or "still there"
	Run   string    `json:"run,omitempty"`   // that made it, if it is known
	thing run.Thing // on the cloud
	from  *store.Run
	host  bool             // on a machine of the user's own, which lists nothing
	now   func() time.Time // of the clock by which Since is; nil: this machine's
}

func (a gcVerb) gc(c *cli.Context) error {
	for _, name := range []string{"elsewhere", "site"} {
		if c.Bool("here") && c.IsSet(name) {
			return failure.Usage.Errorf("--%s is about a cloud, and --here looks at this machine alone", name).
				Advise("leave one of them out; nothing was deleted")
		}
	}
	h := heap{gcVerb: a, c: c}
	if err := h.findRuns(); err != nil {
		return err
	}
	var cloudErr error
	h.findHosts()
	if !c.Bool("here") && !h.onHosts() {
		if cloudErr = h.findThings(); h.cloud == nil {
			h.findUnlisted()
		}
	}
	if c.NArg() == 0 {
		h.findFiles()
	}
	var failed error
	if c.Bool("yes") {
		failed = h.remove()
	}
	l := list{columns: []string{"what", "name", "where", "age", "size or end", "yours by", "then"}, json: h.all}
	if h.all == nil {
		l.json = []litter{}
	}
	for _, x := range h.all {
		l.rows = append(l.rows, x.row())
	}
	if err := a.print(c, l); err != nil {
		return errors.Join(failed, err)
	}
	h.hint(cloudErr)
	return errors.Join(failed, cloudErr)
}

func (x litter) row() []string {
	age, size, then := "", "", "to be deleted"
	if !x.Since.IsZero() {
		now := time.Now
		if x.now != nil {
			now = x.now
		}
		age = clock.Span(max(0, now().Sub(x.Since)))
	}
	switch {
	case !x.Until.IsZero():
		size = clock.UTC(x.Until)
	case x.Bytes > 0:
		size = words.Bytes(float64(x.Bytes))
	}
	switch {
	case x.State != "":
		then = x.State
	case x.Stays != "":
		then = "stays: " + x.Stays
	}
	return []string{x.What, x.Name, x.Where, age, size, x.Why, then}
}

// hint says what to type next.
func (h *heap) hint(cloudErr error) {
	n, unknown := 0, 0
	for _, x := range h.all {
		switch x.Stays {
		case "":
			n++
		case unknownHere:
			unknown++
		}
	}
	if unknown > 0 {
		fmt.Fprintf(h.err, "  %d of these no journal on this machine knows: a run on another machine may be at work with "+
			"them; --elsewhere deletes them, too\n", unknown)
	}
	if len(h.bare) > 0 && !h.c.Bool("yes") {
		fmt.Fprintf(h.err, "  the cloud has nothing of %s any more, which the journal does not say yet; to end it: %s\n",
			words.Plural(len(h.bare), "run"), h.deletes())
	}
	switch {
	case len(h.all) == 0 && cloudErr == nil && !slices.ContainsFunc(h.bare, stillHeld):
		fmt.Fprintln(h.err, "  nothing is left")
	case n > 0 && !h.c.Bool("yes"):
		fmt.Fprintf(h.err, "  nothing was deleted; to delete %d of these %d: %s\n", n, len(h.all), h.deletes())
	}
}

// deletes is the command that deletes what this gc lists as to be deleted.
func (h *heap) deletes() string {
	args := []string{"gc", "--yes"}
	for _, name := range []string{"elsewhere", "here"} {
		if h.c.Bool(name) {
			args = append(args, "--"+name)
		}
	}
	if at := h.c.String("site"); at != "" {
		args = append(args, "--site", at)
	}
	return h.commands(h.c).Line(append(args, h.c.Args().Slice()...)...)
}

// end ends a run whose process died, and gives up what is booked for later if the user
// has named the run: see [run.End].
func (a gcVerb) end(c *cli.Context, s *store.Run, booked bool) error {
	cfg := run.Config{AgentFile: agentFile, Patience: run.DefaultPatience(), EndBooked: booked}
	var err error
	if cfg.Run, err = a.load(c, s); err != nil {
		return runVerbs(a).giveBackDamaged(c, cfg, s, err)
	}
	obs := a.progress()
	o := a.siteOptions(c)
	o.Notice, obs.warned = obs.Again, a.warned
	if cfg.Site, err = a.connectOwn(c.Context, cfg.Run, o); err != nil {
		return err
	}
	cfg.Observe, cfg.Boards = obs, obs
	cfg.Report = func() error {
		_, err := writeReports(cfg.Store, a.work)
		return err
	}
	return run.End(a.cleanup, cfg)
}

// releaserCommand is what a run that is interrupted starts beside itself; see [guard].
func (a gcVerb) releaserCommand() *cli.Command {
	return &cli.Command{Name: "releaser", Hidden: true, ArgsUsage: "RUN", Action: a.releaser,
		Usage: "end a run when the process that has stdin open dies"}
}

// lockTime is how long the releaser waits for the lock of a process that has just died.
const lockTime = 10 * time.Second

// againAfter is how long the releaser waits before it tries once more.
const againAfter = 20 * time.Second

func (a gcVerb) releaser(c *cli.Context) error {
	name, err := argument(c, "a run")
	if err != nil {
		return err
	}
	s, err := a.open(c, name)
	if err != nil {
		return err
	}
	if said, _ := io.ReadAll(io.LimitReader(c.App.Reader, 64)); strings.HasPrefix(string(said), releaserOver) {
		return nil
	}
	a.warn(clock.UTC(time.Now()) + ": the chexp of run " + s.ID + " was killed: ending the run in its place")
	ctx, cancel := context.WithTimeout(c.Context, lockTime)
	defer cancel()
	for err = s.Lock(); err != nil; err = s.Lock() {
		if wait.For(ctx, 50*time.Millisecond) != nil {
			return err // another chexp goes on with it
		}
	}
	defer s.Unlock()
	defer a.sealing(s)()
	for {
		err := a.end(c, s, false)
		entries, unread := s.Entries()
		if unread != nil {
			return errors.Join(err, unread)
		}
		h, held := run.Holds(entries)
		if !held || h.Booked(time.Now()) || h.Over(time.Now()) || h.Ends.IsZero() && err != nil {
			if index, indexErr := working(); indexErr == nil && (!held || h.Booked(time.Now())) {
				index.Drop(s.ID)
			}
			return err
		}
		if err != nil {
			a.explain(err)
		}
		if err := wait.For(c.Context, againAfter); err != nil {
			return err
		}
	}
}

// remove deletes what is to be deleted, and looks again.
func (h *heap) remove() error {
	var failed error
	ended := map[string]bool{}
	for _, kind := range run.ThingKinds { // what holds others last
		for _, x := range h.all {
			if x.Stays != "" || x.thing.Kind != kind || x.from != nil || h.c.Err() != nil {
				continue
			}
			if err := h.cloud.(run.Stock).Remove(h.cleanup, x.thing); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", x.thing, err))
			}
		}
	}
	for _, x := range h.all {
		if x.Stays != "" || x.from == nil || ended[x.from.Dir] || h.c.Err() != nil {
			continue
		}
		ended[x.from.Dir] = true
		if err := h.endRun(x.from); err != nil {
			failed = errors.Join(failed, fmt.Errorf("run %s: %w", x.from.ID, err))
		}
	}
	for _, s := range h.bare {
		if h.c.Err() != nil {
			break
		}
		if err := h.endRun(s); err != nil {
			failed = errors.Join(failed, fmt.Errorf("run %s: %w", s.ID, err))
		}
	}
	failed = errors.Join(failed, h.removeFiles())
	if h.c.Err() != nil {
		return failure.Interrupted.Errorf("interrupted").Because(failed)
	}
	return h.lookAgain(failed)
}

func (h *heap) endRun(s *store.Run) error {
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock()
	defer h.sealing(s)()
	fmt.Fprintf(h.err, "  ending run %s\n", s.ID)
	err := h.end(h.c, s, h.c.NArg() > 0)
	entries, lost, unread := store.Readable(s)
	if unread == nil && (lost == nil || failure.KindOf(err) == failure.Storage) {
		if _, held := run.Holds(entries); !held {
			h.index.Drop(s.ID)
		}
	}
	return err
}

// lookAgain finds out what of all that is still there.
func (h *heap) lookAgain(failed error) error {
	there := map[string]bool{}
	var unlisted []run.ThingKind
	if h.cloud != nil {
		things, kinds, err := h.own(h.cleanup)
		for _, t := range things {
			there[string(t.Kind)+" "+t.ID], there[string(t.Kind)+" "+t.Name] = true, true
		}
		if unlisted = kinds; err != nil && failed != nil {
			return errors.Join(failed, err)
		}
	}
	left, kind := 0, failure.Cloud
	for i := range h.all {
		x := &h.all[i]
		if x.Stays != "" {
			continue
		}
		at := string(x.thing.Kind) + " " + cmp.Or(x.ID, x.Name)
		if x.State = "gone"; slices.Contains(unlisted, x.thing.Kind) && !x.host {
			x.State = "not looked up again"
		}
		if there[at] || x.thing.Kind == "" && exists(x.Name) || x.host && stillHeld(x.from) {
			x.State = "still there"
			if left++; x.thing.Kind == "" {
				kind = failure.Storage
			}
		}
	}
	if left > 0 {
		return kind.Errorf("%d of what was to be deleted is still there", left).
			Advise("try again in some minutes: `%s`", h.deletes()).Because(failed)
	}
	if slices.ContainsFunc(h.bare, stillHeld) { // what is not in this account's lists may be in another's
		return failed
	}
	if failed != nil { // and yet all is gone, such as results that could not be fetched any more
		h.warn(failed.Error())
	}
	return nil
}

// heap is all the litter.
type heap struct {
	gcVerb
	c     *cli.Context
	all   []litter
	runs  []*store.Run // that have a journal on this machine
	bare  []*store.Run // that are named, and of which their journals know more than the cloud has
	index store.Index
	cloud site.Cloud
	at    string // the site whose cloud is looked at
}
