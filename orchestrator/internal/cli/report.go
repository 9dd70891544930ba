package cli

import (
	"bytes"
	"fmt"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// found is what a run has brought home so far: read from its directory, checked
// and judged once, however often it is written or shown.
type found struct {
	store   *store.Run
	results []*trial.Result
	table   *findings.Table
}

// readFindings reads a run from its directory alone.
func readFindings(s *store.Run) (*found, error) {
	plan, err := s.Plan()
	if err != nil {
		return nil, err
	}
	brought, err := s.Brought(plan)
	if err != nil {
		return nil, err
	}
	e, err := storedExperiment(s)
	if err != nil {
		return nil, err
	}
	entries, err := s.Entries()
	if err != nil {
		return nil, err
	}
	in := findings.Input{Plan: plan, Budgets: e.Budgets, Phases: timeline(entries)}
	in.Run = findings.Run{
		ID: s.ID, Experiment: e.Name, Description: e.Description, Site: e.Site,
		Image: e.Container.Image, Started: entries[0].Time, Ended: entries[len(entries)-1].Time,
		Rehearsal: isRehearsal(s), Dir: s.Dir,
	}
	facts, err := attemptsOf(s)
	if err != nil {
		return nil, failure.Storage.Errorf("where run %s measured cannot be read", s.ID).Because(err)
	}
	whereabouts(&in, brought, facts)
	return &found{s, in.Results, findings.Build(in)}, nil
}

// timeline turns the journal's phases into what the report draws.
func timeline(entries []store.Entry) []findings.Phase {
	var phases []findings.Phase
	open := map[string]time.Time{}
	for _, e := range entries {
		switch e.Kind {
		case store.Began:
			open[e.Phase] = e.Time
		case store.Ended, store.Failed:
			began, ok := open[e.Phase]
			if !ok {
				continue
			}
			delete(open, e.Phase)
			outcome := "ok"
			if e.Kind == store.Failed {
				outcome = "failed"
			}
			phases = append(phases, findings.Phase{Name: e.Phase, Start: began, End: e.Time, Outcome: outcome,
				Note: e.Text})
		}
	}
	return phases
}

// show prints the decision table in the format asked for.
func (a *app) show(c *cli.Context, f *found) error {
	switch format := c.String("format"); format {
	case "json":
		return report.JSON(a.out, f.table)
	case "csv":
		return report.CSV(a.out, f.table)
	case "table":
		p := newProgress(a.out)
		width := 0 // not a terminal: as wide as it needs
		if p.tty {
			width = p.width
		}
		return report.Terminal(a.out, f.table, width, p.tty)
	default:
		return badFormat(format)
	}
}

// write writes every derived file of the run.
func (f *found) write() error {
	for _, file := range report.Files {
		var buf bytes.Buffer
		if err := file.Render(&buf, f.table); err != nil {
			return fmt.Errorf("render %s: %w", file.Name, err)
		}
		if err := f.store.Replace(file.Name, buf.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// writeReports reads a run and writes its derived files.
func writeReports(s *store.Run) (*found, error) {
	f, err := readFindings(s)
	if err != nil {
		return nil, err
	}
	return f, f.write()
}
