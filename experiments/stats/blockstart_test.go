package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// blocksOf draws blocks whose inferences fall from slow to 1 within so many.
func blocksOf(rng *rand.Rand, blocks, length, slow int, by, sd float64) (out [][]int64) {
	for range blocks {
		level := 10e6 * math.Exp(0.01*rng.NormFloat64())
		var b []int64
		for i := range length {
			v := level * math.Exp(sd*rng.NormFloat64())
			if i < slow {
				v *= 1 + by*float64(slow-i)/float64(slow)
			}
			b = append(b, int64(v))
		}
		out = append(out, b)
	}
	return out
}

// By simulation: what is not there is found in less than 1 of 100 samples, and what is
// there, within a place or two of where it ends.
func TestBlockStart(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 2))
	for _, c := range []struct {
		blocks, length, slow int
		by, sd               float64
	}{
		{6, 10, 0, 0, 0.03}, {10, 10, 0, 0, 0.05}, {20, 25, 0, 0, 0.1}, {100, 40, 0, 0, 0.03}, // nothing
		{10, 20, 3, 0.3, 0.02}, {20, 25, 5, 0.2, 0.02}, {100, 40, 8, 0.2, 0.03},
	} {
		found, near := 0, 0
		const times = 400
		for range times {
			s, ok := BlockStart(blocksOf(rng, c.blocks, c.length, c.slow, c.by, c.sd))
			if !ok {
				t.Fatalf("%+v: nothing can be told", c)
			}
			if s.Slow > 0 {
				found++
			}
			if s.Slow >= c.slow-2 && s.Slow <= c.slow+1 && !s.Half {
				near++
			}
		}
		t.Logf("%+v: found in %.1f %%, near in %.1f %%", c, 100*float64(found)/times, 100*float64(near)/times)
		if c.slow == 0 && found > times/100 {
			t.Errorf("%+v: found in %d of %d samples without one", c, found, times)
		}
		if c.slow > 0 && near < times*95/100 {
			t.Errorf("%+v: near in %d of %d samples", c, near, times)
		}
	}
}

func TestBlockStartOfShortBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 3))
	if s, ok := BlockStart(blocksOf(rng, 10, 10, 10, 1, 0.01)); !ok || !s.Half || s.Slow != 5 || s.Ratio < 1.3 {
		t.Errorf("blocks that never settle: %+v %v", s, ok)
	}
	disturbed := blocksOf(rng, 20, 20, 3, 0.3, 0.02)
	disturbed[7] = disturbed[7][:2] // which says nothing, and hides nothing
	if s, ok := BlockStart(disturbed); !ok || s.Slow < 2 || s.Slow > 4 {
		t.Errorf("with a block of two: %+v %v", s, ok)
	}
	for name, blocks := range map[string][][]int64{
		"none": nil, "few": blocksOf(rng, 5, 20, 0, 0, 0.01), "short": blocksOf(rng, 20, 5, 0, 0, 0.01),
		"zeros": make([][]int64, 10), "nothing": {{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0},
			{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}},
	} {
		if s, ok := BlockStart(blocks); ok {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
