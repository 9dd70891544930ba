package transport

import (
	"sync"

	"chexp/experiments/words"
)

// Output keeps the first bytes of what a command printed and drops the rest, so
// that a command that prints without end costs no memory. It may be written to
// from several goroutines.
type Output struct {
	mu  sync.Mutex
	max int
	buf []byte
}

// NewOutput keeps at most limit bytes.
func NewOutput(limit int) *Output { return &Output{max: limit} }

// Write never fails and never keeps more than the limit.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, p[:min(len(p), o.max-len(o.buf))]...)
	return len(p), nil
}

// Bytes returns what was kept so far.
func (o *Output) Bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]byte(nil), o.buf...)
}

// Said is what a command at the far end printed, on one line, as an error
// message takes it: at most 500 letters.
func Said(output []byte) string { return words.Line(string(output), 500) }
