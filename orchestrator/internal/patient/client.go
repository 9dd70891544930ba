package patient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"chexp/orchestrator/internal/clock"
)

// Limits on one exchange, besides those on its time.
const (
	dialTimeout = 15 * time.Second
	maxAnswer   = 32 << 20  // bytes: the list of all leases of a busy project is some megabytes
	maxArchive  = 512 << 20 // bytes: an archive of results, in base64
)

// Client makes the HTTP client for all services. It follows no redirect, since
// net/http would repeat the header with the token to another host. A nil rt is
// the system's transport with these TLS settings.
func Client(rt http.RoundTripper, tlsConfig *tls.Config) http.Client {
	if rt == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = tlsConfig
		t.OnProxyConnectResponse = proxyAnswer
		t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
		rt = t
	}
	return http.Client{
		Transport:     discreet{bounded{limited{next: rt}}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ProxyRefused is a proxy between here and a service that does not let the
// connection through.
type ProxyRefused struct{ Host, Status string }

func (p *ProxyRefused) Error() string {
	return fmt.Sprintf("the proxy %s answered %s", p.Host, p.Status)
}

func proxyAnswer(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyRefused{proxy.Host, resp.Status}
}

// ProxyOf is the host of the proxy through which an address is reached, "" for none.
func ProxyOf(address string) string {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return ""
	}
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host
}

// isArchive reports a request for a directory of a container, whose answer may
// be large and is read as it comes [ZUN:zun/api/controllers/v1/containers.py].
func isArchive(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/get_archive") }

// bounded limits the length of an answer, because gophercloud reads answers
// whole.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	limit := int64(maxAnswer)
	if isArchive(req) {
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

// Reason strips net/http's method and URL from an error whose sentence names
// them already.
func Reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Listen is an [http.RoundTripper] that tells a clock the Date of each answer.
type Listen struct {
	Next  http.RoundTripper
	Clock *clock.Service
}

// RoundTrip implements [http.RoundTripper].
func (l Listen) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := time.Now()
	resp, err := l.Next.RoundTrip(req)
	if err != nil || resp.Header.Get("Age") != "" { // an answer from a cache is as old as it says
		return resp, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		l.Clock.Hear(asked, time.Now(), date)
	}
	return resp, nil
}
