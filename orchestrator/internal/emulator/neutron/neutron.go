// Package neutron is the network service as Chameleon's users meet it: two networks that
// nobody can add to, one port for each container or server, and floating IPs. A floating IP
// is a loopback address of this machine on which the exposed ports of its container can
// really be reached; of a bare-metal server's ports, that of SSH.
package neutron

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Pods is Zun or Nova, which made the ports.
type Pods interface {
	Ports() []world.Port
	Dial(ctx context.Context, portID string, tcp int) (net.Conn, error)
}

// Service is one Neutron.
type Service struct {
	World *world.World
	URL   string // root, without /v2.0
	Pods  Pods

	mu        sync.Mutex
	ips       []*floatingIP
	bareMetal bool    // the inner network is sharednet1
	block     [2]byte // second and third byte of this emulator's pool, 127.A.B.0/24
	last      byte
}

// New makes a Neutron with an empty pool.
func New(w *world.World) *Service { return &Service{World: w, block: randomBlock()} }

// NewBareMetal makes that of a site with servers instead of containers.
func NewBareMetal(w *world.World) *Service {
	s := New(w)
	s.bareMetal = true
	return s
}

// inner is the network that containers or servers are attached to.
type inner struct {
	id, subnet, name, cidr, gateway string
	dhcp                            bool
}

func (s *Service) inside() inner {
	if s.bareMetal {
		return inner{world.Sharednet1ID, world.Sharednet1Subnet, "sharednet1", "10.140.80.0/22", "10.140.80.1", true}
	}
	return inner{world.CaliconetID, world.CaliSubnetID, "caliconet", "192.168.64.0/18", "192.168.64.1", false}
}

func notFound(w http.ResponseWriter) {
	fail(w, 404, "HTTPNotFound", "The resource could not be found.")
}

// Handler serves the API.
func (s *Service) Handler(gate *front.Gate) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h front.Handler) { mux.HandleFunc(pattern, gate.Wrap(h)) }
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Del(front.RequestID)
		front.JSON(w, 200, map[string]any{"versions": []any{map[string]any{"id": "v2.0", "status": "CURRENT",
			"links": []any{map[string]any{"rel": "self", "href": s.URL + "/v2.0/"}}}}})
	})
	handle("GET /v2.0/networks", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.listOf(w, r, "networks", keys(s.networks()), s.networks())
	})
	handle("GET /v2.0/networks/{id}", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.oneOf(w, r, "network", s.networks(), "NetworkNotFound", "Network %s could not be found.")
	})
	handle("GET /v2.0/ports", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.listOf(w, r, "ports", portKeys, s.ports(c))
	})
	handle("GET /v2.0/ports/{id}", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.oneOf(w, r, "port", s.ports(c), "PortNotFound", "Port %s could not be found.")
	})
	handle("GET /v2.0/routers", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.listOf(w, r, "routers", []string{"id", "name", "status", "admin_state_up", "tenant_id", "project_id"}, nil)
	})
	handle("GET /v2.0/subnets", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.listOf(w, r, "subnets", keys(s.subnets()), s.subnets())
	})
	handle("GET /v2.0/subnets/{id}", func(w http.ResponseWriter, r *http.Request, _ front.Caller) {
		s.oneOf(w, r, "subnet", s.subnets(), "SubnetNotFound", "Subnet %s could not be found.")
	})
	handle("GET /v2.0/security-groups", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.listOf(w, r, "security_groups", keys(securityGroups(c)), securityGroups(c))
	})
	handle("GET /v2.0/floatingips", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.listOf(w, r, "floatingips", floatingIPKeys, s.views(c))
	})
	handle("GET /v2.0/floatingips/{id}", func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		s.oneOf(w, r, "floatingip", s.views(c), "FloatingIPNotFound", "Floating IP %s could not be found")
	})
	handle("POST /v2.0/floatingips", s.create)
	handle("PUT /v2.0/floatingips/{id}", s.update)
	handle("DELETE /v2.0/floatingips/{id}", s.delete)
	for _, kind := range []string{"network", "subnet", "port", "router"} {
		handle("POST /v2.0/"+kind+"s", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) {
			fail(w, 403, "PolicyNotAuthorized", "(rule:create_"+kind+") is disallowed by policy")
		})
	}
	// What a collection or one of its members has no method for.
	for _, kind := range []string{"networks", "ports", "floatingips", "routers", "subnets", "security-groups"} {
		for _, path := range []string{"/v2.0/" + kind, "/v2.0/" + kind + "/{id}"} {
			handle(path, func(w http.ResponseWriter, _ *http.Request, _ front.Caller) {
				fail(w, 405, "HTTPMethodNotAllowed", "The server could not comply with the request since it is either "+
					"malformed or otherwise incorrect.")
			})
		}
	}
	handle("GET /v2.0/quotas/{id}", s.quotas(false))
	handle("GET /v2.0/quotas/{id}/{details}", s.quotas(true))
	handle("GET /v2.0/{$}", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) { s.resources(w) })
	handle("/", func(w http.ResponseWriter, _ *http.Request, _ front.Caller) { notFound(w) })
	return mux
}

