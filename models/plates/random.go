package plates

// random is splitmix64 (Steele, Lea and Flood 2014): every state is a good one,
// so neighbouring pictures have unrelated numbers.
type random struct{ state uint64 }

func newRandom(set string, id int) *random {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(set) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	r := &random{h + uint64(id)*0x9e3779b97f4a7c15*3}
	r.state ^= r.uint64()
	return r
}

func (r *random) uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// unit is 0 … 1, in 24 bits, which a float32 holds exactly.
func (r *random) unit() float32 { return float32(r.uint64()>>40) / (1 << 24) }

func (r *random) between(low, high float32) float32 { return mix(low, high, r.unit()) }

// whole is low … high, both included.
func (r *random) whole(low, high int) int { return low + int(r.uint64()>>33)%(high-low+1) }

func (r *random) chance(p float32) bool { return r.unit() < p }

func (r *random) direction() point { return toward(r.unit()) }

// within is a place in a disc, evenly spread.
func (r *random) within(at point, radius float32) point {
	return at.plus(r.direction().times(mul(radius, sqrt(r.unit()))))
}

// near is a colour like another: lighter or darker, and a little off in hue.
func (r *random) near(c colour, by float32) colour {
	light := 1 + r.between(-by, by)
	third := by / 3
	return colour{
		mul(c.r, light+r.between(-third, third)),
		mul(c.g, light+r.between(-third, third)),
		mul(c.b, light+r.between(-third, third)),
	}
}

func pick[T any](r *random, list ...T) T { return list[r.whole(0, len(list)-1)] }
