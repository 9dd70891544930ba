// Package report turns the raw results of a run into the page that people
// decide from: a decision table (which model, on which execution provider, at
// what size and latency, against which budgets), the decision in words, and
// the doubts that go with the numbers.
//
// Build makes one Table; the renderers (Terminal, Markdown, CSV, JSON, Bench,
// HTML) only draw it, so they cannot disagree. Everything is pure: no network,
// no files, no clock; the same input gives the same bytes.
//
// Evidence hands a judged run to package compare, which puts runs side by side;
// ComparisonText, ComparisonCSV and ComparisonHTML draw what comes of it.
//
// What is judged is judged in package judge: this package says it in words and
// draws it. A number that could not be measured is shown as missing with its
// reason, never as zero. Whatever came from a device is hostile: it comes from
// package judge bounded and without control characters, and each renderer escapes
// it again for its own format.
package report

import (
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
)

// Input is everything known about a run. Only Run is needed: a run that died
// in its first phase has a report too.
type Input struct {
	Run     Run
	Plan    *trial.Plan     // nil: rows are the results, in order of their names
	Results []*trial.Result // nil entries are ignored
	Budgets []judge.Budget
	Phases  []Phase
}

// Run says what was run, where and when.
type Run struct {
	ID           string    `json:"id"`
	Experiment   string    `json:"experiment"`
	Description  string    `json:"description,omitempty"`
	Site         string    `json:"site,omitempty"`
	Region       string    `json:"region,omitempty"`
	Device       Device    `json:"device"`
	LeaseID      string    `json:"lease_id,omitempty"`
	ContainerID  string    `json:"container_id,omitempty"`
	Image        string    `json:"image,omitempty"`
	Started      time.Time `json:"started,omitzero"`
	Ended        time.Time `json:"ended,omitzero"` // zero: not over
	ChexpVersion string    `json:"chexp_version,omitempty"`
	// Rehearsal: the site was an emulator. Its latencies are real times of
	// some other machine, so there is no verdict about the device.
	Rehearsal bool   `json:"rehearsal"`
	Note      string `json:"note,omitempty"` // shown as it is, for example "interrupted"
	Dir       string `json:"-"`              // where the run lies on this machine; only the terminal shows it
}

// Device is the reserved board, as the site names it.
type Device struct {
	Name        string `json:"name,omitempty"`
	UID         string `json:"uid,omitempty"`
	MachineName string `json:"machine_name,omitempty"`
}

// Phase is one bar of the timeline: plan, lease, container, push, run, fetch,
// release, report.
type Phase struct {
	Name    string    `json:"name"`
	Start   time.Time `json:"start,omitzero"`
	End     time.Time `json:"end,omitzero"` // zero: not over
	Outcome string    `json:"outcome"`      // "ok", "failed", or a word of the caller's
	Note    string    `json:"note,omitempty"`
}

// Schema names the JSON document that JSON writes.
const Schema = "chexp.report/v1"

// Table is the report as data. Times are nanoseconds, sizes are bytes.
type Table struct {
	Schema  string   `json:"schema"`
	Run     Run      `json:"run"`
	Caveats []string `json:"caveats,omitempty"` // hold for every row
	// Interrupted says how much of the run is missing, if it ended early.
	Interrupted string         `json:"interrupted,omitempty"`
	Decision    Decision       `json:"decision"`
	Budgets     []judge.Budget `json:"budgets,omitempty"`
	Rows        []*Row         `json:"rows"`
	Notes       []Note         `json:"notes,omitempty"`
	// Ratios hold what was measured in turns against each other; Placements
	// say which provider really ran each model, and Spreads where the latencies
	// of an option scatter.
	Ratios     []Ratio     `json:"comparisons,omitempty"`
	Placements []Placement `json:"placements,omitempty"`
	Spreads    []Spread    `json:"spreads,omitempty"`
	Models     []Model     `json:"models,omitempty"`
	Facts      []Fact      `json:"facts,omitempty"`    // about the device and the software on it
	Protocol   []Fact      `json:"protocol,omitempty"` // how it was measured, and with what
	Phases     []Phase     `json:"phases,omitempty"`

	run *judge.Run
}

// Model is a model file of the run.
type Model struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Origin string `json:"origin,omitempty"`
}

// Row is one judged trial, with its footnotes.
type Row struct {
	*judge.Trial
	Notes []int     `json:"notes,omitempty"` // Note.Mark
	Start time.Time `json:"start,omitzero"`  // the device's clock
	End   time.Time `json:"end,omitzero"`

	latencies []int64          // in the order of measurement
	warmup    []int64          // before them
	marks     map[string][]int // footnotes of single cells, by column key
	device    trial.Device
	agent     trial.Agent
	runtime   trial.Runtime
}

func newRow(t *judge.Trial) *Row {
	row := &Row{Trial: t, marks: map[string][]int{}}
	if r := t.Result; r != nil {
		row.latencies, row.warmup = r.LatenciesNS, r.WarmupNS
		row.device, row.agent, row.runtime = r.Device, r.Agent, r.Runtime
		row.Start, row.End = r.Start, r.End
	}
	return row
}

// Note is a footnote.
type Note struct {
	Mark int    `json:"mark"` // from 1
	Text string `json:"text"`
}
