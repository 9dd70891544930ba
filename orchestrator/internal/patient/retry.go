package patient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/wait"
	"chexp/orchestrator/openstack/apierror"
)

// Retry is an [http.RoundTripper] that sends reads and deletions again after
// what may be a bad moment: 429, 502, 503, 504, or a connection that broke
// before the whole answer was there. Signing in is a POST that changes nothing, and
// is sent again, too. It never repeats another POST or a PUT: their caller has to
// find out whether they did something.
//
// A deletion that is repeated may find its object gone, 404, where the first
// one removed it: callers take that for success.
type Retry struct {
	Next   http.RoundTripper
	Pace   func() Pace
	Notice func(string) // is told, in a sentence, before each wait; nil: nobody is
}

// RoundTrip implements [http.RoundTripper].
func (r *Retry) RoundTrip(req *http.Request) (*http.Response, error) {
	if !repeatable(req) {
		return r.Next.RoundTrip(req)
	}
	p, silences := r.Pace(), 0
	for try := 1; ; try++ {
		resp, err := r.Next.RoundTrip(req)
		if err == nil {
			err = readWhole(req, resp)
		}
		why, hint, again := mayPass(resp, err)
		if errors.As(err, new(*Silent)) {
			silences++
		}
		if !again || try > p.Retries || silences >= bearable(req) || req.Context().Err() != nil {
			if err != nil { // a RoundTripper returns one of the two
				resp = nil
			}
			return resp, err
		}
		pause := max(jitter(p.RetryFirst, try), hint)
		if pause > p.RetryMost {
			if hint > p.RetryMost {
				// It says itself that it will not be back soon enough.
				return resp, err
			}
			pause = p.RetryMost
		}
		if resp != nil {
			resp.Body.Close()
		}
		if r.Notice != nil {
			r.Notice(fmt.Sprintf("%s%s: %s; once more in %s (%d of %d)",
				req.URL.Host, req.URL.Path, why, rounded(pause), try, p.Retries))
		}
		if wait.For(req.Context(), pause) != nil {
			return nil, context.Cause(req.Context())
		}
		if req.GetBody != nil {
			req = req.Clone(req.Context())
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// bearable is how often a request may be given up at its own limit: each time took as
// long as an answer could be worth waiting for. Who deletes looks what came of it.
func bearable(req *http.Request) int {
	if req.Method == http.MethodDelete {
		return 1
	}
	return 2
}

// repeatable reports whether a request may be sent twice: nothing is made or
// changed by it, but for what a deletion removes.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodDelete:
		return req.Body == nil || req.Body == http.NoBody
	case http.MethodPost:
		path := req.URL.Path
		return req.GetBody != nil && (strings.HasSuffix(path, "/auth/tokens") || // Keystone
			strings.Contains(path, "/OS-FEDERATION/") || strings.HasSuffix(path, "/openid-connect/token"))
	}
	return false
}

// readWhole takes the body off the wire, so that a connection that breaks in
// the middle of an answer is noticed where the request can be repeated. An
// archive may be large, and its caller can repeat it; it is left alone.
func readWhole(req *http.Request, resp *http.Response) error {
	if isArchive(req) {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// mayPass reports whether the same request may succeed soon, why it failed,
// and how long the server asks to be left alone.
func mayPass(resp *http.Response, err error) (why string, hint time.Duration, again bool) {
	if err != nil {
		var op *net.OpError
		dial := errors.As(err, &op) && op.Op == "dial"
		// A name that does not resolve or a port that nobody listens on is
		// said at once; so is an answer that is too long.
		if dial || errors.Is(err, errAnswerTooLong) || apierror.From(err).Kind != apierror.Lost {
			return "", 0, false
		}
		return "the connection broke (" + apierror.Line(Reason(err).Error()) + ")", 0, true
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return "", 0, false
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	said := apierror.From(gophercloud.ErrUnexpectedResponseCode{Actual: resp.StatusCode, Body: body,
		ResponseHeader: resp.Header})
	return said.Error(), retryAfter(resp.Header.Get("Retry-After"), time.Now()), true
}

// retryAfter reads both forms of the header: seconds, or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(max(0, min(n, 86400))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// jitter doubles with every try, and takes a random half off: clients that
// failed together must not come back together.
func jitter(first time.Duration, try int) time.Duration {
	d := first << min(try-1, 16)
	return d/2 + rand.N(d/2+1)
}

func rounded(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
