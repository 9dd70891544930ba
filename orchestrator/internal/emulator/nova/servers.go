package nova

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/world"
)

// find returns the caller's server; else it has answered.
func (s serverCalls) find(c call) *server {
	id := c.r.PathValue("id")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.servers {
		if v.id == id && (v.projectID == c.caller.ProjectID || c.caller.Admin()) {
			return v
		}
	}
	c.fail(404, "Instance %s could not be found.", id)
	return nil
}

// floating looks an address up; never with s.mu held, because Neutron asks for our ports with its own.
func (s serverCalls) floating(v *server) string {
	s.mu.Lock()
	port := v.portID
	s.mu.Unlock()
	if port == "" {
		return ""
	}
	return s.Network.Floating(port)
}

func (s serverCalls) showServer(c call) {
	v := s.find(c)
	if v == nil {
		return
	}
	fip := s.floating(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	front.JSON(c.w, 200, map[string]any{"server": s.view(c, v, fip, true)})
}

func (s serverCalls) deleteServer(c call) {
	v := s.find(c)
	if v == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(v)
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusNoContent)
}

// listServers has the newest first. An unknown filter is ignored, as Nova does for users.
func (s serverCalls) listServers(c call, full bool) {
	q := c.r.URL.Query()
	all := q.Get("all_tenants") == "1" || strings.EqualFold(q.Get("all_tenants"), "true")
	if all && !c.caller.Admin() {
		c.fail(403, "Policy doesn't allow os_compute_api:servers:%s:get_all_tenants to be performed.",
			map[bool]string{true: "detail", false: "index"}[full])
		return
	}
	limit := 1000 // Nova's max_limit
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 0 {
			c.fail(400, "Invalid input for query parameters limit. Value: %s. '%[1]s' does not match '^[0-9]*$'",
				q.Get("limit"))
			return
		}
		limit = min(limit, n)
	}
	name, err := regexp.Compile(q.Get("name"))
	if err != nil {
		c.fail(400, "Invalid input for query parameters name. Value: %s. '%[1]s' is not a 'regex'", q.Get("name"))
		return
	}
	s.mu.Lock()
	rows := slices.Clone(s.servers)
	s.mu.Unlock()
	slices.Reverse(rows)
	found, passed := []any{}, !q.Has("marker")
	var last string
	more := false
	for _, v := range rows {
		fip := s.floating(v)
		s.mu.Lock()
		fits := passed && (v.projectID == c.caller.ProjectID || all) && name.MatchString(v.name) &&
			(!q.Has("status") || strings.EqualFold(q.Get("status"), v.status))
		passed = passed || v.id == q.Get("marker")
		switch {
		case !fits:
		case len(found) == limit:
			more = true
		case full:
			found, last = append(found, s.view(c, v, fip, false)), v.id
		default:
			found, last = append(found, map[string]any{"id": v.id, "name": v.name,
				"links": s.links("servers", v.id)}), v.id
		}
		s.mu.Unlock()
	}
	if !passed {
		c.fail(400, "marker [%s] not found", q.Get("marker"))
		return
	}
	body := map[string]any{"servers": found}
	if more && last != "" {
		q.Set("marker", last)
		body["servers_links"] = []any{map[string]any{"rel": "next", "href": s.URL + c.r.URL.Path + "?" + q.Encode()}}
	}
	front.JSON(c.w, 200, body)
}

// actions are Nova's that this emulator knows of and does not carry out.
var actions = []string{"reboot", "os-start", "os-stop", "rebuild", "rescue", "unrescue", "lock", "unlock", "resize",
	"createImage", "shelve",
	"unshelve", "pause", "unpause", "suspend", "resume", "addFloatingIp", "removeFloatingIp", "addSecurityGroup",
	"removeSecurityGroup",
	"os-getVNCConsole", "os-getSerialConsole", "forceDelete", "restore"}

// act refuses what Ironic cannot do; other actions are not emulated.
func (s serverCalls) act(c call) {
	var body map[string]json.RawMessage
	if json.NewDecoder(c.r.Body).Decode(&body) != nil || len(body) != 1 {
		c.fail(400, "Malformed request body")
		return
	}
	v := s.find(c)
	if v == nil {
		return
	}
	for action := range body {
		switch {
		case action == "os-getConsoleOutput":
			s.consoleOutput(c, v)
		case action == "forceDelete":
			s.deleteServer(c)
		case slices.Contains(actions, action):
			c.fail(501, "The emulator does not carry out the action %s.", action)
		default:
			c.fail(400, "There is no such action: %s", action)
		}
	}
}

// consoleOutput is what Ironic has none of; a server that was never given a machine is told so first
// (recorded: ironic-17-console, 12-console-while-build, 11-error-console).
func (s serverCalls) consoleOutput(c call, v *server) {
	s.mu.Lock()
	placed := v.machine != nil
	s.mu.Unlock()
	if !placed {
		c.fail(409, "Instance %s is not ready", v.id)
		return
	}
	c.fail(501, "The requested functionality is not supported.")
}

func (s serverCalls) metadata(c call) {
	if v := s.find(c); v != nil {
		front.JSON(c.w, 200, map[string]any{"metadata": v.metadata})
	}
}

// addresses are the same as in the server, without types and hardware addresses.
func (s serverCalls) addresses(c call) {
	v := s.find(c)
	if v == nil {
		return
	}
	fip := s.floating(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	nets := s.addressesOf(v, fip)
	for _, list := range nets {
		for _, a := range list.([]any) {
			delete(a.(map[string]any), "OS-EXT-IPS:type")
			delete(a.(map[string]any), "OS-EXT-IPS-MAC:mac_addr")
		}
	}
	front.JSON(c.w, 200, map[string]any{"addresses": nets})
}

func (s serverCalls) interfaces(c call) {
	v := s.find(c)
	if v == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	if v.portID != "" {
		one := map[string]any{"net_id": world.Sharednet1ID, "port_id": v.portID,
			"mac_addr": neutron.MACAddress(v.portID), "port_state": "ACTIVE",
			"fixed_ips": []any{map[string]any{"subnet_id": world.Sharednet1Subnet, "ip_address": v.address}}}
		if c.v >= 70 {
			one["tag"] = nil
		}
		list = append(list, one)
	}
	front.JSON(c.w, 200, map[string]any{"interfaceAttachments": list})
}

func (s serverCalls) groups(c call) {
	if v := s.find(c); v != nil {
		front.JSON(c.w, 200, map[string]any{"security_groups": []any{}})
	}
}

func (s serverCalls) volumes(c call) {
	if v := s.find(c); v != nil {
		front.JSON(c.w, 200, map[string]any{"volumeAttachments": []any{}})
	}
}
