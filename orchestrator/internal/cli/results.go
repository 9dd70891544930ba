package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// resultsVerbs are the commands about what runs have brought home.
type resultsVerbs struct{ *app }

func (a resultsVerbs) resultsCommand() *cli.Command {
	return &cli.Command{
		Name:  "results",
		Usage: "list, fetch, show, report and compare what was measured",
		Subcommands: append([]*cli.Command{
			{Name: "list", Usage: "list the runs on this machine, the newest first", Flags: []cli.Flag{formatFlag()},
				Description: "Wherever a RUN is asked for, `latest` is the first of these. VERDICT is what its report says of\n" +
					"the budgets: met (by at least one option), none (no option meets all), undecided, no budget, no results.",
				Action: a.resultsList},
			{Name: "show", Usage: "print a run's decision: a row for each option, and the answer", ArgsUsage: "RUN",
				Flags: []cli.Flag{formatFlag(),
					&cli.BoolFlag{Name: "trials", Usage: "a row for each trial, too"}},
				Action: a.resultsShow},
			{
				Name:      "fetch",
				Usage:     "bring back what is on the device, also of a run whose chexp has died or was detached",
				ArgsUsage: "RUN",
				Description: "The agent goes on with its trials meanwhile. A chexp that works on the run is asked to bring\n" +
					"it home. To finish the run and give the device back: chexp run --resume RUN",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "from",
						Usage: "take the results from this `DIR`, where a full disk made chexp put them"},
					formatFlag(),
				},
				Action: interruptible(a.resultsFetch),
			},
			{Name: "report", Usage: "write a run's reports again: HTML, text, Markdown, CSV, Go benchmark format",
				ArgsUsage: "RUN", Action: a.resultsReport},
			a.compareCommand(), a.trendCommand(), a.answerCommand(), verifyVerb(a).command(), a.exportCommand(),
		}, packVerbs(a).commands()...),
	}
}

func (a resultsVerbs) resultsShow(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	changed := a.asSealed(c, s, shown)
	f, err := readFindings(s, nil)
	if err == nil {
		err = a.show(c, f)
	}
	if err != nil {
		return errors.Join(changed, err)
	}
	sayUnfinished(a.err, s.Whole(), a.commandsFor(c, s.Whole()))
	return changed
}

// sayUnfinished tells somebody who comes back to a run that it is not over, and what
// to type: after `kill -9` nothing else does.
func sayUnfinished(w io.Writer, s *store.Run, lines run.Commands) {
	entries, err := s.Entries()
	if err != nil || len(entries) == 0 || s.Lock() != nil {
		return
	}
	s.Unlock()
	st := run.Replay(entries)
	switch {
	case st.Finished:
	case isRehearsal(s):
		fmt.Fprintf(w, "  the run is not over; to measure what is missing: %s\n",
			lines.Line("rehearse", "--resume", lines.Run))
	case st.Open():
		fmt.Fprintf(w, "  the run is not over, and may hold a device; to finish and give it back: %s\n", lines.Resume())
	default:
		fmt.Fprintf(w, "  the run is not over; to measure what is missing: %s\n", lines.Resume())
	}
}

func (a resultsVerbs) openRun(c *cli.Context) (*store.Run, error) {
	name, err := argument(c, "a run (see `chexp results list`, or `latest`), or RUN/2, its second device")
	if err != nil {
		return nil, err
	}
	if m := onePart.FindStringSubmatch(name); m != nil {
		if s, err := a.open(c, m[1]); err == nil {
			n, err := strconv.Atoi(m[2])
			if i := slices.IndexFunc(s.Devices(), func(d *store.Run) bool { return d.Slot() == n }); err == nil && i >= 0 {
				return s.Devices()[i], nil
			}
		}
	}
	return a.open(c, name)
}

// onePart names one device of a run with several: RUN/2, or its directory.
var onePart = regexp.MustCompile(`^(.+?)(?:/devices)?/([0-9]{1,4})/?$`)

