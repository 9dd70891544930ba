package chiedge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits on one exchange. Zun answers execute and archives within its proxy's
// 60 s, or not at all; the rest of the time is for a slow uplink.
const (
	exchangeTimeout = 5 * time.Minute
	dialTimeout     = 15 * time.Second
	maxAnswer       = 32 << 20  // the list of all leases of a busy project is some megabytes
	maxArchive      = 512 << 20 // an archive of results, in base64
)

// newHTTPClient makes the client for all services. It follows no redirect: the
// token travels in a header that net/http would repeat to another host.
func newHTTPClient(rt http.RoundTripper, tlsConfig *tls.Config) http.Client {
	if rt == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = tlsConfig
		t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
		rt = t
	}
	return http.Client{
		Transport:     bounded{rt},
		Timeout:       exchangeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded refuses to read an answer of any length: gophercloud reads them whole.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	limit := int64(maxAnswer)
	if strings.HasSuffix(req.URL.Path, "/get_archive") {
		limit = maxArchive
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: limit, limit: limit}
	return resp, nil
}

var errAnswerTooLong = errors.New("answer too long")

// limitedBody fails, rather than ends, at its limit: half an answer must not
// pass for a whole one.
type limitedBody struct {
	io.ReadCloser
	left, limit int64
}

func (l *limitedBody) Read(p []byte) (int, error) {
	if l.left <= 0 {
		// At the limit exactly there may be nothing more to come.
		var one [1]byte
		n, err := l.ReadCloser.Read(one[:])
		if n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("%w: more than %d MiB", errAnswerTooLong, l.limit>>20)
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	return n, err
}
