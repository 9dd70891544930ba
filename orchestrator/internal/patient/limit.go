package patient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Limits on one exchange, from the request to the last byte of its answer: an answer
// that drips is no better than none. The services answer lists and looks in a second
// or two; Blazar deletes while one waits; the proxy before all of them gives up after
// a minute.
const (
	limitLook    = 30 * time.Second // GET: a status, a list
	limitDelete  = 45 * time.Second // DELETE
	limitExecute = 30 * time.Second // of a command, which Zun waits 5 s for
	limitChange  = 90 * time.Second // POST, PUT and PATCH: creations, sign-ins
	limitArchive = 75 * time.Second // of an archive, besides its bytes

	// slowest is how many bytes of an archive a second are worth waiting for: a piece of
	// 4 MiB, in base64, has two minutes more.
	slowest = 50_000
	// unsaid is the length of an archive that does not say how long it is: the largest
	// piece that is ever asked for, in base64.
	unsaid = 6 << 20
)

// limitOf is how long an exchange may take, before its answer says how long that is.
func limitOf(req *http.Request) time.Duration {
	path := req.URL.Path
	switch {
	case isArchive(req), strings.HasSuffix(path, "/put_archive"):
		return limitArchive + bytesTime(max(req.ContentLength, 0))
	case strings.HasSuffix(path, "/execute"):
		return limitExecute
	case req.Method == http.MethodGet, req.Method == http.MethodHead:
		return limitLook
	case req.Method == http.MethodDelete:
		return limitDelete
	}
	return limitChange
}

func bytesTime(n int64) time.Duration { return time.Duration(n) * time.Second / slowest }

// Silent is the error of an exchange that was given up at its own limit, while its
// caller would still have waited. Whether the request was carried out is not known.
type Silent struct {
	Method string
	Limit  time.Duration
}

func (s *Silent) Error() string {
	return fmt.Sprintf("no whole answer to the %s within %s", s.Method, s.Limit.Round(time.Second))
}

// Timeout makes a Silent a net.Error.
func (s *Silent) Timeout() bool { return true }

// Temporary says that the next exchange may be answered.
func (s *Silent) Temporary() bool { return true }

// limited ends an exchange at the limit of its kind. limit is for tests; nil: limitOf.
type limited struct {
	next  http.RoundTripper
	limit func(*http.Request) time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	of := l.limit
	if of == nil {
		of = limitOf
	}
	limit := of(req)
	silent := &Silent{req.Method, limit}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(limit, func() { cancel(silent) })
	resp, err := l.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		timer.Stop()
		err = silence(ctx, err)
		cancel(nil)
		return resp, err
	}
	if isArchive(req) {
		n := resp.ContentLength
		if n < 0 {
			n = unsaid
		}
		if timer.Stop() {
			timer.Reset(limit + bytesTime(n))
		}
	}
	resp.Body = &limitedTime{ReadCloser: resp.Body, ctx: ctx, end: func() { timer.Stop(); cancel(nil) }}
	return resp, nil
}

// silence is the exchange's own error where that ended it.
func silence(ctx context.Context, err error) error {
	var silent *Silent
	if err != nil && err != io.EOF && errors.As(context.Cause(ctx), &silent) {
		return silent
	}
	return err
}

// limitedTime is an answer whose reading ends at the exchange's limit.
type limitedTime struct {
	io.ReadCloser
	ctx context.Context
	end func()
}

func (b *limitedTime) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, silence(b.ctx, err)
}

func (b *limitedTime) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
