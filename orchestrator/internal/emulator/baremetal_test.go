package emulator

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

const uc = "CHI@UC"

// bareMetalClient is alice at CHI@UC; a server takes as long as o says, a moment by default.
func bareMetalClient(t *testing.T, o Options) *client {
	t.Helper()
	o.Sites = []string{uc}
	if o.Deploy == 0 {
		o.Deploy = 50 * time.Millisecond
	}
	return start(t, o).site(uc)
}

// hostLease asks for machines from now for two hours.
func (c *client) hostLease(name, props string, count int) map[string]any {
	body := c.leaseBody(name, props)
	body["reservations"] = []any{map[string]any{"resource_type": "physical:host", "min": count, "max": count,
		"resource_properties": props, "hypervisor_properties": ""}}
	return body
}

const gigaio = `["==", "$node_type", "compute_gigaio"]`

// activeHosts has a lease on machines, and waits for it.
func (c *client) activeHosts(count int) (lease, reservation string) {
	c.t.Helper()
	a := c.want(201, c.blazar("POST", "/leases", c.hostLease("metal", gigaio, count)))
	lease, reservation = a.text("lease", "id"), a.text("lease", "reservations", 0, "id")
	c.poll("the lease to be active", func() bool {
		return c.blazar("GET", "/leases/"+lease, nil).at("lease", "status") == "ACTIVE"
	})
	return lease, reservation
}

func keysOf(v any) []string { return slices.Sorted(maps.Keys(object(v))) }

// TestBareMetalReservations: physical:host leases, /os-hosts and /os-hosts/allocations. The keys are
// those of the fork's tables and of its API samples.
func TestBareMetalReservations(t *testing.T) {
	t.Parallel()
	c := bareMetalClient(t, Options{})
	hosts := list(c.want(200, c.blazar("GET", "/os-hosts", nil)).at("hosts"))
	if len(hosts) != len(world.Machines(uc)) {
		t.Fatalf("%d hosts", len(hosts))
	}
	one := object(hosts[0])
	for key, want := range map[string]any{"id": "1", "hypervisor_type": "ironic", "node_type": "compute_gigaio",
		"gpu.gpu_model": "A100 80GB",
		"reservable":    true, "hypervisor_hostname": one["uid"], "disabled": false, "status": nil, "vcpus": 256.0} {
		if v, ok := one[key]; !ok || v != want {
			t.Errorf("host's %s is %v, want %v", key, v, want)
		}
	}
	lease, reservation := c.activeHosts(1)
	a := c.want(200, c.blazar("GET", "/leases/"+lease, nil))
	want := strings.Fields("before_end created_at hypervisor_properties id lease_id max min missing_resources " +
		"on_start resource_id " +
		"resource_properties resource_type resources_changed status updated_at")
	if got := keysOf(a.at("lease", "reservations", 0)); !slices.Equal(got, want) {
		t.Errorf("reservation has %v, want %v", got, want)
	}
	mine := c.want(200, c.blazar("GET", "/leases/"+lease+"/hosts", nil))
	id := mine.text("hosts", 0, "id")
	if _, ok := object(mine.at("hosts", 0))["node_type"]; ok || id != "1" {
		t.Errorf("a lease's hosts have columns only: %v", mine)
	}
	all := list(c.want(200, c.blazar("GET", "/os-hosts/allocations", nil)).at("allocations"))
	if len(all) != len(hosts) || dig(all, 0, "reservations", 0, "id") != reservation ||
		len(list(dig(all, 1, "reservations"))) != 0 ||
		dig(all, 0, "reservations", 0, "extras", "user_name") != world.Alice {
		t.Errorf("allocations %v", all)
	}
	// Unlike a board's, one machine's calendar works; it has no extras.
	got := keysOf(c.want(200, c.blazar("GET", "/os-hosts/"+id+"/allocation", nil)).at("allocation", "reservations", 0))
	if want := strings.Fields("end_date id lease_id start_date"); !slices.Equal(got, want) {
		t.Errorf("allocation has %v, want %v", got, want)
	}
	c.want(200, c.blazar("DELETE", "/leases/"+lease, nil))
}

