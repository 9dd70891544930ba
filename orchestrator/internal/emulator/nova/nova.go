// Package nova is the compute service of a bare-metal site as a user meets it: servers on
// reserved machines, key pairs, the one flavor. A server that names an active reservation of its
// project by the scheduler hint gets a machine of it and goes from BUILD to ACTIVE in the time
// that a deployment takes, by the cloud's clock; any other ends in ERROR with "No valid host was
// found". Behind an ACTIVE server runs a real SSH server with the key pair's key for the user cc.
//
// Status codes, texts and keys by microversion follow Nova 2023.1's source
// (nova/api/openstack/compute); none of it was recorded. Not emulated: user data, volumes,
// sudo, what a server does when it is stopped or rebuilt.
package nova

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// Reservations is Blazar: the machines of an active reservation of the project.
type Reservations interface {
	Machines(reservationID, projectID string) []*world.Device
}

// Network is Neutron: who points at a port.
type Network interface {
	PortDeleted(portID string)
	Floating(portID string) (address string)
}

// Images is Glance.
type Images interface{ Known(id string) bool }

// Service is one Nova.
type Service struct {
	compute
	URL string // root, without /v2.1
}

// What the API can be asked for is in types of its own, each with the whole Service.
type (
	serverCalls  struct{ *Service }
	keypairCalls struct{ *Service }
)

// compute is what happens to servers after the API has answered. It knows nothing of
// calls.
type compute struct {
	World        *world.World
	Reservations Reservations
	Network      Network
	Images       Images
	Host         *sandbox.Host // nil: servers without SSH

	mu      sync.Mutex // of all that follows
	servers []*server
	keys    map[string][]*keypair // by user id
	last    int                   // of addresses
	// madeKeys counts the key pairs that were ever made: their ids.
	madeKeys int
	bg       sync.WaitGroup
}

// New makes a Nova without servers.
func New(w *world.World) *Service {
	return &Service{compute: compute{World: w, keys: map[string][]*keypair{}}}
}

// version is the minor number of a microversion 2.x.
type version int

// The oldest and newest microversions of Nova 2023.1.
const (
	oldest version = 1
	newest version = 95
)

func (v version) String() string { return "2." + strconv.Itoa(int(v)) }

type call struct {
	w      http.ResponseWriter
	r      *http.Request
	caller front.Caller
	v      version
}

// faultNames are Nova's words for status codes [nova/api/openstack/wsgi.py Fault].
var faultNames = map[int]string{400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound",
	405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
	503: "serviceUnavailable"}

func (c call) fail(code int, format string, args ...any) {
	fail(c.w, code, fmt.Sprintf(format, args...))
}

func fail(w http.ResponseWriter, code int, text string) {
	name := faultNames[code]
	if name == "" {
		name = "computeFault"
	}
	front.JSON(faultWriter{w}, code, map[string]any{name: map[string]any{"code": code, "message": text}})
}

// faultWriter names the character set, as Nova does in its faults and nowhere else.
type faultWriter struct{ http.ResponseWriter }

func (f faultWriter) WriteHeader(status int) {
	f.Header().Set("Content-Type", "application/json; charset=UTF-8")
	f.ResponseWriter.WriteHeader(status)
}

var microversionPattern = regexp.MustCompile(`^([1-9]\d*)\.([1-9]\d*|0)$`)

// microversion reads the new header, or the old one; without either it is 2.1.
func microversion(w http.ResponseWriter, r *http.Request) (version, bool) {
	want := r.Header.Get("X-OpenStack-Nova-API-Version")
	for _, list := range r.Header.Values("OpenStack-API-Version") {
		for one := range strings.SplitSeq(list, ",") {
			if service, v, ok := strings.Cut(strings.TrimSpace(one), " "); ok && service == "compute" {
				want = strings.TrimSpace(v)
			}
		}
	}
	v := oldest
	if want == "latest" {
		v = newest
	} else if want != "" {
		m := microversionPattern.FindStringSubmatch(want)
		if m == nil {
			fail(w, 400, "API Version String "+want+" is of invalid format. Must be of format MajorNum.MinorNum.")
			return 0, false
		}
		n, err := strconv.Atoi(m[2])
		if v = version(n); err != nil || m[1] != "2" || v < oldest || v > newest {
			tellVersion(w, want)
			fail(w, 406, fmt.Sprintf("Version %s is not supported by the API. Minimum is %s and maximum is %s.", want,
				oldest, newest))
			return 0, false
		}
	}
	tellVersion(w, v.String())
	return v, true
}

