// Package words turns foreign text and bare numbers into what a person may
// read: text without control characters, and shares as percentages.
package words

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"chexp/experiments/secret"
)

// Printable makes text from elsewhere safe for a terminal: control characters,
// and with them escape sequences and changes of direction, become "·". Newlines
// and tabs stay. Secrets are taken out of it.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return shown(r)
	}, secret.Redact(s))
}

// How long a text from elsewhere may be at most, in runes: a name fills a cell of
// a table, a sentence a footnote. Devices can send megabytes.
const (
	MaxName     = 64
	MaxSentence = 600
)

// Line is [Printable] on one line: every run of white space becomes one blank,
// and what is longer than limit runes ends in "…".
func Line(s string, limit int) string {
	if most := 2 * utf8.UTFMax * limit; len(s) > most { // do not walk through megabytes
		s = s[:most]
	}
	s = secret.Redact(s)
	var b strings.Builder
	n, blank := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) {
			blank = b.Len() > 0
			continue
		}
		if blank && n < limit {
			b.WriteByte(' ')
			n++
		}
		if n >= limit {
			return b.String() + "…"
		}
		blank = false
		b.WriteRune(shown(r))
		n++
	}
	return b.String()
}

// shown replaces what has no shape of its own: control, format (bidirectional,
// zero width), private and unassigned characters, and broken UTF-8.
func shown(r rune) rune {
	if r == utf8.RuneError || !unicode.IsPrint(r) {
		return '·'
	}
	return r
}

// Percent writes a share with no more digits than it needs: 0.5 is "50 %",
// 0.0123 is "1.2 %", 0.0004 is "0.04 %".
func Percent(share float64) string { return Short(100*share) + " %" }

// Short writes a number with no more digits than a reader needs: whole from 10
// on, tenths from 0.1 on, below that one digit.
func Short(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 9.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 0.095:
		return strconv.FormatFloat(math.Round(10*v)/10, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 1, 64)
}
