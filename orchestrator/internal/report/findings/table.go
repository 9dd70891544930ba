// Package findings is what a run found, as data: a row for each trial, the decision
// in words, and everything that explains the numbers. [Build] makes it for the report
// of one run, [Evidence] hands a run over to be compared with others.
package findings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/facts"
	"chexp/orchestrator/internal/report/options"
)

// Input is everything known about a run. Only Run is needed: a run that died
// in its first phase has a report too.
type Input struct {
	Run     Run
	Plan    *trial.Plan     // nil: rows are the results, in order of their names
	Results []*trial.Result // nil entries are ignored
	Origins judge.Origins   // what measured each
	Budgets []judge.Budget
	Phases  []Phase
}

// Run says what was run, where and when.
type Run struct {
	ID           string    `json:"id"`
	Experiment   string    `json:"experiment"`
	Description  string    `json:"description,omitempty"`
	System       string    `json:"system,omitempty"` // of an experiment with several
	PricePerHour float64   `json:"price_per_hour,omitempty"`
	Site         string    `json:"site,omitempty"`
	Region       string    `json:"region,omitempty"`
	Device       Device    `json:"device"` // that measured; where several did, of the last attempt
	LeaseID      string    `json:"lease_id,omitempty"`
	ContainerID  string    `json:"container_id,omitempty"`
	Image        string    `json:"image,omitempty"`
	Started      time.Time `json:"started,omitzero"`
	Ended        time.Time `json:"ended,omitzero"` // zero: not over
	ChexpVersion string    `json:"chexp_version,omitempty"`
	// Rehearsal: the site was an emulator. Its latencies are real times of
	// some other machine, so there is no verdict about the device.
	Rehearsal bool `json:"rehearsal"`
	// Attempts are the devices that the run had, one after the other.
	Attempts []Attempt `json:"attempts,omitempty"`
	Note     string    `json:"note,omitempty"` // shown as it is, for example "interrupted"
	// Changed names what is not what was measured any more; "": nothing that is known.
	Changed string `json:"changed,omitempty"`
	Dir     string `json:"-"` // where the run lies on this machine; only the terminal shows it
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
	return strings.Join(words.Present(device, r.Site, region), ", ")
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

// Device is the reserved board, as the site names it.
type Device struct {
	Name        string `json:"name,omitempty"`
	UID         string `json:"uid,omitempty"`
	MachineName string `json:"machine_name,omitempty"`
}

// Attempt is one device held once, as the services told of it.
type Attempt struct {
	N             int                   `json:"attempt"`
	Results       int                   `json:"results"` // that count, partial ones included
	Region        string                `json:"region,omitempty"`
	Device        Device                `json:"device"`
	LeaseID       string                `json:"lease_id,omitempty"`
	ReservationID string                `json:"reservation_id,omitempty"`
	ContainerID   string                `json:"container_id,omitempty"`
	Image         string                `json:"image,omitempty"`
	Digest        trial.Reading[string] `json:"image_digest,omitzero"`
	// BootID is the board's: containers that share it share the board. Unproven is why
	// nobody can say for certain which board it had.
	BootID   trial.Reading[string] `json:"boot_id,omitzero"`
	Unproven string                `json:"board_unproven,omitempty"`
	// Clock is how the device's clock stood to the site's, for people; "": nobody asked.
	Clock string `json:"clock,omitempty"`
}

// String says what the attempt had, for people.
func (a Attempt) String() string {
	named := func(what, id string) string { return words.When(id != "", what+id) }
	return strings.Join(words.Present(words.Plural(a.Results, "result"), a.Device.Name, named("uid ", a.Device.UID),
		named("lease ", a.LeaseID), named("reservation ", a.ReservationID), named("container ", a.ContainerID),
		named("boot id ", a.boot()), named("board not proven: ", a.Unproven), named("device's clock ", a.Clock)), ", ")
}

func (a Attempt) boot() string { id, _ := a.BootID.Get(); return id }

// byDevice says how many results each device brought.
func (t *Table) byDevice() string {
	var out []string
	for _, d := range t.Judged.Devices() {
		n := 0
		for _, r := range t.Rows {
			if r.Origin.Device == d {
				n++
			}
		}
		out = append(out, fmt.Sprintf("%s (%s)", d, words.Plural(n, "trial")))
	}
	return words.List(out, ", ", 6)
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
	// Options are the rows' options, each over all its repetitions.
	Options []options.Summary `json:"options,omitempty"`
	Rows    []*Row            `json:"rows"`
	Notes   []Note            `json:"notes,omitempty"`
	// Ratios hold what was measured in turns against each other; Placements
	// say which provider really ran each model, and Spreads where the latencies
	// of an option scatter.
	Ratios     []options.Ratio     `json:"comparisons,omitempty"`
	Placements []options.Placement `json:"placements,omitempty"`
	Spreads    []options.Spread    `json:"spreads,omitempty"`
	Models     []Model             `json:"models,omitempty"`
	Facts      []facts.Fact        `json:"facts,omitempty"`    // about the device and the software on it
	Protocol   []facts.Fact        `json:"protocol,omitempty"` // how it was measured, and with what
	Phases     []Phase             `json:"phases,omitempty"`

	Judged *judge.Run `json:"-"`
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

	Marks   map[string][]int `json:"-"` // footnotes of single cells, by the key of their column
	Device  trial.Device     `json:"-"`
	Agent   trial.Agent      `json:"-"`
	Runtime trial.Runtime    `json:"-"`
}

func newRow(t *judge.Trial) *Row {
	row := &Row{Trial: t, Marks: map[string][]int{}}
	if r := t.Result; r != nil {
		row.Device, row.Agent, row.Runtime = r.Device, r.Agent, r.Runtime
		row.Start, row.End = r.Start, r.End
	}
	return row
}

// Note is a footnote.
type Note struct {
	Mark int    `json:"mark"` // from 1
	Text string `json:"text"`
}

// RoofShare says which share, from 0 to 1, a trial achieved of what its device can do.
func (r *Row) RoofShare() trial.Reading[float64] {
	if b, ok := r.Roof.Get(); ok {
		return trial.Read(b.Achieved)
	}
	return trial.Unread[float64](r.Roof.Unavailable)
}

// Percentiles are those that a table of the findings shows: the usual ones, and
// what budgets limit.
func (t *Table) Percentiles() (out []*judge.Metric) {
	for _, m := range judge.Metrics {
		usual := m == judge.P50 || m == judge.P95 || m == judge.P99
		limited := slices.ContainsFunc(t.Budgets, func(b judge.Budget) bool { return b.Metric == m })
		if m.IsLatency() && (usual || limited) {
			out = append(out, m)
		}
	}
	return out
}

// BudgetColumn is the key of the column of budget i.
func BudgetColumn(i int) string { return fmt.Sprintf("budget %d", i) }

// WithAccuracy reports whether any trial was asked for it.
func (t *Table) WithAccuracy() bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool {
		_, ok := r.Accuracy.Get()
		return ok || r.Accuracy.Unavailable != ""
	})
}

// Agreement is how near the outputs were to a reference's, if that was measured.
func (r *Row) Agreement() (g trial.Agreement, ok bool) {
	a, ok := r.Accuracy.Get()
	if !ok {
		return g, false
	}
	return a.Agreement.Get()
}

// Decision puts the decision of package judge into words.
type Decision struct {
	Verdict judge.Conclusion `json:"verdict"`
	// RealDevice is false for a rehearsal or an emulated processor: the
	// decision then says how the report reads and nothing about a device.
	RealDevice bool     `json:"real_device"`
	Text       string   `json:"text"`
	Details    []string `json:"details,omitempty"`
	// Next is what to do now, a sentence.
	Next     string   `json:"next,omitempty"`
	Options  []string `json:"options,omitempty"` // letters of the options that meet every budget
	Smallest string   `json:"smallest,omitempty"`
	Fastest  string   `json:"fastest,omitempty"`
}