func TestBareMetalReservationErrors(t *testing.T) {
	t.Parallel()
	c := bareMetalClient(t, Options{})
	for _, tc := range []struct {
		what   string
		props  string
		change func(map[string]any)
		status int
		says   string
	}{
		{"all of a kind", gigaio, func(r map[string]any) { r["min"], r["max"] = 2, 2 }, 201, "hypervisor_properties"},
		{"more than there are", gigaio, nil, 500, "'resource_type': 'physical:host'"},
		{"another kind", `["=", "$node_type", "compute_skylake"]`, nil, 201, "on_start"},
		{"by uid", `["==", "$uid", "` + world.Machines(uc)[3].UID + `"]`, nil, 201, ""},
		{"one that is being repaired", `["==", "$node_name", "compute-skylake-03"]`, nil, 500,
			"Not enough resources available"},
		{"unknown property", `["==", "$colour", "red"]`, nil, 500, "colour ComputeHostExtraCapability was not found"},
		{"by size, as numbers", "", func(r map[string]any) { r["hypervisor_properties"] = `[">", "$vcpus", "1000"]` },
			500, "Not enough resources"},
		{"no hypervisor_properties", gigaio, func(r map[string]any) { delete(r, "hypervisor_properties") }, 400,
			"Missing parameter hypervisor_properties"},
		{"no resource_properties", gigaio, func(r map[string]any) { delete(r, "resource_properties") }, 400,
			"Missing parameter resource_properties"},
		{"on_start", gigaio, func(r map[string]any) { r["on_start"] = "dance" }, 400, "Malformed parameter on_start"},
		{"before_end", gigaio, func(r map[string]any) { r["before_end"] = "never" }, 400,
			"Malformed parameter before_end"},
		{"a board", gigaio, func(r map[string]any) { r["resource_type"] = "device" }, 500,
			"The device resource type is not supported"},
	} {
		body := c.hostLease("x", tc.props, 1)
		if tc.change != nil {
			tc.change(object(list(body["reservations"])[0]))
		}
		if a := c.blazar("POST", "/leases", body); a.status != tc.status || !strings.Contains(a.raw, tc.says) {
			t.Errorf("%s: %v; want %d %s", tc.what, a, tc.status, tc.says)
		}
	}
	c.visit(c.endpoints["reservation"], []neighbour{
		{method: "GET", path: "/os-hosts/1", status: 200, says: `"node_name":"compute-gigaio-01"`},
		{method: "GET", path: "/os-hosts/99", status: 404, says: "Object with {'host_id': '99'} not found"},
		{method: "GET", path: "/os-hosts/99/allocation", status: 404, says: "Object with {'host_id': '99'} not found"},
		{method: "GET", path: "/os-hosts/properties", status: 200, says: `"property":"node_type"`},
		{method: "DELETE", path: "/os-hosts/1", status: 403,
			says: "Policy doesn't allow blazar:oshosts:delete to be performed"},
	})
}

func (c *client) serverBody(name, reservation string) map[string]any {
	images := c.want(200, c.do("GET", c.endpoints["image"]+"/v2/images?name=CC-Ubuntu24.04", nil))
	return map[string]any{"server": map[string]any{"name": name, "imageRef": images.text("images", 0, "id"),
		"flavorRef": world.FixedUUID("flavor baremetal"),
		"networks":  []any{map[string]any{"uuid": world.Sharednet1ID}}},
		"os:scheduler_hints": map[string]any{"reservation": reservation}}
}

// launch makes a server and waits for a status.
func (c *client) launch(body map[string]any, status string) answer {
	c.t.Helper()
	id := c.want(202, c.nova("POST", "/servers", body)).text("server", "id")
	var a answer
	c.poll("server "+id+" to be "+status, func() bool {
		a = c.want(200, c.nova("GET", "/servers/"+id, nil))
		return a.at("server", "status") == status
	})
	return a
}

