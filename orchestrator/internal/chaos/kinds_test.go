//go:build linux

package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// kind is one way in which an answer goes wrong.
type kind struct {
	name string
	slow bool // the client waits for what never comes
	late bool // the client is killed while its request travels, which arrives all the same
	do   func(x *exchange)
}

// held is how long a request is held at most: longer than any client should wait.
const held = 5 * time.Minute

// travels is how long a late request travels.
const travels = 4 * time.Second

// kinds are all that an answer can be wrong by.
func kinds() []kind {
	all := []kind{
		{name: "html", do: func(x *exchange) {
			x.say(200, "text/html", "<html><body>Please sign in to the hotel's network</body></html>")
		}},
		{name: "html-503", do: func(x *exchange) {
			x.say(503, "text/html", "<html><body><h1>503</h1>maintenance</body></html>")
		}},
		{name: "echo", do: func(x *exchange) {
			text := fmt.Sprintf("%s %s %v %s", x.r.Method, x.r.URL, x.r.Header, x.body)
			x.say(500, "text/plain", text[:min(len(text), 1<<16)])
		}},
		{name: "hang", slow: true, do: func(x *exchange) { x.hold(held); x.reset() }},
		{name: "hang-after", slow: true, do: func(x *exchange) { x.ask(); x.hold(held); x.reset() }},
		{name: "drip", slow: true, do: drip},
		{name: "reset-before", do: func(x *exchange) { x.reset() }},
		{name: "reset-after", do: func(x *exchange) { x.ask(); x.reset() }},
		{name: "truncated", do: func(x *exchange) {
			a := x.ask()
			x.w.Header().Set("Content-Type", a.header.Get("Content-Type"))
			x.w.Header().Set("Content-Length", fmt.Sprint(len(a.body)+1))
			x.w.WriteHeader(a.status)
			x.w.Write(a.body[:len(a.body)/2])
			http.NewResponseController(x.w).Flush()
			panic(http.ErrAbortHandler)
		}},
		{name: "half", do: func(x *exchange) { // and calls itself whole
			a := x.ask()
			a.body = a.body[:len(a.body)/2]
			x.answer(a)
		}},
		{name: "empty", do: func(x *exchange) { a := x.ask(); a.body = nil; x.answer(a) }},
		{name: "empty-before", do: func(x *exchange) { x.say(200, "application/json", "") }},
		{name: "object-before", do: func(x *exchange) { x.say(200, "application/json", "{}") }},
		{name: "null", do: func(x *exchange) { a := x.ask(); a.body = []byte("null"); x.answer(a) }},
		{name: "types", do: func(x *exchange) { a := x.ask(); a.body = twisted(a.body); x.answer(a) }},
		{name: "huge", do: huge},
		{name: "loop", do: func(x *exchange) {
			x.w.Header().Set("Location", "http://"+x.r.Host+x.r.URL.String())
			x.w.WriteHeader(302)
		}},
		{name: "late", late: true, do: func(x *exchange) { time.Sleep(travels); x.ask(); x.reset() }},
	}
	for _, status := range []int{400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504} {
		all = append(all, kind{name: fmt.Sprint(status), do: func(x *exchange) {
			x.say(status, "application/json", fmt.Sprintf(`{"error": {"code": %d, "title": %q, "message": "chaos"}}`,
				status, http.StatusText(status)))
		}})
	}
	return all
}

// drip sends a whole answer, a byte every now and then.
func drip(x *exchange) {
	a := x.ask()
	x.w.Header().Set("Content-Length", fmt.Sprint(len(a.body)+1<<20))
	x.w.WriteHeader(a.status)
	end := time.Now().Add(held)
	for i := 0; time.Now().Before(end) && x.r.Context().Err() == nil && x.ctx.Err() == nil; i++ {
		b := byte(' ')
		if i < len(a.body) {
			b = a.body[i]
		}
		x.w.Write([]byte{b})
		http.NewResponseController(x.w).Flush()
		x.hold(300 * time.Millisecond)
	}
	panic(http.ErrAbortHandler)
}

// huge answers with more than anybody should read.
func huge(x *exchange) {
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(200)
	x.w.Write([]byte(`{"x": "`))
	chunk := []byte(strings.Repeat("x", 1<<20))
	for range 600 {
		if _, err := x.w.Write(chunk); err != nil {
			break
		}
	}
	panic(http.ErrAbortHandler)
}
