package judge

import (
	"fmt"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Metric is a quantity of a trial that a budget can limit.
type Metric struct {
	name string
	unit *unit
	// percentile of the latencies that the metric is, 0 to 100; 0: it is none.
	percentile float64
	// apart: the metric does not depend on how steady the latencies were, so that
	// it is judged in an INVALID result, too.
	apart bool
	// scenario whose batches the metric judges where both were asked for; "": it
	// judges all batches.
	scenario trial.Scenario
	value    func(*Trial) trial.Reading[float64]
	interval func(*Trial) trial.Reading[trial.Interval] // nil: it has none
}

// The metrics.
var (
	Size = &Metric{name: "size", unit: &sizes, apart: true, value: (*Trial).size}
	P50  = &Metric{name: "p50", unit: &times, percentile: 50, scenario: trial.SingleStream,
		value:    func(t *Trial) trial.Reading[float64] { return t.P50 },
		interval: func(t *Trial) trial.Reading[trial.Interval] { return t.Sample.MedianInterval() }}
	P90        = tailMetric("p90", 90, func(t *Trial) trial.Reading[float64] { return t.P90 })
	P95        = tailMetric("p95", 95, func(t *Trial) trial.Reading[float64] { return t.P95 })
	P99        = tailMetric("p99", 99, func(t *Trial) trial.Reading[float64] { return t.P99 })
	Throughput = &Metric{name: "throughput", unit: &rates, scenario: trial.Offline,
		value:    func(t *Trial) trial.Reading[float64] { return t.Throughput },
		interval: (*Trial).throughputInterval}
	Accuracy = &Metric{name: "accuracy", unit: &shares, apart: true, value: (*Trial).top1,
		interval: (*Trial).top1Interval}
	SessionCreate = &Metric{name: "session_create", unit: &times,
		value: func(t *Trial) trial.Reading[float64] { return t.SessionCreate }}
	FirstInference = &Metric{name: "first_inference", unit: &times, scenario: trial.SingleStream,
		value: func(t *Trial) trial.Reading[float64] { return t.FirstInference }}
	PeakMemory = &Metric{name: "peak_memory", unit: &sizes,
		value: func(t *Trial) trial.Reading[float64] { return t.PeakMemory }}
)

// Metrics are all of them, in the order in which they are named to people.
var Metrics = []*Metric{Size, P50, P90, P95, P99, Throughput, Accuracy, SessionCreate, FirstInference, PeakMemory}

func tailMetric(name string, percentile float64, value func(*Trial) trial.Reading[float64]) *Metric {
	return &Metric{name: name, unit: &times, percentile: percentile, scenario: trial.SingleStream, value: value,
		interval: func(t *Trial) trial.Reading[trial.Interval] { return t.Sample.Interval(percentile) }}
}

// MetricNamed finds a metric by its name in experiment files; nil if there is
// none of that name.
func MetricNamed(name string) *Metric {
	for _, m := range Metrics {
		if m.name == name {
			return m
		}
	}
	return nil
}

// String is the metric's name in experiment files: "p50".
func (m *Metric) String() string { return m.name }

// MarshalText is the metric's name.
func (m *Metric) MarshalText() ([]byte, error) { return []byte(m.name), nil }

// IsLatency reports whether the metric is a percentile of the latencies, so that
// its limit is a line in a picture of them.
func (m *Metric) IsLatency() bool { return m.percentile > 0 }

// Apart reports whether the metric says the same however steady the latencies were,
// and on whatever processor: a file's size, a share of right answers.
func (m *Metric) Apart() bool { return m.apart }

// Read is the metric's value in a trial, in the unit of limits: bytes,
// nanoseconds, inputs per second, or a share from 0 to 1.
func (m *Metric) Read(t *Trial) trial.Reading[float64] { return m.value(t) }

// Format writes a value of the metric for people: "8.13 ms".
func (m *Metric) Format(v float64) string { return m.unit.format(v) }

// Scale is the size of a unit in which people may write a limit; ok is false if
// this metric has no such unit.
func (m *Metric) Scale(unit string) (size float64, ok bool) {
	size, ok = m.unit.scale[unit]
	return size, ok
}

// Units lists the units for people: "ns, us, ms, s".
func (m *Metric) Units() string { return m.unit.forms }

// unit is what metrics of one kind are written in.
type unit struct {
	scale  map[string]float64 // what an experiment file may say
	forms  string             // the same for people
	format func(float64) string
}

var (
	sizes = unit{map[string]float64{
		"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}, "B, kB, MB (10^6), GB, KiB, MiB (2^20), GiB", words.Bytes}
	times = unit{map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9},
		"ns, us, ms, s", words.Nanoseconds}
	rates  = unit{map[string]float64{"/s": 1, "inputs/s": 1}, "/s", words.Rate}
	shares = unit{map[string]float64{"%": 0.01}, "%", func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }}
)
