package page

import (
	"fmt"
	"math"
	"slices"

	"chexp/experiments/judge"
	"chexp/orchestrator/internal/report/findings"
)

// run draws the figures of a run.
type run struct{ *findings.Table }

// How much is drawn. A page with hundreds of trials is no longer a picture;
// the table and the CSV hold them all.
const (
	maxStrips = 60
	maxCards  = 60
	maxDots   = 240 // per sequence; longer ones are drawn as ranges
)

// series is the colour of a provider, by its place among the providers.
func (t run) series(provider string) string {
	var seen []string
	for _, r := range t.Rows {
		if !slices.Contains(seen, r.Provider) {
			seen = append(seen, r.Provider)
		}
	}
	return fmt.Sprintf("s%d", max(0, slices.Index(seen, provider))%6)
}

// drawable rows have latencies that mean something. The INVALID ones are among
// them: the picture shows why.
func (t run) drawable() (out []*findings.Row) {
	for _, r := range t.Rows {
		if r.Sound() && r.Own() && r.N > 0 {
			out = append(out, r)
		}
	}
	return out
}

// latencyBudgets are the budgets that are a line in a picture of latencies.
func (t run) latencyBudgets() (out []judge.Budget) {
	for _, b := range t.Budgets {
		if b.Metric.IsLatency() && b.Limit > 0 && !math.IsInf(b.Limit, 0) {
			out = append(out, b)
		}
	}
	return out
}

// key names a colour.
type key struct{ Name, Series string }
