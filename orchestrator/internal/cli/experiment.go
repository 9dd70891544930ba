package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/input"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/models"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/report/texttab"
	"chexp/orchestrator/internal/runtimes"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// experimentVerbs are the commands about experiment files.
type experimentVerbs struct{ *app }

func (a experimentVerbs) experimentCommand() *cli.Command {
	return &cli.Command{
		Name:  "experiment",
		Usage: "write, check and plan an experiment file",
		Subcommands: []*cli.Command{
			{Name: "init", Usage: "write a commented file to start from", ArgsUsage: "[FILE]",
				Action: a.experimentInit},
			{Name: "check", Usage: "report every problem of a file, with its line; create nothing", ArgsUsage: "FILE",
				Flags: []cli.Flag{systemFlag()}, Action: a.experimentCheck},
			{
				Name:      "plan",
				Usage:     "print the trials, what would be created, the bytes that go up and the time it takes",
				ArgsUsage: "FILE", Flags: []cli.Flag{systemFlag(), formatFlag(), &cli.BoolFlag{Name: "try",
					Usage: "load and run each model once on this machine, as `chexp run` does first"}},
				Action: a.experimentPlan,
			},
			a.schemaCommand(),
		},
	}
}

func (a experimentVerbs) experimentInit(c *cli.Context) error {
	if c.NArg() == 0 {
		_, err := a.out.Write(spec.Example())
		return err
	}
	file, err := argument(c, "the file to write")
	if err != nil {
		return err
	}
	if err := create(file, spec.Example()); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "wrote %s; next: %s\n", file, a.commands(c).Line("experiment", "check", file))
	return nil
}

func (a experimentVerbs) experimentCheck(c *cli.Context) error {
	file, err := argument(c, "the experiment's file")
	if err != nil {
		return err
	}
	all, err := loadExperiments(c, file, "")
	if err != nil {
		return err
	}
	var problems []error
	for _, e := range all {
		problems = append(problems, a.look(c.Context, e))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for _, e := range all {
		fmt.Fprintf(a.out, "%s: ok: %s%d models, %d providers, site %s\n", file,
			words.When(e.System != "", "system "+e.System+": "), len(e.Models), len(e.Providers), e.Site)
	}
	return nil
}

// look is what check knows beyond the file: of the models that are files here, of
// runtimes, and of the folders of pictures. It downloads and makes nothing.
func (a experimentVerbs) look(ctx context.Context, e *spec.Experiment) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	r := resolverIn(cache, func(string) {})
	r.Offline = true
	var problems []error
	var found []models.Resolved
	for i, m := range e.Models {
		if m.Builtin != "" && len(m.Inputs) == 0 {
			continue // made here, and known to be good
		}
		one, err := r.ResolveOne(ctx, e, i)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case models.NotHad(err):
			a.warnOnce(fmt.Sprintf("model %s is not on this machine yet, and was not looked into", m.Name))
		case err != nil:
			problems = append(problems, err)
		default:
			found = append(found, one)
		}
	}
	if acc := e.Accuracy; acc != nil && acc.Path != "" {
		classes, err := pictureSource(acc).Look(ctx)
		if err != nil {
			problems = append(problems, badPictures(err))
		} else {
			acc.Pack = &spec.Pack{Classes: classes}
		}
	}
	a.tryArch(ctx, e, site.Options{})
	arch := a.archOf(e)
	var known []spec.Runtime
	if agent, err := agentManifest(arch); err != nil {
		a.warnOnce(fmt.Sprintf("there is no agent for %s here: providers and versions were not checked", arch))
	} else if named, err := runtimesOf(ctx, e, arch, agent, runtimes.Releases{Cache: cache, Offline: true}); err != nil {
		problems = append(problems, err)
	} else {
		known = named.Runtimes
	}
	problems = append(problems, foreseen(e, found, known, func(text string) {
		a.warnOnce(strings.TrimPrefix(text, "! "))
	}))
	if err := errors.Join(problems...); err != nil {
		return asUsage(err)
	}
	return nil
}

// planAnswer is `chexp experiment plan -f json`.
type planAnswer struct {
	Experiment string        `json:"experiment"`
	Site       string        `json:"site"`
	Creates    []string      `json:"creates"`
	Bytes      int64         `json:"bytes"` // that go up at most
	AtLeast    time.Duration `json:"at_least_ns"`
	AtMost     time.Duration `json:"at_most_ns"`
	// Expected is by what ExpectedFrom, earlier runs on such a device, took; of trials
	// that they did not measure, it has the least.
	Expected     time.Duration `json:"expected_ns,omitempty"`
	ExpectedFrom []string      `json:"expected_from,omitempty"`
	Lease        time.Duration `json:"lease_ns,omitempty"`
	Trials       []trial.Trial `json:"trials"`
	// Inputs say how each model's inputs are fed, by the model's name.
	Inputs map[string][]input.Input `json:"inputs"`
	// Accuracy says on what it is measured; absent: it is not.
	Accuracy *trial.Evaluation `json:"accuracy,omitempty"`
}

func (a experimentVerbs) experimentPlan(c *cli.Context) error {
	all, err := experimentArguments(c, "")
	if err != nil {
		return err
	}
	if len(all) > 1 && c.String("format") != "table" {
		return failure.Usage.Errorf("-f %s is one document, of one system", c.String("format")).
			Advise("name it: --system %s", all[0].System)
	}
	for _, e := range all {
		own := *a.app // what a machine of one system is says nothing of another's
		if e.System != "" {
			fmt.Fprintf(a.out, "%ssystem %s\n", words.When(e != all[0], "\n"), e.System)
		}
		if err := (experimentVerbs{&own}).plan(c, e); err != nil {
			return ofSystem(e.System, err)
		}
	}
	return nil
}

