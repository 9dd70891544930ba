package cli

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/runtimes"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// runVerbs carry out experiments: chexp run, and chexp rehearse.
type runVerbs struct{ *app }

func (a runVerbs) runFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "progress", Value: showings[0], Destination: &a.showing, Action: oneOf(showings...),
			Usage: "how stderr shows `HOW` it goes: on a terminal a view that is rewritten (auto), whole lines (plain), " +
				"or an object a line, for programs (json)"},
		&cli.BoolFlag{Name: "no-try",
			Usage: "do not load and run each model once on this machine before anything is reserved"},
		&cli.BoolFlag{Name: "keep", Usage: "leave lease and container as they are at the end"},
		&cli.DurationFlag{Name: "pull-grace", Value: 2 * time.Minute,
			Usage: "say so when a container has been starting for this long without a reason, as with an image that " +
				"can't be pulled; give up where the site does say that it can't",
			Action: atLeast(time.Second)},
		&cli.DurationFlag{Name: "fetch-time",
			Usage: "stop measuring this long before the lease ends, to bring the results home",
			Value: run.DefaultPatience().LeaseTail, Action: atLeast(time.Second)},
		&cli.StringFlag{Name: "until",
			Usage:  "stop after this `PHASE` and leave all as it is: " + strings.Join(phaseNames(), ", "),
			Action: oneOf(phaseNames()...)},
	}
}

// phaseNames are the phases after which a run can stop.
func phaseNames() []string {
	var names []string
	for _, p := range run.Phases[:6] {
		names = append(names, string(p))
	}
	return names
}

func (a runVerbs) runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "carry out an experiment: reserve, launch, push, measure, fetch, give back, report",
		ArgsUsage: "FILE",
		Description: "" +
			"Goes through plan, lease, container, push, run, fetch, release and report. Ctrl-C, and the lease's\n" +
			"end, stop the agent in order: what is measured so far is brought home, and what was acquired is\n" +
			"given back. A run that was cut off goes on with --resume RUN (its id, or the last four letters): in\n" +
			"the same container with the next round; in a new lease the interrupted trials start over, as that\n" +
			"may be another device.\n" +
			"A lease of yours that exists is used: by --lease, by lease.name in the file, or by itself, if it is\n" +
			"idle, has begun and fits. It stays yours. A run that is booked for later (--at, lease.start) can be\n" +
			"interrupted or detached while it waits: the booking stays.\n" +
			"The systems of a file are measured side by side, each in a run of its own, with one answer over all.",
		Flags: append(append(a.runFlags(),
			&cli.StringFlag{Name: "resume", Usage: "go on with this `RUN`"},
			&cli.BoolFlag{Name: "detach",
				Usage: "return as soon as the agent works on the device; " +
					"chexp run --resume, or results fetch, comes later"},
			&cli.StringFlag{Name: "site", Usage: "run at this `SITE` instead of the file's: " +
				strings.Join(spec.SiteNames(), " or "), Action: oneOf(spec.SiteNames()...)},
			systemFlag(), formatFlag(),
		), leaseChoiceFlags()...),
		Action: a.run,
	}
}

func (a runVerbs) run(c *cli.Context) error {
	if resume := c.String("resume"); resume != "" {
		if err := noArguments(c); err != nil {
			return err
		}
		return a.resume(c, resume)
	}
	all, err := experimentArguments(c, c.String("site"))
	if err != nil {
		return err
	}
	return a.execute(c, all, func(a runVerbs, e *spec.Experiment) (*planned, error) {
		return a.ready(c, e, optionsOf(a.app, c, e), nil)
	})
}

// asUsage gives the problems of an experiment file the exit code of bad input, and
// says that nothing was created where no other advice is given.
func asUsage(err error) error {
	var f *failure.Error
	if errors.As(err, &f) && (f.Kind != failure.Usage || failure.NextOf(err) != "") {
		return err
	}
	return failure.Usage.Wrap(err).Advise("nothing was created; `chexp experiment init` writes a file to start from")
}

// execute carries out an experiment or, side by side, the systems of one. ready plans
// the run of one system.
func (a runVerbs) execute(c *cli.Context, all []*spec.Experiment,
	ready func(runVerbs, *spec.Experiment) (*planned, error)) error {
	if len(all) > 1 {
		return a.sideBySide(c, all, ready)
	}
	p, err := ready(a, all[0])
	if err != nil {
		return err
	}
	return a.start(c, p.cfg, p.run, p.how, p.obs)
}

