package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/judge"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// column is one column of the table as people see it.
type column struct {
	key   string
	head  string
	right bool // align to the right
	cell  func(*Row) cell
}

// cell is a text with its footnotes and a colour.
type cell struct {
	text  string
	marks []int
	tone  tone
	sign  string // for those who cannot tell the colours of verdicts apart
	// word and reason are the two parts of a text such as "INVALID: drift", for
	// those who draw them apart; both are empty where the text is one word.
	word, reason string
}

type tone string

const (
	plainTone tone = ""
	good      tone = "good"
	bad       tone = "bad"
	open      tone = "open" // unknown, skipped, doubtful
)

func budgetColumn(i int) string { return fmt.Sprintf("budget %d", i) }

// columns builds the columns of a table. Numbers of a column share one unit,
// which stands in its head.
func (t *Table) columns() []column {
	lat := t.latencyUnit()
	cols := []column{
		t.textColumn("model", "model", false, func(r *Row) string { return r.Model }),
		t.textColumn("provider", "provider", false, func(r *Row) string { return r.Provider }),
		t.textColumn("threads", "threads", true, func(r *Row) string { return strconv.Itoa(r.Threads) }),
		t.textColumn("batch", "batch", true, func(r *Row) string { return strconv.Itoa(r.Batch) }),
	}
	if slices.ContainsFunc(t.Rows, func(r *Row) bool { return r.Repetition > 1 }) {
		cols = append(cols,
			t.textColumn("repetition", "rep", true, func(r *Row) string { return strconv.Itoa(r.Repetition) }))
	}
	cols = append(cols,
		t.textColumn("size", "size MB", true, func(r *Row) string {
			if r.Bytes <= 0 {
				return "?"
			}
			return words.Digits(float64(r.Bytes) / 1e6)
		}),
		t.textColumn("n", "n", true, func(r *Row) string {
			if r.Outcome != trial.OK {
				return "-"
			}
			return strconv.Itoa(r.N)
		}))
	for _, m := range t.percentiles() {
		cols = append(cols, numberColumn(m.String(), m.String()+" "+lat.Name, lat.Size, readingOf(m)))
	}
	cols = append(cols, numberColumn("throughput", "inputs/s", 1, readingOf(judge.Throughput)))
	if slices.ContainsFunc(t.Rows, func(r *Row) bool { return r.Roof.Value != nil }) {
		cols = append(cols, numberColumn("roof", "% of roof", 0.01, (*Row).roofShare))
	}
	cols = append(cols, t.accuracyColumns()...)
	for i, b := range t.Budgets {
		cols = append(cols, column{key: budgetColumn(i), head: b.Text,
			cell: func(r *Row) cell { return r.verdictCell(i) }})
	}
	return append(cols, column{key: "validity", head: "validity", cell: (*Row).validityCell})
}

// roofShare is how much of what its device can do a trial achieved, 0 to 1.
func (r *Row) roofShare() trial.Reading[float64] {
	if b, ok := r.Roof.Get(); ok {
		return trial.Read(b.Achieved)
	}
	return trial.Unread[float64](r.Roof.Unavailable)
}

// percentiles are those that the table shows: the usual ones, and what budgets
// limit.
func (t *Table) percentiles() (out []*judge.Metric) {
	for _, m := range judge.Metrics {
		usual := m == judge.P50 || m == judge.P95 || m == judge.P99
		judged := slices.ContainsFunc(t.Budgets, func(b judge.Budget) bool { return b.Metric == m })
		if m.IsLatency() && (usual || judged) {
			out = append(out, m)
		}
	}
	return out
}

func readingOf(m *judge.Metric) func(*Row) trial.Reading[float64] {
	return func(r *Row) trial.Reading[float64] { return m.Read(r.Trial) }
}

func (t *Table) textColumn(key, head string, right bool, text func(*Row) string) column {
	return column{key: key, head: head, right: right, cell: func(r *Row) cell {
		return cell{text: text(r), marks: r.marks[key]}
	}}
}

