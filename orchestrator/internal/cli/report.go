package cli

import (
	"bytes"
	"fmt"
	"time"

	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// table builds the report's model of a run from the store alone.
func table(s *store.Run) (*findings.Table, error) {
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
	in := findings.Input{Plan: plan, Results: results, Budgets: e.Budgets, Phases: timeline(entries)}
	in.Run = findings.Run{
		ID: s.ID, Experiment: e.Name, Description: e.Description, Site: e.Site,
		Image: e.Container.Image, Started: entries[0].Time, Ended: entries[len(entries)-1].Time,
		Rehearsal: isRehearsal(s), Dir: s.Dir,
	}
	if f, err := run.ReadFacts(s); err == nil {
		d := f.Lease.Device
		in.Run.Device = findings.Device{Name: d.Name, UID: d.UID, MachineName: d.MachineName}
		in.Run.LeaseID, in.Run.ContainerID = f.Lease.ID, f.Container.ID
	}
	return findings.Build(in), nil
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
			phases = append(phases, findings.Phase{Name: e.Phase, Start: began, End: e.Time, Outcome: outcome, Note: e.Text})
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
	for _, f := range report.Files {
		var buf bytes.Buffer
		if err := f.Render(&buf, t); err != nil {
			return fmt.Errorf("render %s: %w", f.Name, err)
		}
		if err := s.Replace(f.Name, buf.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
