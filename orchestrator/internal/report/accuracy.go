package report

import (
	"fmt"
	"slices"
	"strconv"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// withAccuracy reports whether any trial was asked for it.
func (t *Table) withAccuracy() bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool {
		_, ok := r.Accuracy.Get()
		return ok || r.Accuracy.Unavailable != ""
	})
}

// accuracyColumns are there when accuracy was measured: the share with its
// interval, and how near the outputs were to the reference's.
func (t *Table) accuracyColumns() []column {
	if !t.withAccuracy() {
		return nil
	}
	return []column{
		{key: "accuracy", head: "top-1 % (95 %)", right: true, cell: func(r *Row) cell {
			c := cell{text: "-", marks: r.marks["accuracy"]}
			if a, ok := r.Accuracy.Get(); ok {
				c.text = fmt.Sprintf("%.1f (%.1f-%.1f)", 100*a.Top1, 100*a.Interval.Low, 100*a.Interval.High)
			}
			return c
		}},
		{key: "agreement", head: "agrees %, cos", right: true, cell: func(r *Row) cell {
			c := cell{text: "-", marks: r.marks["agreement"]}
			if g, ok := r.agreement(); ok {
				c.text = fmt.Sprintf("%.1f, %.4f", 100*float64(g.Same)/float64(g.Pictures), g.Cosine)
			}
			return c
		}},
	}
}

func (r *Row) agreement() (g trial.Agreement, ok bool) {
	a, ok := r.Accuracy.Get()
	if !ok {
		return g, false
	}
	return a.Agreement.Get()
}

// accuracyNotes say what the shares are about, or why there are none.
func (b *builder) accuracyNotes(r *Row) {
	a, ok := r.Accuracy.Get()
	if !ok {
		if why := r.Accuracy.Unavailable; why != "" {
			b.mark(r, "accuracy", "no accuracy "+why, "No accuracy: "+why)
		}
		return
	}
	b.mark(r, "accuracy", "accuracy "+a.Data, fmt.Sprintf("Share of %s whose highest output was the right one, with its exact (Clopper-Pearson) 95 %% interval; %s. "+
		"Measured on the device once for each model and provider, apart from the timed inferences", words.Plural(a.Pictures, "picture"), a.Data))
	g, ok := a.Agreement.Get()
	if !ok {
		b.mark(r, "agreement", "no agreement "+a.Agreement.Unavailable, "No agreement: "+a.Agreement.Unavailable)
		return
	}
	b.mark(r, "agreement", "agreement "+g.Reference, "Share of the same pictures for which the highest output is the one that "+g.Reference+" gives, and the mean cosine between the two outputs; "+
		"the largest difference of two outputs is in the CSV and JSON reports")
}

// accuracyCSV are the columns of the CSV, in shares.
var accuracyCSV = []struct {
	head  string
	value func(trial.Accuracy) trial.Reading[float64]
}{
	{"accuracy_pictures", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(float64(a.Pictures)) }},
	{"accuracy_right", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(float64(a.Right)) }},
	{"accuracy_top1", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(a.Top1) }},
	{"accuracy_low", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(a.Interval.Low) }},
	{"accuracy_high", func(a trial.Accuracy) trial.Reading[float64] { return trial.Read(a.Interval.High) }},
	{"agreement_same", agreed(func(g trial.Agreement) float64 { return float64(g.Same) })},
	{"agreement_cosine", agreed(func(g trial.Agreement) float64 { return g.Cosine })},
	{"agreement_max_error", agreed(func(g trial.Agreement) float64 { return g.MaxError })},
}

func agreed(f func(trial.Agreement) float64) func(trial.Accuracy) trial.Reading[float64] {
	return func(a trial.Accuracy) trial.Reading[float64] {
		if g, ok := a.Agreement.Get(); ok {
			return trial.Read(f(g))
		}
		return trial.Unread[float64](a.Agreement.Unavailable)
	}
}

func (r *Row) accuracyCells() (line []string) {
	for _, c := range accuracyCSV {
		s := ""
		if a, ok := r.Accuracy.Get(); ok {
			if v, ok := c.value(a).Get(); ok {
				s = strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		line = append(line, s)
	}
	return line
}
