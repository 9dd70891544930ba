// Package mlflow hands a run's trials to MLflow: as a folder that MLflow's file store
// reads, or by posting them to a tracking server. Each trial is a run of MLflow's, with
// its settings as parameters, its numbers as metrics, its latencies as a metric with a
// step for each inference, its validity as a tag, and its raw result as an artifact.
package mlflow

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/files"
	"chexp/orchestrator/internal/report"
	"chexp/orchestrator/internal/report/findings"
)

// maxSteps bounds the latencies of one trial; of more, evenly spaced ones are taken,
// and a tag says so.
const maxSteps = 2000

// latency is the metric with a step for each inference.
const latency = "latency_ms"

// Experiment is what is handed over.
type Experiment struct {
	Name   string
	Trials []Trial
}

// Trial is one trial, as a run of MLflow's.
type Trial struct {
	ID         string // 32 hex digits, always the same for one trial of one run
	Name       string
	Start, End time.Time
	Params     map[string]string
	Metrics    map[string]float64
	Latencies  []int64 // nanoseconds
	Tags       map[string]string
	Artifacts  map[string][]byte
}

// Of takes the trials that have latencies of their own from a run's findings; result
// reads the raw result of one.
func Of(t *findings.Table, result func(trialID string) ([]byte, error)) (e Experiment, err error) {
	e.Name = t.Run.Experiment
	for _, r := range t.Rows {
		if !report.Exported(r) {
			continue
		}
		raw, err := result(r.ID)
		if err != nil {
			return e, err
		}
		all := r.Result.LatenciesNS
		x := Trial{
			ID: files.Sum([]byte(t.Run.ID + "\x00" + r.ID))[:32], Name: report.Name(r), Start: r.Start, End: r.End,
			Params: map[string]string{"model": r.Model, "model_sha256": r.Result.Model.SHA256, "provider": r.Provider,
				"threads": strconv.Itoa(r.Threads), "batch": strconv.Itoa(r.Batch), "repetition": strconv.Itoa(r.Repetition),
				"device": t.Run.Device.Name, "site": t.Run.Site},
			Metrics: report.Numbers(r), Latencies: report.Spaced(all, maxSteps),
			Tags: map[string]string{"chexp.run": t.Run.ID, "chexp.trial": r.ID, "chexp.validity": string(r.Validity),
				"chexp.rehearsal": strconv.FormatBool(t.Run.Rehearsal)},
			Artifacts: map[string][]byte{"result.json": raw},
		}
		if len(x.Latencies) < len(all) {
			x.Tags["chexp.latencies"] = fmt.Sprintf("%d of %d, evenly spaced", len(x.Latencies), len(all))
		}
		if len(r.Reasons) > 0 || len(r.Checks) > 0 {
			x.Tags["chexp.checks"] = strings.Join(r.Complaints(), "; ")
		}
		for name, v := range x.Params {
			if v == "" {
				delete(x.Params, name)
			}
		}
		e.Trials = append(e.Trials, x)
	}
	return e, nil
}

// metric is one value of MLflow's.
type metric struct {
	Key       string  `json:"key"`
	Value     float64 `json:"value"`
	Timestamp int64   `json:"timestamp"` // ms
	Step      int64   `json:"step"`
}

// metrics are all values of a trial. A latency's time is when the trial ended: the agent
// keeps no time for each inference.
func (t Trial) metrics() (out []metric) {
	at := t.End.UnixMilli()
	for _, key := range slices.Sorted(maps.Keys(t.Metrics)) {
		out = append(out, metric{key, t.Metrics[key], at, 0})
	}
	for i, ns := range t.Latencies {
		out = append(out, metric{latency, float64(ns) / float64(time.Millisecond), at, int64(i)})
	}
	return out
}

// allTags are a trial's tags with those that MLflow itself reads.
func (t Trial) allTags() map[string]string {
	tags := maps.Clone(t.Tags)
	tags["mlflow.runName"], tags["mlflow.source.name"], tags["mlflow.source.type"] = t.Name, "chexp", "LOCAL"
	return tags
}
