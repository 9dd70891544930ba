package emulator

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// neighbour is a call beside the recorded ones; what the services answer was read in their
// code (the contract's snapshots; pecan 1.4 and flask behind them).
type neighbour struct {
	who, method, path string // who "" is Alice, "-" nobody
	body              any
	version           string // of Zun; "" is 1.41
	status            int
	says              string // in the raw answer, quotes unescaped
}

func (c *client) visit(root string, list []neighbour) {
	c.t.Helper()
	people := map[string]*client{"": c, "-": {t: c.t, e: c.e}, "root": c.as(world.Root), "carol": c.as(world.Carol),
		"dana": c.as(world.Dana)}
	for _, n := range list {
		var headers []string
		if root == c.endpoints["container"] {
			headers = []string{"OpenStack-API-Version", "container " + cmp.Or(n.version, "1.41")}
		}
		a := people[n.who].do(n.method, root+n.path, n.body, headers...)
		if a.status != n.status || !strings.Contains(unescape(a.raw), n.says) {
			c.t.Errorf("%s %s %s %v: %v; want %d with %q", n.who, n.method, n.path, n.body, a, n.status, n.says)
		}
	}
}

type dict = map[string]any

func TestZunNeighbours(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := func(change dict) dict {
		b := containerBody("x")
		for k, v := range change {
			b[k] = v
		}
		return b
	}
	box := c.want(202, c.zun("POST", "/containers", containerBody("x"))).text("uuid")
	c.await(box, "Error")
	c.visit(c.endpoints["container"], []neighbour{
		// The framework's own.
		{method: "GET", path: "/nosuch", status: 404, says: `"title":"Not Found"`},
		{method: "GET", path: "/containers/" + box + "/nosuch", status: 404, says: `"code":"container."`},
		{method: "GET", path: "/containers/" + box + "/execute", status: 404},
		{method: "POST", path: "/containers/" + box + "/logs", body: "{}", status: 404},
		{method: "POST", path: "/containers/a/b/c", body: "{}", status: 404},
		{method: "PUT", path: "/containers/" + box, body: "{}", status: 405, says: `"title":"Method Not Allowed"`},
		{method: "PUT", path: "/containers", body: "{}", status: 405},
		{method: "OPTIONS", path: "/containers", status: 405},
		{method: "HEAD", path: "/containers", status: 405},
		{method: "DELETE", path: "/containers", status: 500, says: "Error Correlation id is:"},
		{method: "POST", path: "/nosuch", body: "{}", status: 405},
		{method: "GET", path: "/containers", version: "1", status: 406,
			says: "Invalid value for OpenStack-API-Version header"},
		{method: "GET", path: "/containers", version: "1.41 x", status: 406, says: "Invalid service type"},
		{method: "GET", path: "/containers", version: "2.0", status: 500},
		{method: "GET", path: "/containers", version: "1.0", status: 500},
		{who: "-", method: "GET", path: "/nosuch", status: 401},
		// Versions of actions.
		{method: "POST", path: "/containers/" + box + "/rename?name=other", version: "1.14", status: 406},
		{method: "POST", path: "/containers/" + box + "/rename?name=box", version: "1.13", status: 409,
			says: "the same as the old name"},
		{method: "POST", path: "/containers/" + box + "/rename?name=x", version: "1.13", status: 400,
			says: "'x' is too short"},
		{method: "POST", path: "/containers/" + box + "/rename?name=other", version: "1.13", status: 200,
			says: `"name":"other"`},
		{method: "PATCH", path: "/containers/" + box, body: dict{"name": "box"}, status: 409,
			says: "Cannot update container " + box + " in Error state"},
		{method: "PATCH", path: "/containers/" + box, body: dict{"colour": "red"}, status: 400,
			says: "('colour' was unexpected)"},
		{method: "GET", path: "/containers/" + box + "/network_list", version: "1.12", status: 406},
		{method: "POST", path: "/containers/" + box + "/add_security_group?name=default", status: 406},
		{method: "POST", path: "/containers/" + box + "/resize_container", version: "1.18", status: 406},
		{method: "POST", path: "/containers/" + box + "/kill", body: "{}", status: 409, says: "Cannot kill container"},
		{method: "POST", path: "/containers/" + box + "/unpause", body: "{}", status: 409},
		{method: "POST", path: "/containers/" + box + "/commit?colour=red", status: 400,
			says: "('colour' was unexpected)"},
		{method: "GET", path: "/containers/" + box + "/attach", status: 409},
		{method: "POST", path: "/containers/" + box + "/stop?timeout=soon", status: 400,
			says: "'soon' does not match '^[0-9]*$'"},
		{method: "POST", path: "/containers/" + box + "/reboot?now=1", status: 400, says: "('now' was unexpected)"},
		{method: "GET", path: "/containers/" + box + "/logs?since=yesterday", status: 400,
			says: "Invalid input for query parameters 'since'"},
		{method: "GET", path: "/containers/" + box + "/logs?stdout=perhaps", status: 400,
			says: "'perhaps' is not one of"},
		{method: "DELETE", path: "/containers/" + box + "?force=perhaps", status: 400},
		{method: "DELETE", path: "/containers/" + box + "?force=true", version: "1.6", status: 400,
			says: "force is only supported from version 1.7"},
		{method: "DELETE", path: "/containers/" + box + "?stop=true", version: "1.11", status: 400,
			says: "stop is only supported from version 1.12"},
		{method: "POST", path: "/containers/" + box + "/execute?command=a&command=b", status: 400,
			says: "['a', 'b'] is not of type 'string'"},
		// Lists.
		{method: "GET", path: "/containers?limit=0", status: 400, says: "Limit must be positive integer"},
		{method: "GET", path: "/containers?limit=many", status: 400, says: "Limit must be positive integer"},
		{method: "GET", path: "/containers?sort_dir=up", status: 400, says: "Invalid sort direction: up."},
		{method: "GET", path: "/containers?marker=" + world.NewUUID(), status: 404},
		{method: "GET", path: "/containers?all_projects=perhaps", status: 400, says: "Valid all_projects values are"},
		// a full page promises another
		{method: "GET", path: "/containers?limit=1", status: 200, says: "marker=" + box},
		{who: "root", method: "GET", path: "/containers?all_projects=1", status: 200, says: `"host":"edge-compute"`},
		{who: "carol", method: "GET", path: "/containers/" + box, status: 404, says: "container-not-found"},
		{who: "carol", method: "DELETE", path: "/containers/" + box, status: 404},
		{who: "dana", method: "GET", path: "/containers/" + box, status: 200},
		{method: "GET", path: "/containers/" + box + "/container_actions/req-no", status: 404,
			says: "The Action resource req-no could not be found."},
		// Creation.
		{method: "POST", path: "/containers", body: body(dict{"host": "elsewhere"}), status: 404,
			says: "Requested host elsewhere could not be found."},
		{method: "POST", path: "/containers", body: body(dict{"host": "x"}), version: "1.38", status: 400,
			says: "('host' was unexpected)"},
		{method: "POST", path: "/containers", body: body(dict{"entrypoint": []string{"x"}}), version: "1.39",
			status: 400},
		{method: "POST", path: "/containers", body: body(dict{"image_pull_policy": "always"}), status: 403,
			says: "container:create:image_pull_policy"},
		{who: "root", method: "POST", path: "/containers", body: body(dict{"privileged": true}), status: 403},
		{method: "POST", path: "/containers", body: body(dict{"nets": []dict{{"network": "nosuch"}}}), status: 404},
		{method: "POST", path: "/containers", body: body(dict{"cpu": 0.01}), status: 400,
			says: "0.01 is less than the minimum of 0.1"},
		{method: "POST", path: "/containers", body: body(dict{"memory": "99999"}), status: 400,
			says: "is greater than the maximum of 8192"},
		{method: "POST", path: "/containers", body: body(dict{"memory": "1g"}), status: 400,
			says: "'1g' does not match '^[0-9]+$'"},
		{method: "POST", path: "/containers", body: body(dict{"image_driver": "rocket"}), status: 400},
		{method: "POST", path: "/containers", body: body(dict{"security_groups": []string{"nosuch"}}), status: 404},
		{method: "POST", path: "/containers", body: body(dict{"registry": "nosuch"}), status: 404,
			says: "Registry nosuch could not be found."},
		{method: "POST", path: "/containers/perhaps", body: body(nil), status: 400,
			says: "Valid run or interactive values are"},
		{method: "POST", path: "/containers", body: "[]", status: 400, says: "'image' is a required property"},
		// What else there is.
		{method: "GET", path: "/services", status: 403, says: "Policy doesn't allow zun-service:get_all to be " +
			"performed."},
		{who: "root", method: "GET", path: "/services", status: 200},
		{method: "GET", path: "/hosts", status: 403},
		{method: "GET", path: "/images", status: 403},
		{method: "GET", path: "/capsules", status: 200, says: `"capsules":[]`},
		{method: "GET", path: "/availability_zones", status: 200, says: "nova"},
		{method: "POST", path: "/registries", body: dict{"registry": dict{}}, status: 400,
			says: "'domain' is a required property"},
		{method: "POST", path: "/registries", body: dict{}, status: 400, says: "'registry' is a required property"},
		{method: "GET", path: "/registries/nosuch", status: 404, says: "Registry nosuch could not be found."},
	})
	a := c.do("PUT", c.endpoints["container"]+"/containers", "{}")
	if allow := a.header.Get("Allow"); allow != "DELETE, GET, PATCH, POST" ||
		a.header.Get("OpenStack-API-Version") != "" {
		t.Errorf("405 has Allow %q and version %q", allow, a.header.Get("OpenStack-API-Version"))
	}
	if a := c.do("GET", c.endpoints["container"]+"/nosuch", nil, "Accept", "*/*"); a.status != 404 ||
		a.at("errors", 0, "title") != "" {
		t.Errorf("only who asks for JSON is told: %v", a)
	}
	a = c.want(201, c.zun("POST", "/registries", dict{"registry": dict{"name": "mine", "domain": "quay.io",
		"username": "u", "password": "hush"}}))
	if strings.Contains(a.raw, "hush") || a.at("registry", "password") != "***" || a.header.Get("Location") == "" {
		t.Errorf("registry: %v", a)
	}
	c.want(202, c.zun("POST", "/containers", body(dict{"registry": "mine"})))
	c.want(204, c.zun("DELETE", "/registries/"+a.text("registry", "uuid"), nil))
	if req, err := http.NewRequest("POST", c.endpoints["container"]+"/containers",
		strings.NewReader("x=1")); err == nil {
		req.Header.Set("X-Auth-Token", c.token)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 500 || resp.ContentLength > 0 {
			t.Errorf("another content type: %v, %v; meant as 415, recorded as an empty 500", resp, err)
		}
	}
}

