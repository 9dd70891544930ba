package report

import (
	"math"
	"strconv"
	"strings"

	"chexp/experiments/stats"
	"chexp/experiments/words"
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
	return strings.TrimSpace(plainNumber(v) + " " + c.Unit)
}

func limitText(c stats.Check) string {
	if v, ok := c.Value.Get(); !ok || c.Unit == "" || v == 0 && c.Limit == 0 {
		return ""
	}
	return plainNumber(c.Limit) + " " + c.Unit
}

// plainNumber writes a whole number as it is, and three digits of another.
func plainNumber(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return words.Digits(v)
}