func (a resultsVerbs) resultsFetch(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	part := s // one device of a run with several, or all of the run
	s = s.Whole()
	if err := s.Lock(); failure.KindOf(err) == failure.Locked && !c.IsSet("from") {
		return a.fetchBeside(c, part)
	} else if err != nil {
		return err
	}
	defer s.Unlock()
	defer a.sealing(s)()
	plan, err := s.Plan()
	if err != nil {
		return err
	}
	r := &run.Run{Store: s, Plan: plan, Commands: a.commandsFor(c, s)}
	var left error // what did not come, beside what did
	if part == s && len(s.Devices()) > 0 {
		if left, err = a.fetchDevices(c, r); err != nil {
			return err
		}
	} else if from := c.String("from"); from != "" {
		var n store.Adopted
		if n, left = part.Adopt(from, plan, store.Origin{Attempt: onlyAttempt(part)}); left != nil && n.Whole+n.Partial == 0 {
			return left
		}
	} else if left, err = a.fetchPart(c, &run.Run{Store: part, Plan: plan, Commands: r.Commands},
		a.nothingToFetch); err != nil {
		return err
	}
	f, err := writeReports(s, a.work)
	if err != nil {
		return errors.Join(left, err)
	}
	return errors.Join(left, a.answer(c, r, f, left == nil))
}

// fetchDevices brings home what a run with several devices has on each; one that
// does not answer keeps nobody from the others, and is left.
func (a resultsVerbs) fetchDevices(c *cli.Context, r *run.Run) (left, err error) {
	if c.String("from") != "" {
		return nil, failure.Usage.Errorf("--from brings the results of one device, and run %s has several", r.Store.ID).
			Advise("say which: `%s`", r.Commands.Line("results", "fetch", r.Commands.Run+"/1", "--from", c.String("from")))
	}
	if r.Experiment, err = storedExperiment(r.Store); err != nil {
		return nil, err
	}
	var failed []error
	for _, part := range r.Store.Devices() {
		own := &run.Run{Store: part, Plan: r.Plan, Commands: r.Commands}
		left, err := a.fetchPart(c, own, func(*run.Run) {})
		if err = errors.Join(left, err); err != nil {
			failed = append(failed, fmt.Errorf("device %d: %w", own.Store.Slot(), err))
		}
	}
	return errors.Join(failed...), nil
}

// fetchPart brings home what one device has, unless all of it is here as it came;
// then it calls nothing. left is what did not come, or is not any more what came.
func (a resultsVerbs) fetchPart(c *cli.Context, own *run.Run, nothing func(*run.Run)) (left, err error) {
	whole, damaged := own.Whole()
	changed := own.Store.Changed(own.Plan)
	all := whole && damaged == nil
	if all && changed == nil {
		nothing(own)
		return nil, nil
	}
	left, err = a.fetchFromDevice(c, own.Store)
	err = run.PhaseFetch.Failed(err)
	before := changed
	changed = own.Store.Changed(own.Plan)
	if before != nil && changed == nil {
		a.warn(before.Error() + ". It was fetched again, and what was there is in damaged/")
	}
	switch {
	case all && failure.KindOf(err) == failure.Locked: // the device is given back
		return changed, nil
	case err != nil:
		return nil, errors.Join(damaged, changed, err)
	}
	return errors.Join(left, changed), nil
}

// nothingToFetch says so, and what the run still holds.
func (a resultsVerbs) nothingToFetch(r *run.Run) {
	if n := len(r.Plan.Trials); n == 1 {
		fmt.Fprintln(a.err, "  the result is here")
	} else {
		fmt.Fprintf(a.err, "  all %d results are here\n", n)
	}
	if entries, err := r.Store.Whole().Entries(); err == nil && run.Replay(entries).Open() {
		a.sayReserved(r)
	}
}

