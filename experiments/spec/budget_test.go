package spec

import (
	"strings"
	"testing"
	"time"

	"chexp/experiments/judge"
)

func mustBudget(t *testing.T, text string) judge.Budget {
	t.Helper()
	b, err := ParseBudget(text)
	if err != nil {
		t.Fatalf("ParseBudget(%q): %v", text, err)
	}
	return b
}

func TestParseBudget(t *testing.T) {
	for text, want := range map[string]judge.Budget{
		"size < 5 MB":              {Text: "size < 5 MB", Metric: judge.Size, Op: "<", Limit: 5e6},
		"size<5MiB":                {Text: "size<5MiB", Metric: judge.Size, Op: "<", Limit: 5 << 20},
		" p50  <=  1.5 ms ":        {Text: "p50  <=  1.5 ms", Metric: judge.P50, Op: "<=", Limit: 1.5e6},
		"p99 ≤ 200 µs":             {Text: "p99 ≤ 200 µs", Metric: judge.P99, Op: "<=", Limit: 2e5},
		"throughput >= 30 /s":      {Text: "throughput >= 30 /s", Metric: judge.Throughput, Op: ">=", Limit: 30},
		"session_create < 2 s":     {Text: "session_create < 2 s", Metric: judge.SessionCreate, Op: "<", Limit: 2e9},
		"first_inference < 100 us": {Text: "first_inference < 100 us", Metric: judge.FirstInference, Op: "<", Limit: 1e5},
		"peak_memory < 1 GiB":      {Text: "peak_memory < 1 GiB", Metric: judge.PeakMemory, Op: "<", Limit: 1 << 30},
	} {
		if got := mustBudget(t, text); got != want {
			t.Errorf("ParseBudget(%q) = %+v, want %+v", text, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for want, got := range map[string]string{
		"0 B": FormatBytes(0), "999 B": FormatBytes(999), "1 kB": FormatBytes(1000), "2.415 MB": FormatBytes(2415126),
		"1.074 GB": FormatBytes(1 << 30),
		"2h":       FormatDuration(2 * time.Hour), "1d12h": FormatDuration(36 * time.Hour),
		"7d":    FormatDuration(7 * 24 * time.Hour),
		"1h30m": FormatDuration(90 * time.Minute), "500ms": FormatDuration(500 * time.Millisecond), "0s": FormatDuration(0),
		"1.5µs": FormatDuration(1500),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "1.5h": 90 * time.Minute,
		"0s": 0, "1m500ms": time.Minute + 500*time.Millisecond, "1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second +
			5*time.Millisecond,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "5", "h", "-5s", "+5s", "5 s", "5S", "5s5s", "1s1m", "5ns", "1e3s", "9999999999d",
		".5s", "5.s", "∞"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", in, got)
		} else if strings.Contains(err.Error(), "%!") {
			t.Errorf("parseDuration(%q): bad text %v", in, err)
		}
	}
}

func TestParseStart(t *testing.T) {
	want := time.Date(2026, 12, 1, 19, 0, 0, 0, time.UTC)
	for _, in := range []string{"2026-12-01T14:00-05:00", "2026-12-01T19:00Z", "2026-12-01 19:00:00Z",
		"2026-12-01T19:00:00+00:00"} {
		if got, err := parseStart(in); err != nil || !got.Equal(want) {
			t.Errorf("parseStart(%q) = %v, %v", in, got, err)
		}
	}
	if got, err := parseStart("now"); err != nil || !got.IsZero() {
		t.Errorf("now is %v, %v", got, err)
	}
	for in, part := range map[string]string{
		"2026-12-01": "must be now, next", "2026-12-01T14:00": "no time zone", "2026-12-01T14:00:30Z": "whole minute",
		"": "must be", "Now": "must be",
		"2026-13-01T14:00Z": "must be",
	} {
		if _, err := parseStart(in); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("parseStart(%q): %v, want %q", in, err, part)
		}
	}
}
