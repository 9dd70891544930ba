package findings

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// accuracy takes over a result's accuracy. The share and its interval are
// computed again from the counts: those two numbers are all that is believed.
func accuracy(r trial.Reading[trial.Accuracy]) trial.Reading[trial.Accuracy] {
	a, ok := r.Get()
	switch {
	case !ok:
		return trial.Unread[trial.Accuracy](words.Line(r.Unavailable, maxSentence))
	case a.Pictures < 1 || a.Pictures > trial.MaxPictures || a.Right < 0 || a.Right > a.Pictures:
		return trial.Unread[trial.Accuracy](fmt.Sprintf("the result says that %d of %d pictures were right", a.Right, a.Pictures))
	}
	a.Data = words.Line(a.Data, maxName)
	a.Top1 = float64(a.Right) / float64(a.Pictures)
	a.Interval = stats.Proportion(a.Right, a.Pictures)
	if g, ok := a.Agreement.Get(); ok {
		g.Reference = words.Line(g.Reference, 2*maxName)
		if g.Pictures < 1 || g.Same < 0 || g.Same > g.Pictures || math.IsNaN(g.Cosine+g.MaxError) {
			a.Agreement = trial.Unread[trial.Agreement]("the result holds no usable numbers")
		} else {
			a.Agreement = trial.Read(g)
		}
	} else {
		a.Agreement = trial.Unread[trial.Agreement](words.Line(a.Agreement.Unavailable, maxSentence))
	}
	return trial.Read(a)
}

// top1 is the share of right answers as a budget judges it.
func (r *Row) top1() trial.Reading[float64] {
	a, ok := r.Accuracy.Get()
	switch {
	case ok:
		return trial.Read(a.Top1)
	case r.Accuracy.Unavailable != "":
		return trial.Unread[float64](r.Accuracy.Unavailable)
	}
	return trial.Unread[float64]("accuracy was not measured")
}

// WithAccuracy reports whether any trial was asked for it.
func (t *Table) WithAccuracy() bool {
	return slices.ContainsFunc(t.Rows, func(r *Row) bool {
		_, ok := r.Accuracy.Get()
		return ok || r.Accuracy.Unavailable != ""
	})
}

// Agreement is how near the outputs were to a reference's, if that was measured.
func (r *Row) Agreement() (g trial.Agreement, ok bool) {
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
