package session

import (
	"errors"
	"math/rand/v2"
	"os"

	"chexp/agent/internal/reason"
	"chexp/experiments/input"
)

// feed gives every inference other input values, the same ones for the same
// seed.
type feed struct{ fills []func() error }

func newFeed(inputs []Buffer, seed uint64) (*feed, error) {
	f := &feed{}
	random := rand.New(rand.NewPCG(seed, 0x63686578702d696e))
	for _, in := range inputs {
		fill, err := filling(in, random)
		if err != nil {
			return nil, reason.Errorf(reason.InputUnsupported, "input %q", in.Name).Because(err)
		}
		f.fills = append(f.fills, fill)
	}
	return f, nil
}

func filling(b Buffer, random *rand.Rand) (func() error, error) {
	var pack []byte
	if b.Pack != "" {
		var err error
		if pack, err = os.ReadFile(b.Pack); err != nil {
			return nil, err
		}
	}
	// The shape is that of the session's batch: what is open in the description
	// has its size here.
	batch := int64(1)
	if a := b.Axis(); a >= 0 && a < len(b.Shape) {
		batch = b.Shape[a]
	}
	filler, err := input.NewFiller(b.Input, batch, random, pack)
	switch {
	case err != nil:
		return nil, err
	case filler.Next != nil:
		return func() error { filler.Next(b.Data); return nil }, nil
	case b.SetText == nil:
		return nil, errors.New("it takes no strings")
	}
	return func() error { return b.SetText(filler.NextText()) }, nil
}

// next fills the inputs for one inference. It does not allocate, but for strings.
func (f *feed) next() error {
	for _, fill := range f.fills {
		if err := fill(); err != nil {
			return err
		}
	}
	return nil
}
