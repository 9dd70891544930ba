package secret

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

// names is what stands before a value of which it says that it is secret, in JSON
// (also within JSON), Python, a form, a URL, HTML, XML or a header, and what may
// stand between the two.
const names = `(?i:(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|api_?key)[\w-]*)`

const (
	quote = `(?:\\*["']|%22|%27|&quot;|&#3[49];|&apos;)?`
	sign  = `\s*(?:[:=>]|%3[AaDd]|=>)\s*`
)

// besideName finds values that are too short to be looked for by themselves: whole
// words right behind one of names.
func besideName(values []string) *regexp.Regexp {
	if len(values) == 0 {
		return nil
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = regexp.QuoteMeta(v)
	}
	return regexp.MustCompile(`(` + names + quote + sign + `\[?u?` + quote + `)(?:` + strings.Join(words, "|") +
		`)([^\w-]|$)`)
}

func (m *masks) redactShort(s string) string {
	if !slices.ContainsFunc(m.short, func(v string) bool { return strings.Contains(s, v) }) {
		return s
	}
	return m.besideName.ReplaceAllString(s, "${1}"+mask+"${2}")
}

// breaks are what a text may have where a line of it was too long: the ends of lines
// in text, JSON, URLs and HTML. Blanks around them belong to them.
var breaks = []string{"\n", "\r", "=\n", "=\r\n", "<br>", "<br/>", "<br />", "<wbr>", "%0A", "%0a", "%0D", "%0d",
	"&#10;", "&#13;"}

// breakAt is how long the break is with which s begins; 0: it begins with none.
func breakAt(s string) int {
	switch s[0] {
	case '\n', '\r':
		return 1
	case '\\': // n, r or t behind any number of backslashes
		if rest := strings.TrimLeft(s, `\`); rest != "" && strings.IndexByte("nrt", rest[0]) >= 0 {
			return len(s) - len(rest) + 1
		}
	case '=', '<', '%', '&':
		for _, b := range breaks {
			if strings.HasPrefix(s, b) {
				return len(b)
			}
		}
	}
	return 0
}

// flat is a text without breaks, and where in the text each of its bytes is.
type flat struct {
	text   []byte
	at     []int
	broken bool // there were breaks
}

func flatten(s string) (f flat) {
	f.text, f.at = make([]byte, 0, len(s)), make([]int, 0, len(s))
	for i := 0; i < len(s); {
		end := i // of blanks and breaks
		broken := false
		for end < len(s) {
			n := breakAt(s[end:])
			broken = broken || n > 0
			if n == 0 && (s[end] == ' ' || s[end] == '\t') {
				n = 1
			}
			if n == 0 {
				break
			}
			end += n
		}
		if broken {
			f.broken = true
			i = end
			continue
		}
		for end = max(end, i+1); i < end; i++ {
			f.text, f.at = append(f.text, s[i]), append(f.at, i)
		}
	}
	return f
}

// redactBroken takes out values, also where they are broken over several lines.
func (m *masks) redactBroken(s string) string {
	f := flatten(s)
	if !f.broken {
		return s
	}
	text := string(f.text)
	var cut []bool // bytes of the flat text that are secret
	mark := func(from, to int) {
		if cut == nil {
			cut = make([]bool, len(text))
		}
		for ; from < to; from++ {
			cut[from] = true
		}
	}
	for _, spelt := range m.flat {
		for from := 0; ; {
			i := strings.Index(text[from:], spelt)
			if i < 0 {
				break
			}
			mark(from+i, from+i+len(spelt))
			from += i + len(spelt)
		}
	}
	for _, l := range m.loose {
		for _, at := range l.all(text) {
			mark(at[0], at[1])
		}
	}
	if cut == nil {
		return s
	}
	var b strings.Builder
	last := 0 // of s, up to where it is written
	for i := 0; i < len(cut); i++ {
		if !cut[i] {
			continue
		}
		b.WriteString(s[last:f.at[i]])
		for i < len(cut) && cut[i] {
			i++
		}
		b.WriteString(mask)
		last = f.at[i-1] + 1
	}
	b.WriteString(s[last:])
	return b.String()
}

// shortestEncoded is the length of a text in base64 that is looked into.
const shortestEncoded = 12

func inAlphabet(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("+/-_", c) >= 0
}

// redactBase64 takes out texts in base64 that hold a secret.
func (m *masks) redactBase64(s string, depth int) string {
	var b strings.Builder
	last := 0
	for i := 0; i < len(s); i++ {
		from := i
		for i < len(s) && inAlphabet(s[i]) {
			i++
		}
		if i-from < shortestEncoded || !m.inBase64(s[from:i], depth) {
			continue
		}
		b.WriteString(s[last:from] + mask)
		for i < len(s) && s[i] == '=' {
			i++
		}
		last = i
	}
	if last == 0 {
		return s
	}
	return b.String() + s[last:]
}

// inBase64 reports whether a text in base64 holds a secret.
func (m *masks) inBase64(run string, depth int) bool {
	text := strings.NewReplacer("-", "+", "_", "/").Replace(run)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	return err == nil && m.redact(string(raw), depth) != string(raw)
}
