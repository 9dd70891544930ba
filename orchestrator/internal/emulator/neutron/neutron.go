// Package neutron is the network service as CHI@Edge's users meet it: two networks that
// nobody can add to, one port for each container, and floating IPs. A floating IP is a
// loopback address of this machine on which the exposed ports of its container can
// really be reached.
package neutron

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
	"chexp/orchestrator/internal/emulator/zun"
)

// Pods is Zun, which made the ports.
type Pods interface {
	Ports() []zun.Port
	Dial(ctx context.Context, portID string, tcp int) (net.Conn, error)
}

// Service is one Neutron.
type Service struct {
	World *world.World
	URL   string // root, without /v2.0
	Pods  Pods

	mu    sync.Mutex
	ips   []*floatingIP
	block [2]byte // second and third byte of this emulator's pool, 127.A.B.0/24
	last  byte
}

// New makes a Neutron with an empty pool.
func New(w *world.World) *Service { return &Service{World: w, block: randomBlock()} }

func (s *Service) fail(w http.ResponseWriter, code int, kind, text string) {
	front.JSON(w, code, map[string]any{"NeutronError": map[string]any{"type": kind, "message": text, "detail": ""}})
}

func notFound(s *Service, w http.ResponseWriter) {
	s.fail(w, 404, "HTTPNotFound", "The resource could not be found.")
}

// Handler serves the API.
func (s *Service) Handler(gate *front.Gate) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h front.Handler) { mux.HandleFunc(pattern, gate.Wrap(h)) }
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		front.JSON(w, 200, map[string]any{"versions": []any{map[string]any{"id": "v2.0", "status": "CURRENT",
			"links": []any{map[string]any{"rel": "self", "href": s.URL + "/v2.0/"}}}}})
	})
	handle("GET /v2.0/networks", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.listOf(w, r, "networks", s.networks())
	})
	handle("GET /v2.0/networks/{id}", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.oneOf(w, r, "network", s.networks(), "NetworkNotFound", "Network %s could not be found.")
	})
	handle("GET /v2.0/ports", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.listOf(w, r, "ports", s.ports(c))
	})
	handle("GET /v2.0/ports/{id}", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.oneOf(w, r, "port", s.ports(c), "PortNotFound", "Port %s could not be found.")
	})
	handle("GET /v2.0/routers", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.listOf(w, r, "routers", nil)
	})
	handle("GET /v2.0/security-groups", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.listOf(w, r, "security_groups", securityGroups(c))
	})
	handle("GET /v2.0/floatingips", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.listOf(w, r, "floatingips", s.views(c))
	})
	handle("GET /v2.0/floatingips/{id}", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.oneOf(w, r, "floatingip", s.views(c), "FloatingIPNotFound", "Floating IP %s could not be found")
	})
	handle("POST /v2.0/floatingips", s.create)
	handle("PUT /v2.0/floatingips/{id}", s.update)
	handle("DELETE /v2.0/floatingips/{id}", s.delete)
	for _, kind := range []string{"network", "subnet", "port", "router"} {
		handle("POST /v2.0/"+kind+"s", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) {
			s.fail(w, 403, "PolicyNotAuthorized", "(rule:create_"+kind+") is disallowed by policy")
		})
	}
	handle("/", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) { notFound(s, w) })
	return mux
}

// object is a resource as JSON has it; filters compare its values.
type object map[string]any

// listOf answers the objects that match every known key of the query.
func (s *Service) listOf(w http.ResponseWriter, r *http.Request, key string, all []object) {
	found := []object{}
	for _, o := range all {
		match := true
		for k, want := range r.URL.Query() {
			have, ok := o[k]
			if ok && !slices.ContainsFunc(want, func(v string) bool { return same(have, v) }) {
				match = false
			}
		}
		if match {
			found = append(found, o)
		}
	}
	front.JSON(w, 200, map[string]any{key: found})
}

func same(have any, want string) bool {
	switch have := have.(type) {
	case string:
		return have == want
	case bool:
		return have == (strings.EqualFold(want, "true") || want == "1")
	case nil:
		return want == ""
	}
	return false
}

func (s *Service) oneOf(w http.ResponseWriter, r *http.Request, key string, all []object, kind, text string) {
	id := r.PathValue("id")
	for _, o := range all {
		if o["id"] == id {
			front.JSON(w, 200, map[string]any{key: o})
			return
		}
	}
	s.fail(w, 404, kind, strings.Replace(text, "%s", id, 1))
}

func (s *Service) networks() []object {
	admin := s.World.User(world.Root).Project.ID
	network := func(id, name string, external bool) object {
		return object{"id": id, "name": name, "tenant_id": admin, "admin_state_up": true, "mtu": 1500, "status": "ACTIVE",
			"subnets": []any{}, "shared": !external, "availability_zone_hints": []any{}, "availability_zones": []any{},
			"ipv4_address_scope": nil, "ipv6_address_scope": nil, "router:external": external, "description": "",
			"port_security_enabled": true, "is_default": false, "tags": []any{}, "created_at": "2026-01-01T00:00:00Z",
			"updated_at": "2026-01-01T00:00:00Z", "revision_number": 1, "project_id": admin}
	}
	return []object{network(world.PublicNetID, "public", true), network(world.CaliconetID, "caliconet", false)}
}

// ports are those of the caller's project: Zun's driver makes one for each container.
func (s *Service) ports(c front.Caller) []object {
	var out []object
	for _, p := range s.Pods.Ports() {
		if p.ProjectID != c.ProjectID && !c.Admin() {
			continue
		}
		fixed := []any{}
		if p.Address != "" {
			fixed = append(fixed, map[string]any{"subnet_id": world.CaliconetID, "ip_address": p.Address})
		}
		at, _, _ := strings.Cut(p.Created, ".")
		out = append(out, object{"id": p.ID, "name": "zun-" + p.ContainerID, "network_id": world.CaliconetID, "tenant_id": p.ProjectID,
			"mac_address": "fa:16:3e:" + p.ID[0:2] + ":" + p.ID[2:4] + ":" + p.ID[4:6], "admin_state_up": true, "status": "DOWN",
			"device_id": p.ContainerID, "device_owner": "k8s:cni", "fixed_ips": fixed, "allowed_address_pairs": []any{},
			"extra_dhcp_opts": []any{}, "security_groups": []any{}, "description": "", "binding:vnic_type": "normal",
			"port_security_enabled": false, "tags": []any{}, "created_at": at + "Z", "updated_at": at + "Z",
			"revision_number": 2, "project_id": p.ProjectID})
	}
	return out
}

func securityGroups(c front.Caller) []object {
	return []object{{"id": c.ProjectID[:8] + "-0000-4000-8000-" + c.ProjectID[:12], "name": "default", "stateful": true, "tenant_id": c.ProjectID,
		"description": "Default security group", "shared": false, "security_group_rules": []any{}, "tags": []any{},
		"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "revision_number": 1, "project_id": c.ProjectID}}
}

// readBody decodes {"floatingip": {...}}; ok=false means that it answered itself.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request) (map[string]json.RawMessage, bool) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		front.Drop()
	}
	var body struct {
		FloatingIP map[string]json.RawMessage `json:"floatingip"`
	}
	if json.Unmarshal(data, &body) != nil {
		s.fail(w, 400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON.")
		return nil, false
	}
	if body.FloatingIP == nil {
		s.fail(w, 400, "HTTPBadRequest", "Resource body required")
		return nil, false
	}
	return body.FloatingIP, true
}

func text(raw json.RawMessage) string {
	var s string
	json.Unmarshal(raw, &s)
	return s
}
