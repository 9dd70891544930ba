package nova

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// known are the keys of a server in a request, and the microversion that brought each
// [nova/api/openstack/compute/schemas/servers.py].
var known = map[string]version{"name": 1, "imageRef": 1, "flavorRef": 1, "adminPass": 1, "metadata": 1, "networks": 1,
	"OS-DCF:diskConfig": 1,
	"accessIPv4":        1, "accessIPv6": 1, "availability_zone": 1, "block_device_mapping": 1,
	"block_device_mapping_v2": 1,
	"config_drive":            1,
	"key_name":                1, "min_count": 1, "max_count": 1, "return_reservation_id": 1,
	"security_groups": 1, "user_data": 1,
	"description": 19, "tags": 52, "trusted_image_certificates": 63, "host": 74, "hypervisor_hostname": 74,
	"hostname": 90}

// problem is a refusal.
type problem struct {
	code int
	text string
}

func bad(format string, args ...any) *problem { return &problem{400, fmt.Sprintf(format, args...)} }

func invalid(key string, value any, message string) *problem {
	return bad("Invalid input for field/attribute %s. Value: %s. %s", key, pyrepr.Str(value), message)
}

// wish is a request for servers, checked.
type wish struct {
	name, image, key, hint string
	userData               []byte
	description            *string
	metadata, tags         any
	count                  int
	wantsGroup             bool
}

func (s serverCalls) createServer(c call) {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		front.Drop()
	}
	if kind := c.r.Header.Get("Content-Type"); kind != "" && !strings.HasPrefix(kind, "application/json") {
		c.fail(415, "Unsupported Content-Type")
		return
	}
	if len(data) == 0 {
		c.fail(400, "None is not of type 'object'")
		return
	}
	v, err := pyrepr.Decode(data)
	body, ok := v.(*pyrepr.Dict)
	if err == nil && !ok {
		c.fail(400, "%s is not of type 'object'", pyrepr.Repr(v))
		return
	}
	if err != nil {
		c.fail(400, "Malformed request body")
		return
	}
	w, p := s.readWish(body, c.v)
	var first *server
	if p == nil {
		first, p = s.add(c, w)
	}
	if p != nil {
		c.fail(p.code, "%s", p.text)
		return
	}
	s.World.Log.Debug("server created", "id", first.id, "name", first.name)
	if w.wantsGroup {
		front.JSON(c.w, http.StatusAccepted, map[string]any{"reservation_id": first.group})
		return
	}
	answer := map[string]any{"id": first.id, "links": s.links("servers", first.id), "OS-DCF:diskConfig": "MANUAL",
		"security_groups": []any{map[string]any{"name": "default"}}, "adminPass": world.NewHex(6)}
	c.w.Header().Set("Location", s.URL+"/v2.1/servers/"+first.id)
	front.JSON(c.w, http.StatusAccepted, map[string]any{"server": answer})
}

// readWish does the schema's checks, and then the controller's in its order
// [nova/api/openstack/compute/servers.py create].
func (s serverCalls) readWish(body *pyrepr.Dict, v version) (wish, *problem) {
	var w wish
	srv, p := readServer(body, v)
	if p != nil {
		return w, p
	}
	get := func(key string) any { val, _ := srv.Get(key); return val }
	w.name = get("name").(string)
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.TrimSpace(w.name) != w.name || strings.ContainsFunc(w.name, odd) {
		return w, bad("An invalid 'name' value was provided. The name must be: printable characters. Can not start or end " +
			"with whitespace.")
	}
	if len(w.name) > 255 {
		return w, invalid("name", w.name, pyrepr.Repr(w.name)+" is too long")
	}
	if w.key, _ = get("key_name").(string); w.key == "" && get("key_name") == any("") {
		return w, invalid("key_name", "", "'' is too short")
	}
	if text, isText := get("description").(string); isText {
		w.description = &text
	} else if v < 19 {
		w.description = &w.name
	}
	w.metadata, w.tags = map[string]any{}, []any{}
	if m := get("metadata"); m != nil {
		w.metadata = m
	}
	if t := get("tags"); t != nil {
		w.tags = t
	}
	w.wantsGroup = get("return_reservation_id") == true || get("return_reservation_id") == "True"
	w.hint = hint(body)
	if text, isText := get("user_data").(string); isText {
		w.userData, _ = base64.StdEncoding.DecodeString(text) // Nova takes what is none, and hands on what it makes of it
	}
	if p := w.counts(get); p != nil {
		return w, p
	}
	switch zone, _ := get("availability_zone").(string); {
	case strings.Contains(zone, ":"):
		return w, &problem{403, "Policy doesn't allow os_compute_api:servers:create:forced_host to be performed."}
	case zone != "" && zone != "nova" && !strings.HasPrefix(zone, "blazar_"):
		return w, bad("The requested availability zone is not available")
	}
	image, _ := get("imageRef").(string)
	if image == "" {
		return w, bad("Missing imageRef attribute")
	}
	w.image = image[strings.LastIndexByte(image, '/')+1:]
	if ref := get("flavorRef").(string); ref[strings.LastIndexByte(ref, '/')+1:] != flavorID {
		return w, bad("Flavor %s could not be found.", ref[strings.LastIndexByte(ref, '/')+1:])
	}
	if !s.Images.Known(w.image) {
		return w, bad("Can not find requested image")
	}
	return w, checkNetworks(get("networks"))
}

