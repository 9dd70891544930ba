package judge

import (
	"math"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// More is how much more measuring would probably decide an UNDECIDED answer. It is
// a guess: it takes the value measured for the true one.
type More struct {
	N  int    `json:"n"`
	Of string `json:"of"` // "inference", "block" or "picture"
}

// String reads "about 12 more blocks".
func (m More) String() string { return "about " + words.Plural(m.N, "more "+m.Of) }

// An interval shrinks with the root of what it is measured from. It should end so
// far from the limit that four of five samples of that size decide: (1.96 + 0.84)
// standard errors where the interval's half has 1.96.
const margin = (1.96 + 0.84) / 1.96

// farthest is how many times as much is worth asking for.
const farthest = 100

// more is nil where no practicable number would do: the value lies at the limit.
func (t *Trial) more(b Budget, v float64, i trial.Interval) *More {
	half := v - i.Low
	if v < b.Limit {
		half = i.High - v
	}
	far := math.Abs(b.Limit - v)
	times := math.Pow(margin*half/far, 2)
	if far == 0 || times > farthest {
		return nil
	}
	n, of := t.N, "inference"
	switch blocks := len(t.Sample.Blocks()); {
	case b.Metric == Accuracy:
		a, _ := t.Accuracy.Get()
		n, of = a.Pictures, "picture"
	case blocks >= stats.FewestBlocks:
		n, of = blocks, "block"
	}
	return &More{N: max(1, roundUp(float64(n)*(times-1))), Of: of}
}

// roundUp leaves two digits: a guess has no more.
func roundUp(n float64) int {
	step := math.Pow(10, max(0, math.Ceil(math.Log10(n))-2))
	return int(math.Ceil(n/step) * step)
}
