package emulator

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// exchange is one recorded request and what came back; see testdata/README.md.
type exchange struct {
	Case    string            `json:"case"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Token   string            `json:"token"` // "" a good one, "none", "garbage"
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Status  int               `json:"status"`
	Shape   any               `json:"shape"`
	Says    string            `json:"says"`
}

// replay sends the exchanges of one service in order. before has what must happen
// between two of them.
func (c *client) replay(service, root string, vars map[string]string, before map[string]func()) {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", service+".json"))
	if err != nil {
		c.t.Fatal(err)
	}
	var all []exchange
	if err := json.Unmarshal(data, &all); err != nil {
		c.t.Fatal(err)
	}
	for i := range all {
		x := &all[i]
		if f := before[x.Case]; f != nil {
			f()
		}
		a := c.send(x, root, vars)
		if a.status != x.Status {
			c.t.Errorf("%s: %v; recorded %d", x.Case, a, x.Status)
			continue
		}
		if x.Says != "" && !strings.Contains(unescape(a.raw), c.fill(x.Says, vars)) {
			c.t.Errorf("%s: %v; recorded %q", x.Case, a, c.fill(x.Says, vars))
		}
		var got any
		json.Unmarshal([]byte(a.raw), &got)
		if x.Shape == "not JSON" {
			if got != nil {
				c.t.Errorf("%s: %v; recorded something that is no JSON", x.Case, a)
			}
			continue
		}
		shape, _ := json.Marshal(x.Shape)
		var want any
		json.Unmarshal([]byte(c.fill(string(shape), vars)), &want)
		if diff := differ(want, got, ""); diff != "" {
			c.t.Errorf("%s: %s\n%v", x.Case, diff, a)
		}
		capture(vars, a)
	}
	if len(all) == 0 {
		c.t.Errorf("no exchanges for %s", service)
	}
}

// unescape undoes JSON's quoting, so that texts can be searched for.
func unescape(s string) string { return strings.ReplaceAll(s, `\"`, `"`) }

var placeholder = regexp.MustCompile(`\$\{[^}]+\}`)

func (c *client) fill(text string, vars map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		name := p[2 : len(p)-1]
		if minutes, err := strconv.Atoi(strings.TrimPrefix(name, "t")); err == nil && name[0] == 't' {
			return c.minute(time.Duration(minutes) * time.Minute)
		}
		v, ok := vars[name]
		if !ok {
			c.t.Fatalf("no value for %s", p)
		}
		return v
	})
}

func (c *client) send(x *exchange, root string, vars map[string]string) answer {
	c.t.Helper()
	who := *c
	switch x.Token {
	case "none":
		who.token = ""
	case "garbage":
		who.token = "garbage"
	}
	var body any
	if x.Body != nil {
		text := c.fill(string(x.Body), vars)
		var raw struct {
			Text *string `json:"_text"`
		}
		if json.Unmarshal([]byte(text), &raw); raw.Text != nil {
			text = *raw.Text // it was no JSON
		}
		body = text
	}
	var headers []string
	for k, v := range x.Headers {
		headers = append(headers, k, v)
	}
	if strings.HasPrefix(x.Path, "/v3/auth/tokens") && x.Method == "DELETE" {
		headers = append(headers, "X-Subject-Token", c.token)
	}
	return who.do(x.Method, root+c.fill(x.Path, vars), body, headers...)
}

// capture remembers ids that later exchanges use.
func capture(vars map[string]string, a answer) {
	if id := a.at("application_credential", "secret"); id != nil {
		vars["cred"], vars["secret"] = a.text("application_credential", "id"),
			a.text("application_credential", "secret")
	}
	if a.status == 201 && a.at("floatingip") != nil {
		suffix := ""
		if vars["fip"] != "" {
			suffix = "2"
		}
		if vars["fip"+suffix] == "" {
			vars["fip"+suffix], vars["address"+suffix] = a.text("floatingip", "id"),
				a.text("floatingip", "floating_ip_address")
		}
	}
}

// open are objects whose keys are data: the boards of this emulator have other
// capabilities, and Chameleon's configuration adds a user's name to an allocation.
var open = []string{".extras"}

// differ compares an answer with a recorded shape. Null fits everything: whether a
// value is there depends on the moment.
func differ(want, got any, at string) string {
	if want == nil || got == nil {
		return ""
	}
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %T, recorded an object", at, got)
		}
		if slices.ContainsFunc(open, func(o string) bool { return strings.HasSuffix(at, o) }) {
			return ""
		}
		for k, w := range want {
			v, ok := g[k]
			if !ok {
				return fmt.Sprintf("%s.%s is missing", at, k)
			}
			if d := differ(w, v, at+"."+k); d != "" {
				return d
			}
		}
		for k := range g {
			if _, ok := want[k]; !ok {
				return fmt.Sprintf("%s.%s was not recorded", at, k)
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%s is %T, recorded a list", at, got)
		}
		if len(want) == 0 || len(g) == 0 {
			return ""
		}
		return differ(want[0], g[0], at+"[0]")
	case string:
		kind := map[string]bool{}
		switch got.(type) {
		case string:
			kind["text"] = true
		case float64:
			kind["number"] = true
		case bool:
			kind["bool"] = true
		}
		if !kind[want] {
			return fmt.Sprintf("%s is %T, recorded %s", at, got, want)
		}
	}
	return ""
}

func TestRecordedKeystone(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	alice := c.e.world.User(world.Alice)
	vars := map[string]string{"user": alice.ID, "username": alice.Name, "project": alice.Project.Name,
		"projectid": alice.Project.ID,
		"password":  alice.Password, "token": c.token}
	c.replay("keystone", strings.TrimSuffix(c.e.AuthURL(), "/v3"), vars, map[string]func(){
		"05-password-wrong":           func() { vars["password"] = "wrong" },
		"08-password-project-unknown": func() { vars["password"] = alice.Password },
	})
}

func TestRecordedBlazar(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := c.leaseBody("chexp-future", anyPi5)
	body["start_date"], body["end_date"] = c.minute(1396*time.Minute), c.minute(1516*time.Minute)
	lease := c.want(201, c.blazar("POST", "/leases", body)).text("lease", "id")
	short := c.leaseBody("chexp-now", anyPi5)
	short["end_date"] = c.minute(3 * time.Minute)
	active := c.want(201, c.blazar("POST", "/leases", short)).text("lease", "id")
	c.poll("the lease to be active", func() bool {
		return c.blazar("GET", "/leases/"+active, nil).at("lease", "status") == "ACTIVE"
	})
	c.e.Advance(time.Minute) // a lease that started in this very minute may still be moved
	device := c.blazar("GET", "/leases/"+active+"/devices", nil).text("devices", 0, "id")
	vars := map[string]string{"lease": lease, "active": active, "device": device}
	c.replay("blazar", strings.TrimSuffix(c.endpoints["reservation"], "/v1"), vars, map[string]func(){
		// "Any board", chosen at random, may be the only Pi 4, which this one needs.
		"72-two-reservations": func() {
			for _, l := range c.blazar("GET", "/leases", nil).at("leases").([]any) {
				if dig(l, "name") == "e62" {
					c.want(200, c.blazar("DELETE", "/leases/"+dig(l, "id").(string), nil))
				}
			}
		},
	})
}

func TestRecordedNeutron(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	port := c.neutron("GET", "/ports?device_id="+box, nil)
	vars := map[string]string{"public": world.PublicNetID, "container": box, "port": port.text("ports", 0, "id"),
		"fixed":     port.text("ports", 0, "fixed_ips", 0, "ip_address"),
		"projectid": c.e.world.User(world.Alice).Project.ID}
	bind := func(id string) answer {
		return c.neutron("PUT", "/floatingips/"+id,
			map[string]any{"floatingip": map[string]any{"port_id": vars["port"]}})
	}
	c.replay("neutron", c.endpoints["network"], vars, map[string]func(){
		"11-bind-port-already-has-one": func() { c.want(200, bind(vars["fip"])) },
		"17b-delete-again":             func() { c.want(204, c.neutron("DELETE", "/floatingips/"+vars["fip"], nil)) },
	})
}

func TestRecordedZun(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	body := containerBody(reservation)
	body["workdir"], body["environment"] = "/root", map[string]any{"CHEXP_RUN": "r1"}
	box := c.create(body)
	c.output(box, "sh -c 'mkdir -p /root/out; echo {} >/root/out/a.json; echo home >/root/home.txt'")
	c.version = ""
	vars := map[string]string{"container": box, "reservation": reservation, "caliconet": world.CaliconetID}
	get := func(path string) answer {
		return c.do("GET", c.endpoints["container"]+path, nil, "OpenStack-API-Version", "container 1.41")
	}
	status := func(uuid, want string) func() {
		return func() {
			c.poll(uuid+" to be "+want, func() bool { return get("/containers/"+uuid).at("status") == want })
		}
	}
	c.replay("zun", strings.TrimSuffix(c.endpoints["container"], "/v1"), vars, map[string]func(){
		"13-get-by-name":        func() { status("chexp-bench", "Running")() },
		"83-stopping-2-Stopped": status(box, "Stopped"),
		"87b-delete-again": func() {
			c.poll("the container to be gone",
				func() bool { return get("/containers/"+url.PathEscape(box)).status == 404 })
		},
	})
}
