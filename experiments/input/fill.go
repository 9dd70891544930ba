package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"chexp/experiments/files"
)

// slack is how many values longer than the input the pool of random values is.
// Each inference reads a window of the pool at another offset, so inputs differ
// in every position while only one pool is kept and filling is one copy.
const slack = 4096

// Filler gives an input its values, other ones at every call.
type Filler struct {
	// Next fills a buffer of the input's size at the filler's batch. It does not
	// allocate. Nil for strings.
	Next func(into []byte)
	// NextText gives the strings of an input of strings; nil for others.
	NextText func() []string
}

// NewFiller prepares the values of an input for a batch. random draws what is
// random; pack holds the values of a file, where they come from one.
func NewFiller(in Input, batch int64, random *rand.Rand, pack []byte) (*Filler, error) {
	elements := int64(1)
	for _, n := range in.At(batch) {
		if n < 0 || n > 0 && elements > maxElements/n {
			return nil, fmt.Errorf("the shape %v is too large", in.At(batch))
		}
		elements *= n
	}
	switch in.Values.Kind {
	case Constant:
		return constant(in, int(elements))
	case File:
		return fromPack(in, batch, pack)
	case Normal, Uniform:
		if in.Type != Text {
			return randomly(in, int(elements), random), nil
		}
	}
	return nil, fmt.Errorf("values of the kind %q for %s are not known here", in.Values.Kind, in.Type)
}

func randomly(in Input, elements int, random *rand.Rand) *Filler {
	pool := make([]byte, 0, (elements+slack)*in.Type.Bytes())
	for range elements + slack {
		switch v := in.Values; {
		case v.Kind == Normal:
			pool = appendFloat(pool, in.Type, random.NormFloat64())
		case in.Type.IsFloat():
			pool = appendFloat(pool, in.Type, v.Low+random.Float64()*(v.High-v.Low))
		default:
			span := v.High - v.Low
			n := random.Uint64()
			if span < math.MaxUint64 {
				n = random.Uint64N(uint64(span) + 1)
			}
			pool = appendInteger(pool, in.Type, uint64(int64(v.Low))+n)
		}
	}
	return &Filler{Next: func(into []byte) { copy(into, pool[random.IntN(slack+1)*in.Type.Bytes():]) }}
}

func constant(in Input, elements int) (*Filler, error) {
	list := in.Values.Constant
	if len(list) == 0 {
		return nil, errors.New("a constant without a value")
	}
	if in.Type == Text {
		text := make([]string, elements)
		for i := range text {
			text[i] = list[i%len(list)]
		}
		return &Filler{NextText: func() []string { return text }}, nil
	}
	var data []byte
	for i := range elements {
		b, err := Encode(in.Type, list[i%len(list)])
		if err != nil {
			return nil, err
		}
		data = append(data, b...)
	}
	return &Filler{Next: func(into []byte) { copy(into, data) }}, nil
}

// MaxPack bounds the values of one input's file.
const MaxPack = 1 << 30

// fromPack takes the samples of a pack in turns.
func fromPack(in Input, batch int64, data []byte) (*Filler, error) {
	if in.Values.SHA256 != "" && files.Sum(data) != in.Values.SHA256 {
		return nil, errors.New("the values are not those that the plan names")
	}
	outer, inner, samples := int64(1), int64(1), int64(1)
	a := in.Axis()
	for i, n := range in.Values.Shape {
		switch {
		case n < 1 && a == i || n < 0:
			return nil, fmt.Errorf("values of the shape %v", in.Values.Shape)
		case i < a:
			outer *= n
		case i == a:
			samples = n
		default:
			inner *= n
		}
	}
	wanted := int64(1)
	if a >= 0 {
		if wanted = batch; in.Shape[a] != Open {
			wanted = in.Shape[a]
		}
	}
	var text []string
	width := int64(in.Type.Bytes())
	if in.Type == Text {
		var err error
		if text, err = Texts(data); err != nil {
			return nil, err
		}
		width, data = 1, nil
	}
	if have := int64(len(data) + len(text)); have != outer*inner*samples*width {
		return nil, fmt.Errorf("%d bytes or texts, and the shape %v asks for others", have, in.Values.Shape)
	}
	at := int64(0)
	block := inner * width
	each := func(take func(to, from, n int64)) {
		for o := range outer {
			for k := range wanted {
				take((o*wanted+k)*block, (o*samples+(at+k)%samples)*block, block)
			}
		}
		at = (at + wanted) % samples
	}
	if in.Type != Text {
		return &Filler{Next: func(into []byte) {
			each(func(to, from, n int64) { copy(into[to:to+n], data[from:from+n]) })
		}}, nil
	}
	next := make([]string, outer*wanted*inner)
	return &Filler{NextText: func() []string {
		each(func(to, from, n int64) { copy(next[to:to+n], text[from:from+n]) })
		return next
	}}, nil
}

// PackTexts puts strings one after the other, each with its length before it, as
// ONNX's bytes of strings they need not be UTF-8. Texts reads them.
func PackTexts(list []string) (b []byte) {
	for _, s := range list {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// Texts reads what PackTexts made.
func Texts(b []byte) (list []string, err error) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errors.New("the packed texts are cut short")
		}
		list, b = append(list, string(b[size:size+int(n)])), b[size+int(n):]
	}
	return list, nil
}
