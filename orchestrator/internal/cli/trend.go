package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"

	"chexp/experiments/compare"
	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/page"
)

func (a resultsVerbs) trendCommand() *cli.Command {
	return &cli.Command{
		Name: "trend", Usage: "how an experiment's latencies went over its runs, and where they changed",
		ArgsUsage: "NAME|RUN...",
		Description: "NAME is an experiment's: all its runs on this machine. A RUN is what `chexp results compare` takes.\n" +
			"Each run is a point for each model, provider, threads and batch. A change point is where the runs\n" +
			"before and after differ more than orders drawn by chance do (1 in 50), and by 2 % or more; it takes\n" +
			"nine runs to find one. What else differs between the runs on either side stands beside it.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "html", Usage: "also write a page with a picture to `FILE`"},
			formatFlag(),
		},
		Action: a.resultsTrend,
	}
}

func (a resultsVerbs) resultsTrend(c *cli.Context) error {
	if c.NArg() == 0 {
		return failure.Usage.Errorf("`chexp results trend` takes the name of an experiment, or runs; it got none").
			Advise("`%s` shows both", a.commands(c).Line("results", "list"))
	}
	name, asked, err := a.trendRuns(c)
	if err != nil {
		return err
	}
	in, damaged, err := a.gather(c, []askedGroup{asked}, nil)
	if err != nil {
		return err
	}
	const seed = 1
	t := compare.TrendOf(name, in[0].Runs, seed)
	if file := c.String("html"); file != "" {
		if err := a.writePage(file, func(w io.Writer) error { return page.Trend(w, t) }); err != nil {
			return err
		}
	}
	if err := a.print(c, trendList(t)); err != nil {
		return err
	}
	if c.String("format") == "table" {
		fmt.Fprintln(a.out)
		for _, line := range content.TrendLines(t) {
			fmt.Fprintln(a.out, words.Printable(line))
		}
	}
	switch {
	case len(damaged) > 0:
		return failure.Storage.Errorf("left out, as damaged: %s", words.List(damaged, "; ", 5)).
			Advise("copy those runs again from where they were measured")
	case len(t.Rows) == 0:
		return failure.Trials.Errorf("no usable result in any run").Advise("`%s` says why", a.commands(c).Show())
	}
	return nil
}

// trendRuns are the runs that the arguments name; one argument may be an experiment.
func (a resultsVerbs) trendRuns(c *cli.Context) (name string, asked askedGroup, err error) {
	if c.NArg() == 1 {
		root := a.runs(c)
		ids, err := root.IDs()
		if err != nil {
			return "", asked, err
		}
		for _, id := range ids {
			s, err := root.Open(id)
			if err != nil {
				return "", asked, err
			}
			if r := describe(s); r.Experiment == c.Args().First() && r.Results > 0 {
				asked.runs = append(asked.runs, s.Dir)
			}
		}
		if len(asked.runs) > 0 {
			return c.Args().First(), asked, nil
		}
	}
	for _, arg := range c.Args().Slice() {
		for _, path := range expand(arg) {
			asked.runs = append(asked.runs, filepath.Clean(path))
		}
	}
	return "", asked, nil
}

// trendList has a row for each point.
func trendList(t *compare.Trend) list {
	l := list{columns: []string{"model", "provider", "threads", "batch", "started (UTC)", "run", "device", "p50 ms",
		"95 %", "validity", "change"}, json: t, key: 5}
	for _, r := range t.Rows {
		at := map[int]compare.Step{}
		for _, s := range r.Steps {
			at[s.First] = s
		}
		for i, p := range r.Points {
			change := ""
			if s, ok := at[i]; ok {
				change = fmt.Sprintf("%+.3g %%", 100*(s.MedianAfter/s.MedianBefore-1))
			}
			l.rows = append(l.rows, []string{r.Model, r.Provider, strconv.Itoa(r.Threads), strconv.Itoa(r.Batch),
				minute(p.Started), p.Run, p.Device, words.Digits(p.Median / 1e6),
				content.IntervalText(p.Interval, words.Unit{Name: "ms", Size: 1e6}), string(p.Validity), change})
		}
	}
	return l
}