// numberColumn shows a dash where a trial has no number: a failed trial's
// partial latencies stay in its result file, where nobody takes them for one.
func numberColumn(key, head string, scale float64, value func(*Row) trial.Reading[float64]) column {
	return column{key: key, head: head, right: true, cell: func(r *Row) cell {
		c := cell{text: "-", marks: r.marks[key]}
		if v, ok := value(r).Get(); ok && r.Outcome == trial.OK {
			c.text = words.Digits(v / scale)
		}
		return c
	}}
}

func (r *Row) verdictCell(i int) cell {
	c := cell{marks: r.marks[budgetColumn(i)]}
	v := r.Answers[i].Verdict
	if v == judge.Unknown && r.Outcome != trial.OK {
		c.text = "-" // the last column says why
		return c
	}
	c.text = v.String()
	switch v {
	case judge.Met:
		c.tone, c.sign = good, "✓"
	case judge.NotMet:
		c.tone, c.sign = bad, "✗"
	default:
		c.tone, c.sign = open, "?"
	}
	return c
}

// validityCell says whether a trial can be believed; one that did not end well
// has no validity, only how it ended.
func (r *Row) validityCell() cell {
	c := cell{text: string(r.Outcome), marks: r.marks["validity"], tone: open}
	switch {
	case r.Sound():
		c.text = string(r.Validity)
		if bad := r.Failing(); len(bad) > 0 {
			c.word, c.reason = c.text, bad[0].Name
			c.text += ": " + c.reason
		}
		c.tone = map[stats.Validity]tone{stats.Suspect: open, stats.Invalid: bad}[r.Validity]
	case r.Outcome == trial.OK:
		c.text = "doubtful"
	case r.Outcome == trial.Failed:
		c.tone = bad
	}
	return c
}

// shortValidityCell leaves the reason to the footnote.
func (r *Row) shortValidityCell() cell {
	c := r.validityCell()
	c.text = cmp.Or(c.word, c.text)
	return c
}

// latencyUnit is the unit in which the middle one of the medians reads best.
func (t *Table) latencyUnit() words.Unit {
	var p50s []float64
	for _, r := range t.Rows {
		if v, ok := r.P50.Get(); ok && r.Outcome == trial.OK {
			p50s = append(p50s, v)
		}
	}
	if len(p50s) == 0 {
		return words.Times[2]
	}
	slices.Sort(p50s)
	return words.UnitFor(p50s[len(p50s)/2], words.Times)
}

// headline says what was run, where and when, one fact a line.
func (t *Table) headline() []string {
	r := t.Run
	lines := []string{strings.Join(present(r.Experiment, words.When(r.ID != "", "run "+r.ID)), ", ")}
	if s := r.where(); s != "" {
		lines = append(lines, s)
	}
	if s := r.when(); s != "" {
		lines = append(lines, s)
	}
	return lines
}

func (r Run) where() string {
	device := r.Device.Name
	if r.Device.MachineName != "" && device != "" {
		device += " (" + r.Device.MachineName + ")"
	} else if device == "" {
		device = r.Device.MachineName
	}
	region := r.Region
	if region == r.Site { // CHI@Edge is both
		region = ""
	}
	return strings.Join(present(device, r.Site, region), ", ")
}

func (r Run) when() string {
	switch {
	case r.Started.IsZero():
		return ""
	case r.Ended.IsZero():
		return words.Time(r.Started) + ", not over"
	}
	return words.Time(r.Started) + ", took " + words.Span(r.Ended.Sub(r.Started))
}

func present(items ...string) []string {
	return slices.DeleteFunc(items, func(s string) bool { return s == "" })
}

// legend is the line under every table.
const legend = "Latency is the time of one inference of a whole batch; inputs/s counts single inputs. " +
	"p50 is the median, p95 the time that 95 % of inferences stay below. 1 MB = 10⁶ bytes."
