package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"chexp/experiments/trial"
)

// Units that a budget may be written in, by what is measured. The first one of
// each group with a round value is what people are shown.
var (
	byteUnits = map[string]float64{
		"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}
	nanoUnits = map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}
	rateUnits = map[string]float64{"/s": 1, "inputs/s": 1}
)

// metric is one quantity that a budget can limit.
type metric struct {
	name  string
	units map[string]float64
	forms string // for people
	of    func(*trial.Result) trial.Reading[float64]
}

const (
	byteForms = "B, kB, MB (10^6), GB, KiB, MiB (2^20), GiB"
	nanoForms = "ns, us, ms, s"
)

var metrics = []metric{
	{"size", byteUnits, byteForms, func(r *trial.Result) trial.Reading[float64] {
		return trial.Read(float64(r.Model.Bytes))
	}},
	{"p50", nanoUnits, nanoForms, summary(func(s *trial.Summary) trial.Reading[float64] { return trial.Read(s.MedianNS) })},
	{"p90", nanoUnits, nanoForms, summary(func(s *trial.Summary) trial.Reading[float64] { return s.P90NS })},
	{"p95", nanoUnits, nanoForms, summary(func(s *trial.Summary) trial.Reading[float64] { return s.P95NS })},
	{"p99", nanoUnits, nanoForms, summary(func(s *trial.Summary) trial.Reading[float64] { return s.P99NS })},
	{"throughput", rateUnits, "/s", summary(func(s *trial.Summary) trial.Reading[float64] { return trial.Read(s.Throughput) })},
	{"session_create", nanoUnits, nanoForms, reading(func(r *trial.Result) trial.Reading[int64] { return r.SessionCreateNS })},
	{"first_inference", nanoUnits, nanoForms, reading(func(r *trial.Result) trial.Reading[int64] { return r.FirstInferenceNS })},
	{"peak_memory", byteUnits, byteForms, reading(func(r *trial.Result) trial.Reading[int64] { return r.PeakMemoryBytes })},
}

func summary(of func(*trial.Summary) trial.Reading[float64]) func(*trial.Result) trial.Reading[float64] {
	return func(r *trial.Result) trial.Reading[float64] {
		if r.Summary == nil {
			return trial.Unread[float64]("nothing was timed")
		}
		return of(r.Summary)
	}
}

func reading(of func(*trial.Result) trial.Reading[int64]) func(*trial.Result) trial.Reading[float64] {
	return func(r *trial.Result) trial.Reading[float64] {
		v := of(r)
		if n, ok := v.Get(); ok {
			return trial.Read(float64(n))
		}
		return trial.Unread[float64](v.Unavailable)
	}
}

func metricNames() []string {
	names := make([]string, len(metrics))
	for i, m := range metrics {
		names[i] = m.name
	}
	return names
}

func findMetric(name string) (metric, bool) {
	for _, m := range metrics {
		if m.name == name {
			return m, true
		}
	}
	return metric{}, false
}

var budgetForm = regexp.MustCompile(`^\s*([A-Za-z0-9_]+)\s*(<=|>=|<|>|==|=|≤|≥)\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(\S*)\s*$`)

// ParseBudget reads "p50 < 15 ms".
func ParseBudget(text string) (Budget, error) {
	f := budgetForm.FindStringSubmatch(text)
	if f == nil {
		return Budget{}, fmt.Errorf("is %q, but must be a metric, a comparison, a number and a unit, such as p50 < 15 ms or size < 5 MB", short(text))
	}
	m, ok := findMetric(f[1])
	if !ok {
		return Budget{}, fmt.Errorf("limits %q, which is not measured; %s", short(f[1]), didYouMean(f[1], metricNames()))
	}
	op := strings.NewReplacer("≤", "<=", "≥", ">=").Replace(f[2])
	if strings.HasPrefix(op, "=") {
		return Budget{}, fmt.Errorf("compares with %s; allowed: <, <=, >, >=", f[2])
	}
	unit, ok := m.units[f[4]]
	switch {
	case f[4] == "":
		return Budget{}, fmt.Errorf("is %q, which has no unit; units of %s: %s", short(text), m.name, m.forms)
	case !ok:
		return Budget{}, fmt.Errorf("has the unit %q; units of %s: %s", short(f[4]), m.name, m.forms)
	}
	number, err := strconv.ParseFloat(f[3], 64)
	if err != nil || number == 0 {
		return Budget{}, fmt.Errorf("is %q: the limit must be a number above 0", short(text))
	}
	return Budget{Metric: m.name, Op: op, Limit: number * unit, Text: strings.TrimSpace(text)}, nil
}