func tellVersion(w http.ResponseWriter, v string) {
	w.Header().Set("OpenStack-API-Version", "compute "+v)
	w.Header().Set("X-OpenStack-Nova-API-Version", v)
	w.Header().Add("Vary", "OpenStack-API-Version")
	w.Header().Add("Vary", "X-OpenStack-Nova-API-Version")
}

// Handler serves the API. Versions are told without a token.
func (s *Service) Handler(gate *front.Gate) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 200, map[string]any{"versions": []any{
			map[string]any{"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "",
				"updated": "2011-01-21T11:33:21Z",
				"links":   []any{map[string]any{"rel": "self", "href": s.URL + "/v2/"}}}, s.versionEntry(false)}})
	})
	one := func(w http.ResponseWriter, r *http.Request) {
		if _, ok := microversion(w, r); ok {
			front.JSON(w, 200, map[string]any{"version": s.versionEntry(true)})
		}
	}
	mux.HandleFunc("GET /v2.1", one)
	mux.HandleFunc("GET /v2.1/{$}", one)
	for pattern, h := range s.routes(mux) {
		method, path, _ := strings.Cut(pattern, " ")
		if path == "" {
			method, path = "", pattern
		}
		mux.HandleFunc(strings.TrimSpace(method+" /v2.1"+path),
			gate.Wrap(func(w http.ResponseWriter, r *http.Request, who front.Caller) {
				if v, ok := microversion(w, r); ok {
					h(call{w, r, who, v})
				}
			}))
	}
	mux.HandleFunc("/", gate.Wrap(func(w http.ResponseWriter, _ *http.Request,
		_ front.Caller) {
		http.Error(w, "404 Not Found", 404)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Compute-Request-Id", w.Header().Get(front.RequestID))
		mux.ServeHTTP(w, r)
	})
}

// routes are the calls below the version.
func (s *Service) routes(mux *http.ServeMux) map[string]func(call) {
	server, keypair := serverCalls{s}, keypairCalls{s}
	return map[string]func(call){
		"POST /servers":                           server.createServer,
		"GET /servers":                            func(c call) { server.listServers(c, false) },
		"GET /servers/detail":                     func(c call) { server.listServers(c, true) },
		"GET /servers/{id}":                       server.showServer,
		"DELETE /servers/{id}":                    server.deleteServer,
		"POST /servers/{id}/action":               server.act,
		"GET /servers/{id}/metadata":              server.metadata,
		"GET /servers/{id}/ips":                   server.addresses,
		"GET /servers/{id}/os-interface":          server.interfaces,
		"GET /servers/{id}/os-security-groups":    server.groups,
		"GET /servers/{id}/os-volume_attachments": server.volumes,
		"GET /flavors":                            func(c call) { s.listFlavors(c, false) },
		"GET /flavors/detail":                     func(c call) { s.listFlavors(c, true) },
		"GET /flavors/{id}":                       s.showFlavor,
		"GET /flavors/{id}/os-extra_specs":        s.extraSpecs,
		"GET /os-keypairs":                        keypair.listKeypairs,
		"POST /os-keypairs":                       keypair.createKeypair,
		"GET /os-keypairs/{id}":                   keypair.showKeypair,
		"DELETE /os-keypairs/{id}":                keypair.deleteKeypair,
		"GET /os-availability-zone":               s.zones,
		"GET /limits":                             s.limits,
		"GET /os-availability-zone/detail":        forbidden("os-availability-zone:detail"),
		"GET /os-aggregates":                      forbidden("os-aggregates:index"),
		"GET /os-hypervisors":                     forbidden("os-hypervisors:list"),
		"GET /os-hypervisors/detail":              forbidden("os-hypervisors:list-detail"),
		"GET /os-hypervisors/statistics":          forbidden("os-hypervisors:statistics"),
		"GET /os-migrations":                      forbidden("os-migrations:index"),
		"GET /os-services":                        forbidden("os-services:list"),
		"POST /flavors":                           forbidden("os-flavor-manage:create"),
		"DELETE /flavors/{id}":                    forbidden("os-flavor-manage:delete"),
		"GET /os-quota-sets/{id}":                 quota,
		"GET /os-quota-sets/{id}/defaults":        quota,
		"PUT /os-quota-sets/{id}":                 forbidden("os-quota-sets:update"),
		"GET /os-cells":                           removed,
		"GET /os-certificates/root":               removed,
		"GET /os-fping":                           removed,
		"/":                                       func(c call) { s.below(mux, c) },
	}
}

