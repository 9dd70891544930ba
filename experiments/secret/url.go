package secret

import (
	"net/url"
	"regexp"
	"strings"
)

// Removed stands in a file where a secret of a URL was, which must stay one.
const Removed = "REMOVED"

// signed are the parameters of a URL that let somebody in: S3's, Google's, Azure's
// and Swift's signatures, tokens and keys.
var signed = regexp.MustCompile(`(?i)signature|token|secret|passw|credential|key|(?:^|_)sig$|^auth|^pwd$|^code$`)

// shortestInURL is the length in bytes from which on a parameter is a secret by its
// length alone: ordinary ones are names, numbers and words.
const shortestInURL = 32

// InURL are the values in a URL that let somebody in, as they are written there:
// a user's password, and signatures, tokens and keys of the query and the fragment.
func InURL(address string) (all []string) {
	add := func(v string) {
		if v != "" && v != Removed {
			all = append(all, v)
		}
	}
	rest := address
	if _, after, ok := strings.Cut(address, "://"); ok {
		rest = after
	}
	// By hand: what is no URL for net/url may hold a password all the same.
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if _, password, ok := strings.Cut(authority[:i], ":"); ok {
			add(password)
		} else {
			add(authority[:i]) // a token in the user's place
		}
	}
	query, fragment, _ := strings.Cut(rest, "#")
	_, query, _ = strings.Cut(query, "?")
	for _, pairs := range []string{query, fragment} {
		for pair := range strings.FieldsFuncSeq(pairs, func(r rune) bool { return r == '&' || r == ';' }) {
			name, value, _ := strings.Cut(pair, "=")
			if signed.MatchString(name) || len(value) >= shortestInURL {
				add(value)
			}
		}
	}
	return all
}

// HideURL has [Redact] take out of every text what in a URL lets somebody in.
func HideURL(address string) {
	for _, v := range InURL(address) {
		Hide(v)
		if plain, err := url.QueryUnescape(v); err == nil {
			Hide(plain)
		}
	}
}
