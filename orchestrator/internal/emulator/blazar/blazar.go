// Package blazar is the reservation service with its device plugin, or at a bare-metal
// site its host plugin: leases and their life, the boards or machines, and who has which
// when. It follows Chameleon's fork
// of Blazar 2023.1; status codes and texts were recorded from that code. What
// surprises clients most: "no device is free" is a 500, times come in two formats, a
// PUT answers with status UPDATING, and the answer to a DELETE is 200 with {}.
package blazar

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// Containers is Zun, as Blazar's k8s plugin needs it: the end of a reservation
// deletes every Deployment with its label [BLZ:plugins/devices/k8s_plugin.py deallocate].
// At a bare-metal site it is Nova: the host plugin deletes the servers on the machines.
type Containers interface {
	ReservationEnded(reservationIDs []string)
}

// Service is one Blazar.
type Service struct {
	book
	URL string // root, without /v1
}

// What the API can be asked for is in types of its own, each with the whole Service.
type (
	leaseCalls  struct{ *Service }
	deviceCalls struct{ *Service } // boards, or machines, and who has which
)

// book is who has which board from when to when, and the life of the leases: it
// starts and ends them. It knows nothing of calls.
type book struct {
	boards
	Containers Containers

	leases []*lease // in order of creation
	labels nodes
	leaks  []leaked
}

// boards are what can be reserved.
type boards struct {
	World *world.World
	kind  kind

	mu      sync.Mutex // of all that a Blazar keeps
	devices []*world.Device
	born    string // created_at of all devices
}

// New makes a Blazar that knows the world's registered boards.
func New(w *world.World) *Service { return newService(w, devices) }

// NewBareMetal makes one whose resources are whole machines.
func NewBareMetal(w *world.World) *Service { return newService(w, hosts) }

func newService(w *world.World, k kind) *Service {
	s := &Service{book: book{boards: boards{World: w, kind: k, born: w.Now().Format(rowTime)}, labels: nodes{}}}
	for _, d := range w.Devices {
		if d.InBlazar {
			s.devices = append(s.devices, d)
		}
	}
	return s
}

// problem is an error answer; its text is what clients match on.
type problem struct {
	code int
	text string
}

var (
	internal      = &problem{500, "Internal Server Error"}
	invalidStatus = &problem{500, "Invalid lease status."}
	notEnough     = &problem{500, "Not enough hosts available"}
)

func (s *Service) fail(w http.ResponseWriter, p *problem) {
	if p == internal {
		s.World.Log.Debug("blazar answers Internal Server Error")
	}
	writeError(w, p)
}

// flask answers in the web framework's shape, which is another one.
func flask(w http.ResponseWriter, code int, text string) {
	front.JSON(w, code, map[string]any{"error": code, "error_message": text})
}

const (
	textNotFound = "The requested URL was not found on the server. If you entered the URL manually please check " +
		"your spelling and try again."
	textNotAllowed = "The method is not allowed for the requested URL."
	textBroken     = "The server encountered an internal error and was unable to complete your request. Either the " +
		"server is overloaded or there is an error in the application."
)

type call struct {
	w      http.ResponseWriter
	r      *http.Request
	caller front.Caller
	body   *pyrepr.Dict
}

// routes maps "METHOD pattern" to a handler; {id} stands for one path element.
func (s *Service) routes() map[string]func(call) {
	lease, device := leaseCalls{s}, deviceCalls{s}
	routes := map[string]func(call){
		"GET /v1/leases":         lease.listLeases,
		"POST /v1/leases":        lease.createLease,
		"GET /v1/leases/{id}":    lease.showLease,
		"PUT /v1/leases/{id}":    lease.updateLease,
		"DELETE /v1/leases/{id}": lease.deleteLease,
		// The list of plugins calls something that is not there.
		"GET /v1/plugins": func(c call) { s.fail(c.w, internal) },
	}
	for _, many := range []string{"devices", "hosts", "networks"} {
		routes["GET /v1/leases/{id}/"+many] = s.empty(many)
	}
	routes["GET /v1/leases/{id}/"+s.kind.many] = device.leaseDevices
	broken := func(c call) { s.fail(c.w, internal) }
	root := "/v1/" + s.kind.path
	for key, h := range map[string]func(call){
		"GET ":                   s.readers("get", device.listDevices),
		"POST ":                  s.operators("post", device.createDevice),
		"GET /{id}":              s.readers("get", device.showDevice),
		"PUT /{id}":              s.operators("put", device.updateDevice),
		"DELETE /{id}":           s.operators("delete", device.deleteDevice),
		"GET /allocations":       s.readers("get_allocations", device.allocations),
		"GET /{id}/allocation":   s.readers("get_allocations", device.allocation),
		"GET /properties":        s.readers("get_resource_properties", device.properties),
		"PATCH /properties/{id}": s.operators("update_resource_properties", broken),
		"PUT /{id}/allocation":   s.operators("reallocate", broken),
	} {
		method, path, _ := strings.Cut(key, " ")
		routes[method+" "+root+path] = h
	}
	return routes
}

