package front

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// API is what a service tells the front about itself. The zero value is a service that nothing
// can be ordered of.
type API struct {
	Name string // in an order, such as "zun"
	// Calls are the names of the service's calls in orders, by the routes of [http.ServeMux] that
	// lead to them: "POST /v1/leases": "create". A request on another route is the call "other".
	Calls map[string]string
	// Fail answers with an error in the service's own shape. Its text is the service's own for
	// status 500, else the status in words.
	Fail func(w http.ResponseWriter, status int)
	// Board is the name of the board that a request is about, "" if none; nil for a service whose
	// calls are about none.
	Board func(*http.Request) string
	// OnBoard are those of Calls that are about a board.
	OnBoard []string
	// Targets are what can go wrong besides calls.
	Targets []world.Target
}

// other is the name of a call without one.
const other = "other"

// Vocabulary is what orders can name of the service.
func (a API) Vocabulary() world.Vocabulary {
	calls := slices.Sorted(maps.Values(a.Calls))
	return world.Vocabulary{Service: a.Name, Calls: append(slices.Compact(calls), other), Targets: a.Targets,
		OnBoard: a.OnBoard}
}

// Network is the vocabulary of what happens to connections, whoever answers.
var Network = world.Vocabulary{Targets: []world.Target{{Name: network, Value: world.Size("cut-after")}}}

const network = "network"

// named is a route's handler that only carries the name of its call.
type named string

func (named) ServeHTTP(http.ResponseWriter, *http.Request) {}

// namer returns the function that tells the name of a request's call.
func (a API) namer() func(*http.Request) string {
	mux := http.NewServeMux()
	for route, call := range a.Calls {
		mux.Handle(route, named(call))
	}
	return func(r *http.Request) string {
		// A slash at the end names the same call: python-zunclient's create has one.
		u := *r.URL
		u.Path = strings.TrimSuffix(u.Path, "/")
		u.RawPath = strings.TrimSuffix(u.RawPath, "/")
		h, _ := mux.Handler(&http.Request{Method: r.Method, Host: r.Host, URL: &u})
		if call, ok := h.(named); ok {
			return string(call)
		}
		return other
	}
}

// maxRequestLine is Apache's LimitRequestLine in bytes.
const maxRequestLine = 8190

// Service is one listener's outermost handler: request ids, Apache's limit on the request line,
// and what was ordered to go wrong between a client and the service.
func Service(h http.Handler, w *world.World, api API) http.Handler {
	call := api.namer()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set(RequestID, "req-"+world.NewUUID())
		// The line has the method, the address, "HTTP/1.1" and two blanks.
		if len(r.Method)+len(r.RequestURI)+len(r.Proto)+2 > maxRequestLine {
			HTML(rw, http.StatusRequestURITooLong,
				"The requested URL's length exceeds the capacity limit for this server.")
			return
		}
		r.Body = http.MaxBytesReader(rw, r.Body, MaxBody)
		if api.Name == "" {
			h.ServeHTTP(rw, r)
			return
		}
		if w.Orders.Down(w.Now()) {
			Drop()
		}
		if f, ok := w.Orders.Of(network); ok {
			line := &line{left: f.Action.Bytes, cut: func() { w.Orders.Take(f); Drop() }}
			rw = &cutWriter{rw, line}
			r.Body = cutReader{r.Body, line}
		}
		name, board := call(r), ""
		if api.Board != nil {
			board = api.Board(r)
		}
		if a, ok := w.Orders.Call(api.Name, name, board); ok {
			w.Log.Debug("emulator: ordered to go wrong", "service", api.Name, "call", name)
			carryOut(a, h, w, api, rw, r)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// carryOut does to a call what was ordered.
func carryOut(a world.Action, h http.Handler, w *world.World, api API, rw http.ResponseWriter, r *http.Request) {
	switch {
	case a.Drop:
		Drop()
	case a.Down > 0:
		w.Orders.Cut(w.Now().Add(a.Down))
		Drop()
	case a.Echo != "":
		echo(a.Echo, rw, r)
	case a.Drip:
		h.ServeHTTP(&void{header: rw.Header().Clone()}, r)
		drip(rw, r)
	case a.Lose:
		h.ServeHTTP(&void{header: rw.Header().Clone()}, r)
		Drop()
	case a.Hang:
		if !world.Pause(r.Context(), w.Pace.GatewayTimeout) {
			Drop()
		}
		balancer(rw, http.StatusGatewayTimeout)
	case a.Time > 0:
		if !world.Pause(r.Context(), a.Time) {
			Drop()
		}
		h.ServeHTTP(rw, r)
	case a.Late > 0:
		late(a.Late, h, rw, r)
	case a.Status == http.StatusTooManyRequests || a.Status >= http.StatusBadGateway:
		balancer(rw, a.Status)
	default:
		api.Fail(rw, a.Status)
	}
}

// late carries a request out after a while, also when its client has gone: it was in a
// queue on the way, and the service never knows. A client that is there gets its answer.
func late(d time.Duration, h http.Handler, rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		Drop()
	}
	ctx := context.WithoutCancel(r.Context())
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	world.Pause(ctx, d)
	h.ServeHTTP(rw, r)
}

// dripEvery is the time between two bytes of an answer that drips.
const dripEvery = 100 * time.Millisecond

// drip answers a blank at a time, until the client has had enough.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for world.Pause(r.Context(), dripEvery) {
		if _, err := io.WriteString(w, " "); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
	Drop()
}

// balancer answers what only the load balancer in front of all services says: HAProxy's pages.
func balancer(w http.ResponseWriter, status int) {
	text := http.StatusText(status)
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	case http.StatusServiceUnavailable:
		text = "No server is available to handle this request."
	case http.StatusGatewayTimeout:
		text = "The server didn't respond in time."
	}
	HTML(w, status, text)
}

// HTML answers as the load balancer or a WSGI server does on its own account.
func HTML(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, "<html><body><h1>"+strconv.Itoa(status)+" "+http.StatusText(status)+"</h1>\n"+
		text+"\n</body></html>\n")
}
