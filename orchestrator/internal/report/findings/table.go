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
// Three rules hold throughout. A number that could not be measured is shown as
// missing with its reason, never as zero. A decision is never taken from a
// trial that failed, that contradicts itself, that a check found INVALID, or
// whose sample cannot carry the percentile that is asked for. Whatever came from a device is hostile: it is
// bounded, stripped of control characters when the Table is built, and escaped
// again by each renderer for its own format.
package findings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/spec"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// Input is everything known about a run. Only Run is needed: a run that died
// in its first phase has a report too.
type Input struct {
	Run     Run
	Plan    *trial.Plan     // nil: rows are the results, in order of their names
	Results []*trial.Result // nil entries are ignored
	Budgets []spec.Budget
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

// Where names the device and the site, as far as they are known.
func (r Run) Where() string {
	device := r.Device.Name
	if r.Device.MachineName != "" && device != "" {
		device += " (" + r.Device.MachineName + ")"
	} else if device == "" {
		device = r.Device.MachineName
	}
	region := r.Region
	if region == r.Site { // CHI@Edge is both
		region = ""
	}
	return strings.Join(present(device, r.Site, region), ", ")
}

// When says when the run began and how long it took.
func (r Run) When() string {
	switch {
	case r.Started.IsZero():
		return ""
	case r.Ended.IsZero():
		return words.Time(r.Started) + ", not over"
	}
	return words.Time(r.Started) + ", took " + words.Span(r.Ended.Sub(r.Started))
}

func present(items ...string) []string {
	return slices.DeleteFunc(items, func(s string) bool { return s == "" })
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
	Interrupted string   `json:"interrupted,omitempty"`
	Decision    Decision `json:"decision"`
	Budgets     []Budget `json:"budgets,omitempty"`
	Rows        []*Row   `json:"rows"`
	Notes       []Note   `json:"notes,omitempty"`
	// Comparisons hold what was measured in turns against each other; Placements
	// say which provider really ran each model, and Spreads where the latencies
	// of an option scatter.
	Comparisons []Comparison `json:"comparisons,omitempty"`
	Placements  []Placement  `json:"placements,omitempty"`
	Spreads     []Spread     `json:"spreads,omitempty"`
	Models      []Model      `json:"models,omitempty"`
	Facts       []Fact       `json:"facts,omitempty"`    // about the device and the software on it
	Protocol    []Fact       `json:"protocol,omitempty"` // how it was measured, and with what
	Phases      []Phase      `json:"phases,omitempty"`
}

// Budget is one requirement, a column of the table.
type Budget struct {
	Text   string  `json:"text"` // as the experiment has it: "p50 < 15 ms"
	Metric string  `json:"metric"`
	Op     string  `json:"op"`
	Limit  float64 `json:"limit"` // bytes, nanoseconds, inputs per second, or a share
}

// Model is a model file of the run.
type Model struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Origin string `json:"origin,omitempty"`
}

// Missing is the outcome of a planned trial without a result.
const Missing trial.Outcome = "missing"

// Row is one trial.
type Row struct {
	Trial      string         `json:"trial"`
	Option     string         `json:"option"` // the letter that stands for model × provider × threads × batch
	Model      string         `json:"model"`
	Bytes      int64          `json:"model_bytes"` // 0: unknown
	Provider   string         `json:"provider"`
	Threads    int            `json:"threads"`
	Batch      int            `json:"batch"`
	Repetition int            `json:"repetition"`
	Outcome    trial.Outcome  `json:"outcome"`
	Reasons    []trial.Reason `json:"reasons,omitempty"`
	// Partial says how far a trial came whose run ended before it did.
	Partial *trial.Partial `json:"partial,omitempty"`
	// Doubts say how the result contradicts the plan or itself. A doubtful
	// result is shown, but nothing is decided from it.
	Doubts []string `json:"doubts,omitempty"`
	// Validity is the worst outcome of the Checks, which ask whether the
	// latencies can be believed. Both are empty unless the trial went well and
	// there is no doubt about whose latencies they are. Nothing is decided from
	// an INVALID result.
	Validity stats.Validity `json:"validity,omitempty"`
	Checks   []stats.Check  `json:"checks,omitempty"`

	N              int                    `json:"n"`
	Min            trial.Reading[float64] `json:"min_ns"`
	P50            trial.Reading[float64] `json:"p50_ns"`
	P90            trial.Reading[float64] `json:"p90_ns"`
	P95            trial.Reading[float64] `json:"p95_ns"`
	P99            trial.Reading[float64] `json:"p99_ns"`
	Max            trial.Reading[float64] `json:"max_ns"`
	Mean           trial.Reading[float64] `json:"mean_ns"`
	Throughput     trial.Reading[float64] `json:"throughput_per_s"`
	SessionCreate  trial.Reading[float64] `json:"session_create_ns"`
	FirstInference trial.Reading[float64] `json:"first_inference_ns"`
	PeakMemory     trial.Reading[float64] `json:"peak_memory_bytes"`
	// P50Low and P50High bound the median with 95 % confidence, over blocks where
	// it was measured in blocks; absent below six inferences.
	P50Low  trial.Reading[float64] `json:"p50_low_ns"`
	P50High trial.Reading[float64] `json:"p50_high_ns"`

	// Ran says what the provider that was asked for really ran, Roof how near the
	// trial came to what the device can do, and Harness what measuring adds to an
	// inference.
	Ran     trial.Reading[validity.Truth] `json:"ran,omitzero"`
	Roof    trial.Reading[validity.Bound] `json:"roof,omitzero"`
	Harness trial.Reading[float64]        `json:"harness_ns,omitzero"`
	// Accuracy is zero where the plan did not ask for it.
	Accuracy trial.Reading[trial.Accuracy] `json:"accuracy,omitzero"`

	Verdicts []Verdict `json:"verdicts,omitempty"` // one per Budget, in order
	Notes    []int     `json:"notes,omitempty"`    // Note.Mark
	Start    time.Time `json:"start,omitzero"`     // the device's clock
	End      time.Time `json:"end,omitzero"`

	// What the renderers draw from, besides: the result as it came, the sample of its
	// latencies, and the footnotes of single cells by the key of their column.
	Result *trial.Result    `json:"-"` // never nil; nothing in it where none came
	Sample stats.Sample     `json:"-"`
	Marks  map[string][]int `json:"-"`
}

// Valid reports whether the row may be decided from.
func (r *Row) Valid() bool { return r.Sound() && r.Validity != stats.Invalid }

// Own reports whether the latencies are those of the provider that was asked
// for, as far as is known. Those of another are nowhere shown under its name.
func (r *Row) Own() bool {
	t, ok := r.Ran.Get()
	return !ok || !t.Wrong()
}

// Sound reports whether the row's latencies are what they say they are.
func (r *Row) Sound() bool { return r.Outcome == trial.OK && len(r.Doubts) == 0 }

// Note is a footnote.
type Note struct {
	Mark int    `json:"mark"` // from 1
	Text string `json:"text"`
}

// RoofShare is how much of what its device can do a trial achieved, 0 to 1.
func (r *Row) RoofShare() trial.Reading[float64] {
	if b, ok := r.Roof.Get(); ok {
		return trial.Read(b.Achieved)
	}
	return trial.Unread[float64](r.Roof.Unavailable)
}

// Judged reports whether any budget is about a metric.
func (t *Table) Judged(metric string) bool {
	return slices.ContainsFunc(t.Budgets, func(b Budget) bool { return b.Metric == metric })
}

// BudgetColumn is the key of the column of budget i.
func BudgetColumn(i int) string { return fmt.Sprintf("budget %d", i) }
