package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
	"chexp/orchestrator/internal/report/texttab"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// systemOfNothing is what is wrong with --system where no file is named.
const systemOfNothing = "--system names one of the systems of --experiment, which is not given"

func systemFlag() cli.Flag {
	return &cli.StringFlag{Name: "system", Usage: "of the file's systems, this `NAME` alone", Action: aName(longName)}
}

// experimentArguments loads the systems of the file that the only argument names, or
// the one of --system, and judges the flags that are about them.
func experimentArguments(c *cli.Context, site string) ([]*spec.Experiment, error) {
	file, err := argument(c, "the experiment's file")
	if err != nil {
		return nil, err
	}
	all, err := loadExperiments(c, file, site)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if err := checkTimes(c, e); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// loadExperiments reads a file. A site that is not "" overrules the file's.
func loadExperiments(c *cli.Context, file, site string) ([]*spec.Experiment, error) {
	all, err := spec.LoadSystems(file)
	if err != nil {
		return nil, asUsage(err)
	}
	names := spec.SystemNames(all)
	if asked := c.String("system"); asked != "" {
		i := slices.Index(names, asked)
		switch {
		case len(names) == 0:
			return nil, failure.Usage.Errorf("--system %s: %s has no systems", asked, file).
				Advise("leave --system out; nothing was created")
		case i < 0:
			return nil, failure.Usage.Errorf("--system %s is not in %s", asked, file).
				Advise("it has %s; nothing was created", strings.Join(names, ", "))
		}
		all = all[i : i+1]
	}
	for _, e := range all {
		if err := e.At(site); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// loadExperiment is loadExperiments of a command that is about one.
func loadExperiment(c *cli.Context, file, site string) (*spec.Experiment, error) {
	all, err := loadExperiments(c, file, site)
	if err != nil {
		return nil, err
	}
	return spec.Only(file, all)
}

// checkSystems refuses flags that are about one run where there will be several.
func checkSystems(c *cli.Context, all []*spec.Experiment) error {
	var problems []string
	for _, name := range []string{"lease", "site", "until", "detach", "keep"} {
		if c.IsSet(name) {
			problems = append(problems, fmt.Sprintf("--%s is about one system, and there are %d: %s", name, len(all),
				strings.Join(spec.SystemNames(all), ", ")))
		}
	}
	return usage(problems, "choose one with --system NAME, or leave the flag out; nothing was created")
}

// planned is a run that is ready to begin: nothing has been created for it.
type planned struct {
	verbs runVerbs
	cfg   run.Config
	run   *run.Run
	how   *rehearsed
	obs   *progress
}

// ofSystem is the app of one of several runs that go on at once: its lines have the
// system's name in front, and its own answer is not printed.
func (a runVerbs) ofSystem(name string, width int, mu *sync.Mutex) runVerbs {
	own := *a.app
	own.warned = maps.Clone(a.warned)
	own.out = io.Discard
	own.system = name
	lines := &prefixed{to: a.err, prefix: fmt.Sprintf("%-*s │ ", width, name), mu: mu}
	if a.showing == asJSON { // each object names its system
		lines.prefix = ""
	}
	own.err = lines
	return runVerbs{&own}
}

// sideBySide carries out the systems of an experiment, each in a run of its own on its
// own clock, and answers over all of them. What is refused about one is so before
// anything is created for any.
func (a runVerbs) sideBySide(c *cli.Context, all []*spec.Experiment,
	ready func(runVerbs, *spec.Experiment) (*planned, error)) error {
	if err := checkSystems(c, all); err != nil {
		return err
	}
	width, mu := 0, &sync.Mutex{}
	for _, name := range spec.SystemNames(all) {
		width = max(width, len(name))
	}
	var runs []*planned
	var problems []error
	for _, e := range all {
		p, err := ready(a.ofSystem(e.System, width, mu), e)
		if c.Context.Err() != nil {
			return c.Context.Err()
		}
		runs, problems = append(runs, p), append(problems, ofSystem(e.System, err))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	errs := make([]error, len(runs))
	var going sync.WaitGroup
	for i, p := range runs {
		going.Go(func() {
			errs[i] = ofSystem(p.run.Experiment.System, p.verbs.start(c, p.cfg, p.run, p.how, p.obs))
		})
	}
	going.Wait()
	var stores []*store.Run
	for _, p := range runs {
		if p.run.Store != nil {
			stores = append(stores, p.run.Store)
		}
	}
	errs = append(errs, a.answerOver(c, stores))
	return errors.Join(errs...)
}

// ofSystem says of which system an error is, where the file has systems.
func ofSystem(name string, err error) error {
	if err == nil || name == "" {
		return err
	}
	return fmt.Errorf("system %s: %w", name, err)
}

// prefixed writes whole lines with something in front of each.
type prefixed struct {
	to     io.Writer
	prefix string
	mu     *sync.Mutex
	rest   []byte // of a line that is not whole yet
}

func (p *prefixed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, text...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if _, err := fmt.Fprintf(p.to, "%s%s\n", p.prefix, line); err != nil {
			return 0, err
		}
		p.rest = slices.Clone(rest)
	}
}

func (a resultsVerbs) answerCommand() *cli.Command {
	return &cli.Command{
		Name: "answer", Usage: "say of several systems what each is good for, and which to take",
		ArgsUsage: "RUN...",
		Description: "A file with `systems:` makes a run for each. Their answer is printed at the end of `chexp run`, and\n" +
			"again by this: of each system the best option, which budgets it keeps and by how much, and its price.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "html", Usage: "also write a page with a picture to `FILE`"},
			formatFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return failure.Usage.Errorf("no run is named").
					Advise("`%s`", a.commands(c).Line("results", "answer", "RUN", "RUN"))
			}
			var stores []*store.Run
			for _, name := range c.Args().Slice() {
				s, err := a.open(c, name)
				if err != nil {
					return err
				}
				stores = append(stores, s)
			}
			return runVerbs(a).answerOver(c, stores)
		},
	}
}

// answerOver prints the answer over the runs of several systems. A run that has
// measured nothing is named by its own error.
func (a runVerbs) answerOver(c *cli.Context, stores []*store.Run) error {
	var tables []*findings.Table
	for _, s := range stores {
		f, err := readFindings(s, nil)
		if err != nil {
			return err
		}
		for _, one := range append(f.devices, f) {
			if one.table != nil {
				tables = append(tables, one.table)
			}
		}
	}
	if len(tables) == 0 {
		return nil
	}
	answer := findings.Over(tables)
	if file := c.String("html"); file != "" && c.Command.Name == "answer" {
		if err := resultsVerbs(a).writePage(file, func(w io.Writer) error { return page.Systems(w, answer) }); err != nil {
			return err
		}
	}
	switch format := c.String("format"); format {
	case "json":
		return writeJSON(a.out, answer)
	case "yaml":
		return asYAML(a.out, func(w io.Writer) error { return writeJSON(w, answer) })
	case "table":
		return printSystems(a.out, answer)
	default:
		return badFormat(format)
	}
}

// printSystems prints an answer for people.
func printSystems(w io.Writer, answer *findings.Systems) error {
	width := columns(w)
	if err := texttab.Paragraph(w, "", answer.Text, width); err != nil {
		return err
	}
	for _, s := range answer.Systems {
		fmt.Fprintln(w)
		lines := [][2]string{{"", s.System + ": " + s.Where + ", run " + s.Run}, {"  ", s.Text}}
		if s.Next != "" {
			lines = append(lines, [2]string{"  Next: ", s.Next})
		}
		for _, line := range lines {
			if err := texttab.Paragraph(w, line[0], words.Printable(line[1]), width); err != nil {
				return err
			}
		}
	}
	return nil
}

// warnOnce is warn, of what the systems of a file share.
func (a experimentVerbs) warnOnce(text string) {
	if !a.warned[text] {
		a.warned[text] = true
		a.warn(text)
	}
}

// runOf are the words of a command that carries an experiment out.
func runOf(verb, file string, e *spec.Experiment) []string {
	if e.System == "" {
		return []string{verb, file}
	}
	return []string{verb, file, "--system", e.System}
}

// optionsOf is siteOptions for an experiment, whose file may say with which entry of
// clouds.yaml its site is signed in to.
func optionsOf(a *app, c *cli.Context, e *spec.Experiment) site.Options {
	o := a.siteOptions(c)
	o.Cloud = cmp.Or(e.Cloud, o.Cloud)
	return o
}
