package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"chexp/experiments/compare"
	"chexp/experiments/failure"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/seal"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// found is what a run has brought home so far: read from its directory, checked
// and judged once, however often it is written or shown.
type found struct {
	store   *store.Run
	results []*trial.Result
	table   *findings.Table

	// Of a run with several devices: each by itself, and side by side. results and
	// table are empty then.
	devices []*found
	across  *compare.Comparison
}

// measured reports whether there is any result.
func (f *found) measured() bool {
	return len(f.results) > 0 || slices.ContainsFunc(f.devices, (*found).measured)
}

// readFindings reads a run from its directory alone. work is what the process does in
// it; nil: it only reads.
func readFindings(s *store.Run, work *seal.Before) (*found, error) {
	changed := changedEvidence(s, work)
	if len(s.Devices()) > 0 {
		return readDevices(s, changed)
	}
	return readDevice(s, changed)
}

// readDevices reads a run with several devices.
func readDevices(s *store.Run, changed string) (*found, error) {
	f := &found{store: s}
	for _, part := range s.Devices() {
		own, err := readDevice(part, changed)
		if err != nil {
			return nil, err
		}
		f.devices = append(f.devices, own)
	}
	parts, err := store.At(filepath.Dir(s.Dir)).Gather(s.Dir)
	if err != nil {
		return nil, err
	}
	var group compare.Group
	for _, g := range parts {
		group.Runs = append(group.Runs, judged(g, nil)...)
	}
	const seed = 1
	f.across = compare.Runs([]compare.Group{group}, seed)
	if changed != "" {
		f.across.Notes = append([]string{findings.Tampered(changed)}, f.across.Notes...)
	}
	return f, nil
}

// readDevice reads a run with one device, or one device of a run with several.
func readDevice(s *store.Run, changed string) (*found, error) {
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
	image, _ := e.RunsIn()
	in.Run = findings.Run{
		ID: s.ID, Experiment: e.Name, Description: e.Description, Site: e.Site,
		System: e.System, PricePerHour: e.PricePerHour,
		Image: image, Started: entries[0].Time, Ended: ended(entries),
		Rehearsal: isRehearsal(s), Changed: changed, Dir: s.Dir,
	}
	facts, err := attemptsOf(s)
	if err != nil {
		return nil, failure.Storage.Errorf("where run %s measured cannot be read", s.ID).Because(err)
	}
	whereabouts(&in, brought, facts)
	return &found{store: s, results: in.Results, table: findings.Build(in)}, nil
}

// ofReport reports whether an entry is about a report, or stands after one: nothing
// that a report tells of, as it would be another each time it is written.
func ofReport(e store.Entry) bool {
	return e.Phase == string(run.PhaseReport) || e.Kind == store.Finished || e.Kind == store.Left
}

// ended is when a run's work ended.
func ended(entries []store.Entry) time.Time {
	for _, e := range slices.Backward(entries) {
		if !ofReport(e) {
			return e.Time
		}
	}
	return entries[len(entries)-1].Time
}

