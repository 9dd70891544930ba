package chiedge

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// cloud is a small CHI@Edge, written after exchanges recorded with the real
// services: their routes, codes, bodies and order of states, as far as the
// tests here need them. What changes by itself over there changes here with
// the number of looks, so no test depends on time.
type cloud struct {
	t   *testing.T
	srv *httptest.Server

	mu         sync.Mutex
	tokens     map[string]bool
	appCreds   map[string]appCred
	secret     string
	project    bool // false: tokens are for no project
	region     string
	types      []string // of the catalog
	tokenCount int

	devices    []map[string]any
	leases     []*fakeLease
	free       int // devices that a new lease can still get
	containers []*fakeContainer
	script     []state // what a new container goes through, one step a look
	fips       []map[string]any
	exec       func(command string) (output string, code any)

	// before and after may answer a request instead of, or behind the back
	// of, the service; true: they did.
	before, after func(w http.ResponseWriter, r *http.Request) bool
	calls         []string
}

type appCred struct {
	secret     string
	restricted bool
}

type fakeLease struct {
	id, name, user, status, resStatus string
	start, end                        time.Time
	properties                        string
	device                            string
	next                              []string // statuses to come, one a look
}

type state struct {
	status, reason, detail string
	unclaimed              bool // nobody works on it, as on none of a stuck service
}

type fakeContainer struct {
	id, name, user string
	body           map[string]any
	now            state
	next           []state
	deleting       bool
}

const (
	alice     = "2187b09cc2d64fa1bc5cca8bba7bf4b9"
	bob       = "9c65eac06c5e484298e344668b03f4e5"
	projectID = "557766312adf413d8d2e73abd1e7d0c6"
	netID     = "fc1afc6b-55b2-4ed8-988d-83932a7ba636"
)

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{
		t: t, tokens: map[string]bool{}, appCreds: map[string]appCred{"ac1": {"s3cret-of-ac1", false},
			"ac2": {"s3cret-of-ac2", true}},
		secret: "alices-passw0rd", project: true, region: "CHI@Edge",
		types: []string{"identity", "reservation", "container", "network"}, free: 7,
		script: []state{{status: "Creating"}, {status: "Creating"}, {status: "Created"}, {status: "Running"}},
	}
	for i := 1; i <= 7; i++ {
		c.devices = append(c.devices, map[string]any{"created_at": "2026-11-23 04:42:38.890640", "updated_at": nil,
			"id":   fmt.Sprintf("dev-%d", i),
			"name": fmt.Sprintf("nyu-rpi5-%02d", i), "device_type": "container", "device_driver": "k8s",
			"reservable": true,
			"uid":        fmt.Sprintf("uid-%d", i), "supported_device_profiles": "pi_gpio", "model": "Raspberry Pi 5",
			"machine_name": "raspberrypi5", "vendor": "Raspberry Pi"})
	}
	c.devices = append(c.devices, map[string]any{"created_at": "2026-11-23 04:42:44.478669", "updated_at": nil,
		"id": "dev-8", "name": "iot-rpi4-01",
		"device_type": "container", "device_driver": "k8s", "reservable": true, "machine_name": "raspberrypi4-64",
		"uid": "uid-8"})
	c.serveAt(t)
	return c
}

func (c *cloud) serveAt(t testing.TB) {
	c.srv = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.srv.Close)
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, r.Method+" "+r.URL.RequestURI())
	if c.before != nil && c.before(w, r) {
		return
	}
	if c.after != nil {
		rec := httptest.NewRecorder()
		c.route(rec, r)
		if c.after(w, r) {
			return
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
		return
	}
	c.route(w, r)
}