func (r *reader) budgets(s *section, e *Experiment) {
	for i, n := range s.list("budgets", maxList) {
		path := fmt.Sprintf("budgets[%d]", i)
		text, ok := r.text(n, path)
		if !ok {
			continue
		}
		b, err := ParseBudget(text)
		if err != nil {
			r.addf(n, path, "%v", err)
			continue
		}
		for _, before := range e.Budgets {
			if why := clash(before, b); why != "" {
				r.addf(n, path, "%s", why)
				break
			}
		}
		e.Budgets = append(e.Budgets, b)
	}
}

// clash says why two budgets cannot stand together.
func clash(a, b Budget) string {
	switch {
	case a.Metric != b.Metric:
		return ""
	case a.Op[0] == b.Op[0]:
		return fmt.Sprintf("limits %s a second time in the same direction (%q): keep one of them", b.Metric, short(a.Text))
	}
	low, high := a, b
	if a.Op[0] == '<' {
		low, high = b, a
	}
	if low.Limit > high.Limit || low.Limit == high.Limit && (low.Op == ">" || high.Op == "<") {
		return fmt.Sprintf("contradicts %q: no value meets both", short(a.Text))
	}
	return ""
}

// Judge holds a result against the budget. ok is false when the quantity was
// not measured; value then says why. Otherwise value is the quantity with its
// unit. Size is known of a trial that failed too; times are not.
func (b Budget) Judge(r *trial.Result) (met bool, value string, ok bool) {
	m, found := findMetric(b.Metric)
	if !found {
		return false, fmt.Sprintf("%s is not measured by this version", b.Metric), false
	}
	if b.Metric != "size" && r.Outcome != trial.OK {
		return false, notOK(r), false
	}
	v := m.of(r)
	n, read := v.Get()
	switch {
	case !read && v.Unavailable != "":
		return false, v.Unavailable, false
	case !read || math.IsNaN(n) || math.IsInf(n, 0):
		return false, "not measured", false
	}
	value = b.Format(n)
	if value == b.Format(b.Limit) && n != b.Limit { // rounding must not hide the side it is on
		value = fmt.Sprintf("%s (%s)", value, strconv.FormatFloat(n, 'f', -1, 64)+baseUnit(m))
	}
	return b.holds(n), value, true
}

func baseUnit(m metric) string {
	for _, name := range []string{"B", "ns", "/s"} {
		if m.units[name] == 1 {
			return " " + name
		}
	}
	return ""
}

func notOK(r *trial.Result) string {
	if len(r.Reasons) > 0 && r.Reasons[0].Text != "" {
		return fmt.Sprintf("trial %s: %s", r.Outcome, r.Reasons[0].Text)
	}
	return fmt.Sprintf("trial %s", r.Outcome)
}

func (b Budget) holds(v float64) bool {
	switch b.Op {
	case "<":
		return v < b.Limit
	case "<=":
		return v <= b.Limit
	case ">":
		return v > b.Limit
	}
	return v >= b.Limit
}

// Format writes a value of the budget's metric with a unit for people.
func (b Budget) Format(v float64) string {
	switch m, _ := findMetric(b.Metric); {
	case m.units["MB"] != 0:
		return FormatBytes(int64(v))
	case m.units["ms"] != 0:
		return FormatNanos(v)
	}
	return significant(v) + " /s"
}

// FormatBytes writes a size in decimal units: 8.898 MB.
func FormatBytes(n int64) string {
	return scaled(float64(n), []unit{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}})
}

// FormatNanos writes a time given in nanoseconds: 12.34 ms.
func FormatNanos(ns float64) string {
	return scaled(ns, []unit{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}})
}

type unit struct {
	size float64
	name string
}

func scaled(v float64, units []unit) string {
	for _, u := range units {
		if v >= u.size {
			return significant(v/u.size) + " " + u.name
		}
	}
	return significant(v) + " " + units[len(units)-1].name
}

// significant keeps four digits: enough to see on which side of a limit a
// value lies, few enough not to promise more than a clock gives.
func significant(v float64) string {
	digits := 3
	for _, limit := range []float64{10, 100, 1000} {
		if math.Abs(v) >= limit {
			digits--
		}
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
