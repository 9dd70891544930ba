package content

import (
	"math"
	"strconv"
	"strings"

	"chexp/experiments/stats"
	"chexp/experiments/words"
)

// CheckVerdict is the outcome of a check, as people see it.
func CheckVerdict(c stats.Check) string {
	if c.Outcome == stats.Unavailable {
		return "unavailable"
	}
	return string(c.Outcome)
}

// CheckValue and [CheckLimit] write the numbers of a check in its unit, nothing
// where the question is not about a number.
func CheckValue(c stats.Check) string {
	v, ok := c.Value.Get()
	if !ok {
		return ""
	}
	return strings.TrimSpace(plainNumber(v) + " " + c.Unit)
}

// CheckLimit writes the limit that the value is held against.
func CheckLimit(c stats.Check) string {
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
