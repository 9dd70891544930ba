package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// histogram counts a value's numbers in bins whose width doubles, two into
// one, whenever a number lies outside: one pass over the data is enough.
type histogram struct {
	width      float32 // of a bin, a power of two; 0 before the first number
	bins       []int64 // around 0
	low, high  float32 // over everything seen
	lows       float64 // sums over the samples of each one's lowest and highest
	highs      float64
	samples    int
	notNumbers int64
}

const half = 2048 // bins on either side of 0

// add counts what one sample shows.
func (h *histogram) add(x *glance) {
	if len(x.numbers) < 4 {
		return
	}
	low, high, odd := extremes(x.numbers)
	if x.bounded {
		low, high = min(low, x.low), max(high, x.high)
		odd = odd || low != low || high != high //nolint:staticcheck // NaN
	}
	if odd || math.IsInf(float64(low), 0) || math.IsInf(float64(high), 0) {
		h.notNumbers++
		return
	}
	if h.samples == 0 {
		h.low, h.high = low, high
	}
	h.low, h.high = min(h.low, low), max(h.high, high)
	h.lows += float64(low)
	h.highs += float64(high)
	h.samples++
	h.reach(max(high, -low))
	inverse := 1 / h.width // exact: a power of two
	for i := 0; i+4 <= len(x.numbers); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(x.numbers[i:]))
		if bin := int32(v*inverse + half); uint32(bin) < 2*half {
			h.bins[bin]++
		}
	}
}

// extremes are the lowest and the highest of 32-bit floats, little endian, and
// whether one of them is no number.
func extremes(raw []byte) (low, high float32, odd bool) {
	low, high = infinity, -infinity
	for i := 0; i+4 <= len(raw); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))
		if v < low {
			low = v
		}
		if v > high {
			high = v
		}
		odd = odd || v != v //nolint:staticcheck // NaN
	}
	return low, high, odd
}

// reach widens the bins until the largest magnitude is inside.
func (h *histogram) reach(largest float32) {
	if h.bins == nil {
		h.bins = make([]int64, 2*half)
		h.width = 1.0 / (1 << 30)
	}
	for largest >= half*h.width && h.width < math.MaxFloat32/(4*half) {
		h.width *= 2
		merged := make([]int64, 2*half)
		for i, n := range h.bins {
			merged[(i-half)>>1+half] += n
		}
		h.bins = merged
	}
}

// at is where a bin begins.
func (h *histogram) at(bin int) float32 { return float32(bin-half) * h.width }

// Method is a way to choose a range.
type Method string

// The methods. KL divergence, which TensorRT uses, is not among them: on
// networks with ReLU6 it cuts off most of what it should keep (18 % agreement
// where the others reach 86 % and more).
const (
	MinMax        Method = "minmax"  // everything that was seen
	Mean          Method = "mean"    // the mean of each sample's lowest and highest
	Percentile999 Method = "p99.9"   // cuts off 0.05 % on either side …
	Percentile9K  Method = "p99.99"  // … 0.005 %
	Percentile99K Method = "p99.999" // … 0.0005 %
	SquaredError  Method = "mse"     // least squared error, by the histogram
	Auto          Method = "auto"    // whichever is best on samples held back
)

// Methods are all but Auto.
var Methods = []Method{MinMax, Mean, Percentile999, Percentile9K, Percentile99K, SquaredError}

// ParseMethod finds a method by its name.
func ParseMethod(s string) (Method, error) {
	if m := Method(s); m == Auto || slices.Contains(Methods, m) {
		return m, nil
	}
	return "", fmt.Errorf("there is no range method %q; there are %v and auto", s, Methods)
}

// choose returns the range that the method takes.
func (h *histogram) choose(m Method) Range {
	whole := Range{h.low, h.high}
	switch m {
	case Mean:
		return Range{float32(h.lows / float64(h.samples)), float32(h.highs / float64(h.samples))}
	case Percentile999:
		return h.percentile(0.0005)
	case Percentile9K:
		return h.percentile(0.00005)
	case Percentile99K:
		return h.percentile(0.000005)
	case SquaredError:
		return h.leastError()
	}
	return whole
}

// percentile cuts off that share of the numbers on either side.
func (h *histogram) percentile(share float64) Range {
	total := int64(0)
	for _, n := range h.bins {
		total += n
	}
	out := int64(share * float64(total))
	r := Range{h.low, h.high}
	for i, left := 0, out; i < len(h.bins); i++ {
		if left -= h.bins[i]; left < 0 {
			r.Low = max(r.Low, h.at(i))
			break
		}
	}
	for i, left := len(h.bins)-1, out; i >= 0; i-- {
		if left -= h.bins[i]; left < 0 {
			r.High = min(r.High, h.at(i+1))
			break
		}
	}
	if r.Low > r.High {
		return Range{h.low, h.high}
	}
	return r
}

// leastError tries ranges from a fifth of the whole up, each end by itself, and
// keeps the one with the least squared error of rounding and saturation.
func (h *histogram) leastError() Range {
	best, least := Range{h.low, h.high}, math.Inf(1)
	try := func(r Range) {
		if e := h.squaredError(r); e < least {
			best, least = r, e
		}
	}
	const steps = 40
	for i := steps / 5; i <= steps; i++ { // both ends alike, then each alone
		f := float32(i) / steps
		try(Range{h.low * f, h.high * f})
	}
	around := best
	for i := steps / 5; i <= steps; i++ {
		f := float32(i) / steps
		try(Range{h.low * f, around.High})
		try(Range{around.Low, h.high * f})
	}
	return best
}

func (h *histogram) squaredError(r Range) (sum float64) {
	a := affineOf(r)
	scale := float64(a.scale)
	low, high := -float64(a.zero)*scale, (255-float64(a.zero))*scale
	rounding := scale * scale / 12 // of a number that falls anywhere between two steps
	for i, n := range h.bins {
		if n == 0 {
			continue
		}
		v := float64(h.at(i)) + float64(h.width)/2
		if i == half && h.low >= 0 { // mostly the exact zeros of a ReLU
			v = 0
		}
		switch {
		case v < low:
			sum += float64(n) * (low - v) * (low - v)
		case v > high:
			sum += float64(n) * (v - high) * (v - high)
		case v != 0:
			sum += float64(n) * rounding
		}
	}
	return sum
}
