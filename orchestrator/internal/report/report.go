// Package report writes what a run found, and what several runs have in common,
// in every format that people and programs read.
//
// A report goes through three rooms. [findings.Build] makes a table of a run's raw
// results: which model, on which execution provider, at what size and latency,
// against which budgets, the decision, and the doubts that go with the numbers.
// Package content says in cells and sentences what that means. texttab, page and
// this package draw it, and add nothing, so no two formats can disagree. Everything
// is pure: no network, no files, no clock; the same input gives the same bytes.
//
// Three rules hold throughout. A number that could not be measured is shown as
// missing with its reason, never as zero. A decision is never taken from a trial
// that failed, that contradicts itself, that a check found INVALID, or whose sample
// cannot carry the percentile that is asked for. Whatever came from a device is
// hostile: it is bounded and stripped of control characters when the findings are
// made, and escaped again by each renderer for its own format.
package report

import (
	"encoding/json"
	"io"

	"chexp/experiments/compare"
	"chexp/orchestrator/internal/report/content"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/page"
	"chexp/orchestrator/internal/report/texttab"
)

// File is one of the files that a run's directory holds about its findings.
type File struct {
	Name   string
	Render func(io.Writer, *findings.Table) error
}

// Files lists every one of them.
var Files = []File{
	{"report.txt", text},
	{"report.md", Markdown},
	{"report.csv", CSV},
	{"report.json", JSON},
	{"report.html", page.Run},
	{"bench.txt", Bench},
}

// text is the terminal's report as a file: it is the same wherever the run lies.
func text(w io.Writer, t *findings.Table) error {
	here := *t
	here.Run.Dir = ""
	return Terminal(w, &here, 0, false, true)
}

// Terminal writes the findings for a terminal, as [texttab.Write] does: a row for
// each option and, where they are asked for, one for each trial.
func Terminal(w io.Writer, t *findings.Table, width int, color, trials bool) error {
	d := content.OfRun(t, true)
	if trials && len(t.Rows) > 0 {
		rows := content.RunTable(t)
		d.Trials = &rows
	}
	return texttab.Write(w, d, width, color)
}

// ComparisonText writes a comparison of runs for a terminal, as [texttab.Write] does.
func ComparisonText(w io.Writer, c *compare.Comparison, width int, color bool) error {
	return texttab.Write(w, content.OfComparison(c, true), width, color)
}

// JSON writes the findings as one document. Keys are stable under
// [findings.Schema]; times are nanoseconds, sizes bytes. A number that does not
// exist is an object with "unavailable" and the reason.
func JSON(w io.Writer, t *findings.Table) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t)
}
