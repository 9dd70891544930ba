package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/models"
	"chexp/orchestrator/internal/bundle"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/runtimes"
	"chexp/orchestrator/internal/site/chiedge"
	"chexp/orchestrator/internal/site/local"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/localexec"

	"github.com/urfave/cli/v2"
)

// modelsFile, in a run's directory, says where this machine has the models and runtimes:
// sha256 → file.
const modelsFile = "models.json"

func runFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "keep", Usage: "leave lease and container as they are at the end"},
		&cli.DurationFlag{Name: "pull-grace", Value: 2 * time.Minute, Usage: "give up on an image that has looked impossible to pull for this long"},
		&cli.DurationFlag{Name: "fetch-time", Usage: "stop measuring this long before the lease ends, to bring the results home", Value: run.Patience.LeaseTail},
		&cli.StringFlag{Name: "until", Usage: "stop after this `PHASE` and leave all as it is: plan, lease, container, push, run, fetch"},
	}
}

func (a *app) runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "carry out an experiment: reserve, launch, push, measure, fetch, give back, report",
		ArgsUsage: "FILE",
		Description: "Goes through plan, lease, container, push, run, fetch, release and report. Ctrl-C, and the lease's\n" +
			"end, stop the agent in order: what is measured so far is brought home, and what was acquired is given back.\n" +
			"A run that was cut off goes on with --resume RUN (its id, or the last four letters): in the same container with\n" +
			"the next round; in a new lease the interrupted trials start over, as that may be another device.",
		Flags: append(runFlags(),
			&cli.StringFlag{Name: "resume", Usage: "go on with this `RUN`"},
			&cli.BoolFlag{Name: "detach", Usage: "return as soon as the agent works on the device; chexp run --resume, or results fetch, comes later"},
			&cli.StringFlag{Name: "site", Usage: "run at this `SITE` instead of the file's: CHI@Edge or local"},
			formatFlag(),
		),
		Action: a.run,
	}
}

func (a *app) run(c *cli.Context) error {
	if resume := c.String("resume"); resume != "" {
		if err := noArguments(c); err != nil {
			return err
		}
		return a.resume(c, resume)
	}
	e, err := experimentArgument(c, c.String("site"))
	if err != nil {
		return err
	}
	return a.execute(c, e, cloudOptions(c), false)
}

// experimentArgument loads the file that the only argument names.
func experimentArgument(c *cli.Context, site string) (*spec.Experiment, error) {
	file, err := argument(c, "the experiment's file")
	if err != nil {
		return nil, err
	}
	return loadExperiment(file, site)
}

// loadExperiment reads a file, perhaps for another site than it says.
func loadExperiment(file, site string) (*spec.Experiment, error) {
	e, err := spec.Load(file)
	if err != nil {
		return nil, asUsage(err)
	}
	switch site {
	case "", e.Site:
	case spec.SiteLocal:
		atSite(e, site)
	case spec.SiteEdge:
		return nil, failure.Usage.Errorf("%s is made for site %s and says nothing of a lease", file, e.Site).
			Advise("add lease: and container: to it")
	default:
		return nil, failure.Usage.Errorf("there is no site %q", site).Advise("--site takes CHI@Edge or local")
	}
	return e, nil
}

// asUsage gives the problems of an experiment file the exit code of bad input.
func asUsage(err error) error {
	var f *failure.Error
	if errors.As(err, &f) {
		return err
	}
	return failure.Usage.Wrap(err).Advise("nothing was created; `chexp experiment init` writes a file to start from")
}