// TestBareMetalDeployment: BUILD to ACTIVE takes the ten minutes of the real site, by the cloud's
// clock; the end of the lease takes the server.
func TestBareMetalDeployment(t *testing.T) {
	t.Parallel()
	c := bareMetalClient(t, Options{Deploy: 10 * time.Minute})
	lease, reservation := c.activeHosts(1)
	made := c.nova("POST", "/servers", c.serverBody("box", reservation))
	if got := keysOf(c.want(202, made).at("server")); !slices.Equal(got,
		strings.Fields("OS-DCF:diskConfig adminPass id links security_groups")) ||
		!strings.HasSuffix(made.header.Get("Location"), made.text("server", "id")) {
		t.Errorf("creation answers %v", made)
	}
	id := made.text("server", "id")
	show := func() answer { return c.nova("GET", "/servers/"+id, nil) }
	c.poll("the machine to be written", func() bool {
		return show().at("server",
			"OS-EXT-STS:task_state") == "spawning"
	})
	c.e.Advance(9 * time.Minute)
	if a := show(); a.at("server", "status") != "BUILD" ||
		a.at("server", "addresses", "sharednet1", 0, "OS-EXT-IPS:type") != "fixed" {
		t.Errorf("after nine minutes: %v", a)
	}
	c.e.Advance(time.Minute)
	c.poll("the server to be ACTIVE", func() bool { return show().at("server", "status") == "ACTIVE" })
	if a := show(); a.at("server", "OS-EXT-STS:vm_state") != "active" ||
		a.at("server", "OS-EXT-STS:power_state") != 1.0 || a.at("server", "OS-SRV-USG:launched_at") == nil {
		t.Errorf("%v", a)
	}
	if l := c.e.Leftovers(); len(l.Servers) != 1 || len(l.Leases) != 1 || !strings.Contains(l.String(), "server "+id) {
		t.Errorf("leftovers %v", l)
	}
	c.want(200, c.blazar("DELETE", "/leases/"+lease, nil))
	c.poll("the server to be gone", func() bool { return show().status == 404 })
	if l := c.e.Leftovers(); !l.Empty() {
		t.Errorf("leftovers %v", l)
	}
}

// TestBareMetalNoValidHost: every mistake with the reservation is a 202, then ERROR, as at Zun.
func TestBareMetalNoValidHost(t *testing.T) {
	t.Parallel()
	c := bareMetalClient(t, Options{})
	lease, reservation := c.activeHosts(1)
	late := c.hostLease("late", gigaio, 1)
	late["start_date"], late["end_date"] = c.minute(time.Hour), c.minute(2*time.Hour)
	future := c.want(201, c.blazar("POST", "/leases", late)).text("lease", "reservations", 0, "id")
	carol := *c
	carol.signIn(world.Carol)
	none := c.serverBody("none", "")
	delete(none, "os:scheduler_hints")
	fault := func(who *client, body map[string]any) string {
		return who.launch(body, "ERROR").text("server", "fault", "message")
	}
	for what, got := range map[string]string{
		"no hint":           fault(c, none),
		"unknown":           fault(c, c.serverBody("bad", world.NewUUID())),
		"the lease's id":    fault(c, c.serverBody("bad", lease)),
		"not active yet":    fault(c, c.serverBody("bad", future)),
		"another project's": fault(&carol, c.serverBody("bad", reservation)),
	} {
		if !strings.HasPrefix(got, "No valid host was found. There are not enough hosts available.") ||
			!strings.Contains(got, "bit.ly/faq-instance-failure") {
			t.Errorf("%s: fault %q", what, got)
		}
	}
	good := c.launch(c.serverBody("good", reservation), "ACTIVE").text("server", "id")
	if got := fault(c, c.serverBody("second", reservation)); !strings.HasPrefix(got, "No valid host was found.") {
		t.Errorf("two servers on one machine: %q", got)
	}
	// A machine is free again when its server is gone.
	c.want(204, c.nova("DELETE", "/servers/"+good, nil))
	c.poll("the server to be gone", func() bool { return c.nova("GET", "/servers/"+good, nil).status == 404 })
	c.order("nova.server=ERROR")
	if got := fault(c, c.serverBody("broken", reservation)); !strings.HasPrefix(got,
		"Exceeded maximum number of retries.") {
		t.Errorf("a machine that fails: %q", got)
	}
}

