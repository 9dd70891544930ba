package spec

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
)

func mustBudget(t *testing.T, text string) Budget {
	t.Helper()
	b, err := ParseBudget(text)
	if err != nil {
		t.Fatalf("ParseBudget(%q): %v", text, err)
	}
	return b
}

func TestParseBudget(t *testing.T) {
	for text, want := range map[string]Budget{
		"size < 5 MB":              {"size", "<", 5e6, "size < 5 MB"},
		"size<5MiB":                {"size", "<", 5 << 20, "size<5MiB"},
		" p50  <=  1.5 ms ":        {"p50", "<=", 1.5e6, "p50  <=  1.5 ms"},
		"p99 ≤ 200 µs":             {"p99", "<=", 2e5, "p99 ≤ 200 µs"},
		"throughput >= 30 /s":      {"throughput", ">=", 30, "throughput >= 30 /s"},
		"session_create < 2 s":     {"session_create", "<", 2e9, "session_create < 2 s"},
		"first_inference < 100 us": {"first_inference", "<", 1e5, "first_inference < 100 us"},
		"peak_memory < 1 GiB":      {"peak_memory", "<", 1 << 30, "peak_memory < 1 GiB"},
	} {
		if got := mustBudget(t, text); got != want {
			t.Errorf("ParseBudget(%q) = %+v, want %+v", text, got, want)
		}
	}
}

func result() *trial.Result {
	return &trial.Result{
		Model:   trial.Model{Bytes: 8_898_101},
		Outcome: trial.OK,
		Summary: &trial.Summary{
			MedianNS: 12_345_678, P90NS: trial.Read(14e6), P95NS: trial.Read(15e6),
			P99NS: trial.Unread[float64]("100 values cannot carry it"), Throughput: 81.0,
		},
		SessionCreateNS:  trial.Read(int64(101e6)),
		FirstInferenceNS: trial.Read(int64(20e6)),
		PeakMemoryBytes:  trial.Unread[int64]("no /proc"),
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		budget  string
		met, ok bool
		value   string
	}{
		{"size < 5 MB", false, true, "8.898 MB"},
		{"size < 8.9 MB", true, true, "8.898 MB"},
		{"p50 < 15 ms", true, true, "12.35 ms"},
		{"p50 > 15 ms", false, true, "12.35 ms"},
		{"p95 < 15 ms", false, true, "15 ms"},
		{"p95 <= 15 ms", true, true, "15 ms"},
		{"p95 >= 15 ms", true, true, "15 ms"},
		{"p95 < 15.001 ms", true, true, "15 ms (15000000 ns)"},
		{"p99 < 15 ms", false, false, "100 values cannot carry it"},
		{"throughput > 80 /s", true, true, "81 /s"},
		{"session_create < 1 s", true, true, "101 ms"},
		{"first_inference < 1 ms", false, true, "20 ms"},
		{"peak_memory < 1 GB", false, false, "no /proc"},
	} {
		met, value, ok := mustBudget(t, c.budget).Judge(result())
		if met != c.met || value != c.value || ok != c.ok {
			t.Errorf("%s: met %v, value %q, ok %v; want %v, %q, %v", c.budget, met, value, ok, c.met, c.value, c.ok)
		}
	}
}

func TestJudgeAFailedTrial(t *testing.T) {
	r := result()
	r.Outcome = trial.Failed
	r.Reasons = []trial.Reason{{Code: "timeout", Text: "killed after 2m0s"}}
	if met, value, ok := mustBudget(t, "p50 < 15 ms").Judge(r); met || ok || value != "trial failed: killed after 2m0s" {
		t.Errorf("a failed trial's p50 is judged: %v %q %v", met, value, ok)
	}
	if _, value, ok := mustBudget(t, "size < 5 MB").Judge(r); !ok || value != "8.898 MB" {
		t.Errorf("a failed trial's size is not judged: %q %v", value, ok)
	}
	r.Outcome, r.Summary, r.Reasons = trial.OK, nil, nil
	if _, value, ok := mustBudget(t, "p50 < 15 ms").Judge(r); ok || value != "nothing was timed" {
		t.Errorf("no summary: %q %v", value, ok)
	}
	r.SessionCreateNS = trial.Reading[int64]{}
	if _, value, ok := mustBudget(t, "session_create < 15 ms").Judge(r); ok || value == "" {
		t.Errorf("an empty reading: %q %v", value, ok)
	}
	if _, _, ok := (Budget{Metric: "nonsense"}).Judge(r); ok {
		t.Error("an unknown metric is judged")
	}
}

func TestFormat(t *testing.T) {
	for want, got := range map[string]string{
		"0 B": FormatBytes(0), "999 B": FormatBytes(999), "1 kB": FormatBytes(1000), "2.415 MB": FormatBytes(2415126), "1.074 GB": FormatBytes(1 << 30),
		"0 ns": FormatNanos(0), "0.5 ns": FormatNanos(0.5), "999 ns": FormatNanos(999), "1.5 µs": FormatNanos(1500), "12.35 ms": FormatNanos(12345678),
		"123.5 ms": FormatNanos(123456789), "61 s": FormatNanos(61e9), "1200 s": FormatNanos(1.2e12),
		"2h": FormatDuration(2 * time.Hour), "1d12h": FormatDuration(36 * time.Hour), "7d": FormatDuration(7 * 24 * time.Hour),
		"1h30m": FormatDuration(90 * time.Minute), "500ms": FormatDuration(500 * time.Millisecond), "0s": FormatDuration(0), "1.5µs": FormatDuration(1500),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "1.5h": 90 * time.Minute,
		"0s": 0, "1m500ms": time.Minute + 500*time.Millisecond, "1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "5", "h", "-5s", "+5s", "5 s", "5S", "5s5s", "1s1m", "5ns", "1e3s", "9999999999d", ".5s", "5.s", "∞"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", in, got)
		} else if strings.Contains(err.Error(), "%!") {
			t.Errorf("parseDuration(%q): bad text %v", in, err)
		}
	}
}

func TestParseStart(t *testing.T) {
	want := time.Date(2026, 12, 1, 19, 0, 0, 0, time.UTC)
	for _, in := range []string{"2026-12-01T14:00-05:00", "2026-12-01T19:00Z", "2026-12-01 19:00:00Z", "2026-12-01T19:00:00+00:00"} {
		if got, err := parseStart(in); err != nil || !got.Equal(want) {
			t.Errorf("parseStart(%q) = %v, %v", in, got, err)
		}
	}
	if got, err := parseStart("now"); err != nil || !got.IsZero() {
		t.Errorf("now is %v, %v", got, err)
	}
	for in, part := range map[string]string{
		"2026-12-01": "must be now, or", "2026-12-01T14:00": "no time zone", "2026-12-01T14:00:30Z": "whole minute", "": "must be", "Now": "must be",
		"2026-13-01T14:00Z": "must be",
	} {
		if _, err := parseStart(in); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("parseStart(%q): %v, want %q", in, err, part)
		}
	}
}
