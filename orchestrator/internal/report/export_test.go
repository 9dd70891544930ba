package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"chexp/experiments/stats"
	"chexp/orchestrator/internal/report/findings"
)

// INVALID trials are exported with a mark in every format; those without latencies of
// their own have none.
func TestExportsMarkWhatIsInvalid(t *testing.T) {
	in := tutorial()
	table := findings.Build(in.Input)
	invalid, exported := 0, 0
	for _, r := range table.Rows {
		if !Exported(r) {
			continue
		}
		exported++
		if invalid == 0 { // as a check may find
			r.Validity = stats.Invalid
			invalid++
		}
	}
	if exported == 0 || exported == len(table.Rows) {
		t.Fatalf("%d of %d trials are exported: the example shows nothing", exported, len(table.Rows))
	}
	text := map[string]string{}
	for _, e := range Exports {
		var b bytes.Buffer
		if err := e.Render(&b, table); err != nil {
			t.Fatal(err)
		}
		text[e.Name] = b.String()
		if !strings.Contains(b.String(), "INVALID") {
			t.Errorf("%s does not say that a trial is INVALID", e.Name)
		}
	}
	var h struct {
		Results []struct {
			Command           string
			Mean, Median, Min float64
			Times             []float64
			ExitCodes         []int `json:"exit_codes"`
			Stddev            *float64
		}
	}
	if err := json.Unmarshal([]byte(text["hyperfine"]), &h); err != nil || len(h.Results) != exported {
		t.Fatalf("%d results of %d, %v", len(h.Results), exported, err)
	}
	for _, r := range h.Results {
		if len(r.Times) == 0 || len(r.Times) != len(r.ExitCodes) || r.Min > r.Median || r.Min <= 0 || r.Mean < r.Min ||
			(r.Stddev == nil) != (len(r.Times) < 2) {
			t.Errorf("%s: %d times, mean %v, median %v, least %v", r.Command, len(r.Times), r.Mean, r.Median, r.Min)
		}
	}
	lines := strings.Split(strings.TrimSpace(text["jsonl"]), "\n")
	if len(lines) != len(table.Rows) {
		t.Fatalf("%d lines for %d trials", len(lines), len(table.Rows))
	}
	for i, line := range lines {
		var l struct {
			Latencies []int64 `json:"latencies_ns"`
			Validity  string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || (l.Latencies != nil) != Exported(table.Rows[i]) {
			t.Errorf("line %d: %d latencies, %v", i, len(l.Latencies), err)
		}
	}
}