// Handler serves the API behind a token check.
func (s *Service) Handler(gate *front.Gate) http.Handler {
	routes := s.routes()
	checked := gate.Wrap(func(w http.ResponseWriter, r *http.Request, who front.Caller) {
		if r.URL.Path == "/" || r.URL.Path == "/versions" {
			s.versions(w)
			return
		}
		w.Header().Set(front.RequestID, "req-"+world.NewUUID())
		// Every route also answers with a .json suffix; none with a trailing slash.
		path := strings.TrimSuffix(r.URL.Path, ".json")
		pattern, id, methods := match(routes, path)
		if pattern == "" {
			flask(w, 404, textNotFound)
			return
		}
		method := r.Method
		if method == "HEAD" && slices.Contains(methods, "GET") {
			method = "GET"
		}
		h := routes[method+" "+pattern]
		if method == "OPTIONS" {
			h = s.options(methods)
		}
		if h == nil {
			flask(w, 405, textNotAllowed) // the error handler loses flask's Allow
			return
		}
		if !microversion(w, r) {
			return
		}
		c := call{w: w, r: r, caller: who}
		if r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
			if c.body = s.readBody(w, r); c.body == nil {
				return
			}
		}
		r.SetPathValue("id", id)
		h(c)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The request's id is given behind the token check.
		w.Header().Del(front.RequestID)
		checked(w, r)
	})
}

// options is flask's own answer.
func (s *Service) options(methods []string) func(call) {
	return func(c call) {
		allow := append(slices.Clone(methods), "OPTIONS")
		if slices.Contains(methods, "GET") {
			allow = append(allow, "HEAD")
		}
		slices.Sort(allow)
		c.w.Header().Set("Allow", strings.Join(allow, ", "))
		c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		c.w.WriteHeader(200)
	}
}

// match finds the pattern of a path, its {id}, and the methods it has. Fixed words
// win over {id}.
func match(routes map[string]func(call), path string) (pattern, id string, methods []string) {
	best := ""
	for key := range routes {
		method, pat, _ := strings.Cut(key, " ")
		got, ok := matchOne(pat, path)
		if !ok || best != "" && best != pat && strings.Contains(pat, "{id}") {
			continue
		}
		if best != pat {
			best, methods = pat, nil
		}
		id = got
		methods = append(methods, method)
	}
	return best, id, methods
}

func matchOne(pattern, path string) (id string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return "", false
	}
	for i := range want {
		if want[i] == "{id}" && have[i] != "" {
			id = have[i]
		} else if want[i] != have[i] {
			return "", false
		}
	}
	return id, true
}

var versionPattern = regexp.MustCompile(`^[1-9]\d*\.(0|[1-9]\d*)$`)

// microversion checks the header: only 1.0 exists, "latest" and none mean it.
func microversion(w http.ResponseWriter, r *http.Request) bool {
	want := "1.0"
	if service, version, ok := strings.Cut(r.Header.Get("OpenStack-API-Version"), " "); ok && service == "reservation" {
		want = strings.TrimSpace(version)
	}
	switch {
	case want == "1.0" || want == "latest":
		w.Header().Set("Vary", "OpenStack-API-Version")
		w.Header().Set("OpenStack-API-Version", "reservation 1.0")
		return true
	case versionPattern.MatchString(want):
		flask(w, 406, "Version "+want+" is not supported by the API. Minimum is 1.0 and maximum is 1.0.")
	default:
		flask(w, 400, "API Version String "+want+" is of invalid format. Must be of format MajorNum.MinorNum.")
	}
	return false
}

// readBody answers itself and returns nil when the body is unusable. The real code
// compares the Content-Length with 0, so a chunked body, which has none, breaks it.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request) *pyrepr.Dict {
	if r.ContentLength < 0 {
		s.fail(w, internal)
		return nil
	}
	if r.ContentLength == 0 {
		return pyrepr.NewDict()
	}
	mime, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if mime != "" && mime != "application/json" {
		flask(w, 400, "Content type '"+mime+"' isn't supported")
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		front.Drop()
	}
	v, err := pyrepr.Decode(data)
	if err != nil {
		flask(w, 500, textBroken)
		return nil
	}
	d, ok := v.(*pyrepr.Dict)
	if !ok {
		s.fail(w, internal)
		return nil
	}
	return d
}

func (s *Service) versions(w http.ResponseWriter) {
	link := func(v string) []any {
		return []any{map[string]any{"href": s.URL + "/" + v, "rel": "self"}}
	}
	front.JSON(w, 300, map[string]any{"versions": []any{
		map[string]any{"id": "v1.0", "status": "CURRENT", "links": link("v1"), "min_version": "1.0",
			"max_version": "1.0"},
		map[string]any{"id": "v2.0", "status": "DEPRECATED", "links": link("v2")},
	}})
}

// operators lets only administrators through.
func (s *Service) operators(action string, h func(call)) func(call) {
	return func(c call) {
		if !c.caller.Admin() {
			s.refuse(c, action)
			return
		}
		h(c)
	}
}

// readers lets everybody through, unless Blazar's own policy was ordered instead of Chameleon's: with
// that only administrators may look at boards [CIAB:kolla/node_custom_config/blazar/policy.yaml].
func (s *Service) readers(action string, h func(call)) func(call) {
	return func(c call) {
		if s.World.Orders.Holds(UpstreamPolicy) && !c.caller.Admin() {
			s.refuse(c, action)
			return
		}
		h(c)
	}
}

func (s *Service) refuse(c call, action string) {
	s.fail(c.w, &problem{403, "Policy doesn't allow " + s.kind.policy + action + " to be performed"})
}

// empty answers for kinds of resources that this site has none of.
func (s *Service) empty(kind string) func(call) {
	return func(c call) { front.JSON(c.w, 200, map[string]any{kind: []any{}}) }
}
