package cli

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/failure"
	"chexp/experiments/judge"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/report/page"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

func (a resultsVerbs) compareCommand() *cli.Command {
	return &cli.Command{
		Name: "compare", Usage: "put runs side by side: devices, days, before and after a change, a whole class",
		ArgsUsage: "RUN...",
		Description: "A RUN is a run's name, a copy of its directory, a folder of result files or one of them; " +
			"in quotes also a pattern,\n" +
			"such as 'class/*'. Trials match by the model's SHA-256, provider, runtime, threads and batch.\n\n" +
			"   chexp results compare runs/*                    " +
			"the spread over devices and days, and who has problems\n" +
			"   chexp results compare --group before=RUN,RUN --group after=RUN,RUN    " +
			"what changed, the first group being the base",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "group",
				Usage: "`LABEL=RUN,RUN` compares groups of runs; give it twice or more"},
			&cli.StringSliceFlag{Name: "budget",
				Usage: "hold every run against this `BUDGET`, such as 'p50 < 15 ms', instead of its own"},
			&cli.StringFlag{Name: "html", Usage: "also write a page with a picture to `FILE`"},
			formatFlag(),
		},
		Action: a.resultsCompare,
	}
}

func (a resultsVerbs) resultsCompare(c *cli.Context) error {
	render, err := comparisonFormat(c.String("format"))
	if err != nil {
		return err
	}
	groups, err := askedGroups(c)
	if err != nil {
		return err
	}
	budgets, err := askedBudgets(c)
	if err != nil {
		return err
	}
	in, damaged, err := a.gather(c, groups, budgets)
	if err != nil {
		return err
	}
	const seed = 1
	result := compare.Runs(in, seed)
	if file := c.String("html"); file != "" {
		draw := func(w io.Writer) error { return page.Comparison(w, result) }
		if err := a.writePage(file, draw); err != nil {
			return err
		}
	}
	if err := render(a.out, result); err != nil {
		return err
	}
	if len(groups) == 1 && len(in[0].Runs) == 2 && c.String("format") == "table" {
		fmt.Fprintf(a.err, "two runs, taken as two of the same; for before and after: --group before=%s --group "+
			"after=%s\n", in[0].Runs[0].ID, in[0].Runs[1].ID)
	}
	return verdictOf(result, damaged, a.commands(c))
}

// verdictOf is the exit code of a comparison that was printed.
func verdictOf(r *compare.Comparison, damaged []string, lines run.Commands) error {
	if len(damaged) > 0 {
		return failure.Storage.Errorf("left out, as damaged: %s", words.List(damaged, "; ", 5)).
			Advise("copy those runs again from where they were measured")
	}
	if len(r.Rows) > 0 {
		return nil
	}
	for _, g := range r.Groups {
		if len(g.Runs) == 0 {
			return failure.Trials.Errorf("no usable result%s", inGroup(g.Label)).
				Advise("the problems above say why; `%s` says what to do", lines.Show())
		}
	}
	return failure.Usage.Errorf("the groups have no trial in common").
		Advise("compare runs with the same model files, providers, threads and batches")
}

func inGroup(label string) string {
	if label == "" {
		return " in any run"
	}
	return " in group " + label
}

func comparisonFormat(format string) (func(io.Writer, *compare.Comparison) error, error) {
	switch format {
	case "json":
		return writeComparison, nil
	case "yaml":
		return func(w io.Writer, r *compare.Comparison) error {
			return asYAML(w, func(w io.Writer) error { return writeComparison(w, r) })
		}, nil
	case "csv":
		return report.ComparisonCSV, nil
	case "table":
		return func(w io.Writer, r *compare.Comparison) error {
			const page = 100 // columns, where it is no terminal
			return report.ComparisonText(w, r, cmp.Or(columns(w), page), newProgress(w).color)
		}, nil
	}
	return nil, badFormat(format)
}

// askedGroup is a label and the names of runs.
type askedGroup struct {
	label string
	runs  []string
}

var groupForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,30})=(.+)$`)

// askedGroups reads the command line: either runs or groups of them. The flag's
// library has already cut at commas, so a piece without a label belongs to the
// group before it.
func askedGroups(c *cli.Context) (out []askedGroup, err error) {
	var problems []string
	bad := func(text string) { problems = append(problems, text) }
	for _, piece := range c.StringSlice("group") {
		switch m := groupForm.FindStringSubmatch(piece); {
		case m == nil && len(out) == 0:
			bad(fmt.Sprintf("--group %q is not LABEL=RUN,RUN", piece))
		case m == nil:
			out[len(out)-1].runs = append(out[len(out)-1].runs, expand(piece)...)
		case slices.ContainsFunc(out, func(g askedGroup) bool { return g.label == m[1] }):
			bad(fmt.Sprintf("group %q is there twice", m[1]))
		default:
			out = append(out, askedGroup{m[1], expand(m[2])})
		}
	}
	if len(out) > 0 && c.NArg() > 0 {
		bad(fmt.Sprintf("%q belongs to no group", c.Args().First()))
	}
	if len(out) == 1 {
		bad(fmt.Sprintf("there is only group %q; a comparison of groups needs two", out[0].label))
	}
	switch {
	case len(out) == 0 && c.NArg() == 0 && len(problems) == 0:
		bad("`chexp results compare` takes runs, or groups of them; it got none")
	case len(out) == 0:
		g := askedGroup{}
		for _, arg := range c.Args().Slice() {
			g.runs = append(g.runs, expand(arg)...)
		}
		out = []askedGroup{g}
	}
	return out, usage(problems, "`chexp results compare --help`; nothing was created")
}

// expand does what a shell does where it could not: --group a=runs/*.
func expand(pattern string) []string {
	if strings.ContainsAny(pattern, "*?[") {
		if files, err := filepath.Glob(pattern); err == nil && len(files) > 0 {
			return files
		}
	}
	return []string{pattern}
}

func askedBudgets(c *cli.Context) (out []judge.Budget, err error) {
	var bad []string
	for _, text := range c.StringSlice("budget") {
		b, err := spec.ParseBudget(text)
		if err != nil {
			bad = append(bad, "--budget "+err.Error())
		}
		out = append(out, b)
	}
	return out, usage(bad, "`chexp results compare --help`; nothing was created")
}

// usage is one error with every problem.
func usage(problems []string, next string) error {
	if len(problems) == 0 {
		return nil
	}
	return failure.Usage.Errorf("%s", strings.Join(problems, "\n  ")).Advise("%s", next)
}

// gather reads and judges all runs; what nobody could read is one error with
// every name in it.
func (a resultsVerbs) gather(c *cli.Context, asked []askedGroup, budgets []judge.Budget) (
	groups []compare.Group, damaged []string, err error) {
	var bad []string
	in := map[string]string{} // run → label of its group
	for _, g := range asked {
		group := compare.Group{Label: g.label}
		var runs []*store.Gathered
		for _, name := range g.runs {
			found, err := a.runs(c).Gather(name)
			switch {
			case err == nil:
			case failure.KindOf(err) == failure.Storage:
				damaged = append(damaged, err.Error())
			default:
				bad = append(bad, err.Error())
			}
			for _, one := range found {
				if i := slices.IndexFunc(runs, func(r *store.Gathered) bool { return r.RunID == one.RunID }); i >= 0 {
					runs[i].Join(one)
				} else {
					runs = append(runs, one)
				}
			}
		}
		a.sealedRuns(c, runs)
		for _, r := range runs {
			if other, ok := in[r.RunID]; ok {
				bad = append(bad, fmt.Sprintf("run %s is in the groups %s and %s", r.RunID, other, g.label))
				continue
			}
			in[r.RunID] = g.label
			for _, d := range r.Damaged {
				damaged = append(damaged, r.Source+": "+d)
			}
			group.Runs = append(group.Runs, judged(r, budgets)...)
		}
		groups = append(groups, group)
	}
	return groups, damaged, usage(bad, "`chexp results list` shows the runs; a RUN is also the path of a run's "+
		"directory, of a folder of results, or of a result file")
}