// object is a resource as JSON has it; filters compare its values.
type object map[string]any

// listOf answers the objects that match every key of the query, page by page. A key that no
// resource of the kind has is refused (Neutron's filter validation, on by default).
func (s *Service) listOf(w http.ResponseWriter, r *http.Request, key string, known []string, all []object) {
	q := r.URL.Query()
	var unknown []string
	for k := range q {
		if !slices.Contains(known, k) && !slices.Contains([]string{"fields", "limit", "marker", "page_reverse",
			"sort_key", "sort_dir"}, k) {
			unknown = append(unknown, "'"+k+"'")
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		fail(w, 400, "HTTPBadRequest", "["+strings.Join(unknown, ", ")+"] is invalid attribute for filtering")
		return
	}
	limit := len(all)
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 0 {
			fail(w, 400, "BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not "+
				"'"+q.Get("limit")+"'.")
			return
		}
		if n > 0 {
			limit = n
		}
	}
	found := []object{}
	passed := !q.Has("marker")
	for _, o := range all {
		match := true
		for k, want := range q {
			have, ok := o[k]
			if ok && !slices.ContainsFunc(want, func(v string) bool { return same(have, v) }) {
				match = false
			}
		}
		if match && passed {
			found = append(found, o)
		}
		passed = passed || o["id"] == q.Get("marker")
	}
	body := map[string]any{}
	if len(found) > limit {
		found = found[:limit]
		body[key+"_links"] = []any{map[string]any{"rel": "next",
			"href": s.URL + r.URL.Path + "?limit=" + q.Get("limit") + "&marker=" + found[limit-1]["id"].(string)}}
	}
	for i, o := range found {
		found[i] = only(o, q["fields"])
	}
	body[key] = found
	front.JSON(w, 200, body)
}

// only leaves the fields that were asked for.
func only(o object, fields []string) object {
	if len(fields) == 0 {
		return o
	}
	few := object{}
	for _, f := range fields {
		if v, ok := o[f]; ok {
			few[f] = v
		}
	}
	return few
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
	fail(w, 404, kind, strings.Replace(text, "%s", id, 1))
}

// resources lists the collections.
func (s *Service) resources(w http.ResponseWriter) {
	list := []any{}
	for _, kind := range []string{"networks", "subnets", "ports", "routers", "floatingips", "security-groups"} {
		list = append(list, map[string]any{"name": strings.TrimSuffix(kind, "s"),
			"collection": strings.ReplaceAll(kind, "-", "_"),
			"links":      []any{map[string]any{"rel": "self", "href": s.URL + "/v2.0/" + kind}}})
	}
	front.JSON(w, 200, map[string]any{"resources": list})
}

func keys(all []object) []string {
	var ks []string
	for _, o := range all {
		for k := range o {
			ks = append(ks, k)
		}
	}
	return ks
}

var portKeys = []string{"id", "name", "network_id", "tenant_id", "mac_address", "admin_state_up", "status",
	"device_id", "device_owner",
	"fixed_ips", "security_groups", "description", "binding:vnic_type", "port_security_enabled", "tags",
	"revision_number", "project_id",
	"created_at", "updated_at"}

var floatingIPKeys = []string{"id", "tenant_id", "floating_ip_address", "floating_network_id", "router_id", "port_id",
	"fixed_ip_address",
	"status", "project_id", "description", "tags", "created_at", "updated_at", "revision_number"}

