package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/trial"
)

// Bounds of a download. A slow one may take as long as it likes, as long as
// bytes come.
const (
	headerTimeout = 30 * time.Second
	stallTimeout  = 60 * time.Second
	maxRedirects  = 5
	progressEvery = 16 << 20
)

// fetch finds a model by its sum in the cache or the search path, else
// downloads it into the cache, no more than limit bytes.
func (r *Resolver) fetch(ctx context.Context, m spec.ModelSource, limit int64) (Resolved, error) {
	u, err := url.Parse(m.URL)
	if err != nil || m.SHA256 == "" {
		return Resolved{}, failure.Usage.Errorf("a URL needs to be well formed and to have a sha256")
	}
	found := Resolved{Model: trial.Model{SHA256: m.SHA256, Origin: "url " + public(u)}}
	file, ok := r.cached(ctx, m.SHA256)
	cut := ""
	if !ok {
		file, cut = r.search(ctx, m.SHA256)
	}
	if err := ctx.Err(); err != nil {
		return Resolved{}, err
	}
	if file == "" {
		if file, err = r.download(ctx, u, m.SHA256, limit); err != nil {
			return Resolved{}, r.offline(err, u, m.SHA256, cut)
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		return Resolved{}, err
	}
	found.File, found.Bytes = file, info.Size()
	return found, nil
}

// offline says what to do where the network does not give the file.
func (r *Resolver) offline(err error, u *url.URL, sum, cut string) error {
	var e *failure.Error
	if !errors.As(err, &e) {
		e = failure.Usage.Errorf("cannot be downloaded from %s", public(u)).Because(err)
	}
	if e.Next == "" {
		e.Next = fmt.Sprintf("put the file with sha256 %s into %s (its name must end in .onnx), or name its "+
			"directory in %s",
			sum, r.CacheDir, SearchPathEnv)
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
func (r *Resolver) download(ctx context.Context, u *url.URL, sum string, limit int64) (string, error) {
	if err := allowed(u, u); err != nil {
		return "", err
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
		return "", plainError(err)
	}
	r.progress("downloading %s", public(u))
	resp, err := r.client(u).Do(req)
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", plainError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	if resp.ContentLength > limit {
		return "", fmt.Errorf("it has %d bytes; at most %d are accepted", resp.ContentLength, limit)
	}
	body := &download{r: r, body: resp.Body, limit: limit, total: resp.ContentLength,
		alive: func() { stall.Reset(stallTimeout) }}
	return r.store(sum, func(w io.Writer) error { return body.copy(ctx, w, sum, public(u)) })
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

// copy writes the body to w and checks size and content. An error of w itself
// is returned bare, for store to explain.
func (d *download) copy(ctx context.Context, w io.Writer, sum, from string) error {
	h := sha256.New()
	disk := &writer{w: w}
	n, err := io.Copy(io.MultiWriter(h, disk), io.LimitReader(d, d.limit+1))
	switch got := hex.EncodeToString(h.Sum(nil)); {
	case disk.err != nil:
		return disk.err
	case err != nil && context.Cause(ctx) != nil:
		return failure.Usage.Errorf("the download from %s broke off", from).Because(context.Cause(ctx))
	case err != nil:
		return failure.Usage.Errorf("the download from %s broke off", from).Because(plainError(err))
	case n > d.limit:
		return failure.Usage.Errorf("%s sends more than the %d bytes that are accepted", from, d.limit)
	case got != sum:
		return failure.Usage.
			Errorf("%s gave %s with sha256 %s, but it must be %s; nothing was kept", from, spec.FormatBytes(n), got,
				sum).
			Advise("the file at that address is another one: find the one that was meant, " +
				"or look at the new one and correct the sha256")
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
