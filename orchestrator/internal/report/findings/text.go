package findings

import (
	"fmt"
	"strconv"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Longest texts that a report takes over, in runes: a name fills a cell, a
// sentence fills a footnote. Devices can send megabytes.
const (
	maxName     = 64
	maxSentence = 600
)

// name makes a table cell of a foreign name. A name that no plan may hold is shown
// quoted in ASCII, so that it can neither pass for another nor break columns.
func name(s string) string {
	if trial.ValidName(s) || s == "" {
		return s
	}
	if len(s) > maxName {
		s = s[:maxName] + "..."
	}
	return strconv.QuoteToASCII(s)
}

func cleanReasons(in []trial.Reason) []trial.Reason {
	const most = 8
	var out []trial.Reason
	for i, r := range in {
		if i == most {
			out = append(out, trial.Reason{Code: "more", Text: fmt.Sprintf("and %d more reasons", len(in)-most)})
			break
		}
		out = append(out, trial.Reason{Code: words.Line(r.Code, maxName), Text: words.Line(r.Text, maxSentence),
			Next: words.Line(r.Next, maxSentence)})
	}
	return out
}

// formatMetric writes a value of a budget's metric.
func formatMetric(metric string, v float64) string {
	switch metric {
	case "size", "peak_memory":
		return words.Bytes(v)
	case "throughput":
		return words.Rate(v)
	case "accuracy":
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	return words.Nanoseconds(v)
}