// subnets are one for each network.
func (s *Service) subnets() []object {
	admin := s.World.User(world.Root).Project.ID
	subnet := func(id, network, name, cidr, gateway string, dhcp bool) object {
		return object{"id": id, "name": name, "tenant_id": admin, "network_id": network, "ip_version": 4,
			"subnetpool_id": nil,
			"enable_dhcp":   dhcp, "ipv6_ra_mode": nil, "ipv6_address_mode": nil, "gateway_ip": gateway, "cidr": cidr,
			"allocation_pools": []any{}, "host_routes": []any{}, "dns_nameservers": []any{}, "description": "",
			"service_types": []any{},
			"tags":          []any{}, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
			"revision_number": 0, "project_id": admin}
	}
	block := fmt.Sprintf("127.%d.%d.", s.block[0], s.block[1])
	in := s.inside()
	return []object{subnet(world.PublicSubnetID, world.PublicNetID, "public-subnet", block+"0/24", block+"254", false),
		subnet(in.subnet, in.id, in.name+"-subnet", in.cidr, in.gateway, in.dhcp)}
}

func (s *Service) networks() []object {
	admin := s.World.User(world.Root).Project.ID
	network := func(id, subnet, name string, external bool) object {
		net := object{"id": id, "name": name, "tenant_id": admin, "admin_state_up": true, "mtu": 1500,
			"status":  "ACTIVE",
			"subnets": []any{subnet}, "shared": !external, "availability_zone_hints": []any{},
			"availability_zones": []any{},
			"ipv4_address_scope": nil, "ipv6_address_scope": nil, "router:external": external, "description": "",
			"port_security_enabled": true, "tags": []any{}, "created_at": "2026-01-01T00:00:00Z",
			"updated_at": "2026-01-01T00:00:00Z", "revision_number": 2, "project_id": admin}
		if external {
			net["is_default"] = false
		}
		return net
	}
	return []object{network(world.PublicNetID, world.PublicSubnetID, "public", true),
		network(s.inside().id, s.inside().subnet, s.inside().name, false)}
}

// ports are those of the caller's project: Zun's driver makes one for each container, Nova one
// for each server.
func (s *Service) ports(c front.Caller) []object {
	var out []object
	for _, p := range s.Pods.Ports() {
		if p.ProjectID != c.ProjectID && !c.Admin() {
			continue
		}
		fixed := []any{}
		if p.Address != "" {
			fixed = append(fixed, map[string]any{"subnet_id": s.inside().subnet, "ip_address": p.Address})
		}
		at, _, _ := strings.Cut(p.Created, ".")
		out = append(out, object{"id": p.ID, "name": p.Name, "network_id": s.inside().id, "tenant_id": p.ProjectID,
			"mac_address": MACAddress(p.ID), "admin_state_up": true, "status": p.Status,
			"device_id": p.DeviceID, "device_owner": p.DeviceOwner, "fixed_ips": fixed,
			"allowed_address_pairs": []any{},
			"extra_dhcp_opts":       []any{}, "security_groups": []any{}, "description": "", "binding:vnic_type": p.Type,
			"port_security_enabled": false, "tags": []any{}, "created_at": at + "Z", "updated_at": at + "Z",
			"revision_number": 2, "project_id": p.ProjectID})
	}
	return out
}

// securityGroups is the project's default one with its four rules; on this site it does nothing.
func securityGroups(c front.Caller) []object {
	const at = "2026-01-01T00:00:00Z"
	id := func(n string) string { return c.ProjectID[:8] + "-" + n + "-4000-8000-" + c.ProjectID[:12] }
	group := id("0000")
	rules := []any{}
	for i, r := range [][2]string{{"IPv4", "ingress"}, {"IPv4", "egress"}, {"IPv6", "ingress"}, {"IPv6", "egress"}} {
		var remote any
		if r[1] == "ingress" {
			remote = group
		}
		rules = append(rules, object{"id": id("000" + strconv.Itoa(i+1)), "tenant_id": c.ProjectID,
			"security_group_id": group, "ethertype": r[0],
			"direction": r[1], "protocol": nil, "port_range_min": nil, "port_range_max": nil, "remote_ip_prefix": nil,
			"remote_address_group_id": nil, "normalized_cidr": nil, "remote_group_id": remote,
			"standard_attr_id": 16 + i, "description": nil,
			"tags": []any{}, "created_at": at, "updated_at": at, "revision_number": 0, "project_id": c.ProjectID})
	}
	return []object{{"id": group, "name": "default", "stateful": true, "tenant_id": c.ProjectID,
		"description": "Default security group", "shared": false, "security_group_rules": rules, "tags": []any{},
		"created_at": at, "updated_at": at, "revision_number": 1, "project_id": c.ProjectID}}
}
