package untrained

import (
	"math"
	"testing"
)

func TestUniformFillsItsRangeAndNoMore(t *testing.T) {
	r := newStream("x")
	low, high, sum := float32(1), float32(-1), 0.0
	const n = 100000
	for range n {
		v := r.uniform(0.5)
		low, high, sum = min(low, v), max(high, v), sum+float64(v)
	}
	if low < -0.5 || high >= 0.5 || low > -0.499 || high < 0.499 || math.Abs(sum/n) > 0.005 {
		t.Errorf("lowest %v, highest %v, mean %v; want [-0.5, 0.5) around 0", low, high, sum/n)
	}
}