func TestZunQuota(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for i := range 40 {
		body := containerBody("x")
		body["name"] = fmt.Sprint("box-", i)
		c.want(202, c.zun("POST", "/containers", body))
	}
	a := c.want(403, c.zun("POST", "/containers", containerBody("x")))
	if a.at("errors", 0, "code") != "container.over-quota" {
		t.Errorf("%v", a)
	}
	carol := c.as(world.Carol)
	carol.want(202, carol.zun("POST", "/containers", containerBody("x")))
}

func TestBlazarNeighbours(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	later := c.leaseBody("x", anyPi5) // one that starts meanwhile cannot be changed for an instant
	later["start_date"], later["end_date"] = c.minute(time.Hour), c.minute(2*time.Hour)
	id := c.want(201, c.blazar("POST", "/leases", later)).text("lease", "id")
	board := c.e.world.Devices[0]
	c.visit(c.endpoints["reservation"], []neighbour{
		{method: "GET", path: "/leases/" + id + ".json", status: 200, says: id},
		{method: "GET", path: "/devices.json", status: 200, says: "nyu-rpi5-01"},
		{method: "HEAD", path: "/leases", status: 200},
		{method: "OPTIONS", path: "/leases", status: 200},
		{method: "DELETE", path: "/leases", status: 405, says: "The method is not allowed for the requested URL."},
		{method: "POST", path: "/leases/" + id, body: "{}", status: 405},
		{method: "GET", path: "/leases/" + id + "/hosts", status: 200, says: `"hosts":[]`},
		{method: "GET", path: "/leases/" + id + "/nosuch", status: 404, says: `"error":404`},
		{method: "GET", path: "/plugins", status: 500, says: "INTERNAL_SERVER_ERROR"},
		{method: "GET", path: "/os-hosts/allocations", status: 404},
		{method: "GET", path: "/floatingips", status: 404},
		{method: "POST", path: "/leases", body: "[1]", status: 500, says: "INTERNAL_SERVER_ERROR"},
		{method: "POST", path: "/leases", body: "null", status: 500, says: "INTERNAL_SERVER_ERROR"},
		{method: "POST", path: "/leases", body: `{"name":"any","start_date":"now","end_date":"` +
			c.minute(time.Hour) + `","reservations":[{"resource_type":"device","min":1,"max":1,"resource_properties":null}]}`,
			status: 201, says: `"resource_properties":null`},
		{method: "PUT", path: "/leases/" + id, body: "{", status: 500, says: `"error":500`},
		{method: "PUT", path: "/leases/" + id, body: dict{"end_date": "tomorrow"}, status: 400,
			says: "tomorrow is an invalid date."},
		{method: "PUT", path: "/leases/" + id, body: dict{"reservations": []dict{{"id": "x",
			"resource_type": "toaster"}}}, status: 400},
		{method: "PUT", path: "/leases/no", body: dict{}, status: 404},
		{method: "GET", path: "/devices/" + board.ID, status: 200, says: board.UID},
		{method: "GET", path: "/devices/" + board.UID, status: 404,
			says: "Object with {'device_id': '" + board.UID + "'} not found"},
		{method: "PUT", path: "/devices/" + board.ID, body: dict{"x": "y"}, status: 403, says: "blazar:devices:put"},
		{method: "DELETE", path: "/devices/" + board.ID, status: 403},
		{who: "root", method: "PUT", path: "/devices/" + board.ID, body: dict{}, status: 400,
			says: "No data to update"},
		{who: "root", method: "POST", path: "/devices", body: dict{"name": "iot-rpi5-unregistered",
			"device_driver": "k8s"}, status: 201},
		{who: "root", method: "DELETE", path: "/devices/no", status: 404},
		{method: "GET", path: "/devices/properties?detail=True", status: 200, says: `"values":[`},
		{method: "GET", path: "/devices/allocations?lease_id=" + id, status: 200, says: id},
		{method: "GET", path: "/devices/allocations?lease_id=no", status: 200, says: `"reservations":[]`},
		{who: "dana", method: "POST", path: "/leases", body: c.leaseBody("by a reader", anyPi5), status: 201},
		{who: "carol", method: "PUT", path: "/leases/" + id, body: dict{"name": "taken over"}, status: 200},
		{who: "root", method: "GET", path: "/leases", status: 200, says: "bobs-camera"},
	})
	a := c.do("POST", c.endpoints["reservation"]+"/leases", "<lease/>", "Content-Type", "text/xml")
	if a.status != 400 || a.at("error_message") != "Content type 'text/xml' isn't supported" {
		t.Errorf("XML: %v", a)
	}
	if a := c.blazar("PATCH", "/leases", "{}"); a.header.Get("Allow") != "" {
		t.Errorf("the error handler loses flask's Allow header: %v", a.header)
	}
}

