package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

// Exports are the formats of `chexp results export` that are one file.
var Exports = []File{
	{"csv", CSV}, {"jsonl", JSONL}, {"markdown", Markdown}, {"bench", Bench}, {"hyperfine", Hyperfine},
}

// Exported reports whether a trial has latencies that are its own: INVALID ones are
// exported with a mark, those of another provider, or that contradict themselves,
// nowhere.
func Exported(r *findings.Row) bool {
	return r.Sound() && r.Own() && r.Result != nil && len(r.Result.LatenciesNS) > 0
}

// Spaced are at most so many of the values, evenly spaced, in their order.
func Spaced[T any](values []T, most int) []T {
	n := len(values)
	if n <= most {
		return values
	}
	out := make([]T, most)
	for i := range out {
		out[i] = values[i*n/most]
	}
	return out
}

// line is a trial in [JSONL].
type line struct {
	Run        string  `json:"run"`
	Experiment string  `json:"experiment"`
	Device     string  `json:"device,omitempty"`
	Rehearsal  bool    `json:"rehearsal"`
	Emulated   string  `json:"emulated,omitempty"`
	Latencies  []int64 `json:"latencies_ns"` // null where the trial has none of its own
	*findings.Row
}

// JSONL writes one line of JSON for each trial: its row of the report, and every
// latency.
func JSONL(w io.Writer, t *findings.Table) error {
	e := json.NewEncoder(w)
	for _, r := range t.Rows {
		l := line{Run: t.Run.ID, Experiment: t.Run.Experiment, Device: r.Origin.Device, Rehearsal: t.Run.Rehearsal,
			Emulated: words.Line(r.Device.EmulatedBy(), words.MaxName), Row: r}
		if l.Device == "" {
			l.Device = t.Run.Device.Name
		}
		if Exported(r) {
			l.Latencies = r.Result.LatenciesNS
		}
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// hyperfineResult is one result in hyperfine's --export-json; times are seconds. Its
// user and system times are left out: nobody measured them for one inference.
type hyperfineResult struct {
	Command    string            `json:"command"`
	Mean       float64           `json:"mean"`
	Stddev     *float64          `json:"stddev"`
	Median     float64           `json:"median"`
	Min        float64           `json:"min"`
	Max        float64           `json:"max"`
	Times      []float64         `json:"times"`
	ExitCodes  []int             `json:"exit_codes"`
	Parameters map[string]string `json:"parameters"`
}

// Hyperfine writes the latencies as hyperfine's --export-json does, for its plotting
// scripts: a command for each trial, a run for each inference.
func Hyperfine(w io.Writer, t *findings.Table) error {
	results := []hyperfineResult{}
	for _, r := range t.Rows {
		if !Exported(r) {
			continue
		}
		x := hyperfineResult{Command: Name(r), Parameters: map[string]string{"model": r.Model, "provider": r.Provider,
			"threads": fmt.Sprint(r.Threads), "batch": fmt.Sprint(r.Batch), "repetition": fmt.Sprint(r.Repetition),
			"validity": string(r.Validity), "run": t.Run.ID}}
		for _, ns := range r.Result.LatenciesNS {
			x.Times = append(x.Times, float64(ns)/float64(time.Second))
		}
		x.ExitCodes = make([]int, len(x.Times))
		x.describe()
		results = append(results, x)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"results": results})
}

// describe computes what hyperfine computes of its times.
func (x *hyperfineResult) describe() {
	x.Mean, x.Median, x.Min, x.Max, x.Stddev = stats.Moments(x.Times)
}

// Name names a trial, and marks one that is not VALID.
func Name(r *findings.Row) string {
	return fmt.Sprintf("%s on %s, %s, batch %d, repetition %d", r.Model, r.Provider, words.Plural(r.Threads, "thread"),
		r.Batch, r.Repetition) + words.When(r.Validity != stats.Valid && r.Validity != "", " ["+string(r.Validity)+"]")
}

// Numbers are a trial's numbers by name, for formats that keep a number each. What
// could not be measured is not among them.
func Numbers(r *findings.Row) map[string]float64 {
	out := map[string]float64{"model_bytes": float64(r.Bytes), "n": float64(r.N)}
	for _, c := range csvNumbers {
		if v, ok := c.value(r).Get(); ok {
			out[c.head] = v
		}
	}
	for _, c := range accuracyCSV {
		if a, ok := r.Accuracy.Get(); ok {
			if v, ok := c.value(a).Get(); ok {
				out[c.head] = v
			}
		}
	}
	return out
}
