package compare

import (
	"cmp"
	"slices"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

// TrendSchema names the JSON document of a [Trend].
const TrendSchema = "chexp.trend/v1"

// Trend is how one experiment's latencies went over its runs.
type Trend struct {
	Schema     string     `json:"schema"`
	Experiment string     `json:"experiment,omitempty"`
	Runs       []RunRef   `json:"runs"`
	Notes      []string   `json:"notes,omitempty"`
	Rows       []TrendRow `json:"rows"`
	Problems   []Problem  `json:"problems,omitempty"`
}

// TrendRow is one trial over the runs, in the order in which they were started.
type TrendRow struct {
	Model       string       `json:"model"`
	ModelSHA256 string       `json:"model_sha256"`
	Provider    string       `json:"provider"`
	Threads     int          `json:"threads"`
	Batch       int          `json:"batch"`
	Shape       string       `json:"shape,omitempty"`
	Board       string       `json:"board,omitempty"`
	Points      []TrendPoint `json:"points"`
	Steps       []Step       `json:"steps"`
}

// TrendPoint is one run's.
type TrendPoint struct {
	Point
	Started time.Time `json:"started"`
}

// Step is a change point: from one run to the next the level changed.
type Step struct {
	First int `json:"first"` // index in the points of the first run of the new level
	// Before and After are the runs beside it.
	Before string `json:"before"`
	After  string `json:"after"`
	// Of the runs' medians, back and forth to the steps beside this one.
	MedianBefore float64 `json:"median_before_ns"`
	MedianAfter  float64 `json:"median_after_ns"`
	// Change is that of the same runs' latencies; Facts are uniform on either side, and
	// differ between them.
	Change trial.Reading[Change] `json:"change"`
	Facts  []Difference          `json:"differences,omitempty"`
}

// TrendOf puts the runs of one experiment into their order in time, and finds where
// levels change ([stats.Steps]). What counts, and what is the same trial, is as in
// [Runs]; so is what differs between the runs before a step and those after it.
func TrendOf(experiment string, runs []Run, seed uint64) *Trend {
	all := Runs([]Group{{Runs: runs}}, seed)
	t := &Trend{Schema: TrendSchema, Experiment: experiment, Runs: all.Groups[0].Runs, Notes: all.Notes,
		Rows: []TrendRow{}, Problems: all.Problems}
	slices.SortStableFunc(t.Runs, func(a, b RunRef) int { return a.Started.Compare(b.Started) })
	for _, r := range all.Rows {
		row := TrendRow{Model: r.Model, ModelSHA256: r.ModelSHA256, Provider: r.Provider, Threads: r.Threads,
			Batch: r.Batch, Shape: r.Shape, Board: r.Board, Steps: []Step{}}
		for _, p := range r.Pools[0].Points {
			row.Points = append(row.Points, TrendPoint{p, t.started(p)})
		}
		slices.SortStableFunc(row.Points, func(a, b TrendPoint) int {
			return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Run, b.Run))
		})
		row.find(runs, seed)
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (t *Trend) started(p Point) time.Time {
	i := slices.IndexFunc(t.Runs, func(r RunRef) bool {
		return r.ID == p.Run && DeviceName(r.Device) == DeviceName(p.Device)
	})
	if i < 0 {
		return time.Time{}
	}
	return t.Runs[i].Started
}

// find looks for steps, and for what differs between the runs on either side.
func (r *TrendRow) find(runs []Run, seed uint64) {
	var medians []float64
	for _, p := range r.Points {
		medians = append(medians, p.Median)
	}
	steps := stats.Steps(medians, seed)
	edges := slices.Concat([]int{0}, steps, []int{len(medians)})
	for i, at := range steps {
		before, after := r.Points[edges[i]:at], r.Points[at:edges[i+2]]
		s := Step{First: at, Before: before[len(before)-1].Run, After: after[0].Run,
			MedianBefore: middleOf(before), MedianAfter: middleOf(after),
			Change: trial.Unread[Change]("the runs on either side have nothing in common")}
		c := Runs([]Group{{"before", runsOf(runs, before)}, {"after", runsOf(runs, after)}}, seed)
		for _, other := range c.Rows {
			if r.same(other) && len(other.Changes) > 0 {
				s.Change = trial.Read(other.Changes[0])
			}
		}
		for _, d := range c.Differences {
			if d.BetweenGroups {
				slices.SortStableFunc(d.Values, func(a, b Value) int { // what was before comes first
					return cmp.Compare(slices.Index(b.Runs, s.Before), slices.Index(a.Runs, s.Before))
				})
				s.Facts = append(s.Facts, d)
			}
		}
		r.Steps = append(r.Steps, s)
	}
}

func (r *TrendRow) same(o Row) bool {
	return r.ModelSHA256 == o.ModelSHA256 && r.Provider == o.Provider && r.Threads == o.Threads && r.Batch == o.Batch &&
		r.Shape == o.Shape // and the board, which the runs of the row have in common
}

// runsOf are the runs of some points.
func runsOf(runs []Run, points []TrendPoint) (out []Run) {
	for _, r := range runs {
		if slices.ContainsFunc(points, func(p TrendPoint) bool {
			return p.Run == r.ID && DeviceName(p.Device) == DeviceName(r.Device)
		}) {
			out = append(out, r)
		}
	}
	return out
}

func middleOf(points []TrendPoint) float64 {
	var values []float64
	for _, p := range points {
		values = append(values, p.Median)
	}
	return medianOf(values)
}