func TestNeutronNeighbours(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	ip := func(b dict) dict { return dict{"floatingip": b} }
	id := c.want(201, c.neutron("POST", "/floatingips",
		ip(dict{"floating_network_id": world.PublicNetID}))).text("floatingip", "id")
	c.visit(c.endpoints["network"]+"/v2.0", []neighbour{
		{method: "GET", path: "/networks?name=nosuch", status: 200, says: `"networks":[]`},
		{method: "GET", path: "/networks/" + world.PublicNetID, status: 200, says: `"router:external":true`},
		{method: "GET", path: "/networks/" + world.NewUUID(), status: 404, says: "NetworkNotFound"},
		{method: "GET", path: "/subnets", status: 200, says: "192.168.64.0/18"},
		{method: "GET", path: "/networks?fields=id&name=public", status: 200,
			says: `{"networks":[{"id":"` + world.PublicNetID + `"}]}`},
		{method: "GET", path: "/networks?limit=1", status: 200, says: "networks_links"},
		{method: "GET", path: "/floatingips?colour=red", status: 400,
			says: "['colour'] is invalid attribute for filtering"},
		{method: "GET", path: "/floatingips?limit=many", status: 400},
		{method: "PATCH", path: "/floatingips", body: "{}", status: 405},
		{method: "POST", path: "/networks", body: dict{"network": dict{}}, status: 403},
		{method: "POST", path: "/floatingips", body: dict{}, status: 400, says: "Resource body required"},
		{method: "POST", path: "/floatingips", body: dict{"x": 1}, status: 400,
			says: "Unable to find 'floatingip' in request body"},
		{method: "POST", path: "/floatingips", body: "[", status: 400, says: "MalformedRequestBody"},
		{method: "POST", path: "/floatingips", body: ip(dict{"floating_network_id": nil}), status: 400,
			says: "'None' is not a valid UUID."},
		{method: "POST", path: "/floatingips", body: ip(dict{"floating_network_id": "public"}), status: 400,
			says: "Invalid input for floating_network_id. Reason: 'public' is not a valid UUID."},
		{method: "POST", path: "/floatingips", body: ip(dict{"floating_network_id": world.CaliconetID}), status: 400,
			says: "is not a valid external network"},
		{method: "POST", path: "/floatingips", body: ip(dict{"floating_network_id": world.PublicNetID,
			"colour": "red"}), status: 400, says: "Unrecognized attribute(s) 'colour'"},
		{method: "PUT", path: "/floatingips/" + id, body: ip(dict{"floating_network_id": world.PublicNetID}),
			status: 400, says: "Cannot update read-only attribute floating_network_id"},
		{method: "PUT", path: "/floatingips/" + id, body: ip(dict{"status": "ACTIVE"}), status: 400,
			says: "Cannot update read-only attribute status"},
		{method: "PUT", path: "/floatingips/" + id, body: ip(dict{"port_id": "x"}), status: 400,
			says: "Invalid input for port_id. Reason: 'x' is not a valid UUID."},
		{method: "PUT", path: "/floatingips/" + id, body: ip(dict{"description": "mine"}), status: 200,
			says: `"description":"mine"`},
		{who: "carol", method: "PUT", path: "/floatingips/" + id, body: ip(dict{"description": "hers"}), status: 404},
		{who: "carol", method: "GET", path: "/floatingips", status: 200, says: `"floatingips":[]`},
		{who: "root", method: "GET", path: "/floatingips", status: 200, says: id},
		{who: "-", method: "GET", path: "/floatingips", status: 401},
		{method: "GET", path: "/quotas/" + c.e.world.User(world.Alice).Project.ID, status: 200,
			says: `"floatingip":50`},
		{method: "GET", path: "/quotas/" + c.e.world.User(world.Alice).Project.ID + "/details.json", status: 200,
			says: `"floatingip":{"limit":50,"reserved":0,"used":1}`},
		{method: "GET", path: "/quotas/" + c.e.world.User(world.Carol).Project.ID, status: 403, says: "AdminRequired"},
	})
}

