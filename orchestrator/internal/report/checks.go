package report

import (
	"strings"

	"chexp/experiments/stats"
)

// verdictWord of a check, as people see it.
func verdictWord(c stats.Check) string {
	if c.Outcome == stats.Unavailable {
		return "unavailable"
	}
	return string(c.Outcome)
}

// valueText and limitText write the numbers of a check in its unit, nothing
// where the question is not about a number.
func valueText(c stats.Check) string {
	v, ok := c.Value.Get()
	if !ok {
		return ""
	}
	return strings.TrimSpace(sig3(v) + " " + c.Unit)
}

func limitText(c stats.Check) string {
	if v, ok := c.Value.Get(); !ok || c.Unit == "" || v == 0 && c.Limit == 0 {
		return ""
	}
	return sig3(c.Limit) + " " + c.Unit
}
