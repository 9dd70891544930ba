package emulator

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/world"
	"chexp/orchestrator/internal/emulator/zun"
)

// TestFaultGrammar reads one order of every kind with the services' own words; package world
// tests the grammar itself.
func TestFaultGrammar(t *testing.T) {
	t.Parallel()
	orders := map[string]Faults{
		"blazar.lease=ERROR":          {blazar.LeaseError: 1},
		"blazar.lease: error x3":      {blazar.LeaseError: 3},
		"blazar.lease=degraded":       {blazar.LeaseDegraded: 1},
		"blazar.node=gone":            {blazar.NodeGone: 1},
		"blazar.free=none":            {blazar.NoFreeDevice: 1},
		"blazar.allocation=used":      {blazar.NoAllocation: 1},
		"blazar.extension=403":        {blazar.Extension403: -1},
		"blazar.policy: upstream":     {blazar.UpstreamPolicy: -1},
		"blazar.query=hidden":         {blazar.HiddenQuery: -1},
		"zun.container=ERRORx-1":      {zun.ContainerError: -1},
		"zun.container=deleted":       {zun.ContainerVanish: 1},
		"zun.hosts=none":              {zun.NoHosts: 1},
		"zun.image=never":             {zun.ImageNeverPulls: 1},
		"zun.address=late":            {zun.AddressLate: 1},
		"zun.interactive=off":         {zun.InteractiveOff: -1},
		"execute=cut":                 {zun.ExecuteCut: 1},
		"neutron.floatingip=dead":     {neutron.FloatingIPDead: 1},
		"neutron.pool=dry":            {neutron.PoolDry: 1},
		"neutron.quota=used":          {neutron.OverQuota: 1},
		"keystone.trusts=none":        {front.NoneTrust: -1},
		"keystone.trusts=all":         {front.AllTrust: -1},
		"nova.server=ERROR":           {world.Word("nova.server", "ERROR"): 1},
		"keystone.credential=expired": {world.Word("keystone.credential", "expired"): 1},
		"keystone.project=inactive":   {world.Word("keystone.project", "inactive"): 1},
	}
	for text, want := range orders {
		if got, err := ParseFaults([]string{text}); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]int{"execute=cut-5s": -1, "zun.workers=1": -1, "blazar.start=slow-60s": -1,
		"token: expires in 30s": -1, "network: cut after 1 MiB x2": 2, "nova.create=500x2": 2, "glance=503": 1,
		"keystone.catalog=429": 1, "neutron.update=drop": 1, "zun.put_archive=hang": 1, "blazar.allocations=lost": 1} {
		got, err := ParseFaults([]string{text})
		if err != nil || len(got) != 1 {
			t.Errorf("%q is %v, %v", text, got, err)
		}
		for f, times := range got {
			if times != want {
				t.Errorf("%q happens %d times; want %d", text, times, want)
			}
			// What the control page shows can be ordered again.
			if again, _, err := grammar.ParseOne(f.String()); err != nil || again != f {
				t.Errorf("%q is shown as %s, which is %v, %v", text, f, again, err)
			}
		}
	}
	// The help names everything that can be ordered.
	for text := range orders {
		target := text[:strings.IndexAny(text, ":=")]
		if !strings.Contains(FaultGrammar(), target) {
			t.Errorf("the help does not name %s: %s", target, FaultGrammar())
		}
	}
}