// TestSecondSite: each site has a Keystone of its own, whose tokens say nothing elsewhere.
func TestSecondSite(t *testing.T) {
	t.Parallel()
	edge := start(t, Options{Sites: []string{"CHI@UC"}})
	uc := edge.site("CHI@UC")
	stranger := *edge
	stranger.token = uc.token
	edge.want(200, edge.blazar("GET", "/leases", nil))
	edge.want(401, stranger.blazar("GET", "/leases", nil))
	edge.want(401, stranger.zun("GET", "/containers", nil))
	edge.want(401, stranger.neutron("GET", "/floatingips", nil))
	edge.want(401, stranger.do("GET", edge.e.AuthURL()+"/auth/projects", nil))
	stranger = *uc
	stranger.token = edge.token
	uc.want(200, uc.nova("GET", "/servers", nil))
	for _, a := range []answer{stranger.nova("GET", "/servers", nil), stranger.blazar("GET", "/os-hosts", nil),
		stranger.do("GET", uc.endpoints["image"]+"/v2/images", nil), stranger.do("GET", uc.auth+"/auth/catalog", nil)} {
		uc.want(401, a)
	}
	edge.want(404, edge.blazar("GET", "/os-hosts", nil))
	uc.want(404, uc.blazar("GET", "/devices", nil))
	for _, site := range []struct {
		c             *client
		region, types string
	}{{edge, "CHI@Edge", "map[container:true identity:true inventory:true network:true reservation:true]"},
		{uc, "CHI@UC", "map[compute:true identity:true image:true network:true reservation:true]"}} {
		types := map[string]bool{}
		for _, s := range list(site.c.want(200, site.c.do("GET", site.c.auth+"/auth/catalog", nil)).at("catalog")) {
			types[dig(s, "type").(string)] = true
			if dig(s, "endpoints", 0, "region") != site.region {
				t.Errorf("region of %v", s)
			}
		}
		if fmt.Sprint(types) != site.types {
			t.Errorf("%s: catalog %v", site.region, types)
		}
	}
	for _, wrong := range [][]string{{"CHI@Mars"}, {"CHI@UC", "CHI@UC"}} {
		if e, err := Start(t.Context(), Options{Sites: wrong}); err == nil {
			e.Close()
			t.Errorf("sites %v were started", wrong)
		}
	}
}
