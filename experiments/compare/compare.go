// Package compare puts runs side by side: several devices and days of the same
// experiment, a group of runs before a change and one after it, or a whole
// class's. It is pure: judged runs in, one Comparison out, which renderers draw
// and which is published as a JSON document (comparison.schema.json).
//
// Four rules hold.
//
//   - Only what is the same is pooled: trials match by the SHA-256 of the model,
//     provider, runtime, threads, batch, scenario and the sizes of free
//     dimensions, and several boards count as one kind of device only if they
//     are of one model. All else that may change a latency is compared and
//     listed where it differs.
//   - The unit is what the number is to hold for. A median over devices counts
//     each device once, and its interval comes from how devices differ; with
//     fewer than three there is none. More inferences on one board never narrow
//     it.
//   - Emulated processors and rehearsals never mix with real devices, INVALID
//     results count nowhere, SUSPECT ones are marked, and whatever is left out
//     has a line that says so.
//   - Where no difference was found, the size of one that would have been found
//     stands beside it. There are no p-values.
//
// Names and facts must come in harmless: a caller that reads hostile results
// cleans them first.
package compare

import (
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// Schema names the JSON document.
const Schema = "chexp.comparison/v1"

// Kind is what the latencies of a run are the latencies of.
type Kind string

// The kinds, from what is worth most to what is worth least.
const (
	Real      Kind = "real"      // a device
	Rehearsal Kind = "rehearsal" // the machine that played the device
	Emulated  Kind = "emulated"  // an emulated processor
)

// Group is some runs under a label.
type Group struct {
	Label string
	Runs  []Run
}

// Run is one judged run, or what one device measured of it: a run that was resumed
// on another board is two of one id.
type Run struct {
	ID      string
	Source  string // where it was read
	Device  string // what names the board on its site; "" when nothing does
	Kind    Kind
	Started time.Time
	Ended   time.Time // of its last result
	Boot    string    // by which its board is known again until that is started anew; "" when nothing tells
	Trials  []Trial
	Remarks []string // what a reader should know of it, such as that no sums were there to verify it
}

// part tells what one device measured of a run from everything else.
func (r *Run) part() string { return r.ID + "\x00" + r.Device }

// Trial is one judged trial of a run, and what may have changed its latencies.
type Trial struct {
	*judge.Trial
	Why   []string // the checks or reasons that speak against it, in few words
	Board string   // the model of the device
	Facts []Fact   // what may change its latencies and is not part of what matches
}

// Fact is one thing known about how a trial was measured.
type Fact struct{ Name, Value string }

// Comparison is the answer. Times are nanoseconds.
type Comparison struct {
	Schema      string       `json:"schema"`
	Groups      []Summary    `json:"groups"`
	Notes       []string     `json:"notes,omitempty"` // hold for all of it
	Rows        []Row        `json:"rows"`
	Differences []Difference `json:"differences,omitempty"`
	Problems    []Problem    `json:"problems,omitempty"`
}

// Summary is what a group consists of, as far as it counts.
type Summary struct {
	Label   string   `json:"label,omitempty"`
	Runs    []RunRef `json:"runs"`
	Devices []string `json:"devices"`
}

// RunRef names one run that counts.
type RunRef struct {
	ID      string    `json:"id"`
	Device  string    `json:"device,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Kind    Kind      `json:"kind"`
	Trials  int       `json:"trials"`  // that count
	Suspect int       `json:"suspect"` // of these
	LeftOut int       `json:"left_out"`
}

// Row is one trial over all groups.
type Row struct {
	Model       string   `json:"model"`
	ModelSHA256 string   `json:"model_sha256"`
	Provider    string   `json:"provider"` // with its runtime: "xnnpack-debian"
	Threads     int      `json:"threads"`
	Batch       int      `json:"batch"`
	Scenario    string   `json:"scenario"`
	Shape       string   `json:"shape,omitempty"` // sizes given to free dimensions
	Board       string   `json:"board,omitempty"`
	Pools       []Pool   `json:"pools"`             // one for each group, in their order
	Changes     []Change `json:"changes,omitempty"` // of each further group against the first
}

// Pool is what one group knows of one trial.
type Pool struct {
	Group   string `json:"group,omitempty"`
	Runs    int    `json:"runs"`
	Devices int    `json:"devices"`
	Starts  int    `json:"process_starts"`
	Suspect int    `json:"suspect"` // runs
	// Median over devices, of the medians over each device's runs, of the medians
	// over each run's process starts.
	Median   trial.Reading[float64]        `json:"median_ns"`
	Interval trial.Reading[trial.Interval] `json:"interval_ns"` // 95 %
	// Unit is what the interval treats as one thing: "device", or "run" of the only
	// device.
	Unit   string                `json:"unit"`
	Spread trial.Reading[Spread] `json:"spread"`
	// Components say at which level the latencies scatter; Advice what to have more of.
	Components []stats.Component `json:"components,omitempty"`
	Advice     string            `json:"advice,omitempty"`
	ByDevice   []DeviceMedian    `json:"by_device,omitempty"` // fastest first
	Points     []Point           `json:"points,omitempty"`    // by device, then by time
	Budgets    []BudgetCount     `json:"budgets,omitempty"`

	byDevice map[string][]runValue
}

// Spread is between the fastest and the slowest device, or run.
type Spread struct {
	Fastest  string  `json:"fastest"`
	Slowest  string  `json:"slowest"`
	Relative float64 `json:"relative"` // 0.06: the slowest takes 6 % longer
}

// DeviceMedian is one device among the others.
type DeviceMedian struct {
	Device   string  `json:"device"`
	Runs     int     `json:"runs"`
	Median   float64 `json:"median_ns"`
	Relative float64 `json:"relative"` // to the median over devices: 0.02 is 2 % slower
	Outlier  bool    `json:"outlier,omitempty"`
}

// Point is one run of one trial.
type Point struct {
	Run      string                        `json:"run"`
	Device   string                        `json:"device,omitempty"`
	Median   float64                       `json:"median_ns"`
	Interval trial.Reading[trial.Interval] `json:"interval_ns"` // of this run alone
	Validity stats.Validity                `json:"validity"`
}

// BudgetCount is in how many runs a budget was met.
type BudgetCount struct {
	Budget string `json:"budget"`
	Met    int    `json:"met"`
	NotMet int    `json:"not_met"`
	// Undecided: the limit lies within what the run measured.
	Undecided int `json:"undecided"`
	Unknown   int `json:"unknown"`
}

// Runs is in how many runs the budget was asked for.
func (c BudgetCount) Runs() int { return c.Met + c.NotMet + c.Undecided + c.Unknown }

func (c *BudgetCount) add(v judge.Verdict) {
	switch v {
	case judge.Met:
		c.Met++
	case judge.NotMet:
		c.NotMet++
	case judge.Undecided:
		c.Undecided++
	default:
		c.Unknown++
	}
}

// Finding is what a [Change] comes to.
type Finding string

// The findings.
const (
	Faster     Finding = "faster"
	Slower     Finding = "slower"
	NotFound   Finding = "no_difference_found"
	NoInterval Finding = "no_interval"
)

// Change is how a group's latency relates to the first group's.
type Change struct {
	Group    string                        `json:"group"`
	Base     string                        `json:"base"`
	Ratio    float64                       `json:"ratio"`    // below 1: faster than the base
	Interval trial.Reading[trial.Interval] `json:"interval"` // of the ratio, 95 %
	// Unit is what the interval treats as one thing and Units how many of them
	// the smaller side has; Paired: the same devices, each against itself.
	Unit   string `json:"unit,omitempty"`
	Units  int    `json:"units,omitempty"`
	Paired bool   `json:"paired,omitempty"`
	// Detectable is the relative difference from which on one would probably
	// have been found.
	Detectable trial.Reading[float64] `json:"detectable"`
	Finding    Finding                `json:"verdict"`
	Small      bool                   `json:"small,omitempty"` // a difference below 1 %
	Text       string                 `json:"text"`
	Caveat     string                 `json:"caveat,omitempty"` // for what the interval does not speak
}

// Difference is something that may change latencies and is not the same in all
// runs.
type Difference struct {
	Name string `json:"name"`
	// BetweenGroups: each group is uniform, and they differ; so it may be what is
	// compared.
	BetweenGroups bool    `json:"between_groups"`
	Values        []Value `json:"values"` // most runs first
}

// Value is one value of a fact, and the runs that have it.
type Value struct {
	Value string   `json:"value"`
	Runs  []string `json:"runs"`
}

// Problem is a run of which something does not count, or counts with a mark.
type Problem struct {
	Run     string   `json:"run"`
	Source  string   `json:"source,omitempty"`
	Device  string   `json:"device,omitempty"`
	LeftOut []string `json:"left_out,omitempty"` // sentences
	Marked  []string `json:"marked,omitempty"`
}
