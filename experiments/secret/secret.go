// Package secret keeps what signs somebody in out of every text and of every
// other process. It goes by value: a service may repeat a request, and with it a
// secret, anywhere in its answer.
package secret

import (
	"encoding/json"
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
// they are quoted for JSON, for a URL or for HTML.
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
	quoted, _ := json.Marshal(v) // text can always be encoded
	inJSON := strings.Trim(string(quoted), `"`)
	plain := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)
	return []string{v, inJSON, plain, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v)}
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
