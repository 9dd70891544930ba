package secret

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// entities are HTML's names of characters, as far as encoders use them.
var entities = map[rune]string{'&': "amp", '<': "lt", '>': "gt", '"': "quot", '\'': "apos"}

// escape is what encoders put before a character, once at each level of JSON or
// Python in another: a backslash, which may be quoted for a URL itself.
const escape = `(?:\\|%(?:25)*5[Cc])*`

// ordinary characters stand for themselves in every encoding.
var (
	ordinary = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)
	others   = regexp.MustCompile(`[^A-Za-z0-9._~-]+`)
)

// loose is a pattern for a value with characters that encoders write otherwise: each
// of them in every spelling, whatever was encoded in what, how often.
func loose(v string) string {
	var b strings.Builder
	for _, r := range v {
		if ordinary.MatchString(string(r)) {
			b.WriteString(regexp.QuoteMeta(string(r)))
			continue
		}
		b.WriteString("(?:" + strings.Join(waysOf(r), "|") + ")")
	}
	return b.String()
}

func waysOf(r rune) []string {
	if r == '\\' {
		return []string{`\\+`, `(?:%(?:25)*5[Cc])+`}
	}
	percent := ""
	for _, b := range []byte(string(r)) {
		percent += fmt.Sprintf(`%%(?:25)*(?i:%02x)`, b)
	}
	all := []string{escape + regexp.QuoteMeta(string(r)), escape + percent,
		fmt.Sprintf(`%su(?i:%04x)`, `(?:\\|%(?:25)*5[Cc])+`, r), fmt.Sprintf(`&(?:amp;)*#(?:0*%d|[xX]0*(?i:%x));`, r, r)}
	if name := entities[r]; name != "" {
		all = append(all, `&(?:amp;)*`+name+`;`)
	}
	switch {
	case r == ' ':
		all = append(all, `\+`)
	case r < utf8.RuneSelf && strings.ContainsRune("\n\r\t", r):
		all = append(all, `(?:\\|%(?:25)*5[Cc])+`+map[rune]string{'\n': "n", '\r': "r", '\t': "t"}[r])
	case r >= utf8.RuneSelf && r < 0x100:
		all = append(all, fmt.Sprintf(`\\+x(?i:%02x)`, r))
	}
	return all
}

// looseValue is a value with characters that encoders write otherwise.
type looseValue struct {
	pattern *regexp.Regexp
	part    string // the longest of it that they leave as it is
}

// all are the places in a text where the value is, in any spelling.
func (l looseValue) all(s string) [][]int {
	if !strings.Contains(s, l.part) {
		return nil
	}
	return l.pattern.FindAllStringIndex(s, -1)
}

func newLoose(v string) (l looseValue) {
	for _, part := range others.Split(v, -1) {
		if len(part) > len(l.part) {
			l.part = part
		}
	}
	l.pattern = regexp.MustCompile(loose(v))
	return l
}