func (a experimentVerbs) plan(c *cli.Context, e *spec.Experiment) error {
	a.tryArch(c.Context, e, site.Options{})
	p, err := prepare(c.Context, e, a.archOf(e), store.NewID(e.Name, time.Now()), a.progress().Say,
		func(text string) { a.warn(text + "; a rehearsal measures it, a run needs the file") })
	if err != nil {
		return err
	}
	if c.Bool("try") {
		if err := p.try(c.Context, e, a.progress().Say); err != nil {
			return err
		}
	}
	plan, files := p.plan, p.files
	ans := planAnswer{Experiment: e.Name, Site: e.Site, Creates: creates(e), Lease: e.Lease.Duration,
		Trials: plan.Trials, Inputs: map[string][]input.Input{}, Accuracy: plan.Accuracy}
	for _, m := range plan.Models {
		ans.Inputs[m.Name] = m.Inputs
	}
	if ans.Bytes, err = bundleBytes(plan, files, a.archOf(e)); err != nil {
		return err
	}
	ans.AtLeast, ans.AtMost = spec.EstimateTime(plan)
	f := a.foretell(c, e, plan)
	restLeast, _ := spec.EstimateTime(&f.rest)
	if f.runs != nil {
		ans.Expected, ans.ExpectedFrom = f.known+restLeast, f.runs
	}
	if c.String("format") != "table" {
		return a.print(c, planRows(ans, plan))
	}
	if err := a.print(c, planRows(ans, plan)); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n%s at %s\n", words.Plural(len(plan.Trials), "trial"), e.Site)
	width := columns(a.out)
	say := func(what, format string, args ...any) {
		_ = texttab.Paragraph(a.out, what, fmt.Sprintf(format, args...), width) // as the lines before it
	}
	for _, m := range plan.Models {
		for _, in := range m.Inputs {
			guess := ""
			if in.Guess != "" {
				guess = " (a guess)"
			}
			say("feeds    ", "%s: %s%s", m.Name, words.Printable(in.String()), guess)
		}
	}
	for _, what := range ans.Creates {
		say("creates  ", "%s", what)
	}
	if e := plan.Accuracy; e != nil {
		say("", "evaluates each model on each provider on %d pictures (%s), at most %s each",
			e.Pictures, e.Name, short(e.Timeout))
	}
	say("sends    ", "%.1f MB at most (agent, models, plan)", float64(ans.Bytes)/1e6)
	say("takes    ", "%s; lease, image and transfer come on top", f.takes(plan))
	if least := f.known + restLeast; ans.Lease > 0 && least > ans.Lease {
		fmt.Fprintf(a.err, "! the lease lasts %s, and the plan takes %s at least: trials that do not fit are left for `%s`\n",
			short(ans.Lease), clock.Span(least), a.commands(c).Resume())
	}
	return nil
}

func planRows(ans planAnswer, plan *trial.Plan) list {
	l := list{
		columns: []string{"trial", "model", "MB", "provider", "threads", "batch", "repetition", "skipped"},
		json:    ans,
	}
	size := map[string]int64{}
	for _, m := range plan.Models {
		size[m.Name] = m.Bytes
	}
	for _, t := range plan.Trials {
		l.rows = append(l.rows, []string{
			t.ID, t.Model, fmt.Sprintf("%.2f", float64(size[t.Model])/1e6), t.Provider.Name,
			fmt.Sprint(t.Threads), fmt.Sprint(t.Batch), fmt.Sprint(t.Repetition), t.Skip})
	}
	return l
}

// creates lists what a run makes on the cloud, in words.
func creates(e *spec.Experiment) []string {
	if !e.SiteKind().Leases {
		return []string{"nothing on a cloud: the plan runs on this machine"}
	}
	image, transport := e.RunsIn()
	device, containers := "one "+e.Lease.MachineName, "a container of "+image
	if e.SiteKind().Servers {
		containers = "a server with the image " + image
	}
	n := e.Lease.Count()
	switch {
	case len(e.Lease.Boards) > 0:
		device = "the devices " + strings.Join(e.Lease.Boards, ", ")
	case e.Lease.AllFree:
		device = fmt.Sprintf("every free %s, at most %d", e.Lease.MachineName, n)
	case n > 1:
		device = fmt.Sprintf("%d %s", n, e.Lease.MachineName)
	case e.Lease.MachineName == "":
		device = "device " + cmp.Or(e.Lease.Device+e.Lease.UID, "of the lease "+e.Lease.Name)
	}
	if n > 1 {
		containers += " on each, which measures all trials"
	}
	when := "now"
	if !e.Lease.Start.IsZero() {
		when = clock.Both(e.Lease.Start)
	}
	if e.Lease.Next {
		when = "the first free time"
	}
	all := []string{
		fmt.Sprintf("a lease on %s, from %s for %s", device, when, short(e.Lease.Duration)),
		containers,
	}
	if e.SiteKind().Servers {
		all = append(all, "a key pair, until the server is deployed")
	}
	if transport == "ssh" {
		all = append(all, "a floating IP")
	}
	return all
}