// execute plans a new run and carries it out.
func (a *app) execute(c *cli.Context, e *spec.Experiment, cloud chiedge.Options, rehearsal bool) error {
	until, err := phaseFlag(c)
	if err != nil {
		return err
	}
	obs := newProgress(a.err)
	obs.Phase(run.PhasePlan, "")
	id := store.NewID(e.Name, time.Now())
	if err := e.CheckStart(time.Now()); err != nil {
		return asUsage(err)
	}
	plan, files, err := resolve(c.Context, e, cmp.Or(a.deviceArch, siteArch(e)), id, obs.Say)
	if err != nil {
		return err
	}
	cloud.Notice = obs.Say
	site, err := a.site(c.Context, e, cloud)
	if err != nil {
		return err
	}
	s, err := a.root(c).Create(id)
	if err != nil {
		return err
	}
	defer s.Unlock()
	if err := begin(s, e, plan, files); err != nil {
		return err
	}
	obs.PhaseEnd(run.PhasePlan, fmt.Sprintf("%d trials; %s", len(plan.Trials), s.Dir))
	return a.carryOut(c, s, e, plan, files, site, obs, until, rehearsal)
}

func phaseFlag(c *cli.Context) (run.Phase, error) {
	until := run.Phase(c.String("until"))
	for _, p := range run.Phases[:6] {
		if until == p || until == "" {
			return until, nil
		}
	}
	return "", failure.Usage.Errorf("there is no phase %q to stop after", until).
		Advise("--until takes plan, lease, container, push, run or fetch")
}

// resolve finds or makes the models, finds the runtimes for the device's
// architecture, and expands the plan.
func resolve(ctx context.Context, e *spec.Experiment, arch, runID string, say func(string)) (*trial.Plan, map[string]string, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, nil, err
	}
	r := models.Resolver{CacheDir: filepath.Join(cache, "models"), SearchPath: models.DefaultSearchPath(), Progress: say}
	found, err := r.ResolveAll(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	files := map[string]string{}
	var resolved []trial.Model
	for _, m := range found {
		resolved = append(resolved, m.Model)
		files[m.SHA256] = m.File
	}
	if err := packPictures(ctx, e, cache, files, say); err != nil {
		return nil, nil, err
	}
	manifest, err := agentManifest(arch)
	if err != nil {
		return nil, nil, err
	}
	named, err := runtimes.Resolver{Arch: arch, Agent: manifest, Built: func(name string) (string, error) {
		return beside(filepath.Join("runtimes", name+"-"+arch+".ort"))
	}}.Resolve(e)
	if err != nil {
		return nil, nil, asUsage(err)
	}
	maps.Copy(files, named.Files)
	plan, err := spec.Expand(e, resolved, runID, named.Runtimes)
	if err != nil {
		return nil, nil, asUsage(err)
	}
	return plan, files, nil
}

// siteArch is the processor architecture to plan for. Every device of CHI@Edge
// is arm64; the container is asked before anything is pushed.
func siteArch(e *spec.Experiment) string {
	if e.Site == spec.SiteLocal {
		return runtime.GOARCH
	}
	return "arm64"
}

// begin writes what a run starts with, the journal last.
func begin(s *store.Run, e *spec.Experiment, plan *trial.Plan, files map[string]string) error {
	if err := s.WriteOnce(store.ExperimentFile, e.Raw); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    any
	}{{store.PlanFile, plan}, {modelsFile, files}} {
		data, err := json.MarshalIndent(f.v, "", "  ")
		if err != nil {
			return err
		}
		if err := s.WriteOnce(f.name, append(data, '\n')); err != nil {
			return err
		}
	}
	// --site may have overruled the file: the journal knows where it runs.
	return s.Record(store.Entry{Kind: store.Ended, Phase: string(run.PhasePlan), Name: s.ID, Text: e.Site})
}

// resume goes on with a run.
func (a *app) resume(c *cli.Context, name string) error {
	until, err := phaseFlag(c)
	if err != nil {
		return err
	}
	s, err := a.root(c).Open(name)
	if err != nil {
		return err
	}
	if err := s.Lock(); err != nil {
		return err
	}
	defer s.Unlock()
	e, plan, files, err := reload(s)
	if err != nil {
		return failure.Locked.Errorf("run %s cannot be resumed", s.ID).
			Advise("it was cut off before it had a plan: start a new one").Because(err)
	}
	goOn := func(cloud chiedge.Options) error {
		obs := newProgress(a.err)
		cloud.Notice = obs.Say
		site, err := a.site(c.Context, e, cloud)
		if err != nil {
			return err
		}
		return a.carryOut(c, s, e, plan, files, site, obs, until, false)
	}
	if isRehearsal(s) { // its cloud ended with it; the journal finds that out
		return a.withEmulator(c, goOn)
	}
	return goOn(cloudOptions(c))
}

