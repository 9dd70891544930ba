package input

import (
	"fmt"
	"slices"
	"strings"
)

// maxElements bounds an input: 1 Gi values.
const maxElements = 1 << 30

// shaping is one input's shape in the making.
type shaping struct {
	*resolver
	port   Port
	given  Given
	axis   int
	open   []int // axes whose size nobody gives
	named  bool  // a person gave a size by its symbol
	empty  bool  // it was said that the input is empty
	failed bool
}

func (s *shaping) fail(format string, args ...any) {
	s.failed = true
	s.problem(s.port.Name, format, args...)
}

// size is that of one axis; it says which axis is the batch, too.
func (s *shaping) size(i int, d Dim) int64 {
	g := s.given
	if d.Size >= 0 {
		return s.fixed(i, d.Size)
	}
	if i < len(g.Sizes) && !g.Sizes[i].Batch {
		return s.literal(i, d, g.Sizes[i].N)
	}
	if n, ok := s.symbols[d.Symbol]; ok && d.Symbol != "" {
		s.named = true
		return s.literal(i, d, n)
	}
	switch {
	case g.AxisGiven && g.Axis == i || i < len(g.Sizes) && g.Sizes[i].Batch:
		s.axis = i
		return Open
	case g.AxisGiven && g.Axis == None, s.axis != None, g.Sizes != nil:
	case s.batch[d.Symbol]:
		s.axis = i
		return Open
	case i == 0 && !g.AxisGiven && (s.Trusting || !likeSize(d.Symbol)):
		if s.axis = 0; len(s.port.Dims) > 0 && !s.Trusting {
			s.notes = append(s.notes, fmt.Sprintf("leaves the first dimension of %s open, %s: it counts as the batch, "+
				"which is a guess. inputs: {%s: {batch_axis: none}} and its size say otherwise", s.port.Name,
				Declared(s.port), key(s.port.Name)))
		}
		return Open
	}
	shape := g.Values.Shape
	switch {
	case len(shape) == len(s.port.Dims) || s.port.Dims == nil && i < len(shape):
		return shape[i]
	case s.axis == 0 && len(shape) == len(s.port.Dims)-1: // one sample
		return shape[i-1]
	}
	s.open = append(s.open, i)
	return Open
}

// fixed is the size of an axis that the model fixes.
func (s *shaping) fixed(i int, n int64) int64 {
	g := s.given
	stated := i < len(g.Sizes) && !g.Sizes[i].Batch
	switch {
	case stated && g.Sizes[i].N != n:
		s.fail("has the size %d on axis %d (counted from 0) in the model, %s, and it is given %d", n, i,
			Declared(s.port), g.Sizes[i].N)
	case n == 0 && !stated && !s.empty: // said once, however many there are
		s.empty = true
		s.fail("is empty: the model fixes its axis %d (counted from 0) at 0, %s. Export the model with a size there, or "+
			"write inputs: {%s: %s} to measure it with nothing in that input", i, Declared(s.port), key(s.port.Name),
			Declared(s.port))
	}
	switch {
	case g.AxisGiven && g.Axis == i || i < len(g.Sizes) && g.Sizes[i].Batch:
		s.axis = i
	case i == 0 && !g.AxisGiven && !slices.ContainsFunc(g.Sizes, func(x Size) bool { return x.Batch }) && n > 1 &&
		n == s.alike && !s.picture() && slices.Contains(s.Batches, int(n)):
		s.axis = 0
	case i == 0 && !g.AxisGiven && g.Sizes == nil && n > 1 && len(s.port.Dims) == 4 && !s.Trusting:
		s.notes = append(s.notes, fmt.Sprintf("fixes the first dimension of %s at %d, and it does not count as a batch: "+
			"if one inference handles %d inputs, write inputs: {%s: {batch_axis: 0}}", s.port.Name, n, n,
			key(s.port.Name)))
	}
	return n
}

// picture reports whether the input looks like one picture without a batch.
func (s *shaping) picture() bool {
	d := s.port.Dims
	channels := func(n int64) bool { return n == 1 || n == 3 || n == 4 }
	return len(d) == 3 && (channels(d[2].Size) || channels(d[0].Size))
}

// literal is the size of an open axis to which a person gave a number.
func (s *shaping) literal(i int, d Dim, n int64) int64 {
	g := s.given
	if g.AxisGiven && g.Axis == i {
		s.axis = i
		return n
	}
	said := g.AxisGiven || slices.ContainsFunc(g.Sizes, func(x Size) bool { return x.Batch })
	switch {
	case said || i > 0 || likeSize(d.Symbol):
	case likeBatch(d.Symbol) || n == 1:
		s.axis = 0
	default:
		s.fail("has the first size %d, and the model leaves it open, %s: is that the batch? Write the word batch in its "+
			"place and batches: [%d] if one inference handles %d inputs, or {sizes: …, batch_axis: none} if it handles "+
			"one", n, Declared(s.port), n, n)
	}
	return n
}

// finish says what is missing or impossible.
func (s *shaping) finish(in *Input) {
	if len(s.open) > 0 {
		which, more := []string{}, "size of axis "
		if len(s.open) > 1 {
			more = "sizes of axes "
		}
		example := make([]string, len(in.Shape))
		for i, n := range in.Shape {
			if example[i] = fmt.Sprint(n); i == s.axis && n == Open {
				example[i] = "batch"
			}
		}
		for _, i := range s.open {
			name := fmt.Sprint(i)
			example[i] = "…"
			if i < len(s.port.Dims) && s.port.Dims[i].Symbol != "" {
				name += " (" + s.port.Dims[i].Symbol + ")"
			}
			which = append(which, name)
		}
		s.fail("leaves more open than the batch: the %s%s (counted from 0). Give it: inputs: {%s: [%s]}, with a "+
			"number for each …", more, strings.Join(which, " and "), key(s.port.Name), strings.Join(example, ", "))
		return
	}
	total := int64(1)
	for i, n := range in.Shape {
		switch {
		case n == Open:
		case n < 0:
			s.fail("has the size %d on axis %d (counted from 0)", n, i)
			return
		case n > 0 && total > maxElements/n:
			s.fail("has %s, more than %d values", in.ShapeText(), maxElements)
			return
		case n > 0:
			total *= n
		}
	}
}

// likeBatch and likeSize judge a dimension by its name. Exporters and people call
// the batch so; where neither is true, nothing is known.
func likeBatch(symbol string) bool {
	s := strings.ToLower(symbol)
	return strings.Contains(s, "batch") || s == "n" || s == "b" || s == "bs"
}

func likeSize(symbol string) bool {
	s := strings.ToLower(symbol)
	if likeBatch(symbol) {
		return false
	}
	for _, word := range []string{"height", "width", "seq", "length", "len", "time", "frame", "token", "point", "box",
		"audio", "channel"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return s == "h" || s == "w" || s == "t" || s == "l" || s == "c"
}
