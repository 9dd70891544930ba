package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// client is a plain HTTP client of one emulator: these tests share no code with
// chexp's own clients.
type client struct {
	t         *testing.T
	e         *Emulator
	auth      string // Keystone's URL
	token     string
	endpoints map[string]string // catalog type → URL, without a slash at its end
	version   string            // of Zun's API; "" sends none
}

type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any // nil if the answer is no object
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.raw) }

// at digs into the body: at("lease", "reservations", 0, "id").
func (a answer) at(path ...any) any { return dig(a.body, path...) }

func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (a answer) text(path ...any) string { return fmt.Sprint(a.at(path...)) }

// quick makes tests of states short. The execute limit stays generous: QEMU on a busy
// machine takes seconds for a shell.
func quick(o Options) Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.Tick, 60*time.Millisecond)
	set(&o.PullDelay, 40*time.Millisecond)
	set(&o.ExecuteTimeout, 60*time.Second)
	return o
}

func start(t *testing.T, o Options) *client {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	e, err := Start(context.Background(), quick(o))
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, e)
}

// connect signs in and closes the emulator at the end of the test.
func connect(t *testing.T, e *Emulator) *client {
	t.Helper()
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	c := &client{t: t, e: e, auth: e.AuthURL(), endpoints: map[string]string{}, version: "container 1.41"}
	c.signIn(world.Alice)
	return c
}

// withContainers needs images and a sandbox; it skips where there are none.
func withContainers(t *testing.T, arch string, o Options) *client {
	t.Helper()
	dir, err := filepath.Abs("../../../bin/images")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "debian-"+arch+".tar")); err != nil {
		t.Skipf("no image for %s: run make images", arch)
	}
	o.Images, o.Arch, o.Dir = dir, arch, t.TempDir()
	e, err := Start(context.Background(), quick(o))
	if err != nil {
		t.Skipf("this machine cannot run %s containers: %v", arch, err)
	}
	return connect(t, e)
}

// signIn takes a token by password and reads the catalog.
func (c *client) signIn(user string) {
	c.t.Helper()
	u := c.e.world.User(user)
	domain := map[string]any{"name": world.DomainName}
	a := c.do("POST", c.auth+"/auth/tokens", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": u.Name, "domain": domain, "password": u.Password}}},
		"scope": map[string]any{"project": map[string]any{"name": u.Project.Name, "domain": domain}},
	}})
	if a.status != 201 {
		c.t.Fatalf("signing in: %v", a)
	}
	c.token = a.header.Get("X-Subject-Token")
	list, _ := a.at("token", "catalog").([]any)
	for _, s := range list {
		c.endpoints[dig(s, "type").(string)] = strings.TrimSuffix(dig(s, "endpoints", 0, "url").(string), "/")
	}
}

// as returns the same client signed in as somebody else.
func (c *client) as(user string) *client {
	other := *c
	other.endpoints = map[string]string{}
	other.signIn(user)
	return &other
}

// site returns a client of a bare-metal site, signed in as alice.
func (c *client) site(name string) *client {
	other := *c
	other.auth, other.token, other.endpoints = c.e.SiteAuthURL(name), "", map[string]string{}
	other.signIn(world.Alice)
	return &other
}

func (c *client) nova(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	return c.do(method, c.endpoints["compute"]+path, body, headers...)
}

// do sends body as JSON; a string is sent as it is.
func (c *client) do(method, target string, body any, headers ...string) answer {
	c.t.Helper()
	var rd io.Reader
	if text, ok := body.(string); ok {
		rd = strings.NewReader(text)
	} else if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		rd = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, target, rd)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{raw: err.Error()}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{raw: err.Error()}
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(data)}
	json.Unmarshal(data, &a.body)
	return a
}

func (c *client) blazar(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	return c.do(method, c.endpoints["reservation"]+path, body, headers...)
}

func (c *client) zun(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	if c.version != "" {
		headers = append([]string{"OpenStack-API-Version", c.version}, headers...)
	}
	return c.do(method, c.endpoints["container"]+path, body, headers...)
}

func (c *client) neutron(method, path string, body any) answer {
	c.t.Helper()
	return c.do(method, c.endpoints["network"]+"/v2.0"+path, body)
}

// want checks the status.
func (c *client) want(status int, a answer) answer {
	c.t.Helper()
	if a.status != status {
		c.t.Fatalf("status %v; want %d", a, status)
	}
	return a
}

// patience is how long a state may take to come on a machine that is busy with something else.
const patience = 3 * time.Minute

// poll repeats f until it is true, for at most a minute.
func (c *client) poll(what string, f func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !f() {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const anyPi5 = `["==", "$machine_name", "raspberrypi5"]`

// leaseBody asks for one board from now for two hours.
func (c *client) leaseBody(name, props string) map[string]any {
	end := c.e.world.Now().Add(2 * time.Hour).Format("2006-01-02 15:04")
	return map[string]any{"name": name, "start_date": "now", "end_date": end, "events": []any{}, "reservations": []any{
		map[string]any{"resource_type": "device", "min": 1, "max": 1, "resource_properties": props}}}
}

// activeLease makes a lease and waits for it.
func (c *client) activeLease() (lease, reservation string) {
	c.t.Helper()
	a := c.want(201, c.blazar("POST", "/leases", c.leaseBody("test", anyPi5)))
	lease, reservation = a.text("lease", "id"), a.text("lease", "reservations", 0, "id")
	c.poll("the lease to be active", func() bool {
		return c.blazar("GET", "/leases/"+lease, nil).at("lease", "status") == "ACTIVE"
	})
	return lease, reservation
}

func containerBody(reservation string) map[string]any {
	return map[string]any{"name": "box", "image": "debian:12", "command": []string{"sleep", "infinity"},
		"hints": map[string]any{"reservation": reservation}}
}

// await polls a container until it has the status.
func (c *client) await(uuid, status string) answer {
	c.t.Helper()
	var a answer
	c.poll("container "+uuid+" to be "+status+" ", func() bool {
		a = c.zun("GET", "/containers/"+uuid, nil)
		if got := a.at("status"); got == "Error" && status != "Error" {
			c.t.Fatalf("container went to Error: %v", a)
		}
		return a.at("status") == status
	})
	return a
}

// runningContainer has a lease and a container on it.
func (c *client) runningContainer() string {
	c.t.Helper()
	_, reservation := c.activeLease()
	return c.create(containerBody(reservation))
}

func (c *client) create(body map[string]any) string {
	c.t.Helper()
	a := c.want(202, c.zun("POST", "/containers?run=true", body))
	uuid := a.text("uuid")
	c.await(uuid, "Running")
	return uuid
}

func (c *client) execute(uuid, command string) answer {
	c.t.Helper()
	return c.zun("POST", "/containers/"+uuid+"/execute?"+url.Values{"command": {command}, "run": {"true"},
		"interactive": {"false"}}.Encode(), nil)
}

// output runs a command that must succeed.
func (c *client) output(uuid, command string) string {
	c.t.Helper()
	a := c.want(200, c.execute(uuid, command))
	if a.at("exit_code") != 0.0 {
		c.t.Fatalf("%s: %v", command, a)
	}
	return a.text("output")
}
