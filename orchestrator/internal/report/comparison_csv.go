package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"chexp/experiments/compare"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/report/content"
)

// ComparisonCSV writes one line per trial and group, in machine units.
func ComparisonCSV(w io.Writer, c *compare.Comparison) error {
	budgets := content.Across{Comparison: c}.Budgets()
	head := []string{"group", "model", "model_sha256", "provider", "threads", "batch", "scenario", "shape", "board",
		"runs", "devices", "process_starts", "suspect_runs", "median_ns", "low_ns", "high_ns", "unit", "spread",
		"ratio", "ratio_low", "ratio_high", "ratio_unit", "ratio_units", "detectable", "verdict"}
	for _, b := range budgets {
		head = append(head, "met: "+b, "not met: "+b, "undecided: "+b, "unknown: "+b)
	}
	out := csv.NewWriter(w)
	if err := out.Write(head); err != nil {
		return err
	}
	for _, r := range c.Rows {
		for _, p := range r.Pools {
			line := []string{csvText(p.Group), csvText(r.Model), r.ModelSHA256, csvText(r.Provider),
				strconv.Itoa(r.Threads), strconv.Itoa(r.Batch),
				r.Scenario, csvText(r.Shape), csvText(r.Board), strconv.Itoa(p.Runs), strconv.Itoa(p.Devices),
				strconv.Itoa(p.Starts),
				strconv.Itoa(p.Suspect), csvNumber(p.Median)}
			line = append(append(line, csvInterval(p.Interval)...), p.Unit, csvSpread(p))
			line = append(append(line, csvChange(r, p.Group)...), csvBudgets(p, budgets)...)
			if err := out.Write(line); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func csvFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func csvNumber(r trial.Reading[float64]) string {
	if v, ok := r.Get(); ok {
		return csvFloat(v)
	}
	return ""
}

func csvInterval(r trial.Reading[trial.Interval]) []string {
	if i, ok := r.Get(); ok {
		return []string{csvFloat(i.Low), csvFloat(i.High)}
	}
	return []string{"", ""}
}

func csvSpread(p compare.Pool) string {
	if s, ok := p.Spread.Get(); ok {
		return csvFloat(s.Relative)
	}
	return ""
}

func csvChange(r compare.Row, group string) []string {
	for _, c := range r.Changes {
		if c.Group == group {
			line := append([]string{csvFloat(c.Ratio)}, csvInterval(c.Interval)...)
			return append(line, c.Unit, strconv.Itoa(c.Units), csvNumber(c.Detectable), string(c.Finding))
		}
	}
	return make([]string, 7)
}

func csvBudgets(p compare.Pool, all []string) (out []string) {
	for _, b := range all {
		n := []string{"", "", "", ""}
		for _, x := range p.Budgets {
			if x.Budget == b {
				n = []string{strconv.Itoa(x.Met), strconv.Itoa(x.NotMet), strconv.Itoa(x.Undecided),
					strconv.Itoa(x.Unknown)}
			}
		}
		out = append(out, n...)
	}
	return out
}
