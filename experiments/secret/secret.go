// Package secret keeps what signs somebody in out of every text and of every
// other process. It goes by value: a service may repeat a request, and with it a
// secret, anywhere in its answer.
package secret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// shortest is the length from which on a value is taken out of texts. A shorter
// one would be found within ordinary words.
const shortest = 6

// mask stands where a secret was.
const mask = "[secret]"

var (
	mutex  sync.Mutex
	hidden []string                         // in every spelling, the longest first
	masked atomic.Pointer[strings.Replacer] // of hidden; nil: nothing is
)

// Hide has [Redact] take these values out of every text from now on, also where
// they are quoted for JSON (once or twice), for a URL or for HTML, or are in base64.
func Hide(values ...string) {
	mutex.Lock()
	defer mutex.Unlock()
	known := len(hidden)
	for _, v := range values {
		if len(v) < shortest {
			continue
		}
		for _, spelt := range spellings(v) {
			if !slices.Contains(hidden, spelt) {
				hidden = append(hidden, spelt)
			}
		}
	}
	if len(hidden) == known {
		return
	}
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range hidden {
		pairs = append(pairs, s, mask)
	}
	masked.Store(strings.NewReplacer(pairs...))
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
	if r := masked.Load(); r != nil {
		return r.Replace(s)
	}
	return s
}

// RedactJSON is [Redact] of a JSON document, which stays one. A document that
// would not, as a secret is all digits, becomes null.
func RedactJSON(data []byte) []byte {
	clean := []byte(Redact(string(data)))
	if json.Valid(data) && !json.Valid(clean) {
		return []byte("null")
	}
	return clean
}

// Environ is an environment without the variables that sign in: OpenStack's and
// JupyterHub's. What chexp starts needs none of them.
func Environ(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(kv string) bool {
		return strings.HasPrefix(kv, "OS_") || strings.HasPrefix(kv, "JUPYTERHUB_")
	})
}