func (c *cloud) route(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Path
	if p == "/v3/auth/tokens" && r.Method == "POST" {
		c.authenticate(w, r)
		return
	}
	if p == "/" {
		reply(w, 200, map[string]any{"versions": []any{map[string]any{"id": "v2.0", "status": "CURRENT",
			"links": []any{}}}})
		return
	}
	if !c.tokens[r.Header.Get("X-Auth-Token")] {
		reply(w, 401, map[string]any{"error": map[string]any{"code": 401, "title": "Unauthorized",
			"message": "The request you " +
				"have made requires authentication."}})
		return
	}
	switch {
	case p == "/v3/auth/projects":
		reply(w, 200, map[string]any{"projects": []any{map[string]any{"id": projectID, "name": "CHI-231138"}}})
	case strings.HasPrefix(p, "/v1/leases"), strings.HasPrefix(p, "/v1/devices"):
		c.blazar(w, r, strings.Split(strings.TrimPrefix(p, "/v1/"), "/"))
	case strings.HasPrefix(p, "/v1/containers"):
		if r.Header.Get("OpenStack-API-Version") != "container 1.41" {
			reply(w, 406, map[string]any{"errors": []any{map[string]any{"status": 406, "code": "container.",
				"title": "Not Acceptable"}}})
			return
		}
		c.zun(w, r, strings.Split(strings.Trim(strings.TrimPrefix(p, "/v1/containers"), "/"), "/"))
	case strings.HasPrefix(p, "/v2.0/"):
		c.neutron(w, r, strings.Split(strings.TrimPrefix(p, "/v2.0/"), "/"))
	default:
		w.WriteHeader(404)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Openstack-Request-Id", "req-c71edc63")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func hangUp(w http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
	return true
}

func readJSON(r *http.Request) map[string]any {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(b, &m) != nil {
		return nil
	}
	return m
}

func at(m any, keys ...string) any {
	for _, k := range keys {
		o, ok := m.(map[string]any)
		if !ok {
			return nil
		}
		m = o[k]
	}
	return m
}

func (c *cloud) authenticate(w http.ResponseWriter, r *http.Request) {
	auth := readJSON(r)["auth"]
	token := map[string]any{
		"methods": []any{"password"}, "expires_at": "2036-11-23T08:43:41.000000Z",
		"issued_at": "2026-11-23T04:43:41.000000Z",
		"user": map[string]any{"id": alice, "name": "alice@example.org",
			"domain": map[string]any{"id": "d", "name": "chameleon"}},
	}
	ok := false
	if ac, given := at(auth, "identity", "application_credential").(map[string]any); given {
		id, _ := ac["id"].(string)
		known, there := c.appCreds[id]
		if !there {
			reply(w, 404, map[string]any{"error": map[string]any{"code": 404,
				"message": "Could not find Application Credential: " + id + ".", "title": "Not Found"}})
			return
		}
		if at(auth, "scope") != nil {
			c.t.Error("a scope beside an application credential")
		}
		ok = ac["secret"] == known.secret
		token["application_credential"] = map[string]any{"id": id, "name": "name-of-" + id,
			"restricted": known.restricted}
	} else {
		ok = at(auth, "identity", "password", "user", "name") == "alice@example.org" &&
			at(auth, "identity", "password", "user", "password") == c.secret
	}
	if !ok {
		reply(w, 401, map[string]any{"error": map[string]any{"code": 401, "message": "The request you have made " +
			"requires authentication.", "title": "Unauthorized"}})
		return
	}
	if c.project {
		token["project"] = map[string]any{"id": projectID, "name": "CHI-231138",
			"domain": map[string]any{"id": "d", "name": "chameleon"}}
		token["catalog"] = c.catalog()
	}
	c.tokenCount++
	id := fmt.Sprintf("token-%d", c.tokenCount)
	c.tokens[id] = true
	w.Header().Set("X-Subject-Token", id)
	reply(w, 201, map[string]any{"token": token})
}

func (c *cloud) catalog() []any {
	paths := map[string]string{"identity": "/v3", "reservation": "/v1", "container": "/v1/", "network": "",
		"compute": "/v2.1"}
	var entries []any
	for _, typ := range c.types {
		var endpoints []any
		for _, i := range []string{"public", "internal"} {
			endpoints = append(endpoints, map[string]any{"id": typ + i, "interface": i, "region_id": c.region,
				"region": c.region, "url": c.srv.URL + paths[typ]})
		}
		entries = append(entries, map[string]any{"id": typ, "type": typ, "name": typ, "endpoints": endpoints})
	}
	return entries
}

const blazarTime = "2006-01-02T15:04:05.000000"

func (l *fakeLease) json() map[string]any {
	return map[string]any{
		"created_at": "2026-11-23 04:44:01.945348", "updated_at": nil, "id": l.id, "name": l.name, "user_id": l.user,
		"project_id": projectID,
		"start_date": l.start.Format(blazarTime), "end_date": l.end.Format(blazarTime), "trust_id": "t",
		"status": l.status, "degraded": false,
		"reservations": []any{map[string]any{"created_at": "2026-11-23 04:44:01.998431", "updated_at": nil,
			"id": "res-of-" + l.id, "lease_id": l.id,
			"resource_id": "row", "resource_type": "device", "status": l.resStatus, "missing_resources": false,
			"resources_changed":   false,
			"resource_properties": l.properties, "before_end": "default", "min": 1, "max": 1}},
		"events": []any{map[string]any{"id": "e", "lease_id": l.id, "event_type": "start_lease",
			"time":   l.start.Format(blazarTime),
			"status": map[bool]string{true: "ERROR", false: "UNDONE"}[l.status == "ERROR"]}},
	}
}

// look is one more look: the manager has gone round since the last.
func (l *fakeLease) look() {
	if len(l.next) == 0 {
		return
	}
	l.status, l.next = l.next[0], l.next[1:]
	l.resStatus = map[string]string{"ACTIVE": "active", "ERROR": "error", "TERMINATED": "deleted"}[l.status]
	if l.resStatus == "" {
		l.resStatus = "pending"
	}
}

func blazarError(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"error_code": status, "error_message": message, "error_name": status})
}

