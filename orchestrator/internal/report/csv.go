package report

import (
	"cmp"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/trial"
	"chexp/experiments/validity"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
)

// csvNumbers are the numeric columns of the CSV, in machine units. Empty means
// that there is no number; the JSON document has the reason.
var csvNumbers = []struct {
	head  string
	value func(*findings.Row) trial.Reading[float64]
}{
	{"min_ns", func(r *findings.Row) trial.Reading[float64] { return r.Min }},
	{"p50_ns", func(r *findings.Row) trial.Reading[float64] { return r.P50 }},
	{"p50_low_ns", func(r *findings.Row) trial.Reading[float64] { return r.P50Low }},
	{"p50_high_ns", func(r *findings.Row) trial.Reading[float64] { return r.P50High }},
	{"p90_ns", func(r *findings.Row) trial.Reading[float64] { return r.P90 }},
	{"p95_ns", func(r *findings.Row) trial.Reading[float64] { return r.P95 }},
	{"p99_ns", func(r *findings.Row) trial.Reading[float64] { return r.P99 }},
	{"max_ns", func(r *findings.Row) trial.Reading[float64] { return r.Max }},
	{"mean_ns", func(r *findings.Row) trial.Reading[float64] { return r.Mean }},
	{"throughput_per_s", func(r *findings.Row) trial.Reading[float64] { return r.Throughput }},
	{"session_create_ns", func(r *findings.Row) trial.Reading[float64] { return r.SessionCreate }},
	{"first_inference_ns", func(r *findings.Row) trial.Reading[float64] { return r.FirstInference }},
	{"peak_memory_bytes", func(r *findings.Row) trial.Reading[float64] { return r.PeakMemory }},
	{"harness_ns", func(r *findings.Row) trial.Reading[float64] { return r.Harness }},
	{"roof_share", (*findings.Row).RoofShare},
	{"provider_nodes", func(r *findings.Row) trial.Reading[float64] {
		return ran(r, func(t validity.Truth) float64 { return float64(t.Nodes) })
	}},
	{"nodes", func(r *findings.Row) trial.Reading[float64] {
		return ran(r, func(t validity.Truth) float64 { return float64(t.Of) })
	}},
	{"provider_time_share", func(r *findings.Row) trial.Reading[float64] {
		return ran(r, func(t validity.Truth) float64 { return t.Time })
	}},
}

// CSV writes one line per trial, in machine units, for a spreadsheet or a data
// frame. Unlike the tables for people it keeps the numbers of trials that
// failed; the outcome column tells.
func CSV(w io.Writer, t *findings.Table) error {
	head := []string{"run", "experiment", "device", "attempt", "rehearsal", "emulated", "trial", "option", "model",
		"model_sha256",
		"model_bytes", "provider", "threads", "batch", "repetition", "outcome", "validity", "checks", "doubts",
		"reasons", "n"}
	for _, c := range csvNumbers {
		head = append(head, c.head)
	}
	if t.WithAccuracy() {
		for _, c := range accuracyCSV {
			head = append(head, c.head)
		}
		head = append(head, "agreement_reference")
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
		line := []string{csvText(t.Run.ID), csvText(t.Run.Experiment),
			csvText(cmp.Or(r.Origin.Device, t.Run.Device.Name)), csvAttempt(r),
			strconv.FormatBool(t.Run.Rehearsal), csvText(words.Line(r.Device.EmulatedBy(), 64)), csvText(r.ID), r.Option,
			csvText(r.Model), csvText(sha256(t, r)), strconv.FormatInt(r.Bytes, 10), csvText(r.Provider),
			strconv.Itoa(r.Threads), strconv.Itoa(r.Batch), strconv.Itoa(r.Repetition), string(r.Outcome),
			string(r.Validity), csvText(words.List(r.Complaints(), "; ", 8)), csvText(strings.Join(r.Doubts, "; ")),
			csvText(findings.Why(r.Reasons)), strconv.Itoa(r.N)}
		for _, c := range csvNumbers {
			s := ""
			if v, ok := c.value(r).Get(); ok {
				s = strconv.FormatFloat(v, 'f', -1, 64)
			}
			line = append(line, s)
		}
		if t.WithAccuracy() {
			line = append(line, accuracyCells(r)...)
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

func ran(r *findings.Row, get func(validity.Truth) float64) trial.Reading[float64] {
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

// csvAttempt is empty where it is not known.
func csvAttempt(r *findings.Row) string {
	if r.Origin.Attempt == 0 {
		return ""
	}
	return strconv.Itoa(r.Origin.Attempt)
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// accuracyCSV are the columns of the CSV, in shares.
var accuracyCSV = []struct {
	head  string
	value func(trial.Accuracy) trial.Reading[float64]
}{
	{"accuracy_pictures", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(float64(a.Pictures)) }},
	{"accuracy_right", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(float64(a.Right)) }},
	{"accuracy_top1", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(a.Top1) }},
	{"accuracy_low", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(a.Interval.Low) }},
	{"accuracy_high", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(a.Interval.High) }},
	{"agreement_same", agreed(func(g trial.Agreement) float64 { return float64(g.Same) })},
	{"agreement_cosine", agreed(func(g trial.Agreement) float64 { return g.Cosine })},
	{"agreement_max_error", agreed(func(g trial.Agreement) float64 { return g.MaxError })},
}

func agreed(f func(trial.Agreement) float64) func(trial.Accuracy) trial.Reading[float64] {
	return func(a trial.Accuracy) trial.Reading[float64] {
		if g, ok := a.Agreement.Get(); ok {
			return trial.Read(f(g))
		}
		return trial.Unread[float64](a.Agreement.Unavailable)
	}
}

func accuracyCells(r *findings.Row) (line []string) {
	for _, c := range accuracyCSV {
		s := ""
		if a, ok := r.Accuracy.Get(); ok {
			if v, ok := c.value(a).Get(); ok {
				s = strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		line = append(line, s)
	}
	g, _ := r.Agreement()
	return append(line, csvText(words.Line(g.Reference, words.MaxName)))
}

// sha256 is the sum of the row's model file.
func sha256(t *findings.Table, r *findings.Row) string {
	for _, m := range t.Models {
		if m.Name == r.Model {
			return m.SHA256
		}
	}
	return ""
}
