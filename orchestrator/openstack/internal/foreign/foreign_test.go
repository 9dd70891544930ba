package foreign

import (
	"errors"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " \n\t": "", "a\r\nb": "a b", "a\x1b[31mb": "a [31mb", "a\u202eb": "a b", "1234567890": "1234567890",
		"12345678901": "1234567890…", "ééééééééééé": "éééééééééé…",
	} {
		if got := Line(in, 10); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// An answer at the limit passes; one byte more fails instead of being cut.
func TestRead(t *testing.T) {
	for n, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: ErrTooLong, 1000: ErrTooLong} {
		b, err := Read(strings.NewReader(strings.Repeat("x", n)), 10)
		if !errors.Is(err, want) || want == nil && len(b) != n {
			t.Errorf("%d bytes: read %d, %v", n, len(b), err)
		}
	}
}
