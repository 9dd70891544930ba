// Package foreign handles what services send: text that may hold anything, and
// answers of any length.
package foreign

import (
	"errors"
	"io"
	"strings"
	"unicode"
)

// Line makes one line of printable words of a text, at most limit runes long;
// what is longer ends in "…".
func Line(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

// ErrTooLong is an answer longer than what is read of it.
var ErrTooLong = errors.New("the answer is too long")

// Read reads a whole answer of at most limit bytes.
func Read(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, ErrTooLong
	}
	return b, err
}
