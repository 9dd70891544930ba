// Package zun is the container service with its Kubernetes driver: what an API call
// checks at once and what goes wrong only after the 202, the states of a container,
// execute, archives, logs. It follows Chameleon's fork of Zun (xena); codes, texts and
// quirks were recorded from that code, and a client that survives them survives the
// real one. The processes are real (package sandbox).
//
// Left out: interactive execute over a websocket, attach, stats, private registries.
package zun

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// Reservations is Blazar, as Kubernetes' scheduler sees it through node labels.
type Reservations interface {
	Active(reservationID, projectID string) (*world.Device, bool)
	Nodes() int
}

// Network is Neutron, as far as Zun's driver tells it something.
type Network interface {
	PortDeleted(portID string)
}

// Service is one Zun.
type Service struct {
	World        *world.World
	URL          string        // root, without /v1
	Host         *sandbox.Host // nil: no image can be pulled
	Reservations Reservations
	Network      Network
	// MaxArchive bounds one upload, decoded: the frame that Kubernetes' websocket takes.
	MaxArchive int

	mu   sync.Mutex
	rows []*container // in order of creation
	next int          // last fixed address handed out
}

const defaultMaxArchive = 32 << 20

// New makes an empty Zun.
func New(w *world.World) *Service { return &Service{World: w, MaxArchive: defaultMaxArchive} }

// version is a microversion 1.N.
type version int

const (
	minVersion version = 1
	maxVersion version = 41
)

func (v version) String() string { return "1." + strconv.Itoa(int(v)) }

type call struct {
	w      http.ResponseWriter
	r      *http.Request
	caller front.Caller
	v      version
	query  url.Values
}

// problem is an error answer. kind is the class name in the code field; "" for errors
// of the framework and for everything that happens inside the server.
type problem struct {
	status int
	kind   string
	text   string
}

var internal = &problem{500, "", ""}

func (c call) fail(p *problem) {
	title, detail := p.text, p.text
	if p.status >= 500 {
		// The cause never reaches the client.
		title = "Internal Server Error"
		detail = "Your request could not be handled because of a problem in the server. Error Correlation id is: " + world.NewUUID()
	} else if p.kind == "" {
		title = http.StatusText(p.status)
	}
	front.JSON(c.w, p.status, map[string]any{"errors": []any{map[string]any{
		"request_id": "", "code": "container." + p.kind, "status": p.status, "title": title, "detail": detail, "links": []any{},
	}}})
}

func (c call) ok(status int, body any) { front.JSON(c.w, status, body) }

