package content

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/report/findings"
	"chexp/orchestrator/internal/report/options"
)

// option is an option with the rows of its trials.
type option struct {
	options.Summary
	rows []*findings.Row
}

// measured reports whether any trial of the option went to its end.
func (o option) measured() bool {
	return slices.ContainsFunc(o.rows, func(r *findings.Row) bool { return r.Outcome == trial.OK })
}

// marks are the footnotes of a column in all rows of the option.
func (o option) marks(key string) (out []int) {
	for _, r := range o.rows {
		for _, m := range r.Marks[key] {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	slices.Sort(out)
	return out
}

func optionsOf(t *findings.Table) []option {
	out := make([]option, len(t.Options))
	for i, s := range t.Options {
		out[i].Summary = s
		for _, r := range t.Rows {
			if r.Option == s.Option {
				out[i].rows = append(out[i].rows, r)
			}
		}
	}
	return out
}

// Measured are the options that have a row in [OptionsTable], in its order.
func Measured(t *findings.Table) (out []options.Summary) {
	for _, o := range optionsOf(t) {
		if o.measured() {
			out = append(out, o.Summary)
		}
	}
	return out
}

// OptionsTable has a row for each option that was measured, over all its
// repetitions. What was not stands below it, a line for each reason.
func OptionsTable(t *findings.Table) Table {
	all := optionsOf(t)
	measured := slices.DeleteFunc(slices.Clone(all), func(o option) bool { return !o.measured() })
	out := tabulate(measured, optionFields(t, measured, all))
	if s := repetitionsNote(measured); s != "" {
		out.Foot = append(out.Foot, s)
	}
	out.Foot = append(out.Foot, notMeasured(all)...)
	if len(measured) == 0 {
		out.Columns = nil
	}
	return out
}

type optionField = field[option]

func optionFields(t *findings.Table, measured, all []option) []optionField {
	plain := func(c Column, text func(option) string) optionField {
		return optionField{c, func(o option) Cell { return Cell{Text: text(o), Marks: o.marks(c.Key)} }}
	}
	number := func(c Column, scale float64, of func(option) trial.Reading[float64]) optionField {
		c.Right = true
		return plain(c, func(o option) string {
			if v, ok := of(o).Get(); ok {
				return words.Digits(v / scale)
			}
			return Dash
		})
	}
	out := []optionField{
		plain(Column{Key: "model", Head: "model", Least: 8}, func(o option) string { return o.Model }),
		plain(Column{Key: "provider", Head: "provider", Fold: 4}, func(o option) string { return o.Provider }),
		plain(Column{Key: "threads", Head: "threads", Right: true, Fold: 2},
			func(o option) string { return strconv.Itoa(o.Threads) }),
		plain(Column{Key: "batch", Head: "batch", Right: true, Fold: 1},
			func(o option) string { return strconv.Itoa(o.Batch) }),
	}
	if t.Judged.DevicesVary() {
		out = append(out, plain(Column{Key: "device", Head: "device"},
			func(o option) string { return cmp.Or(o.Device, Dash) }))
	}
	u := LatencyUnit(t)
	out = append(out,
		plain(Column{Key: "size", Head: "size MB", Right: true, Leave: 6},
			func(o option) string { return megabytes(o.Bytes) }),
		number(Column{Key: "p50", Head: "p50 " + u.Name}, u.Size,
			func(o option) trial.Reading[float64] { return o.P50 }),
		optionField{Column{Key: "interval", Head: "95 %", Right: true, Last: true}, func(o option) Cell {
			return Cell{Text: interval(o.P50Low, o.P50High, u.Size)}
		}},
		number(Column{Key: "p95", Head: "p95 " + u.Name, Leave: 2}, u.Size,
			func(o option) trial.Reading[float64] { return o.P95 }),
		number(Column{Key: "throughput", Head: "inputs/s", Leave: 3}, 1,
			func(o option) trial.Reading[float64] { return o.Throughput }),
		number(Column{Key: "memory", Head: "memory MB", Leave: 1}, 1e6,
			func(o option) trial.Reading[float64] { return o.PeakMemory }))
	if len(measured) > 1 {
		out = append(out, optionField{Column{Key: "speedup", Head: "× base", Right: true, Leave: 4,
			Note: baseNote(measured, all)}, speedupCell})
	}
	if t.WithAccuracy() {
		out = append(out, plain(Column{Key: "accuracy", Head: "top-1 % (95 %)", Right: true},
			func(o option) string { return accuracyText(o.Accuracy) }))
	}
	for i, b := range t.Budgets {
		c := Column{Key: findings.BudgetColumn(i), Head: b.Text, Short: fmt.Sprintf("B%d", i+1), Means: b.Text}
		out = append(out, optionField{c, func(o option) Cell { return verdictOf(o.Verdicts[i], o.marks(c.Key)) }})
	}
	return append(out, optionField{Column{Key: "validity", Head: "validity"}, option.validity})
}

func megabytes(bytes int64) string {
	if bytes <= 0 {
		return "?"
	}
	return words.Digits(float64(bytes) / 1e6)
}

func interval(low, high trial.Reading[float64], scale float64) string {
	l, ok := low.Get()
	h, both := high.Get()
	if !ok || !both {
		return Dash
	}
	return words.Digits(l/scale) + "-" + words.Digits(h/scale)
}

// speedupCell reads "2.75 (2.74-2.76)", "~" where no difference was found, "2.75 ?"
// where there is no interval, and "base".
func speedupCell(o option) Cell {
	s := o.Speedup
	v, ok := s.Ratio.Get()
	i, bounded := s.Interval.Get()
	switch {
	case s.Base == o.Option:
		return Cell{Text: "base"}
	case !ok:
		return Cell{Text: Dash}
	case !bounded:
		return Cell{Text: words.Digits(v) + " ?", Tone: Open}
	case !s.Found:
		return Cell{Text: "~"}
	}
	return Cell{Text: fmt.Sprintf("%s (%s-%s)", words.Digits(v), words.Digits(i.Low), words.Digits(i.High))}
}

// validity is the worst of the option's trials that ended well, and how many of
// them did where not all.
func (o option) validity() Cell {
	c := Cell{Marks: o.marks("validity")}
	well, valid := 0, 0
	worst := stats.Valid
	for _, r := range o.rows {
		if !r.Sound() {
			continue
		}
		well++
		if r.Validity == stats.Valid {
			valid++
		}
		if r.Validity == stats.Invalid || worst == stats.Valid {
			if worst = r.Validity; r.Validity != stats.Valid {
				c.Why = r.Complaint()
			}
		}
	}
	c.Text, c.Tone = string(worst), map[stats.Validity]Tone{stats.Suspect: Open, stats.Invalid: Bad}[worst]
	switch n := len(o.rows); {
	case well == 0:
		return Cell{Text: "doubtful", Tone: Open, Marks: c.Marks}
	case well < n:
		c.Text, c.Why, c.Tone = fmt.Sprintf("%d of %d VALID", valid, n), "", Open
	}
	return c
}

// repetitionsNote says over how many repetitions the rows are.
func repetitionsNote(all []option) string {
	least, most := 0, 0
	for i, o := range all {
		if n := o.Trials; i == 0 {
			least, most = n, n
		} else {
			least, most = min(least, n), max(most, n)
		}
	}
	switch {
	case most < 2:
		return ""
	case least == most:
		return fmt.Sprintf("Each row is an option over its %d repetitions; p50 is the middle of their medians, "+
			"95 %% holds all their intervals.", most)
	}
	return fmt.Sprintf("Each row is an option over its %d to %d repetitions; p50 is the middle of their medians, "+
		"95 %% holds all their intervals.", least, most)
}

// baseNote names what the speed-ups are taken against.
func baseNote(measured, all []option) string {
	var bases []string
	open := false
	for _, o := range measured {
		i := slices.IndexFunc(all, func(b option) bool { return b.Option == o.Speedup.Base })
		if i >= 0 && o.Speedup.Base != o.Option && !slices.Contains(bases, all[i].Label) {
			bases = append(bases, all[i].Label)
		}
		open = open || o.Speedup.Ratio.Value != nil && o.Speedup.Interval.Value == nil
	}
	if len(bases) == 0 {
		return ""
	}
	return "× base: times as fast as " + words.List(bases, "; ", 3) + ", with its 95 % interval; ~ where no " +
		"difference was found" +
		words.When(open, "; ? where there is no interval, as they were not measured in turns") + "."
}

// mostOfReason bounds a reason, in characters; the trials' footnotes have the whole.
const mostOfReason = 240

// notMeasured has a line for each reason for which options were not measured.
func notMeasured(all []option) []string {
	var reasons []string
	who := map[string][]string{}
	for _, o := range all {
		if o.measured() {
			continue
		}
		why := o.rows[0].Trouble()
		if who[why] == nil {
			reasons = append(reasons, why)
		}
		who[why] = append(who[why], o.Label)
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s (%s: %s).", words.Shorten(why, mostOfReason),
			words.Plural(len(who[why]), "option"), words.List(who[why], "; ", 4))
	}
	return reasons
}
