package session

import (
	"unsafe"

	"chexp/experiments/input"
)

// Buffer is the memory of one input, or of an output. It is not Go's memory: it
// stays where it is until the engine is closed.
type Buffer struct {
	input.Input         // how it is fed; of an output its name and type
	Shape       []int64 // at the session's batch
	Data        []byte  // nil for strings, and for outputs whose shape only an inference tells
	// Float32 and Uint8 are Data where it holds such values.
	Float32 []float32
	Uint8   []uint8
	// SetText gives an input of strings its values.
	SetText func([]string) error
	Pack    string // the file that the values come from, where they do
}

// NewBuffer is a buffer over memory of the input's type and shape.
func NewBuffer(in input.Input, shape []int64, data []byte) Buffer {
	b := Buffer{Input: in, Shape: shape, Data: data}
	switch {
	case len(data) == 0:
	case in.Type == input.Float32:
		b.Float32 = unsafe.Slice((*float32)(unsafe.Pointer(&data[0])), len(data)/4)
	case in.Type == input.Uint8:
		b.Uint8 = data
	}
	return b
}