// Handler serves the API. The root documents need no token.
func (s *Service) Handler(gate *front.Gate) http.Handler {
	checked := gate.Wrap(func(w http.ResponseWriter, r *http.Request, who front.Caller) {
		s.versioned(w, r, func(v version) {
			s.route(call{w: w, r: r, caller: who, v: v, query: r.URL.Query()})
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			front.JSON(w, 200, s.root())
		case "/v1", "/v1/":
			s.versioned(w, r, func(version) { front.JSON(w, 200, s.v1()) })
		default:
			checked(w, r)
		}
	})
}

// versioned reads the microversion header: none means 1.1, another service's name or
// nonsense is 406, and a version that is too high breaks the real server: an empty 500.
func (s *Service) versioned(w http.ResponseWriter, r *http.Request, next func(version)) {
	v, p := minVersion, (*problem)(nil)
	if header := r.Header.Get("OpenStack-API-Version"); header != "" {
		service, value, _ := strings.Cut(strings.TrimSpace(header), " ")
		value = strings.TrimSpace(value)
		major, minor, dotted := strings.Cut(value, ".")
		n, err := strconv.Atoi(minor)
		switch {
		case service != "container":
			p = &problem{406, "", "Invalid service type for OpenStack-API-Version header"}
		case value == "latest":
			v = maxVersion
		case !dotted || err != nil || strings.Trim(major, "0123456789") != "" || major == "":
			p = &problem{406, "", "Invalid value for OpenStack-API-Version header"}
		case major != "1" || version(n) < minVersion || version(n) > maxVersion:
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			return
		default:
			v = version(n)
		}
	}
	h := w.Header()
	h.Set("OpenStack-API-Minimum-Version", "container "+minVersion.String())
	h.Set("OpenStack-API-Maximum-Version", "container "+maxVersion.String())
	h.Set("OpenStack-API-Version", "container "+v.String())
	h.Set("Vary", "OpenStack-API-Version")
	if p != nil {
		call{w: w, r: r}.fail(p)
		return
	}
	next(v)
}

func (s *Service) route(c call) {
	rest, ok := strings.CutPrefix(c.r.URL.Path, "/v1/containers")
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	if !ok || rest != "" && rest[0] != '/' || len(parts) > 2 {
		c.fail(&problem{404, "", "The resource could not be found."})
		return
	}
	var h func(call, string)
	switch id := parts[0]; {
	case id == "" && c.r.Method == "GET":
		h = s.list
	case id == "" && c.r.Method == "POST":
		h = s.create
	case len(parts) == 1 && c.r.Method == "GET":
		h = s.show
	case len(parts) == 1 && c.r.Method == "DELETE":
		h = s.delete
	case len(parts) == 1 && c.r.Method == "PATCH":
		h = s.unimplemented("update")
	case len(parts) == 2:
		h = s.actions()[c.r.Method+" "+parts[1]]
	}
	if h == nil {
		c.fail(&problem{404, "", "The resource could not be found."})
		return
	}
	h(c, parts[0])
}

func (s *Service) actions() map[string]func(call, string) {
	return map[string]func(call, string){
		"POST execute":          s.execute,
		"POST put_archive":      s.putArchive,
		"GET get_archive":       s.getArchive,
		"GET logs":              s.logs,
		"POST stop":             s.stop,
		"POST start":            s.start,
		"POST reboot":           s.reboot,
		"GET network_list":      s.networkList,
		"GET container_actions": s.containerActions,
		// The k8s driver implements none of these.
		"POST commit": s.unimplemented("commit"), "GET top": s.unimplemented("top"),
		"POST resize": s.unimplemented("resize"), "POST execute_resize": s.unimplemented("execute_resize"),
		"GET stats": s.unimplemented("stats"), "GET attach": s.unimplemented("attach"),
		"POST pause": s.swallowed("pause", "container_pausing"), "POST kill": s.swallowed("kill", "container_killing"),
		"POST rename": func(c call, _ string) {
			c.fail(&problem{406, "", "Version " + c.v.String() + " was requested but the requested API is not supported for this version."})
		},
	}
}

// find returns the container of the caller's project by uuid or by name; names are not
// unique.
func (s *Service) find(c call, ident string) (*container, *problem) {
	var found []*container
	for _, row := range s.rows {
		if row.projectID != c.caller.ProjectID && !c.caller.Admin() {
			continue
		}
		if row.uuid == ident {
			return row, nil
		}
		if row.name == ident {
			found = append(found, row)
		}
	}
	switch len(found) {
	case 0:
		return nil, &problem{404, "container-not-found", "Container " + ident + " could not be found."}
	case 1:
		return found[0], nil
	}
	return nil, &problem{409, "conflict", "Multiple containers exist with same name. Please use the container uuid instead."}
}

// validStates says in which states an action may begin [ZUN:zun/common/utils.py].
var validStates = map[string]string{
	"delete":            "Created Error Stopped Deleted Dead",
	"delete_force":      "Created Creating Error Running Stopped Unknown Deleted Dead Restarting Rebuilding Deleting",
	"delete_after_stop": "Running Created Error Stopped Deleted Dead",
	"start":             "Created Stopped Error",
	"stop":              "Running",
	"reboot":            "Created Running Stopped Error",
	"pause":             "Running",
	"kill":              "Running",
	"execute":           "Running",
	"execute_resize":    "Running",
	"resize":            "Running",
	"top":               "Running",
	"stats":             "Running",
	"attach":            "Running",
	"commit":            "Running Stopped Paused",
	"update":            "Created Running Stopped Paused",
	"get_archive":       "Created Paused Running Stopped",
	"put_archive":       "Created Paused Running Stopped",
	"logs":              "Created Error Paused Running Stopped Unknown",
}

// begin finds the container and checks its state for an action.
func (s *Service) begin(c call, ident, action string) (*container, *problem) {
	row, p := s.find(c, ident)
	if p != nil {
		return nil, p
	}
	for _, state := range strings.Fields(validStates[action]) {
		if state == row.status {
			return row, nil
		}
	}
	return nil, &problem{409, "invalid-state-exception", "Cannot " + action + " container " + row.uuid + " in " + row.status + " state"}
}

func (s *Service) unimplemented(action string) func(call, string) {
	return func(c call, ident string) {
		s.mu.Lock()
		_, p := s.begin(c, ident, action)
		s.mu.Unlock()
		if p == nil {
			p = internal
		}
		c.fail(p)
	}
}

// swallowed answers 202 and does nothing but leave its mark, for ever.
func (s *Service) swallowed(action, mark string) func(call, string) {
	return func(c call, ident string) {
		s.mu.Lock()
		row, p := s.begin(c, ident, action)
		if p == nil {
			row.taskState = mark
		}
		s.mu.Unlock()
		if p != nil {
			c.fail(p)
			return
		}
		c.ok(202, nil)
	}
}

// arguments joins the query with the keys of a JSON body: the framework hands both to
// an action alike.
func (c call) arguments() (map[string]any, bool) {
	args := map[string]any{}
	for k, v := range c.query {
		args[k] = v[len(v)-1]
	}
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, false
	}
	if len(data) > 0 && strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		body := map[string]any{}
		if json.Unmarshal(data, &body) == nil {
			for k, v := range body {
				args[k] = v
			}
		}
	}
	return args, true
}

func (s *Service) root() any {
	v1 := map[string]any{"id": "v1", "links": []any{map[string]any{"href": s.URL + "/v1/", "rel": "self"}},
		"status": "CURRENT", "max_version": maxVersion.String(), "min_version": minVersion.String()}
	return map[string]any{"name": "OpenStack Zun API",
		"description": "Zun is an OpenStack project which aims to provide containers service.",
		"versions":    []any{v1}, "default_version": v1}
}

func (s *Service) v1() any {
	d := pyrepr.NewDict()
	d.Set("id", "v1")
	d.Set("media_types", []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.zun.v1+json"}})
	d.Set("links", []any{map[string]any{"href": s.URL + "/v1/", "rel": "self"},
		map[string]any{"href": "https://docs.openstack.org/developer/zun/dev/api-spec-v1.html", "rel": "describedby", "type": "text/html"}})
	for _, kind := range []string{"services", "containers", "images", "networks", "hosts", "capsules", "availability_zones", "quotas", "quota_classes", "registries"} {
		d.Set(kind, s.links(kind, ""))
	}
	return d
}

func (s *Service) links(kind, id string) []any {
	return []any{
		map[string]any{"href": s.URL + "/v1/" + kind + "/" + id, "rel": "self"},
		map[string]any{"href": s.URL + "/" + kind + "/" + id, "rel": "bookmark"},
	}
}

// schedule is the time between a creation and the scheduler's verdict.
func (s *Service) schedule() time.Duration {
	return min(s.World.Pace.PullDelay/4, time.Second)
}