func (a resultsVerbs) sayReserved(r *run.Run) {
	fmt.Fprintf(a.err, "  the device is still reserved; to finish and give it back: %s\n", r.Commands.Resume())
}

// fetchFromDevice brings home what a run has on its device, and leaves the agent
// at work there.
func (a resultsVerbs) fetchFromDevice(c *cli.Context, s *store.Run) (left, err error) {
	r, err := a.load(c, s)
	if err != nil {
		return nil, err
	}
	entries, err := s.Entries()
	if err != nil {
		return nil, err
	}
	held := run.Replay(entries).Slot(max(1, s.Slot()))
	if held.N == 0 {
		return nil, failure.Locked.Errorf("run %s never got as far as a lease", s.ID).
			Advise("`%s` starts it", r.Commands.Resume())
	}
	if !held.Container.Open() {
		return nil, failure.Locked.
			Errorf("run %s has no container any more; what it brought home is all there is", s.ID).
			Advise("`%s`; `%s` measures what is missing", r.Commands.Show(), r.Commands.Resume())
	}
	if isRehearsal(s) {
		return nil, failure.Locked.
			Errorf("run %s was a rehearsal: its cloud has ended, and with it what was not fetched", s.ID).
			Advise("`%s` measures what is missing", r.Commands.Resume())
	}
	facts, err := run.ReadFacts(s, held.N)
	if err != nil {
		return nil, failure.Storage.Errorf("where run %s measures cannot be read", s.ID).Because(err)
	}
	site, err := a.connectOwn(c.Context, r, optionsOf(a.app, c, r.Experiment))
	if err != nil {
		return nil, err
	}
	cont, err := findContainer(c.Context, r, site, held.Container.Name)
	if err != nil {
		return nil, err
	}
	obs := a.progress()
	obs.Phase(run.PhaseFetch, "")
	tr, err := site.Dial(c.Context, cont, facts[held.N-1].Request(), obs.Say)
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	return a.collect(c.Context, r, run.Agent{Tr: tr, Dir: cont.Dir, Now: site.Now,
		Origin: store.Origin{Attempt: held.N, Container: cont.ID}}, obs)
}

// collect brings home what an agent has measured, and says how far it is. left is
// what of it could not be taken.
func (a resultsVerbs) collect(ctx context.Context, r *run.Run, agent run.Agent, obs *progress) (left, err error) {
	reply, err := agent.Status(ctx, 0)
	if err != nil {
		return nil, err
	}
	why := "the agent is dead" // for the trials that are not whole
	switch reply.State.Phase {
	case trial.Finished, trial.Stopped:
		why = ""
	case trial.Running:
		why = "it was fetched while the agent measured"
	}
	got, left := r.Collect(ctx, agent, why)
	if left != nil && got.Whole+got.Partial == 0 {
		return nil, left
	}
	if got.Unfinished != nil { // a file that grew: the results are there, and the blocks will be
		obs.Warn("the trials that are being measured could not be fetched: " + got.Unfinished.Error())
	}
	if got.NoResults && got.Partial == 0 {
		return nil, failure.Device.Errorf("there are no results on the device yet").
			Advise("the agent is %s; try again later", reply.State.Phase)
	}
	obs.PhaseEnd(run.PhaseFetch, fmt.Sprintf("%s; the agent is %s (%d of %d)",
		got, reply.State.Phase, reply.State.Done, reply.State.Total))
	a.sayReserved(r)
	return left, nil
}

// findContainer finds the container that a run's journal knows of by its name.
func findContainer(ctx context.Context, r *run.Run, site run.Site, name string) (run.Container, error) {
	cont, found, err := site.FindContainer(ctx, name)
	if err == nil && !found {
		err = failure.Device.
			Errorf("the container %s is gone, and with it what was not fetched", name).
			Advise("`%s` measures what is missing", r.Commands.Resume())
	}
	return cont, err
}