func TestNovaNeighbours(t *testing.T) {
	t.Parallel()
	c := bareMetalClient(t, Options{})
	_, reservation := c.activeHosts(1)
	c.want(200, c.nova("POST", "/os-keypairs", dict{"keypair": dict{"name": "made"}}))
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgBggTTBCOlQ4xJLH7UuAIHDtvo31tA7Ow5BOIQ6yib me"
	id := c.launch(c.serverBody("box", reservation), "ACTIVE").text("server", "id")
	server := func(change dict) dict {
		body := c.serverBody("x", reservation)
		for k, v := range change {
			if v == nil {
				delete(object(body["server"]), k)
			} else {
				object(body["server"])[k] = v
			}
		}
		return body
	}
	v := func(n string) []string { return []string{"OpenStack-API-Version", "compute " + n} }
	for _, n := range []struct {
		method, path string
		body         any
		headers      []string
		status       int
		says         string
	}{
		{"GET", "/servers", nil, v("2.999"), 406,
			`{"computeFault":{"code":406,"message":` +
				`"Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.95."}}`},
		{"GET", "/servers", nil, v("two"), 400, "API Version String two is of invalid format."},
		{"GET", "/servers", nil, v("latest"), 200, id},
		{"GET", "/servers", nil, []string{"X-OpenStack-Nova-API-Version", "2.61"}, 200, id},
		{"GET", "/servers?name=nosuch", nil, nil, 200, `{"servers":[]}`},
		{"GET", "/servers/detail?status=ACTIVE", nil, nil, 200, id},
		{"GET", "/servers/detail?all_tenants=1", nil, nil, 403, "os_compute_api:servers:detail:get_all_tenants"},
		{"GET", "/servers?limit=x", nil, nil, 400, "badRequest"},
		{"GET", "/servers?marker=x", nil, nil, 400, "marker [x] not found"},
		{"GET", "/servers/" + id, nil, v("2.61"), 200, `"original_name":"baremetal"`},
		{"GET", "/servers/no", nil, nil, 404,
			`{"itemNotFound":{"code":404,"message":"Instance no could not be found."}}`},
		{"DELETE", "/servers/no", nil, nil, 404, "Instance no could not be found."},
		{"GET", "/servers/" + id + "/ips", nil, nil, 200, `{"addresses":{"sharednet1":[{"addr":"10.140.`},
		{"GET", "/servers/" + id + "/os-interface", nil, nil, 200, world.Sharednet1ID},
		{"GET", "/servers/" + id + "/metadata", nil, nil, 200, `{"metadata":{}}`},
		{"POST", "/servers/" + id + "/action", dict{"dance": dict{}}, nil, 400, "There is no such action: dance"},
		{"POST", "/servers/" + id + "/action", dict{"rebuild": dict{}}, nil, 501, "notImplemented"},
		{"GET", "/flavors", nil, nil, 200, `"name":"baremetal"`},
		{"GET", "/flavors/detail", nil, v("2.61"), 200, `"resources:CUSTOM_BAREMETAL":"1"`},
		{"GET", "/flavors/m1.small", nil, nil, 404, "Flavor m1.small could not be found."},
		{"POST", "/servers", dict{}, nil, 400, "'server' is a required property"},
		{"POST", "/servers", "[", nil, 400, "Malformed request body"},
		{"POST", "/servers", server(dict{"name": nil}), nil, 400, "'name' is a required property"},
		{"POST", "/servers", server(dict{"name": 7}), nil, 400,
			"Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'"},
		{"POST", "/servers", server(dict{"colour": "red"}), nil, 400,
			"Additional properties are not allowed ('colour' was unexpected)"},
		{"POST", "/servers", server(dict{"description": "new"}), nil, 400, "('description' was unexpected)"},
		{"POST", "/servers", server(dict{"networks": nil}), v("2.37"), 400, "'networks' is a required property"},
		{"POST", "/servers", server(dict{"imageRef": nil}), nil, 400, "Missing imageRef attribute"},
		{"POST", "/servers", server(dict{"imageRef": world.NewUUID()}), nil, 400, "Can not find requested image"},
		{"POST", "/servers", server(dict{"flavorRef": "m1.small"}), nil, 400, "Flavor m1.small could not be found."},
		{"POST", "/servers", server(dict{"key_name": "nosuch"}), nil, 400, "Invalid key_name provided."},
		{"POST", "/servers", server(dict{"networks": []dict{{"uuid": world.PublicNetID}}}), nil, 403,
			"It is not allowed to create an interface on external network"},
		{"POST", "/servers", server(dict{"networks": []dict{{"uuid": "x"}}}), nil, 400,
			"network uuid is not in proper format (x)"},
		{"POST", "/servers", server(dict{"min_count": 3, "max_count": 2}), nil, 400, "min_count must be <= max_count"},
		{"POST", "/os-keypairs", dict{"keypair": dict{"name": "made"}}, nil, 409, "Key pair 'made' already exists."},
		{"POST", "/os-keypairs", dict{"keypair": dict{"name": "bad", "public_key": "junk"}}, nil, 400,
			"Keypair data is invalid: failed to generate fingerprint"},
		{"POST", "/os-keypairs", dict{"keypair": dict{"name": "new"}}, v("2.92"), 400,
			"'public_key' is a required property"},
		{"POST", "/os-keypairs", dict{"keypair": dict{"name": "mine", "public_key": key}}, v("2.2"), 201,
			`"type":"ssh"`},
		{"GET", "/os-keypairs/mine", nil, nil, 200, `"deleted":false`},
		{"DELETE", "/os-keypairs/mine", nil, nil, 202, ""},
		{"DELETE", "/os-keypairs/mine", nil, nil, 404, "Keypair mine not found for user"},
		{"GET", "/nosuch", nil, nil, 404, ""},
	} {
		if a := c.nova(n.method, n.path, n.body, n.headers...); a.status != n.status ||
			!strings.Contains(a.raw, n.says) {
			t.Errorf("%s %s: %v; want %d %s", n.method, n.path, a, n.status, n.says)
		}
	}
	image := c.endpoints["image"]
	for path, want := range map[string]int{"/v2/images/no": 404, "/v2/images?limit=x": 400,
		"/v2/images?marker=no": 400, "/v2/schemas/image": 200,
		"/v2/images?limit=1": 200, "/": 300} {
		c.want(want, c.do("GET", image+path, nil))
	}
	if a := c.do("GET", image+"/v2/images?name=in:CC-Ubuntu22.04,CC-Ubuntu24.04-CUDA&limit=1",
		nil); len(list(a.at("images"))) != 1 || a.at("next") == nil {
		t.Errorf("images %v", a)
	}
	// Versions are told to everybody.
	for _, url := range []string{strings.TrimSuffix(c.endpoints["compute"], "/v2.1"), c.endpoints["compute"] + "/"} {
		if resp, err := http.Get(url); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v %v", url, resp, err)
		}
	}
}