// timeline turns the journal's phases into what the report draws.
func timeline(entries []store.Entry) []findings.Phase {
	var phases []findings.Phase
	open := map[string]time.Time{}
	for _, e := range entries {
		switch {
		case ofReport(e):
		case e.Kind == store.Began:
			open[e.Phase] = e.Time
		case e.Kind == store.Ended, e.Kind == store.Failed:
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

// answer prints the decision table of what was measured.
func (a *app) answer(c *cli.Context, r *run.Run, f *found, complete bool) error {
	if f.measured() {
		if err := a.show(c, f); err != nil {
			return err
		}
	}
	if !complete {
		return nil // the error that is on its way says more
	}
	if f.across != nil {
		return answerBoards(a.err, r)
	}
	return r.Incomplete(f.results)
}

// answerBoards says which devices of a run with several are whole.
func answerBoards(w io.Writer, r *run.Run) error {
	entries, err := r.Store.Entries()
	if err != nil {
		return err
	}
	boards, err := r.BoardStates(run.Replay(entries))
	if err != nil {
		return err
	}
	if err := r.IncompleteBoards(boards); err != nil {
		return err
	}
	fmt.Fprintf(w, "  boards: %s\n", run.Tell(boards))
	return nil
}

// show prints the decision table in the format asked for.
func (a *app) show(c *cli.Context, f *found) error {
	if f.across != nil {
		return a.showDevices(c, f)
	}
	switch format := c.String("format"); format {
	case "json":
		return report.JSON(a.out, f.table)
	case "yaml":
		return asYAML(a.out, func(w io.Writer) error { return report.JSON(w, f.table) })
	case "csv":
		return report.CSV(a.out, f.table)
	case "table":
		return report.Terminal(a.out, f.table, columns(a.out), newProgress(a.out).color, c.Bool("trials"))
	default:
		return badFormat(format)
	}
}

// showDevices prints the devices of a run side by side, and where each one's own
// report is.
func (a *app) showDevices(c *cli.Context, f *found) error {
	render, err := comparisonFormat(c.String("format"))
	if err != nil {
		return err
	}
	if err := render(a.out, f.across); err != nil || c.String("format") != "table" {
		return err
	}
	for _, d := range f.devices {
		fmt.Fprintf(a.err, "  %-14s %s\n", d.table.Run.Device.Name, filepath.Join(d.store.Dir, "report.html"))
	}
	return nil
}

type acrossFile struct {
	name   string
	render func(io.Writer, *compare.Comparison) error
}

// acrossFiles are the derived files of a run with several devices, beside the page;
// each device has those of a run with one.
var acrossFiles = []acrossFile{
	{"report.txt", func(w io.Writer, c *compare.Comparison) error { return report.ComparisonText(w, c, 100, false) }},
	{"report.csv", report.ComparisonCSV},
	{"report.json", writeComparison},
}

// page writes the page across the devices. It and the devices' own pages lie in one
// directory, so its links hold in a copy of that.
func (f *found) page(w io.Writer, c *compare.Comparison) error {
	var own []page.Link
	for _, d := range f.devices {
		slot := d.store.Slot()
		own = append(own, page.Link{Device: cmp.Or(d.table.Run.Device.Name, fmt.Sprintf("device %d", slot)),
			To: fmt.Sprintf("devices/%d/report.html", slot)})
	}
	return page.Devices(w, c, own)
}

func writeComparison(w io.Writer, c *compare.Comparison) error { return writeJSON(w, c) }

// write writes every derived file of the run.
func (f *found) write() error {
	for _, d := range f.devices {
		if err := d.write(); err != nil {
			return err
		}
	}
	if f.across != nil {
		for _, file := range append(acrossFiles[:len(acrossFiles):len(acrossFiles)], acrossFile{"report.html", f.page}) {
			var buf bytes.Buffer
			if err := file.render(&buf, f.across); err != nil {
				return fmt.Errorf("render %s: %w", file.name, err)
			}
			if err := f.store.Replace(file.name, buf.Bytes()); err != nil {
				return err
			}
		}
		return nil
	}
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
func writeReports(s *store.Run, work *seal.Before) (*found, error) {
	f, err := readFindings(s, work)
	if err != nil {
		return nil, err
	}
	return f, f.write()
}

func (a resultsVerbs) resultsReport(c *cli.Context) error {
	s, err := a.openRun(c)
	if err != nil {
		return err
	}
	whole := s.Whole()
	if err := whole.Lock(); err != nil {
		return err
	}
	defer whole.Unlock()
	changed := a.asSealed(c, s, rewritten)
	defer a.sealing(whole)()
	if _, err := writeReports(s, a.work); err != nil {
		return errors.Join(changed, err)
	}
	fmt.Fprintln(a.out, s.Dir+"/report.html")
	return changed
}
