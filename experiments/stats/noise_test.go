package stats

import (
	"math"
	"math/rand/v2"
)

// noise makes latencies like those of a quiet device: around 10 ms, skewed,
// each a little like the one before, now and then a slow one.
type noise struct {
	rng  *rand.Rand
	sd   float64 // relative
	like float64 // first-order autocorrelation
	slow float64 // share of slow ones, 1.3 to 2.3 times
}

func newNoise(seed uint64, sd, like, slow float64) noise {
	return noise{rand.New(rand.NewPCG(seed, 99)), sd, like, slow}
}

// draw n values, each multiplied by what factor says of its place.
func (d noise) draw(n int, factor func(i int) float64) []int64 {
	out := make([]int64, n)
	e := d.rng.NormFloat64()
	for i := range out {
		e = d.like*e + math.Sqrt(1-d.like*d.like)*d.rng.NormFloat64()
		v := 1e7 * math.Exp(d.sd*e) * factor(i)
		if d.rng.Float64() < d.slow {
			v *= 1.3 + d.rng.Float64()
		}
		out[i] = int64(v)
	}
	return out
}

func steady(int) float64 { return 1 }

// rate of experiments, in percent, of which the answer is yes.
func rate(experiments int, yes func() bool) float64 {
	n := 0
	for range experiments {
		if yes() {
			n++
		}
	}
	return 100 * float64(n) / float64(experiments)
}
