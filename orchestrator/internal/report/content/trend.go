package content

import (
	"fmt"
	"strings"

	"chexp/experiments/compare"
	"chexp/experiments/words"
)

// TrendName is the trial of a row.
func TrendName(r compare.TrendRow) string {
	name := fmt.Sprintf("%s on %s, %s, batch %d", r.Model, r.Provider, words.Plural(r.Threads, "thread"), r.Batch)
	return name + words.When(r.Shape != "", ", "+r.Shape) + words.When(r.Board != "", ", "+r.Board)
}

// fewestForStep is how many runs it takes to find a change point ([stats.Steps]).
const fewestForStep = 9

// TrendLines are the answer: for each trial its change points, with what differs between
// the runs on either side.
func TrendLines(t *compare.Trend) (lines []string) {
	for _, r := range t.Rows {
		lines = append(lines, trendLines(r)...)
	}
	for _, p := range t.Problems {
		if len(p.LeftOut) > 0 {
			lines = append(lines, "left out of "+p.Run+": "+words.List(p.LeftOut, "; ", 4))
		}
	}
	return append(lines, t.Notes...)
}

func trendLines(r compare.TrendRow) (lines []string) {
	name, n := TrendName(r), len(r.Points)
	if len(r.Steps) == 0 {
		if n < fewestForStep {
			return []string{fmt.Sprintf("%s: %s; it takes %d to find a change point.", name, words.Plural(n, "run"),
				fewestForStep)}
		}
		return []string{fmt.Sprintf("%s: no change point in %d runs.", name, n)}
	}
	for _, s := range r.Steps {
		lines = append(lines, name+": "+StepText(s)+".")
	}
	return lines
}

// StepText says what changed, between which runs, and what differs between them.
func StepText(s compare.Step) string {
	text := fmt.Sprintf("between %s and %s, from %s to %s", s.Before, s.After, words.Nanoseconds(s.MedianBefore),
		words.Nanoseconds(s.MedianAfter))
	if c, ok := s.Change.Get(); ok {
		text += fmt.Sprintf(" (ratio %.3f%s)", c.Ratio, ratioInterval(c))
	}
	if len(s.Facts) == 0 {
		return text + "; nothing that results tell differs between the runs before and after"
	}
	var facts []string
	for _, f := range s.Facts {
		var values []string
		for _, v := range f.Values {
			values = append(values, v.Value)
		}
		facts = append(facts, f.Name+" ("+words.List(values, " / ", 4)+")")
	}
	return text + "; what differs: " + strings.Join(facts, ", ")
}

func ratioInterval(c compare.Change) string {
	i, ok := c.Interval.Get()
	if !ok {
		return ""
	}
	return fmt.Sprintf(" [%.3f, %.3f]", i.Low, i.High)
}
