package session

import (
	"fmt"
	"slices"
	"time"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
)

const (
	// leastSeen is from how many inferences on a slow start can be told from
	// chance (stats.SlowStart), and detectFrom the policy's number from which one
	// is looked for: who asks for fewer wants it short.
	leastSeen  = 30
	detectFrom = 10
	// mostWarmup bounds a warm-up that does not end, in multiples of what the
	// policy asks for; half of the policy's least timed work bounds it too.
	mostWarmup = 10
	// slower is by how much a beginning must be slower to matter.
	slower = 1.02
)

// warmUp runs the inferences that the policy asks for, and then more until the
// last of them have no slow beginning any more. A slow stretch that outlasts all
// of those looks steady here; the check of the timed ones finds it.
func warmUp(p trial.Policy, one func() (int64, error)) (took []int64, saw trial.Reading[trial.WarmUp], err error) {
	asked := min(p.Warmup, MaxRuns)
	took = make([]int64, 0, asked+leastSeen)
	next := func() bool {
		var ns int64
		if ns, err = one(); err == nil {
			took = append(took, ns)
		}
		return err == nil
	}
	for len(took) < asked && next() {
	}
	if err != nil || asked < detectFrom {
		return took, trial.Unread[trial.WarmUp](fmt.Sprintf("the policy asks for %d warm-up inferences; a slow start "+
			"is looked for from %d on", asked, detectFrom)), err
	}
	cut, more := 0, time.Duration(0)
	for {
		if len(took)-cut >= leastSeen {
			length, ratio := stats.SlowStart(took[cut:])
			if length == 0 || ratio < slower {
				break
			}
			cut += length
			continue
		}
		if len(took) >= mostWarmup*asked || more >= p.MinTime/2 || !next() {
			break
		}
		more += time.Duration(took[len(took)-1])
	}
	return took, seen(took, cut), err
}

// seen describes a warm-up of which the first cut inferences were slow.
func seen(values []int64, cut int) trial.Reading[trial.WarmUp] {
	rest := values[cut:]
	if cut == 0 && len(rest) < leastSeen {
		return trial.Unread[trial.WarmUp](fmt.Sprintf("it takes %d inferences to see one, the policy left time for %d",
			leastSeen, len(values)))
	}
	w := trial.WarmUp{Steady: len(rest) >= leastSeen, Slow: cut, Ratio: 1}
	if cut > 0 && len(rest) > 0 {
		w.Ratio = middle(values[:cut]) / max(middle(rest), 1)
	}
	return trial.Read(w)
}

func middle(values []int64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return stats.Median(sorted)
}
