package zun

import (
	"errors"
	"strings"
)

// splitShell splits text into words by the shell's quoting rules and nothing else: no
// variables, no pipes, no patterns. It is what Python's shlex.split does.
func splitShell(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	const blank, plain, single, double = 0, 1, 2, 3
	state := blank
	rs := []rune(text)
	for i := 0; i < len(rs); i++ {
		r := rs[i]
		switch state {
		case single:
			if r == '\'' {
				state = plain
			} else {
				word.WriteRune(r)
			}
		case double:
			switch {
			case r == '"':
				state = plain
			case r == '\\' && i+1 < len(rs):
				i++
				// Inside double quotes a backslash quotes only these two.
				if rs[i] != '"' && rs[i] != '\\' {
					word.WriteRune('\\')
				}
				word.WriteRune(rs[i])
			default:
				word.WriteRune(r)
			}
		default:
			switch {
			case r == ' ' || r == '\t' || r == '\r' || r == '\n':
				if state == plain {
					words = append(words, word.String())
					word.Reset()
				}
				state = blank
			case r == '\'':
				state = single
			case r == '"':
				state = double
			case r == '\\':
				if i+1 == len(rs) {
					return nil, errors.New("No escaped character") //nolint:staticcheck // Python's own words
				}
				i++
				word.WriteRune(rs[i])
				state = plain
			default:
				word.WriteRune(r)
				state = plain
			}
		}
	}
	switch state {
	case single, double:
		return nil, errors.New("No closing quotation") //nolint:staticcheck // Python's own words
	case plain:
		words = append(words, word.String())
	}
	return words, nil
}