func (c *cloud) blazar(w http.ResponseWriter, r *http.Request, path []string) {
	what := r.Method + " " + path[0]
	if len(path) > 1 {
		what += "/ID"
	}
	if len(path) > 2 {
		what += "/" + path[2]
	}
	var l *fakeLease
	if path[0] == "leases" && len(path) > 1 {
		i := slices.IndexFunc(c.leases, func(l *fakeLease) bool { return l.id == path[1] })
		if i < 0 {
			blazarError(w, 404, "Object with {'lease_id': '"+path[1]+"'} not found")
			return
		}
		l = c.leases[i]
	}
	switch what {
	case "GET leases":
		all := []any{}
		for _, l := range c.leases {
			all = append(all, l.json())
		}
		reply(w, 200, map[string]any{"leases": listed(all)})
	case "POST leases":
		c.createLease(w, r)
	case "GET leases/ID":
		l.look()
		reply(w, 200, map[string]any{"lease": l.json()})
	case "PUT leases/ID":
		c.updateLease(w, r, l)
	case "DELETE leases/ID":
		c.leases = slices.DeleteFunc(c.leases, func(o *fakeLease) bool { return o == l })
		reply(w, 200, map[string]any{})
	case "GET leases/ID/devices":
		reply(w, 200, map[string]any{"devices": []any{map[string]any{"id": l.device, "name": "n",
			"device_type": "container", "device_driver": "k8s", "reservable": true}}})
	case "GET devices":
		reply(w, 200, map[string]any{"devices": c.devices})
	case "GET devices/ID": // allocations is the only one asked for
		all := []any{}
		for _, d := range c.devices {
			res := []any{}
			for _, l := range c.leases {
				if l.device == d["id"] {
					res = append(res, map[string]any{"id": "res-of-" + l.id, "lease_id": l.id,
						"start_date": l.start.Format(blazarTime), "end_date": l.end.Format(blazarTime),
						"extras": map[string]any{}})
				}
			}
			all = append(all, map[string]any{"resource_id": d["id"], "reservations": res})
		}
		reply(w, 200, map[string]any{"allocations": listed(all)})
	default:
		reply(w, 404, map[string]any{"error": 404, "error_message": "The requested URL was not found on the server."})
	}
}

func (c *cloud) createLease(w http.ResponseWriter, r *http.Request) {
	body := readJSON(r)
	start, err := blazarDate(body["start_date"])
	end, err2 := blazarDate(body["end_date"])
	if err != nil || err2 != nil {
		blazarError(w, 400, fmt.Sprintf("%v is an invalid date. Required format: %%Y-%%m-%%d %%H:%%M",
			body["start_date"]))
		return
	}
	if !end.After(start) {
		blazarError(w, 400, "End date must be later than start date.")
		return
	}
	if d := end.Sub(start); d > 7*24*time.Hour {
		blazarError(w, 403, fmt.Sprintf("Lease duration of %d seconds must be less than or equal to the maximum "+
			"lease duration of 604800 seconds.", int(d.Seconds())))
		return
	}
	res := body["reservations"].([]any)[0].(map[string]any)
	if c.free == 0 {
		blazarError(w, 500, "Not enough resources available with query {'resource_type': 'device', 'start_date': "+
			"datetime.datetime(2026, 11, 25, 4, 0)}")
		return
	}
	c.free--
	l := &fakeLease{id: fmt.Sprintf("lease-%d", len(c.leases)+1), name: body["name"].(string), user: alice,
		status: "PENDING", resStatus: "pending",
		start: start, end: end, properties: res["resource_properties"].(string),
		device: fmt.Sprintf("dev-%d", c.free+1), next: []string{"PENDING", "STARTING", "ACTIVE"}}
	c.leases = append(c.leases, l)
	reply(w, 201, map[string]any{"lease": l.json()})
}

// updateLease changes the end. The answer shows the state in between, and the
// next looks show it for a while.
func (c *cloud) updateLease(w http.ResponseWriter, r *http.Request, l *fakeLease) {
	end, err := blazarDate(readJSON(r)["end_date"])
	if err != nil {
		blazarError(w, 400, "invalid date")
		return
	}
	was := l.status
	l.end, l.status, l.next = end, "UPDATING", []string{"UPDATING", was}
	if !end.After(time.Now()) {
		l.next = []string{"TERMINATING", "TERMINATED"}
	}
	reply(w, 200, map[string]any{"lease": l.json()})
}

func blazarDate(v any) (time.Time, error) {
	if v == "now" {
		return time.Now().UTC().Truncate(time.Minute), nil
	}
	return time.Parse("2006-01-02 15:04", v.(string))
}

// count says how often a request was made whose line begins so.
func (c *cloud) count(prefix string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, call := range c.calls {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}

func (c *cloud) host() string {
	u, err := url.Parse(c.srv.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	return u.Host
}