// ready plans a new run, and refuses what can be refused before anything is created.
func (a runVerbs) ready(c *cli.Context, e *spec.Experiment, o site.Options, how *rehearsed) (*planned, error) {
	cfg := runConfig(c)
	obs := a.progress()
	obs.Phase(run.PhasePlan, "")
	id := store.NewID(e.Name, time.Now())
	if err := checkLeaseFlags(c, e); err != nil {
		return nil, err
	}
	var standIn func(string)
	if how != nil {
		standIn = a.warn
	}
	if err := a.askArch(c.Context, e, o); err != nil {
		return nil, err
	}
	p, err := prepare(c.Context, e, a.archOf(e), id, obs.Say, standIn)
	if err != nil {
		return nil, err
	}
	if !c.Bool("no-try") {
		if err := p.try(c.Context, e, obs.Say); err != nil {
			return nil, err
		}
	}
	if err := a.checkedIn(c, &cfg, e, p.plan, o, obs); err != nil {
		return nil, err
	}
	return &planned{a, cfg, &run.Run{Experiment: e, Plan: p.plan, Files: p.files}, how, obs}, nil
}

// checkedIn connects a new run with its site, and chooses its lease.
func (a runVerbs) checkedIn(c *cli.Context, cfg *run.Config, e *spec.Experiment, plan *trial.Plan, o site.Options,
	obs *progress) (err error) {
	o.Notice, o.Commands.Run, o.Host = obs.Again, plan.RunID, e.Host
	if cfg.Site, err = a.connect(c.Context, e.Site, o); err != nil {
		return err
	}
	if err := e.CheckStart(cfg.Site.Now()); err != nil {
		return asUsage(err)
	}
	verb := "run"
	if c.Command.Name == replayVerb {
		verb = replayVerb
	}
	return a.chooseLease(c, cfg, e, plan, obs, runOf(verb, c.Args().First(), e)...)
}

// start makes the directory of a new run and carries it out. Files with names of
// their own are written before anything is created.
func (a runVerbs) start(c *cli.Context, cfg run.Config, r *run.Run, how *rehearsed, obs *progress,
	own ...storedFile) error {
	s, err := a.runs(c).Create(r.Plan.RunID)
	if err != nil {
		return err
	}
	defer s.Unlock()
	defer a.sealing(s)()
	r.Store, r.Commands = s, a.commandsFor(c, s)
	r.Commands.NoLeases, r.Commands.Site = !r.Experiment.SiteKind().Leases, siteWord(r.Experiment.SiteKind())
	cfg.Run = r
	for _, f := range own {
		if err := s.WriteOnce(f.name, f.data); err != nil {
			return err
		}
	}
	if err := begin(cfg.Run, how); err != nil {
		return err
	}
	obs.PhaseEnd(run.PhasePlan, words.Plural(len(r.Plan.Trials), "trial")+"; "+s.Dir)
	return a.carryOut(c, cfg, obs)
}

// storedFile is a file that a run begins with.
type storedFile struct {
	name string
	data []byte
}

// runConfig is what the flags say about how a run goes.
func runConfig(c *cli.Context) run.Config {
	cfg := run.Config{
		Until: run.Phase(c.String("until")), Keep: c.Bool("keep"), Detach: c.Bool("detach"),
		AgentFile: agentFile,
		Patience:  run.DefaultPatience(),
	}
	cfg.Patience.LeaseTail = c.Duration("fetch-time")
	return cfg
}

// begin writes what a run starts with, the journal last; how is nil for a run that
// is no rehearsal.
func begin(r *run.Run, how *rehearsed) error {
	if err := r.Store.WriteOnce(store.ExperimentFile, r.Experiment.Shared()); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    any
	}{{store.PlanFile, r.Plan}, {store.ModelsFile, r.Files}} {
		data, err := json.MarshalIndent(f.v, "", "  ")
		if err != nil {
			return err
		}
		if err := r.Store.WriteOnce(f.name, append(data, '\n')); err != nil {
			return err
		}
	}
	if how != nil {
		const text = "This run was a rehearsal against an emulated CHI@Edge.\n"
		if err := r.Store.WriteOnce(store.RehearsalFile, []byte(text)); err != nil {
			return err
		}
	}
	// --site may have overruled the file: the journal knows where it runs.
	e := store.Entry{Kind: store.Ended, Phase: string(run.PhasePlan), Name: r.Store.ID, Text: r.Experiment.Site}
	if how != nil {
		var err error
		if e.Data, err = json.Marshal(how); err != nil {
			return err
		}
	}
	return r.Store.Record(e)
}

// load reads what begin wrote.
func (a *app) load(c *cli.Context, s *store.Run) (*run.Run, error) {
	e, err := storedExperiment(s)
	if err != nil {
		return nil, err
	}
	r := &run.Run{Store: s, Experiment: e, Commands: a.commandsFor(c, s)}
	if err := s.ReadJSON(store.ModelsFile, &r.Files); err != nil {
		return nil, err
	}
	r.Plan, err = s.Plan()
	return r, err
}

