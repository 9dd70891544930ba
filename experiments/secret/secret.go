// Package secret keeps what signs somebody in out of every text and of every
// other process. It goes by value: a service may repeat a request, and with it a
// secret, anywhere in its answer.
//
// What it does not find: a value of under 6 bytes that stands beside no word such
// as password (it would be found within ordinary words, and a text without them
// would say nothing); one that is encrypted, compressed or turned around; and what
// of a base64 text of more than 1 MiB belongs to its neighbours.
package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// shortest is the length in bytes from which on a value is taken out of texts
// wherever it stands. A shorter one would be found within ordinary words, so it is
// taken out beside a word such as password only.
const shortest = 6

// longest is the length in bytes of a value up to which spellings are looked for
// that are encoded more than once.
const longest = 1 << 10

// thorough is the length in bytes up to which a text is looked through for more
// than the plain spellings: values that are broken over lines, and base64 of texts
// that hold one.
const thorough = 1 << 20

// mask stands where a secret was.
const mask = "[secret]"

var (
	mutex  sync.Mutex
	given  []string // as they are
	hidden []string // in every spelling, the longest first
	short  []string // the same of values under shortest
	masked atomic.Pointer[masks]
)

// masks is what is hidden, as [Redact] looks for it.
type masks struct {
	plain *strings.Replacer
	loose []looseValue
	flat  []string // spellings without breaks, for values that are broken over lines

	short      []string       // values under shortest
	besideName *regexp.Regexp // finds those; nil: there are none
}

// Hide has [Redact] take these values out of every text from now on, also where
// they are quoted for JSON (once or twice), for a URL or for HTML, are in base64,
// or are broken over several lines. Of a value that has lines itself, as a key in
// PEM, each line is hidden, and of a JSON document each value.
func Hide(values ...string) {
	mutex.Lock()
	defer mutex.Unlock()
	known := len(hidden) + len(short)
	for _, v := range values {
		for _, part := range parts(v) {
			hide(part)
		}
	}
	if len(hidden)+len(short) == known {
		return
	}
	byLength := func(a, b string) int { return len(b) - len(a) }
	slices.SortFunc(given, byLength)
	slices.SortFunc(hidden, byLength)
	slices.SortFunc(short, byLength)
	m := &masks{short: slices.Clone(short), besideName: besideName(short)}
	var pairs []string
	for _, v := range given {
		if !ordinary.MatchString(v) && len(v) < longest {
			m.loose = append(m.loose, newLoose(v))
		}
	}
	for _, s := range hidden {
		pairs = append(pairs, s, mask)
		if f := string(flatten(s).text); len(f) >= shortest && !slices.Contains(m.flat, f) {
			m.flat = append(m.flat, f)
		}
	}
	m.plain = strings.NewReplacer(pairs...)
	masked.Store(m)
}

func hide(v string) {
	all := &hidden
	if len(v) < shortest {
		all = &short
	} else if !slices.Contains(given, v) {
		given = append(given, v)
	}
	for _, spelt := range spellings(v) {
		if spelt != "" && !slices.Contains(*all, spelt) {
			*all = append(*all, spelt)
		}
	}
}

// parts are a value and what of it is a secret by itself.
func parts(v string) []string {
	if v == "" {
		return nil
	}
	all := []string{v}
	if trimmed := strings.TrimSpace(v); trimmed != "" && trimmed != v {
		all = append(all, trimmed)
	}
	for line := range strings.Lines(v) {
		line = strings.TrimSpace(line)
		if len(line) >= 2*shortest && len(line) < len(v) && !strings.HasPrefix(line, "-----") {
			all = append(all, line)
		}
	}
	var doc any
	if strings.ContainsAny(v[:1], "{[") && json.Unmarshal([]byte(v), &doc) == nil {
		var compact bytes.Buffer
		_ = json.Compact(&compact, []byte(v)) // it has just been read
		all = append(append(all, compact.String()), leaves(doc)...)
	}
	return all
}

// leaves are a JSON document's texts that are long enough to be secrets.
func leaves(doc any) (all []string) {
	switch v := doc.(type) {
	case string:
		if len(v) >= 2*shortest {
			return []string{v}
		}
	case []any:
		for _, e := range v {
			all = append(all, leaves(e)...)
		}
	case map[string]any:
		for _, e := range v {
			all = append(all, leaves(e)...)
		}
	}
	return all
}

func spellings(v string) []string {
	inJSON := quoted(v)
	plain := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)
	var upper, lower strings.Builder // every byte in URL quoting, also letters
	for _, b := range []byte(v) {
		fmt.Fprintf(&upper, "%%%02X", b)
		fmt.Fprintf(&lower, "%%%02x", b)
	}
	all := []string{v, inJSON, quoted(inJSON), plain, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v),
		upper.String(), lower.String()}
	return append(all, inBase64(v)...)
}

// quoted is how v stands between the quotes of a JSON string.
func quoted(v string) string {
	data, _ := json.Marshal(v) // text can always be encoded
	return string(data[1 : len(data)-1])
}

// inBase64 is what base64 makes of v within a longer text, as of a password in
// HTTP's Basic "user:password": by where v begins there, three spellings in each
// of the two alphabets. A character that v shares with its neighbours is left
// out, and so is a spelling that is short enough to be met by chance.
func inBase64(v string) (all []string) {
	for before := range 3 {
		text := append(make([]byte, before), v...)
		first, end := (before*8+5)/6, len(text)*8/6
		if end-first < shortest {
			continue
		}
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, alphabet.EncodeToString(text)[first:end])
		}
	}
	return all
}

// Redact is s without what was hidden.
func Redact(s string) string {
	if m := masked.Load(); m != nil {
		return m.redact(s, 2)
	}
	return s
}

// redact looks into base64 so many times: a text in base64 may hold another.
func (m *masks) redact(s string, depth int) string {
	if len(s) > thorough {
		return m.plain.Replace(s)
	}
	s = m.plain.Replace(m.redactBroken(s))
	for _, l := range m.loose {
		if l.all(s) != nil {
			s = l.pattern.ReplaceAllLiteralString(s, mask)
		}
	}
	s = m.redactShort(s)
	if depth > 0 {
		s = m.redactBase64(s, depth-1)
	}
	return s
}

// RedactJSON is [Redact] of a JSON document, which stays one: where it would not, as
// a secret is all digits, only the texts in it are looked through, and a document
// that has such a number by itself becomes null.
func RedactJSON(data []byte) []byte {
	clean := []byte(Redact(string(data)))
	if json.Valid(clean) || !json.Valid(data) {
		return clean
	}
	if slices.ContainsFunc(numbers(data), func(n string) bool { return Redact(n) == mask }) {
		return []byte("null")
	}
	return jsonText.ReplaceAllFunc(data, func(text []byte) []byte { return []byte(Redact(string(text))) })
}

var jsonText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// numbers are those of a JSON document, as they are written.
func numbers(data []byte) (all []string) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return all
		}
		if n, ok := token.(json.Number); ok {
			all = append(all, n.String())
		}
	}
}

// signsIn are the names of environment variables that sign in somewhere: OpenStack's,
// JupyterHub's and EC2's, and what calls itself a password, a secret or a token.
var signsIn = regexp.MustCompile(`^(OS|JUPYTERHUB|AWS|EC2|MLFLOW_TRACKING)_|PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL`)

// Environ is an environment without the variables that sign in. What chexp starts
// needs none of them; only npm's own are left, which its settings may refer to.
func Environ(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return signsIn.MatchString(strings.ToUpper(name)) && !strings.HasPrefix(strings.ToUpper(name), "NPM_")
	})
}
