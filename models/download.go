package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/spec"
)

// Bounds of a download. A slow one may take as long as it likes, as long as
// bytes come.
const (
	headerTimeout = 30 * time.Second
	stallTimeout  = 60 * time.Second
	maxRedirects  = 5
	progressEvery = 16 << 20
)

// fetch finds a model by its content in the cache or the search path, else
// downloads it into the cache, no more than limit bytes.
func (r *Resolver) fetch(ctx context.Context, m spec.ModelSource, limit int64) (Resolved, error) {
	u, err := url.Parse(m.URL)
	if err != nil || !m.Pin.Given() {
		return Resolved{}, failure.Usage.Errorf("a URL needs to be well formed and to have a sha256 or a swhid")
	}
	file, ok := r.cached(ctx, m.Pin)
	cut := ""
	if !ok {
		file, cut = r.search(ctx, m.Pin)
	}
	if err := ctx.Err(); err != nil {
		return Resolved{}, err
	}
	if file.Path == "" && r.Offline {
		err := failure.Usage.Errorf("is not on this machine yet")
		err.Code = notHad
		return Resolved{}, err
	}
	if file.Path == "" {
		if file, err = r.download(ctx, u, m.Pin, limit); err != nil {
			return Resolved{}, r.offline(err, u, m.Pin, cut)
		}
	}
	return resolved(file, "url "+public(u)), nil
}

// notHad is the code of the error that a file cannot be had, which a stand-in may
// be taken for; another file than the one that was pinned is none.
const notHad = "not_had"

// NotHad reports whether an error says that a model's file cannot be had, and
// nothing worse.
func NotHad(err error) bool {
	var e *failure.Error
	return errors.As(err, &e) && e.Code == notHad
}

// offline says what to do where the network does not give the file.
func (r *Resolver) offline(err error, u *url.URL, pin files.Pin, cut string) error {
	var e *failure.Error
	if !errors.As(err, &e) {
		e = failure.Usage.Errorf("cannot be downloaded from %s", public(u)).Because(err)
	}
	if !errors.As(err, new(*files.NotPinned)) {
		e.Code = notHad
	}
	if e.Next == "" {
		e.Next = fmt.Sprintf("put the file with %s into %s (its name must end in .onnx), or name its "+
			"directory in %s",
			pin.Of(), r.CacheDir, SearchPathEnv)
	}
	if cut != "" {
		e.Next += "; " + cut
	}
	return e
}

// public is a URL without what may be secret: user, query and fragment.
func public(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// download streams the file into the cache. Nothing is left of one that fails
// or has another content.
func (r *Resolver) download(
	ctx context.Context, u *url.URL, pin files.Pin, limit int64,
) (stored files.Stored, err error) {
	if err := allowed(u, u); err != nil {
		return stored, err
	}
	// Canceled by the stall timer too, which the caller must not take for Ctrl-C.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout, func() {
		cancel(fmt.Errorf("no data came for %v", stallTimeout))
	})
	defer stall.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return stored, plainError(err)
	}
	r.progress("downloading %s", public(u))
	resp, err := r.client(u).Do(req)
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return stored, context.Cause(ctx)
	case err != nil:
		return stored, plainError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return stored, fmt.Errorf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	if resp.ContentLength > limit {
		return stored, fmt.Errorf("it has %d bytes; at most %d are accepted", resp.ContentLength, limit)
	}
	body := &download{r: r, body: resp.Body, limit: limit, total: resp.ContentLength,
		alive: func() { stall.Reset(stallTimeout) }}
	stored, err = r.store(pin, resp.ContentLength,
		func(w io.Writer) error { return body.copy(ctx, w, public(u)) })
	if e := (*files.NotPinned)(nil); errors.As(err, &e) {
		return stored, failure.Usage.
			Errorf("%s gave another file (%s), of which nothing was kept", public(u), spec.FormatBytes(e.Bytes)).
			Advise("find the one that was meant, or look at the new one and correct the %s", kindOf(e.Has)).
			Because(e)
	}
	return stored, err
}

// download is one transfer under way.
type download struct {
	r           *Resolver
	body        io.Reader
	limit       int64
	total       int64 // -1: not told
	done, shown int64
	alive       func()
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	if n > 0 {
		d.alive()
	}
	if d.done += int64(n); d.done-d.shown >= progressEvery {
		d.shown = d.done
		of := ""
		if d.total > 0 {
			of = " of " + spec.FormatBytes(d.total)
		}
		d.r.progress("downloaded %s%s", spec.FormatBytes(d.done), of)
	}
	return n, err
}

// copy writes the body to w, whose error is returned bare, for store to explain.
func (d *download) copy(ctx context.Context, w io.Writer, from string) error {
	disk := &writer{w: w}
	n, err := io.Copy(disk, io.LimitReader(d, d.limit+1))
	switch {
	case disk.err != nil:
		return disk.err
	case err != nil && context.Cause(ctx) != nil:
		return failure.Usage.Errorf("the download from %s broke off", from).Because(context.Cause(ctx))
	case err != nil:
		return failure.Usage.Errorf("the download from %s broke off", from).Because(plainError(err))
	case n > d.limit:
		return failure.Usage.Errorf("%s sends more than the %d bytes that are accepted", from, d.limit)
	}
	return nil
}

// writer remembers that it was the writing that failed.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// allowed refuses what may be read or changed on the way. A download may not
// be sent from the network to this machine's own services either.
func allowed(u, first *url.URL) error {
	switch here := spec.Loopback(u.Hostname()); {
	case here && !spec.Loopback(first.Hostname()):
		return failure.Usage.
			Errorf("%s sends the download on to this machine itself (%s), which is refused", public(first), u.Host)
	case u.Scheme == "https", u.Scheme == "http" && here:
		return nil
	}
	return failure.Usage.Errorf("%s is not https; http is accepted from this machine itself only", public(u))
}

func (r *Resolver) client(first *url.URL) *http.Client {
	var c http.Client
	if r.HTTP != nil {
		c = *r.HTTP // a copy: the caller's redirect rule stays its own
	} else {
		c.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: headerTimeout,
			DisableKeepAlives:     true, // one file; no connection is left behind
			ForceAttemptHTTP2:     true,
		}
	}
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return allowed(req.URL, first)
	}
	return &c
}

// plainError drops the address that net/http puts before each error, which may
// carry a secret in its query.
func plainError(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return err
}
