package quant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"chexp/models/infer"
)

// candidate is a quantized model that is being judged: its answers so far.
type candidate struct {
	method  Method
	ranges  map[string]Range
	session infer.Session
	out     [][]float32
	times   []time.Duration
	judged  Judgement
}

// chooseMethod tries range methods on what was held back and keeps the one
// with the best signal-to-noise ratio: agreement counts whole samples and
// cannot tell good ones apart.
//
// All methods see a quarter of the samples; the better half of them sees
// another quarter, and the better half of those the rest. What is dropped early
// is what is worse by decibels. Two at least stay to the end.
func (q Request) chooseMethod(ctx context.Context, ref *Reference, c *Calibration, res *Result) (map[string]Range,
	error) {
	methods := Methods
	if q.Method != Auto && q.Method != "" {
		methods = []Method{q.Method}
	}
	all := make([]*candidate, len(methods))
	defer func() {
		for _, x := range all {
			if x != nil {
				x.session.Close()
			}
		}
	}()
	for i, method := range methods {
		x := &candidate{method: method, ranges: c.Ranges(method)}
		m, err := staticModel(q.Float, x.ranges, q.Options, q.weights)
		if err != nil {
			return nil, err
		}
		if x.session, err = ref.open(ctx, m); err != nil {
			return nil, fmt.Errorf("ranges by %s: %w", method, err)
		}
		all[i] = x
	}
	const least = 8 // samples tell methods apart
	remain := slices.Clone(all)
	for n := max(least, (len(ref.Samples)+3)/4); ; n *= 2 {
		n = min(n, len(ref.Samples))
		for _, x := range remain {
			if err := ref.continued(ctx, x, n); err != nil {
				return nil, fmt.Errorf("ranges by %s: %w", x.method, err)
			}
		}
		// NaN is last
		slices.SortStableFunc(remain, func(a, b *candidate) int { return cmp.Compare(b.judged.SQNR, a.judged.SQNR) })
		if n == len(ref.Samples) {
			break
		}
		remain = remain[:min(len(remain), max(2, len(remain)/2))]
	}
	best := remain[0]
	for _, x := range all {
		q.say("ranges by %s: agreement %.3f, SQNR %.1f dB on %d samples", x.method, x.judged.Agreement, x.judged.SQNR,
			x.judged.Inputs)
		res.Methods = append(res.Methods, MethodResult{Method: x.method, HeldBack: x.judged, Chosen: x == best})
	}
	res.Method = best.method
	return best.ranges, nil
}

// continued judges a candidate on the first n samples, of which it has seen
// some.
func (ref *Reference) continued(ctx context.Context, x *candidate, n int) error {
	for _, sample := range ref.Samples[len(x.out):n] {
		v, took, err := firstOutput(ctx, x.session, sample)
		if err != nil {
			return err
		}
		x.out, x.times = append(x.out, v), append(x.times, took)
	}
	var err error
	x.judged, err = ref.compare(x.out, median(x.times))
	return err
}