// readServer checks what the schema asks of a body, and returns its server.
func readServer(body *pyrepr.Dict, v version) (*pyrepr.Dict, *problem) {
	raw, ok := body.Get("server")
	if !ok {
		return nil, bad("'server' is a required property")
	}
	srv, ok := raw.(*pyrepr.Dict)
	if !ok {
		return nil, invalid("server", raw, pyrepr.Repr(raw)+" is not of type 'object'")
	}
	for _, k := range body.Keys() {
		if !slices.Contains([]string{"server", "os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"}, k) {
			return nil, bad("Additional properties are not allowed ('%s' was unexpected)", k)
		}
	}
	if p := checkKeys(srv, v); p != nil {
		return nil, p
	}
	for _, key := range []string{"name", "flavorRef"} {
		val, _ := srv.Get(key)
		text, isText := val.(string)
		if !isText {
			return nil, invalid(key, val, pyrepr.Repr(val)+" is not of type 'string'")
		}
		if text == "" && key == "name" {
			return nil, invalid(key, text, "'' is too short")
		}
	}
	return srv, nil
}

func checkKeys(srv *pyrepr.Dict, v version) *problem {
	required := []string{"name", "flavorRef"}
	if v >= 37 {
		required = append(required, "networks")
	}
	for _, key := range required {
		if _, ok := srv.Get(key); !ok {
			return invalid("server", srv, "'"+key+"' is a required property")
		}
	}
	for _, key := range srv.Keys() {
		since, ok := known[key]
		if key == "personality" && v <= 56 {
			continue
		}
		if !ok || v < since {
			return invalid("server", srv, "Additional properties are not allowed ('"+key+"' was unexpected)")
		}
	}
	return nil
}

// hint is the reservation's id beside the server, under either of its keys.
func hint(body *pyrepr.Dict) string {
	for _, key := range []string{"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"} {
		if raw, ok := body.Get(key); ok {
			if hints, ok := raw.(*pyrepr.Dict); ok {
				v, _ := hints.Get("reservation")
				if list, isList := v.([]any); isList && len(list) > 0 {
					v = list[0]
				}
				text, _ := v.(string)
				return text
			}
		}
	}
	return ""
}

func (w *wish) counts(get func(string) any) *problem {
	read := func(key string, def int) (int, *problem) {
		v := get(key)
		if v == nil {
			return def, nil
		}
		text, ok := v.(string)
		if n, isNumber := v.(json.Number); isNumber {
			text, ok = n.String(), true
		}
		n, err := strconv.Atoi(text)
		if !ok || err != nil || n < 1 {
			return 0, invalid(key, v, pyrepr.Repr(v)+" is less than the minimum of 1")
		}
		return n, nil
	}
	lo, p := read("min_count", 1)
	if p != nil {
		return p
	}
	if w.count, p = read("max_count", lo); p != nil {
		return p
	}
	if lo > w.count {
		return bad("min_count must be <= max_count")
	}
	if w.count > 100 {
		return &problem{403, "Quota exceeded for instances: Requested " + strconv.Itoa(w.count) +
			", but already used 0 of 100 instances"}
	}
	return nil
}

var isUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkNetworks: users have sharednet1; without a word about networks they get it, too.
func checkNetworks(networks any) *problem {
	list, isList := networks.([]any)
	if text, isText := networks.(string); networks == nil || isText && (text == "auto" || text == "none") {
		return nil
	}
	if !isList {
		return invalid("networks", networks, pyrepr.Repr(networks)+" is not valid under any of the given schemas")
	}
	for _, n := range list {
		d, _ := n.(*pyrepr.Dict)
		if d == nil {
			return invalid("networks", networks, pyrepr.Repr(n)+" is not of type 'object'")
		}
		id, ok := d.Get("uuid")
		if text, isText := id.(string); ok && isText && !isUUID.MatchString(text) {
			return bad("Bad networks format: network uuid is not in proper format (%s)", text)
		}
		if ok && id != world.Sharednet1ID {
			if id == world.PublicNetID {
				return &problem{403, "It is not allowed to create an interface on external network " +
					world.PublicNetID}
			}
			return bad("Network %s could not be found.", pyrepr.Str(id))
		}
		if id, ok := d.Get("port"); ok {
			return bad("Port id %s could not be found.", pyrepr.Str(id))
		}
	}
	return nil
}

// add makes the rows and lets them be built.
func (s serverCalls) add(c call, w wish) (*server, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var key *keypair
	if w.key != "" {
		if key = s.key(c.caller.UserID, w.key); key == nil {
			return nil, bad("Invalid key_name provided.")
		}
	}
	now := s.World.Now().Truncate(time.Second)
	group := "r-" + world.NewHex(4)
	var first *server
	for i := range w.count {
		v := &server{id: world.NewUUID(), name: w.name, projectID: c.caller.ProjectID, userID: c.caller.UserID,
			image: w.image, userData: w.userData,
			description: w.description, metadata: w.metadata, tags: w.tags, key: key, reservation: w.hint, group: group,
			status: building, task: "scheduling", created: now, updated: now, deleted: make(chan struct{})}
		if w.count > 1 {
			v.name = fmt.Sprintf("%s-%d", w.name, i+1)
		}
		s.servers = append(s.servers, v)
		s.begin(v)
		if first == nil {
			first = v
		}
	}
	return first, nil
}