func (s *Service) versionEntry(full bool) map[string]any {
	links := []any{map[string]any{"rel": "self", "href": s.URL + "/v2.1/"}}
	v := map[string]any{"id": "v2.1", "status": "CURRENT", "version": newest.String(), "min_version": oldest.String(),
		"updated": "2013-07-23T11:33:21Z"}
	if full {
		links = append(links, map[string]any{"rel": "describedby", "type": "text/html",
			"href": "http://docs.openstack.org/"})
		v["media-types"] = []any{map[string]any{"base": "application/json",
			"type": "application/vnd.openstack.compute+json;version=2.1"}}
	}
	v["links"] = links
	return v
}

// forbidden is what a member may not do, by Chameleon's policy.
func forbidden(rule string) func(call) {
	return func(c call) { c.fail(403, "Policy doesn't allow os_compute_api:%s to be performed.", rule) }
}

// quota bounds key pairs, and what a server may carry; leases bound the rest.
func quota(c call) {
	id := c.r.PathValue("id")
	if id != c.caller.ProjectID && !c.caller.Admin() {
		forbidden("os-quota-sets:show")(c)
		return
	}
	set := map[string]any{"id": id, "cores": -1, "instances": -1, "ram": -1, "key_pairs": maxKeys, "metadata_items": 128,
		"server_groups": 10, "server_group_members": 10}
	if c.v < 36 {
		set["fixed_ips"], set["floating_ips"], set["security_groups"], set["security_group_rules"] = -1, -1, -1, -1
	}
	if c.v < 57 {
		set["injected_files"], set["injected_file_content_bytes"], set["injected_file_path_bytes"] = 5, 10240, 255
	}
	front.JSON(c.w, 200, map[string]any{"quota_set": set})
}

// removed is what Nova once had.
func removed(c call) {
	c.fail(410, "This resource is no longer available. No forwarding address is given.")
}

// project is an id before the path: of the caller's own project it may be left out.
var project = regexp.MustCompile(`^/v2\.1/([0-9a-f]{32})(/.*)$`)

// below serves a path with the project's id in it, as old clients have it.
func (s *Service) below(mux *http.ServeMux, c call) {
	m := project.FindStringSubmatch(c.r.URL.Path)
	switch {
	case m == nil:
		unknownPath(c)
	case m[1] != c.caller.ProjectID:
		c.fail(400, "Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", m[1],
			c.caller.ProjectID)
	default:
		r := c.r.Clone(c.r.Context())
		r.URL.Path = "/v2.1" + m[2]
		c.w.Header().Del("Vary")
		mux.ServeHTTP(c.w, r)
	}
}

// unknownPath is the web framework's answer, which knows no microversion.
func unknownPath(c call) {
	for _, h := range []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version", "Vary"} {
		c.w.Header().Del(h)
	}
	front.JSON(c.w, 404, map[string]any{"message": "The resource could not be found.<br /><br />\n\n\n",
		"code":  "404 Not Found",
		"title": "Not Found"})
}

// links point at a resource, with the version and without.
func (s *Service) links(kind, id string) []any {
	return []any{map[string]any{"rel": "self", "href": s.URL + "/v2.1/" + kind + "/" + id},
		map[string]any{"rel": "bookmark", "href": s.URL + "/" + kind + "/" + id}}
}

func (s *Service) zones(c call) {
	front.JSON(c.w, 200, map[string]any{"availabilityZoneInfo": []any{
		map[string]any{"zoneName": "nova", "zoneState": map[string]any{"available": true}, "hosts": nil}}})
}

// limits are without bounds here: at Chameleon leases bound what one may use.
func (s *Service) limits(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := 0
	for _, v := range s.servers {
		if v.projectID == c.caller.ProjectID {
			used++
		}
	}
	front.JSON(c.w, 200, map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": map[string]any{
		"maxServerMeta": 128, "maxTotalInstances": -1, "maxTotalCores": -1, "maxTotalRAMSize": -1,
		"maxTotalKeypairs":   maxKeys,
		"totalInstancesUsed": used, "totalCoresUsed": used, "totalRAMUsed": used * flavorMemory,
		"maxServerGroups": 10, "maxServerGroupMembers": 10, "totalServerGroupsUsed": 0}}})
}