func faults(t *testing.T, texts ...string) Faults {
	t.Helper()
	f, err := ParseFaults(texts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// order sets faults by what people write.
func (c *client) order(texts ...string) {
	c.t.Helper()
	c.e.SetFaults(faults(c.t, texts...))
}

func TestOrderedAnswers(t *testing.T) {
	t.Parallel()
	c := start(t, Options{GatewayTimeout: 20 * time.Millisecond})
	list := func() answer { return c.zun("GET", "/containers", nil) }
	c.order("zun.list=500x2")
	for range 2 {
		if a := list(); a.status != 500 || !strings.Contains(a.text("errors", 0, "detail"),
			"Error Correlation id is:") {
			t.Errorf("zun.list=500: %v", a)
		}
	}
	c.want(200, list())
	c.order("zun.create=500")
	c.want(200, list()) // another call is left alone
	for _, tt := range []struct {
		order string
		send  func() answer
		shape string
	}{
		{"blazar=500", func() answer { return c.blazar("GET", "/leases", nil) },
			`"error_name":"INTERNAL_SERVER_ERROR"`},
		{"neutron.list=500", func() answer { return c.neutron("GET", "/floatingips", nil) }, `"NeutronError"`},
		{"keystone.catalog=500", func() answer { return c.do("GET", c.e.AuthURL()+"/auth/catalog", nil) },
			`"title":"Internal Server Error"`},
	} {
		c.order(tt.order)
		if a := tt.send(); a.status != 500 || !strings.Contains(a.raw, tt.shape) {
			t.Errorf("%s: %v", tt.order, a)
		}
		c.want(200, tt.send())
	}
	c.order("zun=429")
	if a := list(); a.status != 429 || a.header.Get("Retry-After") != "1" || !strings.Contains(a.raw, "<html>") {
		t.Errorf("429: %v %v", a, a.header)
	}
	c.order("zun=drop") // not of a GET: Go's client repeats those by itself
	if a := c.zun("POST", "/containers/x/stop", nil); a.status != 0 {
		t.Errorf("drop answered %v", a)
	}
	c.order("zun=hang")
	if a := list(); a.status != 504 {
		t.Errorf("hang: %v", a)
	}
	c.order("zun=slow-1ms")
	c.want(200, list())
	c.order("blazar.create=lost")
	if a := c.blazar("POST", "/leases", c.leaseBody("lost", anyPi5)); a.status != 0 {
		t.Errorf("lost answered %v", a)
	}
	if l := c.e.Leftovers(); len(l.Leases) != 1 {
		t.Errorf("what was lost is an answer, not the lease: %v", l)
	}
	if left := c.e.world.Orders.Left(); !maps.Equal(left, faults(t, "zun.create=500")) {
		t.Errorf("left to go wrong: %v", left)
	}
}

func TestNetworkIsCut(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	c.order("network=cut-after-64KiB")
	c.want(200, c.zun("GET", "/containers/"+box, nil)) // small ones pass and are not counted
	big := base64.StdEncoding.EncodeToString(makeTar(t, "big", strings.Repeat("x", 200<<10), true))
	if a := c.zun("POST", "/containers/"+box+"/put_archive?path=/root", map[string]any{"data": big}); a.status != 0 {
		t.Errorf("a big upload got through: %v", a)
	}
	c.want(200, c.zun("POST", "/containers/"+box+"/put_archive?path=/root", map[string]any{"data": big}))
	c.order("network=cut-after-64KiB")
	if a := c.zun("GET", "/containers/"+box+"/get_archive?path=/root", nil); a.status != 0 {
		t.Errorf("a big download got through: %.100v", a)
	}
	c.want(200, c.zun("GET", "/containers/"+box+"/get_archive?path=/root", nil))
}

func TestTokensAndCredentialsExpireAsOrdered(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.order("token=expires-in-30s")
	c.signIn(world.Alice)
	c.want(200, c.blazar("GET", "/leases", nil))
	c.e.Advance(31 * time.Second)
	c.want(401, c.blazar("GET", "/leases", nil))
	id, secret := c.e.keystone.AddAppCred(c.e.world.User(world.Alice), "short", true, time.Time{})
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["application_credential"],`+
		`"application_credential":{"id":%q,"secret":%q}}}}`, id, secret)
	c.order("keystone.credential=expired")
	c.want(401, c.do("POST", c.e.AuthURL()+"/auth/tokens", body))
	c.want(201, c.do("POST", c.e.AuthURL()+"/auth/tokens", body))
}

func TestOrderedLeases(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Faults: faults(t, "blazar.lease=degraded", "blazar.allocation=used")})
	a := c.want(400, c.blazar("POST", "/leases", c.leaseBody("x", anyPi5)))
	if !strings.Contains(a.text("error_message"), "would spend 2.0") {
		t.Errorf("%v", a)
	}
	id, reservation := c.activeLease()
	a = c.blazar("GET", "/leases/"+id, nil)
	if a.at("lease", "degraded") != true || a.at("lease", "reservations", 0, "missing_resources") != true {
		t.Errorf("degraded: %v", a)
	}
	uuid := c.want(202, c.zun("POST", "/containers", containerBody(reservation))).text("uuid")
	if a := c.await(uuid, "Error"); a.at("status_detail") != "Unschedulable" {
		t.Errorf("%v", a)
	}
	c.order("blazar.start=slow-60s")
	id = c.want(201, c.blazar("POST", "/leases", c.leaseBody("late", anyPi5))).text("lease", "id")
	state := func() any { return c.blazar("GET", "/leases/"+id, nil).at("lease", "status") }
	time.Sleep(3 * c.e.world.Pace.Tick) // what must not happen cannot be polled for
	if got := state(); got != "PENDING" {
		t.Errorf("a late lease is %v", got)
	}
	c.e.Advance(time.Minute)
	c.poll("the late lease", func() bool { return state() == "ACTIVE" })
	far := c.leaseBody("far", anyPi5)
	far["start_date"], far["end_date"] = c.minute(72*time.Hour), c.minute(73*time.Hour)
	far2 := c.want(201, c.blazar("POST", "/leases", far)).text("lease", "id")
	c.order("blazar.extension=403x1")
	c.want(403, c.blazar("PUT", "/leases/"+far2, map[string]any{"end_date": c.minute(74 * time.Hour)}))
	c.want(400, c.blazar("PUT", "/leases/"+far2, map[string]any{"end_date": c.minute(74 * time.Hour)}))
}

func TestWorkersAndLateAddresses(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{Faults: faults(t, "zun.address=late")})
	_, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	c.poll("an address", func() bool {
		for _, a := range object(c.zun("GET", "/containers/"+box, nil).at("addresses")) {
			return len(list(a)) == 1
		}
		return false
	})
	c.order("zun.workers=1")
	// Each of two may run only while the other does not: a lock that both take never fails.
	done := make(chan answer, 2)
	for range 2 {
		go func() { done <- c.execute(box, "sh -c 'mkdir /root/lock && sleep 0.2 && rmdir /root/lock'") }()
	}
	for range 2 {
		if a := <-done; a.status != 200 || a.at("exit_code") != 0.0 {
			t.Errorf("two executes at once with one worker: %v", a)
		}
	}
}

// TestOrderedSettings: configurations that are not Chameleon's, withdrawn again by a count of 0.
func TestOrderedSettings(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Region: "CHI@Home", Sites: []string{uc}})
	if region := c.do("GET", c.auth+"/auth/catalog", nil).at("catalog", 0, "endpoints", 0,
		"region"); region != "CHI@Home" {
		t.Errorf("region %v", region)
	}
	c.order("blazar.policy=upstream")
	for path, action := range map[string]string{"/devices": "get", "/devices/x": "get",
		"/devices/allocations": "get_allocations",
		"/devices/properties":  "get_resource_properties"} {
		if a := c.want(403, c.blazar("GET", path, nil)); a.at("error_message") != "Policy doesn't allow "+
			"blazar:devices:"+action+" to be performed" {
			t.Errorf("%s: %v", path, a)
		}
	}
	metal := c.site(uc)
	if a := metal.want(403, metal.blazar("GET", "/os-hosts",
		nil)); a.at("error_message") != "Policy doesn't allow blazar:oshosts:get to be performed" {
		t.Errorf("%v", a)
	}
	root := c.as(world.Root)
	root.want(200, root.blazar("GET", "/devices", nil))
	c.e.SetFaults(Faults{blazar.UpstreamPolicy: 0, blazar.HiddenQuery: -1})
	c.want(200, c.blazar("GET", "/devices", nil))
	many := c.leaseBody("many", anyPi5)
	list(many["reservations"])[0].(map[string]any)["min"], list(many["reservations"])[0].(map[string]any)["max"] = 50,
		50
	if a := c.want(500, c.blazar("POST", "/leases", many)); a.at("error_message") != "Not enough hosts available" {
		t.Errorf("%v", a)
	}
	// Who may make trusts, and so leases.
	for setting, want := range map[world.Fault][2]int{{}: {500, 201}, front.AllTrust: {201, 201},
		front.NoneTrust: {500, 500}} {
		c.e.SetFaults(Faults{setting: -1})
		for i, unrestricted := range []bool{false, true} {
			id, secret := c.e.keystone.AddAppCred(c.e.world.User(world.Alice), fmt.Sprint(setting, unrestricted),
				unrestricted, time.Time{})
			by := *c
			by.token = ""
			by.token = by.want(201, by.do("POST", by.auth+"/auth/tokens",
				dict{"auth": dict{"identity": dict{"methods": []string{"application_credential"},
					"application_credential": dict{"id": id, "secret": secret}}}})).header.Get("X-Subject-Token")
			if a := by.blazar("POST", "/leases", c.leaseBody("by credential", "")); a.status != want[i] {
				t.Errorf("%s, unrestricted %v: %v; want %d", setting, unrestricted, a, want[i])
			}
		}
		c.e.SetFaults(Faults{setting: 0})
	}
}

func TestFaultsOfContainers(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	c.order("execute=cut")
	if a := c.want(200, c.execute(box, "true")); a.at("exit_code") != nil {
		t.Errorf("execute=cut: %v", a)
	}
	if a := c.want(200, c.execute(box, "true")); a.at("exit_code") != 0.0 {
		t.Errorf("execute=cut happened twice: %v", a)
	}
	c.order("zun.put_archive=500")
	c.want(500, put(c, box, "/root", makeTar(t, "a", "x", true)))
	c.want(200, put(c, box, "/root", makeTar(t, "a", "x", true)))
	c.order("zun=503x2")
	for range 2 {
		if a := c.zun("GET", "/containers", nil); a.status != 503 || a.body != nil {
			t.Errorf("zun=503: %v", a)
		}
	}
	c.want(200, c.zun("GET", "/containers", nil))
	c.order("zun.container=ERROR")
	body := containerBody(reservation)
	body["name"] = "fails"
	uuid := c.want(202, c.zun("POST", "/containers", body)).text("uuid")
	c.await(uuid, "Error")
	c.order("zun.image=never")
	body["name"] = "pulls"
	uuid = c.want(202, c.zun("POST", "/containers", body)).text("uuid")
	c.poll("somebody to work on it", func() bool {
		a := c.zun("GET", "/containers/"+uuid, nil)
		return a.at("status") == "Creating" && a.at("task_state") == "container_creating"
	})
	c.order("zun.create=lost")
	body["name"] = "lost"
	if a := c.zun("POST", "/containers", body); a.status != 0 {
		t.Errorf("zun.create=lost answered: %v", a)
	}
	a := c.zun("GET", "/containers?name=lost", nil)
	if len(a.at("containers").([]any)) != 1 {
		t.Fatalf("the lost container was not made: %v", a)
	}
	c.await(a.text("containers", 0, "uuid"), "Running")
	c.order("zun.container=deleted")
	body["name"] = "vanish"
	uuid = c.want(202, c.zun("POST", "/containers", body)).text("uuid")
	c.poll("Deleted", func() bool { return c.zun("GET", "/containers/"+uuid, nil).at("status") == "Deleted" })
	c.want(204, c.zun("DELETE", "/containers/"+uuid, nil))
}
