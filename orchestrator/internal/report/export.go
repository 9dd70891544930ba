package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
)

// JSON writes the table as one document. Keys are stable under Schema; times
// are nanoseconds, sizes bytes. A number that does not exist is an object with
// "unavailable" and the reason.
func JSON(w io.Writer, t *Table) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t)
}

// csvNumbers are the numeric columns of the CSV, in machine units. Empty means
// that there is no number; the JSON document has the reason.
var csvNumbers = []struct {
	head  string
	value func(*Row) trial.Reading[float64]
}{
	{"min_ns", func(r *Row) trial.Reading[float64] { return r.Min }},
	{"p50_ns", func(r *Row) trial.Reading[float64] { return r.P50 }},
	{"p50_low_ns", func(r *Row) trial.Reading[float64] { return r.P50Low }},
	{"p50_high_ns", func(r *Row) trial.Reading[float64] { return r.P50High }},
	{"p90_ns", func(r *Row) trial.Reading[float64] { return r.P90 }},
	{"p95_ns", func(r *Row) trial.Reading[float64] { return r.P95 }},
	{"p99_ns", func(r *Row) trial.Reading[float64] { return r.P99 }},
	{"max_ns", func(r *Row) trial.Reading[float64] { return r.Max }},
	{"mean_ns", func(r *Row) trial.Reading[float64] { return r.Mean }},
	{"throughput_per_s", func(r *Row) trial.Reading[float64] { return r.Throughput }},
	{"session_create_ns", func(r *Row) trial.Reading[float64] { return r.SessionCreate }},
	{"first_inference_ns", func(r *Row) trial.Reading[float64] { return r.FirstInference }},
	{"peak_memory_bytes", func(r *Row) trial.Reading[float64] { return r.PeakMemory }},
	{"harness_ns", func(r *Row) trial.Reading[float64] { return r.Harness }},
	{"roof_share", (*Row).roofShare},
	{"provider_nodes", func(r *Row) trial.Reading[float64] {
		return r.ran(func(t validity.Truth) float64 { return float64(t.Nodes) })
	}},
	{"nodes", func(r *Row) trial.Reading[float64] {
		return r.ran(func(t validity.Truth) float64 { return float64(t.Of) })
	}},
	{"provider_time_share", func(r *Row) trial.Reading[float64] { return r.ran(func(t validity.Truth) float64 { return t.Time }) }},
}

// CSV writes one line per trial, in machine units, for a spreadsheet or a data
// frame. Unlike the tables for people it keeps the numbers of trials that
// failed; the outcome column tells.
func CSV(w io.Writer, t *Table) error {
	head := []string{"run", "experiment", "device", "rehearsal", "emulated", "trial", "option", "model", "model_sha256",
		"model_bytes", "provider", "threads", "batch", "repetition", "outcome", "validity", "checks", "doubts", "reasons", "n"}
	for _, c := range csvNumbers {
		head = append(head, c.head)
	}
	if t.withAccuracy() {
		for _, c := range accuracyCSV {
			head = append(head, c.head)
		}
	}
	for _, b := range t.Budgets {
		head = append(head, "budget: "+b.Text)
	}
	head = append(head, "start", "end")
	out := csv.NewWriter(w)
	if err := out.Write(head); err != nil {
		return err
	}
	for _, r := range t.Rows {
		line := []string{csvText(t.Run.ID), csvText(t.Run.Experiment), csvText(t.Run.Device.Name),
			strconv.FormatBool(t.Run.Rehearsal), csvText(words.Line(r.device.Emulated, maxName)), csvText(r.ID), r.Option,
			csvText(r.Model), csvText(t.sha256(r)), strconv.FormatInt(r.Bytes, 10), csvText(r.Provider),
			strconv.Itoa(r.Threads), strconv.Itoa(r.Batch), strconv.Itoa(r.Repetition), string(r.Outcome),
			string(r.Validity), csvText(words.List(r.complaints(), "; ", 8)), csvText(strings.Join(r.Doubts, "; ")), csvText(why(r.Reasons)), strconv.Itoa(r.N)}
		for _, c := range csvNumbers {
			s := ""
			if v, ok := c.value(r).Get(); ok {
				s = strconv.FormatFloat(v, 'f', -1, 64)
			}
			line = append(line, s)
		}
		if t.withAccuracy() {
			line = append(line, r.accuracyCells()...)
		}
		for _, v := range r.Answers {
			line = append(line, v.Verdict.Name())
		}
		if err := out.Write(append(line, csvTime(r.Start), csvTime(r.End))); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (r *Row) ran(get func(validity.Truth) float64) trial.Reading[float64] {
	if t, ok := r.Ran.Get(); ok {
		return trial.Read(get(t))
	}
	return trial.Unread[float64](r.Ran.Unavailable)
}

// csvText keeps spreadsheets from taking a text for a formula: they run a cell
// that begins with one of these, also after blanks.
func csvText(s string) string {
	if strings.IndexAny(strings.TrimLeft(s, " \t"), "=+-@\t\r|%") == 0 {
		return "'" + s
	}
	return s
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// sha256 is the sum of the row's model file.
func (t *Table) sha256(r *Row) string {
	for _, m := range t.Models {
		if m.Name == r.Model {
			return m.SHA256
		}
	}
	return ""
}
