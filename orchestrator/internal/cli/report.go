package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// table builds the report's model of a run from the store alone.
func table(s *store.Run) (*report.Table, error) {
	plan, err := s.Plan()
	if err != nil {
		return nil, err
	}
	results, err := s.Results(plan)
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
	in := report.Input{Plan: plan, Results: results, Budgets: e.Budgets, Phases: timeline(entries)}
	in.Run = report.Run{
		ID: s.ID, Experiment: e.Name, Description: e.Description, Site: e.Site,
		Image: e.Container.Image, Started: entries[0].Time, Ended: entries[len(entries)-1].Time,
		Rehearsal: isRehearsal(s), Dir: s.Dir,
	}
	if f, err := run.ReadFacts(s); err == nil {
		d := f.Lease.Device
		in.Run.Device = report.Device{Name: d.Name, UID: d.UID, MachineName: d.MachineName}
		in.Run.LeaseID, in.Run.ContainerID = f.Lease.ID, f.Container.ID
	}
	return report.Build(in), nil
}

// timeline turns the journal's phases into what the report draws.
func timeline(entries []store.Entry) []report.Phase {
	var phases []report.Phase
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
			phases = append(phases, report.Phase{Name: e.Phase, Start: began, End: e.Time, Outcome: outcome, Note: e.Text})
		}
	}
	return phases
}

// showRun prints the decision table in the format asked for.
func (a *app) showRun(c *cli.Context, s *store.Run) error {
	t, err := table(s)
	if err != nil {
		return err
	}
	switch f := c.String("format"); f {
	case "json":
		return report.JSON(a.out, t)
	case "csv":
		return report.CSV(a.out, t)
	case "table":
		p := newProgress(a.out)
		width := 0 // not a terminal: as wide as it needs
		if p.tty {
			width = p.width
		}
		return report.Terminal(a.out, t, width, p.tty)
	default:
		return badFormat(f)
	}
}

// renderReports writes every derived file of a run.
func renderReports(s *store.Run) error {
	t, err := table(s)
	if err != nil {
		return err
	}
	for _, r := range []struct {
		name   string
		render func(io.Writer, *report.Table) error
	}{
		{"report.txt", func(w io.Writer, t *report.Table) error { return report.Terminal(w, t, 0, false) }},
		{"report.md", report.Markdown},
		{"report.csv", report.CSV},
		{"report.json", report.JSON},
		{"report.html", report.HTML},
		{"bench.txt", report.Bench},
	} {
		var buf bytes.Buffer
		if err := r.render(&buf, t); err != nil {
			return fmt.Errorf("render %s: %w", r.name, err)
		}
		if err := s.Replace(r.name, buf.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
