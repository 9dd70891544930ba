package neutron

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
)

// attributes of a floating IP in a request; true may be changed later.
var attributes = map[string]bool{
	"floating_network_id": false, "floating_ip_address": false, "subnet_id": false, "tenant_id": false,
	"project_id": false,
	"port_id":    true, "fixed_ip_address": true, "description": true, "qos_policy_id": true, "dns_name": false,
	"dns_domain": false,
}

// readOnly are attributes that only answers have.
var readOnly = []string{"id", "status", "router_id", "port_details", "tags", "created_at", "updated_at",
	"revision_number"}

var aUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

// readBody decodes {"floatingip": {...}} with the checks of the real API in their order
// (neutron/pecan_wsgi/hooks/body_validation.py, neutron-lib's attributes); ok=false means
// that it answered itself.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request, create bool) (map[string]json.RawMessage, bool) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		front.Drop()
	}
	var body map[string]json.RawMessage
	if json.Unmarshal(data, &body) != nil {
		fail(w, 400, "MalformedRequestBody", "Malformed request body: Cannot understand JSON.")
		return nil, false
	}
	refuse := func(text string) (map[string]json.RawMessage, bool) {
		fail(w, 400, "HTTPBadRequest", text)
		return nil, false
	}
	raw, given := body["floatingip"]
	var res map[string]json.RawMessage
	switch {
	case len(body) == 0:
		return refuse("Resource body required")
	case !given || string(raw) == "null":
		return refuse("Unable to find 'floatingip' in request body")
	case json.Unmarshal(raw, &res) != nil:
		return refuse("Object 'floatingip' contains invalid data")
	}
	var unknown []string
	for k := range res {
		_, known := attributes[k]
		if create && slices.Contains(readOnly, k) {
			return refuse("Attribute '" + k + "' not allowed in POST")
		}
		if !create && (known && !attributes[k] || slices.Contains(readOnly, k)) {
			return refuse("Cannot update read-only attribute " + k)
		}
		if !known && !slices.Contains(readOnly, k) {
			unknown = append(unknown, k)
		}
	}
	if _, ok := res["floating_network_id"]; create && !ok {
		return refuse("Failed to parse request. Required attribute 'floating_network_id' not specified")
	}
	for _, k := range []string{"floating_network_id", "port_id"} {
		v, ok := res[k]
		if !ok || k == "port_id" && string(v) == "null" {
			continue
		}
		if id := text(v); !aUUID.MatchString(id) {
			if id == "" {
				id = strings.Replace(string(v), "null", "None", 1)
			}
			return refuse("Invalid input for " + k + ". Reason: '" + id + "' is not a valid UUID.")
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return refuse("Unrecognized attribute(s) '" + strings.Join(unknown, ", ") + "'")
	}
	return res, true
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // "" for what is no text
	return s
}
