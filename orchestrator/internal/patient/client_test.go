package patient

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// An answer at the limit passes; one byte more fails instead of being cut.
func TestLimitedBody(t *testing.T) {
	for n, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: errAnswerTooLong, 1000: errAnswerTooLong} {
		b, err := io.ReadAll(&limitedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", n))), left: 10,
			limit: 10})
		if !errors.Is(err, want) || want == nil && len(b) != n {
			t.Errorf("%d bytes: read %d, %v", n, len(b), err)
		}
	}
}
