package stats

import (
	"fmt"
	"math"

	"chexp/experiments/trial"
)

// Without blocks, a sample of at least fewestForBatches values is cut into as
// many stretches as an interval of the mean needs.
const (
	fewestForBatches = 30
	meanBatches      = 10
)

// MeanInterval holds the true mean with 95 % confidence: Student's t over the
// means of the blocks, or of ten stretches where the sample was not cut into
// blocks (the method of batch means), so that neighbours may be alike. It is
// what a throughput's interval is made of.
func (s Sample) MeanInterval() trial.Reading[trial.Interval] {
	n, parts := s.N(), s.blocks
	if len(parts) < fewestForStudent {
		if n < fewestForBatches {
			return trial.Unread[trial.Interval](fmt.Sprintf("%d inferences are too few for a 95 %% interval", n))
		}
		parts = nil
		for i := range meanBatches {
			parts = append(parts, s.ordered[i*n/meanBatches:(i+1)*n/meanBatches])
		}
	}
	m, squares, k := meanOf(s.ordered), 0.0, float64(len(parts))
	for _, part := range parts { // parts need not be of one length: it is the mean of a ratio
		d := (meanOf(part) - m) * float64(len(part))
		squares += d * d
	}
	half := studentTail(k-1) * math.Sqrt(squares*k/(k-1)) / float64(n)
	return trial.Read(trial.Interval{Low: m - half, High: m + half})
}

func meanOf(values []int64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}