// TestBareMetalSSH goes through a floating IP as the user cc, with OpenSSH's own client.
func TestBareMetalSSH(t *testing.T) {
	t.Parallel()
	key, pub := sshKey(t)
	c := withContainers(t, runtime.GOARCH, Options{Sites: []string{uc}, Deploy: 50 * time.Millisecond}).site(uc)
	_, reservation := c.activeHosts(1)
	c.want(200, c.nova("POST", "/os-keypairs", dict{"keypair": dict{"name": "mine", "public_key": pub}}))
	body := c.serverBody("My_Box", reservation)
	object(body["server"])["key_name"] = "mine"
	hostFile, hostPub := sshKey(t)
	hostKey, err := os.ReadFile(hostFile)
	if err != nil {
		t.Fatal(err)
	}
	object(body["server"])["user_data"] = base64.StdEncoding.EncodeToString([]byte("#cloud-config\nssh_keys:\n" +
		"  ed25519_private: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(hostKey)), "\n", "\n    ") + "\n"))
	id := c.launch(body, "ACTIVE").text("server", "id")
	port := c.want(200, c.neutron("GET", "/ports?device_id="+id, nil))
	if port.at("ports", 0, "device_owner") != "compute:blazar_"+reservation ||
		port.at("ports", 0, "binding:vnic_type") != "baremetal" {
		t.Errorf("port %v", port)
	}
	fip := c.want(201, c.neutron("POST", "/floatingips",
		dict{"floatingip": dict{"floating_network_id": world.PublicNetID, "port_id": port.at("ports", 0, "id")}}))
	address := fip.text("floatingip", "floating_ip_address")
	if a := c.nova("GET", "/servers/"+id, nil); a.at("server", "addresses", "sharednet1", 1, "addr") != address {
		t.Errorf("the floating address is not among %v", a.at("server", "addresses"))
	}
	const look = "id -un; pwd; cat /proc/sys/kernel/hostname /etc/ssh/ssh_host_ed25519_key.pub"
	var said string
	c.poll("ssh to work", func() (worked bool) {
		said, worked = ssh(key, "cc@"+address, look)
		return worked
	})
	if !strings.HasPrefix(said, "cc\n/home/cc\nmy-box\nssh-ed25519 ") {
		t.Errorf("ssh says %q", said)
	}
	if out, worked := ssh(key, "root@"+address, look); worked {
		t.Errorf("root was let in: %q", out)
	}
	// Ironic has no console log: who wants to know the host's key hands one over.
	c.want(501, c.nova("POST", "/servers/"+id+"/action", dict{"os-getConsoleOutput": dict{}}))
	if shown := strings.Fields(strings.SplitN(said, "\n", 4)[3])[1]; shown != strings.Fields(hostPub)[1] {
		t.Errorf("the host key is %s, and not the one of the user data", shown)
	}
	c.want(204, c.nova("DELETE", "/servers/"+id, nil))
	c.poll("the server to be gone", func() bool {
		return len(c.e.Leftovers().Servers) == 0 && c.nova("GET", "/servers/"+id, nil).status == 404
	})
	if l := c.e.Leftovers(); len(l.FloatingIPs) != 1 ||
		c.neutron("GET", "/floatingips", nil).at("floatingips", 0, "port_id") != nil {
		t.Errorf("an address outlives its server: %v", fmt.Sprint(l))
	}
}
