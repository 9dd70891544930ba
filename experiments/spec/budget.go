package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Units that a budget may be written in, by what is measured. The first one of
// each group with a round value is what people are shown.
var (
	byteUnits = map[string]float64{
		"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}
	nanoUnits = map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9}
	rateUnits = map[string]float64{"/s": 1, "inputs/s": 1}
	partUnits = map[string]float64{"%": 0.01}
)

// metric is one quantity that a budget can limit.
type metric struct {
	name  string
	units map[string]float64
	forms string // for people
}

const (
	byteForms = "B, kB, MB (10^6), GB, KiB, MiB (2^20), GiB"
	nanoForms = "ns, us, ms, s"
)

var metrics = []metric{
	{"size", byteUnits, byteForms},
	{"p50", nanoUnits, nanoForms},
	{"p90", nanoUnits, nanoForms},
	{"p95", nanoUnits, nanoForms},
	{"p99", nanoUnits, nanoForms},
	{"throughput", rateUnits, "/s"},
	{"accuracy", partUnits, "%"},
	{"session_create", nanoUnits, nanoForms},
	{"first_inference", nanoUnits, nanoForms},
	{"peak_memory", byteUnits, byteForms},
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
		if b.Metric == "accuracy" && !s.has("accuracy") {
			r.addf(n, path, "limits accuracy, which is not measured: add accuracy: {data: plates}, or pictures of your own")
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

// FormatBytes writes a size in decimal units: 8.898 MB.
func FormatBytes(n int64) string {
	return scaled(float64(n), []unit{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}})
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
