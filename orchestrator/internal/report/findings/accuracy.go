package findings

import (
	"fmt"
	"slices"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

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