// reload reads what begin wrote.
func reload(s *store.Run) (*spec.Experiment, *trial.Plan, map[string]string, error) {
	e, err := storedExperiment(s)
	if err != nil {
		return nil, nil, nil, err
	}
	files := map[string]string{}
	if err := s.ReadJSON(modelsFile, &files); err != nil {
		return nil, nil, nil, err
	}
	plan, err := s.Plan()
	return e, plan, files, err
}

func storedExperiment(s *store.Run) (*spec.Experiment, error) {
	entries, err := s.Entries()
	if err != nil || len(entries) == 0 {
		return nil, errors.Join(err, errors.New("the journal is empty"))
	}
	data, err := s.Read(store.ExperimentFile)
	if err != nil {
		return nil, err
	}
	e, err := spec.ParseStored(store.ExperimentFile, s.Dir, data)
	if err != nil {
		return nil, err
	}
	atSite(e, entries[0].Text)
	return e, nil
}

// atSite moves an experiment to the site that the user asked for.
func atSite(e *spec.Experiment, site string) {
	if site != e.Site {
		e.Site, e.Lease, e.Container = site, spec.Lease{}, spec.Container{}
	}
}

// carryOut executes and prints the answer.
func (a *app) carryOut(c *cli.Context, s *store.Run, e *spec.Experiment, plan *trial.Plan, files map[string]string, site run.Site, obs *progress, until run.Phase, rehearsal bool) error {
	if rehearsal {
		if err := s.WriteOnce(store.RehearsalFile, []byte("This run was a rehearsal against an emulated CHI@Edge.\n")); err != nil {
			return err
		}
	}
	obs.warned = a.warned
	err := run.Execute(c.Context, a.cleanup, run.Config{
		Store: s, Experiment: e, Plan: plan, Site: site,
		Agent:     agentFile,
		ModelFile: func(sum string) (string, error) { return files[sum], nil },
		Report:    func() error { return renderReports(s) },
		Observe:   obs,
		Keep:      c.Bool("keep"), Until: until, Detach: c.Bool("detach"),
		FetchTime: c.Duration("fetch-time"),
	})
	if err == nil && (until != "" || c.Bool("detach")) {
		obs.line("  run %s is left as it is; go on with: chexp run --resume %s", s.ID, s.ID)
		return nil
	}
	return errors.Join(err, a.answer(c, s, plan, err == nil))
}

// answer prints the decision table of what was measured.
func (a *app) answer(c *cli.Context, s *store.Run, plan *trial.Plan, complete bool) error {
	results, err := s.Results(plan)
	if err != nil {
		return err
	}
	if len(results) > 0 {
		if err := a.showRun(c, s); err != nil {
			return err
		}
	}
	if !complete {
		return nil // the error that is on its way says more
	}
	return run.FailedTrials(plan, results)
}

// site connects to where the experiment runs.
func (a *app) site(ctx context.Context, e *spec.Experiment, cloud chiedge.Options) (run.Site, error) {
	if e.Site == spec.SiteLocal {
		cache, err := cacheDir()
		if err != nil {
			return nil, err
		}
		return local.New(filepath.Join(cache, "local"), func(dir string) transport.Transport { return localexec.New(dir) })
	}
	cloud.Region = e.Site
	return a.connect(ctx, cloud)
}

// agentFile finds the agent for an architecture beside this program.
func agentFile(arch string) (string, error) {
	path, err := beside("chexp-agent-linux-" + arch)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", failure.Usage.Errorf("there is no agent for %s", arch).
			Advise("build it: `make agents`").Because(err)
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

// bundleBytes is what goes up for a plan, before anything is known of the far
// end.
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
