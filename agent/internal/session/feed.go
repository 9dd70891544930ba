package session

import (
	"math/rand/v2"

	"chexp/agent/internal/reason"
)

// Buffer is the memory of one input. Exactly one of the slices is set, and it
// is not Go's memory: it stays where it is until the engine is closed.
type Buffer struct {
	Name    string
	Shape   []int64
	Float32 []float32
	Uint8   []uint8
	Int32   []int32
	Int64   []int64
}

// slack is how many values longer than the input the pool of random values is.
// Each inference reads a window of the pool at another offset, so inputs differ
// in every position while only one pool is kept and filling is one copy.
const slack = 4096

// feed gives every inference other input values, the same ones for the same
// seed.
type feed struct {
	rng   *rand.Rand
	fills []func(offset int)
}

func newFeed(inputs []Buffer, seed uint64) (*feed, error) {
	f := &feed{rng: rand.New(rand.NewPCG(seed, 0x63686578702d696e))}
	if len(inputs) == 0 {
		return nil, reason.Errorf(reason.InputUnsupported, "the model has no input")
	}
	for _, in := range inputs {
		var fill func(int)
		switch {
		case in.Float32 != nil: // like a normalised image
			fill = window(in.Float32, func() float32 { return float32(f.rng.NormFloat64()) })
		case in.Uint8 != nil: // like raw pixels
			fill = window(in.Uint8, func() uint8 { return uint8(f.rng.UintN(256)) })
		case in.Int32 != nil: // 0 and 1 are valid as masks and as indexes of nearly anything
			fill = window(in.Int32, func() int32 { return int32(f.rng.IntN(2)) })
		case in.Int64 != nil:
			fill = window(in.Int64, func() int64 { return int64(f.rng.IntN(2)) })
		default:
			return nil, reason.Errorf(reason.InputUnsupported, "input %q has no values", in.Name)
		}
		f.fills = append(f.fills, fill)
	}
	return f, nil
}

func window[T any](dst []T, draw func() T) func(offset int) {
	pool := make([]T, len(dst)+slack)
	for i := range pool {
		pool[i] = draw()
	}
	return func(offset int) { copy(dst, pool[offset:]) }
}

// next fills the inputs for one inference. It does not allocate.
func (f *feed) next() {
	for _, fill := range f.fills {
		fill(f.rng.IntN(slack + 1))
	}
}
