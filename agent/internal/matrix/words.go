package matrix

import (
	"regexp"

	"chexp/experiments/words"
)

// tail keeps the last bytes written to it, as printable text. The runner is a Go
// program, in which a crash of the C code that it calls ends with a report: the
// signal first, then the stacks of all threads. What counts is the beginning of
// that, so nothing is kept beyond it.
type tail struct {
	data []byte
	room int // bytes still to be taken, once a report has begun; 0: none has
}

// report is how Go begins its last words, at the start of a line.
var report = regexp.MustCompile(`(?m)^(SIG[A-Z]+: |fatal error: |panic: |runtime: )`)

const reportBytes = 700

// colour is how ONNX Runtime paints its messages.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func (t *tail) Write(p []byte) (int, error) {
	written := len(p)
	if t.room > 0 {
		n := min(len(p), t.room-1)
		t.data, t.room = append(t.data, p[:n]...), t.room-n
	} else {
		t.data = append(t.data, p...)
		if at := report.FindIndex(t.data); at != nil {
			end := min(at[0]+reportBytes, len(t.data))
			t.data, t.room = t.data[:end], at[0]+reportBytes-end+1
		}
	}
	// Of what came before a report, as much goes as the report needs.
	if extra := len(t.data) - maxWords; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return written, nil
}

func (t *tail) String() string {
	return words.Line(colour.ReplaceAllString(string(t.data), ""), maxWords)
}
