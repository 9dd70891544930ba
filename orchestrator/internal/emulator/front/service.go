package front

import (
	"io"
	"net/http"
	"strings"

	"chexp/orchestrator/internal/emulator/world"
)

// Service is one listener's outermost handler: request ids, Apache's limit on the
// request line, and what was ordered to go wrong between a client and the service. name is
// the service's in an order, "" for one that nothing can happen to; down is the old name of its
// outage.
func Service(h http.Handler, w *world.World, name string, down world.Fault) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set(RequestID, "req-"+world.NewUUID())
		// Method, blanks and "HTTP/1.1" belong to the line; Apache's LimitRequestLine
		// is 8190 bytes.
		if len(r.Method)+len(r.RequestURI)+len(r.Proto)+2 > 8190 {
			HTML(rw, http.StatusRequestURITooLong, "The requested URL's length exceeds the capacity limit for this server.")
			return
		}
		if down != "" && w.Faults.Take(down) {
			HTML(rw, http.StatusServiceUnavailable, "No server is available to handle this request.")
			return
		}
		r.Body = http.MaxBytesReader(rw, r.Body, MaxBody)
		if name == "" {
			h.ServeHTTP(rw, r)
			return
		}
		if a, key, ok := w.Faults.Network(); ok {
			line := &line{left: a.After, cut: func() { w.Faults.Take(key); Drop() }}
			rw = &cutWriter{rw, line}
			r.Body = cutReader{r.Body, line}
		}
		if a, ok := w.Faults.Call(name, call(name, r)); ok {
			w.Log.Debug("emulator: ordered to go wrong", "service", name, "call", call(name, r))
			happen(a, h, w, name, rw, r)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// happen carries out an order.
func happen(a world.Action, h http.Handler, w *world.World, name string, rw http.ResponseWriter, r *http.Request) {
	switch {
	case a.Drop:
		Drop()
	case a.Lose:
		h.ServeHTTP(&void{header: rw.Header().Clone()}, r)
		Drop()
	case a.Hang:
		if !world.Pause(r.Context(), w.Pace.GatewayTimeout) {
			Drop()
		}
		HTML(rw, http.StatusGatewayTimeout, "The server didn't respond in time.")
	case a.Slow > 0:
		if !world.Pause(r.Context(), a.Slow) {
			Drop()
		}
		h.ServeHTTP(rw, r)
	default:
		own(name, rw, a.Status)
	}
}

// own answers with a status in the service's own shape; what only a load balancer says, in HTML.
func own(name string, rw http.ResponseWriter, status int) {
	text := http.StatusText(status)
	switch {
	case status == 429 || status >= 502:
		if status == 429 {
			rw.Header().Set("Retry-After", "1")
		}
		HTML(rw, status, text)
	case name == "keystone":
		if status == 500 {
			text = "An unexpected error prevented the server from fulfilling your request."
		}
		JSON(rw, status, map[string]any{"error": map[string]any{"code": status, "message": text, "title": http.StatusText(status)}})
	case name == "blazar":
		var word any = status
		if status == 500 {
			word = "INTERNAL_SERVER_ERROR"
		}
		JSON(rw, status, map[string]any{"error_code": status, "error_message": text, "error_name": word})
	case name == "nova":
		word := "computeFault"
		if status == 500 {
			text = "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible."
		}
		JSON(rw, status, map[string]any{word: map[string]any{"code": status, "message": text}})
	case name == "glance":
		HTML(rw, status, text)
	case name == "neutron":
		if status == 500 {
			text = "Request Failed: internal server error while processing your request."
		}
		JSON(rw, status, map[string]any{"NeutronError": map[string]any{"type": "HTTP" + strings.ReplaceAll(http.StatusText(status), " ", ""), "message": text, "detail": ""}})
	default:
		detail := text
		if status == 500 {
			detail = "Your request could not be handled because of a problem in the server. Error Correlation id is: " + world.NewUUID()
		}
		JSON(rw, status, map[string]any{"errors": []any{map[string]any{"request_id": "", "code": "container.", "status": status,
			"title": text, "detail": detail, "links": []any{}}}})
	}
}

// call names a request as orders do.
func call(service string, r *http.Request) string {
	path := strings.Trim(r.URL.Path, "/")
	parts := strings.Split(path, "/")
	if len(parts) > 0 && strings.HasPrefix(parts[0], "v") {
		parts = parts[1:]
	}
	one := len(parts) > 1
	switch {
	case service == "keystone":
		switch {
		case len(parts) == 2 && parts[1] == "tokens":
			return "token"
		case len(parts) == 2 && parts[1] == "catalog":
			return "catalog"
		}
		return "other"
	case service == "nova" || service == "glance":
		return computeCall(service, r.Method, parts)
	case service == "blazar" && len(parts) > 0 && (parts[0] == "devices" || parts[0] == "os-hosts"):
		if one && strings.HasPrefix(parts[1], "allocation") {
			return "allocations"
		}
		return "devices"
	case service == "zun" && len(parts) == 3:
		return parts[2]
	case service == "neutron" && (len(parts) == 0 || parts[0] != "floatingips"), service == "zun" && (len(parts) == 0 || parts[0] != "containers"):
		return "other"
	}
	return verb(r.Method, one)
}

func verb(method string, one bool) string {
	switch method {
	case "POST":
		return "create"
	case "PUT", "PATCH":
		return "update"
	case "DELETE":
		return "delete"
	}
	if one {
		return "show"
	}
	return "list"
}

// computeCall names the calls of a bare-metal site's Nova and Glance.
func computeCall(service, method string, parts []string) string {
	what, one := "", len(parts) > 1 && parts[1] != "detail"
	if len(parts) > 0 {
		what = parts[0]
	}
	switch {
	case service == "glance" && what == "images":
		return verb(method, one)
	case what == "os-keypairs":
		return "keypairs"
	case what == "flavors":
		return "flavors"
	case what == "servers" && len(parts) == 3 && parts[2] == "action":
		return "action"
	case service == "nova" && what == "servers" && len(parts) < 3:
		return verb(method, one)
	}
	return "other"
}

// line counts what goes over one exchange, both ways.
type line struct {
	left int64
	cut  func()
}

func (l *line) pass(n int) {
	if l.left -= int64(n); l.left < 0 {
		l.cut()
	}
}

type cutWriter struct {
	http.ResponseWriter
	line *line
}

// Write lets through what still may pass, so that the client gets the beginning.
func (c *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > c.line.left {
		c.ResponseWriter.Write(p[:max(0, c.line.left)])
		http.NewResponseController(c.ResponseWriter).Flush()
	}
	c.line.pass(len(p))
	return c.ResponseWriter.Write(p)
}

func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

type cutReader struct {
	io.ReadCloser
	line *line
}

func (c cutReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.line.pass(n)
	return n, err
}

// void takes an answer that nobody gets.
type void struct{ header http.Header }

func (v *void) Header() http.Header         { return v.header }
func (v *void) Write(p []byte) (int, error) { return len(p), nil }
func (v *void) WriteHeader(int)             {}