func storedExperiment(s *store.Run) (*spec.Experiment, error) {
	entries, err := s.Entries()
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, failure.Storage.Errorf("the journal of run %s is empty", s.ID).
			Advise("the run was cut off before it began: start a new one")
	}
	data, err := s.Read(store.ExperimentFile)
	if err != nil {
		return nil, err
	}
	e, err := spec.ParseStored(store.ExperimentFile, s.Dir, data)
	if err != nil {
		return nil, s.Damaged(store.ExperimentFile, err)
	}
	return e, e.At(entries[0].Text)
}

// resume goes on with a run.
func (a runVerbs) resume(c *cli.Context, name string) error {
	if c.IsSet("site") {
		return failure.Usage.Errorf("--site and --resume contradict each other: a run goes on where it was begun").
			Advise("leave --site out; nothing was created")
	}
	cfg := runConfig(c)
	s, err := a.open(c, name)
	if err != nil {
		return err
	}
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock()
	defer a.sealing(s)()
	if cfg.Run, err = a.load(c, s); err != nil {
		return a.giveBackDamaged(c, cfg, s, err)
	}
	if err := checkTimes(c, cfg.Experiment); err != nil {
		return err
	}
	if err := checkLeaseFlags(c, cfg.Experiment); err != nil {
		return err
	}
	a.recoverFiles(c, cfg.Run)
	goOn := func(o site.Options) error {
		obs := a.progress()
		o.Notice = obs.Again
		if cfg.Site, err = a.reconnect(c.Context, cfg.Run, o, obs); err != nil {
			return stillThere(cfg.Run, err)
		}
		err := a.chooseLease(c, &cfg, cfg.Experiment, cfg.Plan, obs, "run", "--resume", cfg.Commands.Run)
		if err != nil {
			return stillThere(cfg.Run, err)
		}
		return a.carryOut(c, cfg, obs)
	}
	if isRehearsal(s) {
		arch, err := archAgain(c, s)
		if err != nil {
			return err
		}
		return emulatorVerb(a).withEmulator(c, arch, []string{cfg.Experiment.Site}, func(of emulated) error {
			return goOn(of.options(cfg.Experiment.Site))
		})
	}
	return goOn(optionsOf(a.app, c, cfg.Experiment))
}

// carryOut executes a run that has its site, and prints the answer.
func (a runVerbs) carryOut(c *cli.Context, cfg run.Config, obs *progress) error {
	maps.Copy(obs.warned, a.warned)
	cfg.Observe, cfg.Boards = obs, obs
	var f *found // nothing where the run ended before its report
	cfg.Report = func() (err error) {
		f, err = writeReports(cfg.Store, a.work)
		return err
	}
	watch := a.guard(c, cfg)
	err := run.Execute(c.Context, a.cleanup, cfg)
	watch.over()
	if watch != nil && a.cleanup.Err() != nil { // of no other run anything stays
		err = leftAtOnce(cfg.Run, err)
	}
	if err == nil && (cfg.Until != "" || cfg.Detach) {
		obs.line("  run %s is left as it is; go on, from any shell, with: %s", cfg.Store.ID,
			cfg.Commands.Anywhere(cfg.Store.Dir).Resume())
		return nil
	}
	if f == nil {
		var unread error
		if f, unread = readFindings(cfg.Store, a.work); unread != nil {
			return errors.Join(err, unread)
		}
	}
	return errors.Join(err, a.answer(c, cfg.Run, f, err == nil))
}

// agentFile finds the agent for an architecture.
func agentFile(arch string) (string, error) {
	path := carried("chexp-agent-linux-" + arch)
	if !exists(path) {
		return "", failure.Usage.Errorf("there is no agent for %s", arch).Advise("%s", whereToGet("agents"))
	}
	return path, nil
}

// agentManifest is what agent/build.sh writes beside each agent.
func agentManifest(arch string) (m trial.Manifest, err error) {
	path, err := agentFile(arch)
	if err != nil {
		return m, err
	}
	if m, err = runtimes.ReadManifest(path); err != nil {
		return m, failure.Usage.Errorf("the agent for %s has no readable manifest", arch).
			Advise("build it again: `make agents`").Because(err)
	}
	return m, nil
}

// bundleBytes is how many bytes go up for a plan if the device has none of them
// yet.
func bundleBytes(plan *trial.Plan, files map[string]string, arch string) (int64, error) {
	agent, err := agentFile(arch)
	if err != nil {
		return 0, err
	}
	b, err := bundle.Assemble(agent, plan, func(sum string) (string, error) { return files[sum], nil })
	if err != nil {
		return 0, err
	}
	return b.Bytes(), nil
}
