package patient

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"chexp/experiments/secret"
)

// discreet takes out of what a service answers instead of success the secrets
// that it repeats: the credentials, as signin hides them, and every token that
// was sent or came. It does so before anybody cuts, shows or keeps a part of it.
type discreet struct{ next http.RoundTripper }

// maxRefusal bounds what is kept of such an answer, in bytes.
const maxRefusal = 1 << 20

// RoundTrip implements [http.RoundTripper].
func (d discreet) RoundTrip(req *http.Request) (*http.Response, error) {
	hideTokens(req.Header)
	resp, err := d.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	hideTokens(resp.Header)
	if resp.StatusCode < http.StatusMultipleChoices || resp.StatusCode == http.StatusNotModified {
		return resp, nil
	}
	for _, values := range resp.Header {
		for i, v := range values {
			values[i] = secret.Redact(v)
		}
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.ContentLength = -1
	resp.Body = &refusal{bytes.NewReader([]byte(secret.Redact(string(said)))), err, resp.Body}
	return resp, nil
}

func hideTokens(h http.Header) {
	for _, name := range []string{"X-Auth-Token", "X-Subject-Token"} {
		secret.Hide(h.Values(name)...)
	}
	if _, token, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		secret.Hide(token)
	}
}

// refusal is an answer that has been read already, and ends as that did.
type refusal struct {
	said *bytes.Reader
	end  error
	io.Closer
}

func (r *refusal) Read(p []byte) (int, error) {
	n, err := r.said.Read(p)
	if err == io.EOF && r.end != nil {
		err = r.end
	}
	return n, err
}
