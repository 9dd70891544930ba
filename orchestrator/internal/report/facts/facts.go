// Package facts lists what a result tells of the device and of the software on it:
// for the report of one run, and for a comparison of several.
package facts

import (
	"cmp"
	"fmt"
	"slices"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// Fact is something known, or known to be unavailable, about the device or
// the software that measured.
type Fact struct {
	Name        string `json:"name"`
	Value       string `json:"value,omitempty"`
	Unavailable string `json:"unavailable,omitempty"`
}

// Of collects what the results of a run say of the circumstances. Where they differ,
// all values are listed: a governor that changed during the run is worth knowing.
func Of(results []*trial.Result) (out []Fact) {
	if len(results) == 0 {
		return nil
	}
	for _, c := range circumstances {
		if f := c.over(results); c.fact != "" && (!c.newer || f.Value != "" || f.Unavailable != noReason) {
			out = append(out, f)
		}
	}
	return append(out, harnessFact(results))
}

const noReason = "no reason given"

// over says what the results tell of a circumstance; if none has a value, the first
// reason.
func (c circumstance) over(results []*trial.Result) Fact {
	f := Fact{Name: c.fact}
	limit := 200
	if c.newer {
		limit = words.MaxSentence
	}
	var values []string
	var numbers []float64
	for _, r := range results {
		v, why := c.read(r)
		v = words.Line(v, limit)
		switch {
		case v != "" && c.number != nil:
			n, _ := c.number(r).Get()
			numbers = append(numbers, n)
		case v != "" && !slices.Contains(values, v):
			values = append(values, v)
		case v == "" && f.Unavailable == "":
			f.Unavailable = words.Line(why, 200)
		}
	}
	switch {
	case len(numbers) > 0:
		low, high := slices.Min(numbers), slices.Max(numbers)
		return Fact{Name: c.fact, Value: words.FromTo(c.format(low), c.format(high))}
	case len(values) > 0:
		return Fact{Name: c.fact, Value: words.List(values, "; ", 3)}
	}
	f.Unavailable = cmp.Or(f.Unavailable, noReason)
	return f
}

const harnessName = "An empty call"

// harnessFact says what measuring costs, for every report.
func harnessFact(results []*trial.Result) Fact {
	f := Fact{Name: harnessName, Unavailable: "not measured"}
	for _, r := range results {
		h, ok := r.Harness.Get()
		if !ok {
			if w := words.Line(r.Harness.Unavailable, 200); w != "" {
				f.Unavailable = w
			}
			continue
		}
		f = Fact{Name: f.Name, Value: words.Nanoseconds(float64(max(0, h.NullNS)))}
		if c, ok := h.NullCNS.Get(); ok {
			f.Value += ", in C " + words.Nanoseconds(float64(max(0, c)))
		} else if w := words.Line(h.NullCNS.Unavailable, 200); w != "" {
			f.Value += ", in C unavailable: " + w
		}
		f.Value += fmt.Sprintf("; %s in %s", words.Plural(int(max(0, h.Allocations)), "allocation"),
			words.Plural(max(0, h.Calls), "call"))
		return f
	}
	return f
}

// HarnessCost finds what measuring costs among the facts, and makes a sentence of it.
func HarnessCost(facts []Fact) string {
	for _, f := range facts {
		if f.Name == harnessName {
			return "Measuring costs: an empty call takes " + f.Value +
				words.When(f.Value == "", "unavailable: "+f.Unavailable) + "."
		}
	}
	return ""
}
