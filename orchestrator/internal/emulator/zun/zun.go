// Package zun is the container service with its Kubernetes driver: what an API call
// checks at once and what goes wrong only after the 202, the states of a container,
// execute, archives, logs. It follows Chameleon's fork of Zun (xena); codes, texts and
// quirks were recorded from that code, and a client that survives them survives the
// real one. The processes are real (package sandbox).
//
// Left out: capsules, image operations, Cinder volumes, changes of networks.
package zun

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Service is one Zun.
type Service struct {
	compute
	URL      string // root, without /v1
	ProxyURL string // root of the websocket proxy, ws://
	// MaxArchive bounds one upload, decoded: the frame that Kubernetes' websocket takes.
	MaxArchive int
	// MaxContainers is a project's quota.
	MaxContainers int

	busy     int // calls that a worker is at, while their number is limited
	sessions map[string]session
	regs     []*registry
}

// What the API can be asked for is in types of its own, each with the whole Service.
type (
	containerCalls struct{ *Service } // a container: its row, its power, its logs
	podCalls       struct{ *Service } // what reaches into a running one: commands and archives
	registryCalls  struct{ *Service }
)

const defaultMaxArchive = 32 << 20

// New makes an empty Zun.
func New(w *world.World) *Service {
	return &Service{compute: newCompute(w), MaxArchive: defaultMaxArchive, MaxContainers: usualContainers}
}

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
		detail = "Your request could not be handled because of a problem in the server. Error Correlation id is: " +
			world.NewUUID()
	} else if p.kind == "" {
		title = http.StatusText(p.status)
	}
	front.JSON(c.w, p.status, map[string]any{"errors": []any{map[string]any{
		"request_id": "", "code": "container." + p.kind, "status": p.status, "title": title, "detail": detail,
		"links": []any{},
	}}})
}

// failHTTP is an error of the web framework (pecan), which knows no microversion: its
// headers are gone, and the text is there only for a client that asks for JSON by name.
func (c call) failHTTP(status int, detail string) {
	for _, h := range versionHeaders {
		c.w.Header().Del(h)
	}
	title := http.StatusText(status)
	if !strings.Contains(c.r.Header.Get("Accept"), "application/json") {
		title, detail = "", ""
	}
	front.JSON(c.w, status, map[string]any{"errors": []any{map[string]any{
		"request_id": "", "code": "container.", "status": status, "title": title, "detail": detail, "links": []any{},
	}}})
}

func (c call) ok(status int, body any) { front.JSON(c.w, status, body) }

// Board is the name of the board that a request is about: that of the container whose id it
// holds.
func (s *Service) Board(r *http.Request) string {
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		s.mu.Lock()
		i := slices.IndexFunc(s.rows, func(c *container) bool { return c.uuid == part })
		var c *container
		if i >= 0 {
			c = s.rows[i]
		}
		s.mu.Unlock()
		if c != nil {
			return s.boardOf(c)
		}
	}
	return ""
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
	return nil, &problem{409, "conflict", "Multiple containers exist with same name. Please use the container uuid " +
		"instead."}
}

const anyState = "Creating Created Running Stopped Error Deleting Deleted Restarting Rebuilding Unknown Dead Paused"

// validStates says in which states an action may begin [ZUN:zun/common/utils.py].
var validStates = map[string]string{
	"delete": "Created Error Stopped Deleted Dead",
	"delete_force": "Created Creating Error Running Stopped Unknown Deleted Dead Restarting Rebuilding " +
		"Deleting",
	"delete_after_stop":     "Running Created Error Stopped Deleted Dead",
	"start":                 "Created Stopped Error",
	"stop":                  "Running",
	"reboot":                "Created Running Stopped Error",
	"pause":                 "Running",
	"kill":                  "Running",
	"execute":               "Running",
	"execute_resize":        "Running",
	"resize":                "Running",
	"top":                   "Running",
	"stats":                 "Running",
	"attach":                "Running",
	"commit":                "Running Stopped Paused",
	"rebuild":               "Created Running Stopped Error",
	"unpause":               "Paused",
	"resize_container":      "Created Running Stopped Paused",
	"add_security_group":    "Created Running Stopped Paused",
	"remove_security_group": "Created Running Stopped Paused",
	"network_detach":        anyState,
	"network_attach":        anyState,
	"update":                "Created Running Stopped Paused",
	"get_archive":           "Created Paused Running Stopped",
	"put_archive":           "Created Paused Running Stopped",
	"logs":                  "Created Error Paused Running Stopped Unknown",
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
	return nil, &problem{409, "invalid-state-exception",
		"Cannot " + action + " container " + row.uuid + " in " + row.status + " state"}
}

// may is begin for an action that needs the lock no longer: nil where the call
// was refused.
func (s *Service) may(c call, ident, action string) *container {
	s.mu.Lock()
	row, p := s.begin(c, ident, action)
	s.mu.Unlock()
	if p != nil {
		c.fail(p)
		return nil
	}
	return row
}

// notInDriver is an action that the site's Zun accepts and its k8s driver does not have:
// once the parameters are right, the answer is the recorded 500.
func (s *Service) notInDriver(action string, rules map[string]rule) func(call, string) {
	return func(c call, ident string) {
		if p := c.checkParameters(rules); p != nil {
			c.fail(p)
			return
		}
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
