package spec

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"chexp/experiments/judge"
)

var budgetForm = regexp.MustCompile(`^\s*([A-Za-z0-9_]+)\s*(<=|>=|<|>|==|=|≤|≥)\s*` +
	`([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(\S*)\s*$`)

// ParseBudget reads "p50 < 15 ms".
func ParseBudget(text string) (b judge.Budget, err error) {
	f := budgetForm.FindStringSubmatch(text)
	if f == nil {
		return b, fmt.Errorf("is %q, but must be a metric, a comparison, a number and a unit, such as p50 < 15 ms "+
			"or size < 5 MB", short(text))
	}
	b.Text, b.Metric = strings.TrimSpace(text), judge.MetricNamed(f[1])
	if b.Metric == nil {
		return b, fmt.Errorf("limits %q, which is not measured; %s", short(f[1]), didYouMean(f[1], metricNames()))
	}
	b.Op = judge.Op(strings.NewReplacer("≤", "<=", "≥", ">=").Replace(f[2]))
	if strings.HasPrefix(f[2], "=") {
		return b, fmt.Errorf("compares with %s; allowed: <, <=, >, >=", f[2])
	}
	unit, ok := b.Metric.Scale(f[4])
	switch {
	case f[4] == "":
		return b, fmt.Errorf("is %q, which has no unit; units of %s: %s", short(text), b.Metric, b.Metric.Units())
	case !ok:
		return b, fmt.Errorf("has the unit %q; units of %s: %s", short(f[4]), b.Metric, b.Metric.Units())
	}
	number, err := strconv.ParseFloat(f[3], 64)
	if err != nil || number == 0 {
		return b, fmt.Errorf("is %q: the limit must be a number above 0", short(text))
	}
	b.Limit = number * unit
	return b, nil
}

func metricNames() (names []string) {
	for _, m := range judge.Metrics {
		names = append(names, m.String())
	}
	return names
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
		if b.Metric == judge.Accuracy && !s.has("accuracy") {
			r.addf(n, path, "limits accuracy, which is not measured: add accuracy: {data: plates}, "+
				"or pictures of your own")
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
func clash(a, b judge.Budget) string {
	switch {
	case a.Metric == b.Metric && a.Op.IsUpper() == b.Op.IsUpper():
		return fmt.Sprintf("limits %s a second time in the same direction (%q): keep one of them",
			b.Metric, short(a.Text))
	case a.Contradicts(b):
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
