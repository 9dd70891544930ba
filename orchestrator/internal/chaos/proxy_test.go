//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands before every service of an emulator. It names each request, carries
// out what is ordered for that name, and tells what went by.
type proxy struct {
	t *testing.T

	mu     sync.Mutex
	doors  map[string]string // host:port of a service → ours
	order  *order
	seen   []string        // names of requests, in order of their coming
	tokens map[string]bool // that the cloud gave out
	before func(r *http.Request)
	ctx    context.Context // ends with the case: whoever is held is let go
	free   context.CancelFunc
}

// order is what is to happen to the requests of one name.
type order struct {
	call   string
	kind   kind
	from   int // with the from-th of them, counted from 1
	times  int // so often; -1: always
	seen   int
	struck int
	hit    chan struct{} // gets a word at each strike that there is room for
}

func newProxy(t *testing.T) *proxy {
	p := &proxy{t: t, doors: map[string]string{}, tokens: map[string]bool{}}
	p.reset(nil)
	return p
}

// reset begins another case.
func (p *proxy) reset(o *order) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free != nil {
		p.free()
	}
	p.ctx, p.free = context.WithCancel(context.Background())
	p.order, p.seen = o, nil
}

// heal withdraws the order, and lets go whoever is held.
func (p *proxy) heal() (struck int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order != nil {
		struck = p.order.struck
	}
	p.order = nil
	p.free()
	p.ctx, p.free = context.WithCancel(context.Background())
	return struck
}

// calls are the names of the requests since the case began.
func (p *proxy) calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

// door is the address that clients get for a service's.
func (p *proxy) door(host string) string {
	if ours, ok := p.doors[host]; ok {
		return ours
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	ours := l.Addr().String()
	p.doors[host] = ours
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.pass(host, w, r) })}
	p.t.Cleanup(func() { srv.Close() })
	go srv.Serve(l)
	return ours
}

var address = regexp.MustCompile(`https?://(127\.0\.0\.1:\d+)`)

// outward writes the services' addresses as clients get them.
func (p *proxy) outward(text []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return address.ReplaceAllFunc(text, func(m []byte) []byte {
		return []byte("http://" + p.door(string(bytes.TrimPrefix(m, []byte("http://")))))
	})
}

// identity is an id, or a name that a run gives: both differ from run to run.
var identity = regexp.MustCompile(`\d{8}t\d{6}z-[a-z0-9-]+|` +
	`[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}`)

// name is what kind of request this is: method, path without ids, and of an execute
// the program.
func name(r *http.Request) string {
	n := r.Method + " " + strings.TrimSuffix(identity.ReplaceAllString(r.URL.Path, "{id}"), "/")
	q := r.URL.Query()
	if q.Get("name") != "" {
		n += "?name"
	}
	if words := strings.Fields(q.Get("command")); len(words) > 0 {
		n += " " + path.Base(words[0])
		if strings.Contains(words[0], "chexp-agent") && len(words) > 1 {
			n += " " + words[1]
		}
	}
	return n
}

// pass carries one request to the service, unless it is to go wrong.
func (p *proxy) pass(host string, w http.ResponseWriter, r *http.Request) {
	call := name(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p.mu.Lock()
	p.seen = append(p.seen, call)
	k, ctx := kind{}, p.ctx
	if o := p.order; o != nil && o.call == call {
		if o.seen++; o.seen >= o.from && (o.times < 0 || o.struck < o.times) {
			o.struck++
			k = o.kind
			select {
			case o.hit <- struct{}{}:
			default:
			}
		}
	}
	before := p.before
	p.mu.Unlock()
	x := &exchange{p: p, w: w, r: r, host: host, body: body, ctx: ctx}
	if before != nil {
		x.look = func() { before(r) }
	}
	if k.do != nil {
		k.do(x)
		return
	}
	x.answer(x.ask())
}

// exchange is one request on its way.
type exchange struct {
	p    *proxy
	w    http.ResponseWriter
	r    *http.Request
	host string
	body []byte
	ctx  context.Context // of the case
	look func()          // before the service gets the request; may be nil
}

// reply is what the service says.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask lets the service do what is asked of it, also when the client has gone.
func (x *exchange) ask() reply {
	if x.look != nil {
		x.look()
	}
	u := url.URL{Scheme: "http", Host: x.host, Path: x.r.URL.Path, RawPath: x.r.URL.RawPath, RawQuery: x.r.URL.RawQuery}
	req, err := http.NewRequestWithContext(context.WithoutCancel(x.r.Context()), x.r.Method, u.String(),
		bytes.NewReader(x.body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header = x.r.Header.Clone()
	req.Header.Del("Accept-Encoding")
	resp, err := through.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if token := resp.Header.Get("X-Subject-Token"); token != "" {
		x.p.mu.Lock()
		x.p.tokens[token] = true
		x.p.mu.Unlock()
	}
	for name, values := range resp.Header {
		for i, v := range values {
			resp.Header[name][i] = string(x.p.outward([]byte(v)))
		}
	}
	if len(data) < 1<<20 { // no archive
		data = x.p.outward(data)
	}
	resp.Header.Del("Content-Length")
	return reply{resp.StatusCode, resp.Header, data}
}

var through = &http.Transport{MaxIdleConnsPerHost: 8}

func (x *exchange) answer(a reply) {
	for name, values := range a.header {
		x.w.Header()[name] = values
	}
	x.w.Header().Set("Content-Length", fmt.Sprint(len(a.body)))
	if a.status == http.StatusNoContent {
		x.w.Header().Del("Content-Length")
	}
	x.w.WriteHeader(a.status)
	x.w.Write(a.body)
}

// say answers without the service.
func (x *exchange) say(status int, mime, text string) {
	x.w.Header().Set("Content-Type", mime)
	x.w.WriteHeader(status)
	io.WriteString(x.w, text)
}

// reset breaks the connection.
func (x *exchange) reset() {
	if c, _, err := http.NewResponseController(x.w).Hijack(); err == nil {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// hold waits until the client has gone, the case is over, or for so long.
func (x *exchange) hold(d time.Duration) {
	select {
	case <-x.r.Context().Done():
	case <-x.ctx.Done():
	case <-time.After(d):
	}
}

// twisted is a document in which every value is of another type.
func twisted(data []byte) []byte {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return []byte(`[[[7]]]`)
	}
	out, _ := json.Marshal(twist(v, 0))
	return out
}

func twist(v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		if depth == 2 {
			return []any{"a list"}
		}
		for k := range v {
			v[k] = twist(v[k], depth+1)
		}
		return v
	case []any:
		if depth == 1 && len(v) > 0 {
			v[0] = twist(v[0], depth+1)
			return v
		}
		return map[string]any{"0": "an object"}
	case string:
		return len(v)
	case float64, bool:
		return fmt.Sprint(v)
	}
	return map[string]any{}
}
