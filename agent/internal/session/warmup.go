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
func (m *measurement) warmUp(p trial.Policy, res *trial.Result) error {
	asked := min(p.Warmup, MaxRuns)
	res.WarmupNS = make([]int64, 0, asked+leastSeen)
	for range asked {
		if err := m.warmOne(res); err != nil {
			return err
		}
	}
	if asked < detectFrom {
		res.WarmUp = trial.Unread[trial.WarmUp](fmt.Sprintf("the policy asks for %d warm-up inferences; a slow start is looked for from %d on", asked, detectFrom))
		return nil
	}
	cut := 0
	for start := time.Now(); ; {
		if len(res.WarmupNS)-cut >= leastSeen {
			length, ratio := stats.SlowStart(res.WarmupNS[cut:])
			if length == 0 || ratio < slower {
				break
			}
			cut += length
			continue
		}
		if len(res.WarmupNS) >= mostWarmup*asked || time.Since(start) >= p.MinTime/2 {
			break
		}
		if err := m.warmOne(res); err != nil {
			return err
		}
	}
	res.WarmUp = seen(res.WarmupNS, cut)
	return nil
}

func (m *measurement) warmOne(res *trial.Result) error {
	ns, err := m.one()
	if err != nil {
		return err
	}
	res.WarmupNS = append(res.WarmupNS, ns)
	m.fastest = min(m.fastest, ns)
	return nil
}

// seen describes a warm-up of which the first cut inferences were slow.
func seen(values []int64, cut int) trial.Reading[trial.WarmUp] {
	rest := values[cut:]
	if cut == 0 && len(rest) < leastSeen {
		return trial.Unread[trial.WarmUp](fmt.Sprintf("it takes %d inferences to see one, the policy left time for %d", leastSeen, len(values)))
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
