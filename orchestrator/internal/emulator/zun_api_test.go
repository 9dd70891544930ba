package emulator

import (
	"fmt"
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/world"
)

// These tests need no container: what Zun checks at once, and what it only shows later.

func TestMicroversions(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for header, status := range map[string]int{
		"": 200, "container 1.41": 200, "container latest": 200, "container 1.1": 200,
		"container x": 406, "compute 2.1": 406, "application-container 1.41": 406, "container 1.99": 500,
	} {
		c.version = header
		a := c.zun("GET", "/containers", nil)
		if a.status != status {
			t.Errorf("%q: %v; want %d", header, a, status)
		}
		if status == 500 && (a.raw != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain")) {
			t.Errorf("%q: %v", header, a)
		}
		if status == 200 && (a.header.Get("OpenStack-API-Maximum-Version") != "container 1.41" ||
			a.raw != `{"containers":[],"next":null}`) {
			t.Errorf("%q: %v %v", header, a, a.header)
		}
	}
	c.version = ""
	if v := c.zun("GET", "/containers", nil).header.Get("OpenStack-API-Version"); v != "container 1.1" {
		t.Errorf("the default version is %q", v)
	}
}

func TestCreateChecksAtOnce(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for _, tt := range []struct {
		name    string
		version string
		change  func(b map[string]any)
		status  int
		says    string
	}{
		{"no image", "1.41", func(b map[string]any) { delete(b, "image") }, 400, "'image' is a required property"},
		{"bad name", "1.41", func(b map[string]any) { b["name"] = "bad name!" }, 400,
			"does not match '^[a-zA-Z0-9][a-zA-Z0-9_.-]+$'"},
		{"short name", "1.41", func(b map[string]any) { b["name"] = "x" }, 400, "'x' is too short"},
		{"number in environment", "1.41", func(b map[string]any) { b["environment"] = map[string]any{"A": 1} }, 400,
			"1 is not of type 'string'"},
		{"command is text", "1.41", func(b map[string]any) { b["command"] = "sleep 1" }, 400,
			"'sleep 1' is not of type 'array', 'null'"},
		{"command is a list, old", "1.19", func(map[string]any) {}, 400, "is not of type 'string', 'null'"},
		{"ports are a list", "1.41", func(b map[string]any) { b["exposed_ports"] = []any{"22/tcp"} }, 400,
			"['22/tcp'] is not of type 'object', 'null'"},
		{"bad protocol", "1.41", func(b map[string]any) {
			b["exposed_ports"] = map[string]any{"22/icmp": map[string]any{}}
		}, 400, "value icmp is an invalid protocol"},
		{"bad port", "1.41", func(b map[string]any) { b["exposed_ports"] = map[string]any{"ssh": map[string]any{}} },
			400, "value ssh is invalid as publish port."},
		{"ports, old", "1.23", func(b map[string]any) { b["exposed_ports"] = map[string]any{"22": map[string]any{}} },
			400, "exposed_ports is only supported from version 1.24"},
		{"ports and groups", "1.41", func(b map[string]any) {
			b["exposed_ports"], b["security_groups"] = nil,
				[]any{"default"}
		}, 400, "should not be valid under {'required': ['security_groups', 'exposed_ports']}"},
		{"unknown key", "1.41", func(b map[string]any) { b["colour"] = "red" }, 400,
			"Additional properties are not allowed ('colour' was unexpected)"},
		{"profiles, old", "1.40", func(b map[string]any) { b["device_profiles"] = []any{"pi_gpio"} }, 400,
			"('device_profiles' was unexpected)"},
		{"hints are a list", "1.41", func(b map[string]any) { b["hints"] = []any{} }, 400,
			"is not of type 'object', 'null'"},
		{"hints are null", "1.41", func(b map[string]any) { b["hints"] = nil }, 500, "problem in the server"},
		{"privileged", "1.41", func(b map[string]any) { b["privileged"] = true }, 403,
			"Policy doesn't allow container:create:privileged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := containerBody("x")
			tt.change(body)
			c.version = "container " + tt.version
			a := c.zun("POST", "/containers", body)
			if a.status != tt.status || !strings.Contains(a.text("errors", 0, "detail"), tt.says) ||
				a.at("errors", 0, "status") != float64(tt.status) {
				t.Errorf("%v; want %d with %q", a, tt.status, tt.says)
			}
		})
	}
	c.version = "container 1.41"
	c.want(400, c.zun("POST", "/containers?wait=1", containerBody("x")))
	c.want(400, c.zun("POST", "/containers", `{"image":`))
	if l := c.e.Leftovers(); !l.Empty() {
		t.Errorf("something was made: %v", l)
	}
}

// TestReservationTroubleIsNoHTTPError: a 202, then status Error.
func TestReservationTroubleIsNoHTTPError(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	_, reservation := c.activeLease()
	future := c.leaseBody("future", anyPi5)
	future["start_date"] = c.e.world.Now().Add(3600e9).Format("2006-01-02 15:04")
	later := c.want(201, c.blazar("POST", "/leases", future)).text("lease", "reservations", 0, "id")
	for _, tt := range []struct {
		name   string
		change func(b map[string]any)
		reason string
		detail any
	}{
		{"no hint", func(b map[string]any) { delete(b, "hints") }, "has no reservaton ID set.", nil},
		{"unknown", func(b map[string]any) { b["hints"] = map[string]any{"reservation": world.NewUUID()} },
			"nodes are available", "Unschedulable"},
		{"not started", func(b map[string]any) { b["hints"] = map[string]any{"reservation": later} },
			"nodes are available", "Unschedulable"},
		{"no DNS name", func(b map[string]any) { b["name"] = "Chexp_Bench" }, "Reason: Unprocessable Entity", nil},
		{"unknown profile", func(b map[string]any) { b["device_profiles"] = []any{"warp"} },
			"Missing mapping for device_profile", nil},
		{"disk", func(b map[string]any) { b["disk"] = 5 }, "disk quota", nil},
		{"runtime", func(b map[string]any) { b["runtime"] = "nvidia" }, "There are not enough hosts available.", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := containerBody(reservation)
			tt.change(body)
			a := c.want(202, c.zun("POST", "/containers", body))
			uuid := a.text("uuid")
			if loc := a.header.Get("Location"); loc != c.endpoints["container"]+"/containers/"+uuid {
				t.Errorf("Location %q", loc)
			}
			a = c.await(uuid, "Error")
			if !strings.Contains(a.text("status_reason"), tt.reason) || a.at("status_detail") != tt.detail {
				t.Errorf("%v; want %q and detail %v", a, tt.reason, tt.detail)
			}
			c.want(204, c.zun("DELETE", "/containers/"+uuid, nil))
		})
	}
	// Somebody else's project cannot use the reservation either, and does not see ours.
	carol := c.as(world.Carol)
	uuid := carol.want(202, carol.zun("POST", "/containers", containerBody(reservation))).text("uuid")
	carol.await(uuid, "Error")
	c.want(404, c.zun("GET", "/containers/"+uuid, nil))
	carol.want(204, carol.zun("DELETE", "/containers/"+uuid, nil))
}

// TestPullTroubleIsCreatingForEver: the client needs a limit of its own.
func TestPullTroubleIsCreatingForEver(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}) // no images at all
	_, reservation := c.activeLease()
	for _, image := range []string{"debian:12", "example.org/no/such:1", "Bad Reference"} {
		body := containerBody(reservation)
		body["image"] = image
		uuid := c.want(202, c.zun("POST", "/containers", body)).text("uuid")
		c.poll("somebody to work on it", func() bool {
			return c.zun("GET", "/containers/"+uuid, nil).at("task_state") == "container_creating"
		})
		for range 50 {
			a := c.zun("GET", "/containers/"+uuid, nil)
			if a.at("status") != "Creating" || a.at("status_detail") != nil || a.at("status_reason") != nil {
				t.Fatalf("%s: %v", image, a)
			}
		}
		c.want(409, c.zun("GET", "/containers/"+uuid+"/logs", nil))
		c.want(409, c.execute(uuid, "true"))
	}
}

func TestNamesAreNotUnique(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	a := c.want(202, c.zun("POST", "/containers", containerBody("x"))).text("uuid")
	b := c.want(202, c.zun("POST", "/containers", containerBody("x"))).text("uuid")
	for _, call := range []answer{c.zun("GET", "/containers/box", nil),
		c.zun("DELETE", "/containers/box?force=true", nil)} {
		if call.status != 409 || call.text("errors", 0, "code") != "container.conflict" {
			t.Errorf("by a name that two have: %v", call)
		}
	}
	c.want(204, c.zun("DELETE", "/containers/"+a+"?force=true", nil))
	c.poll("one of two to go", func() bool { return c.zun("GET", "/containers/box", nil).status == 200 })
	if got := c.zun("GET", "/containers/box", nil).at("uuid"); got != b {
		t.Errorf("found %v, want %s", got, b)
	}
}

func TestListFiltersAndPages(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	var uuids []string
	for i := range 3 {
		body := containerBody("x")
		body["name"] = fmt.Sprintf("box-%d", i)
		uuids = append(uuids, c.want(202, c.zun("POST", "/containers", body)).text("uuid"))
	}
	a := c.zun("GET", "/containers?name=box-1", nil)
	if list := a.at("containers").([]any); len(list) != 1 || dig(list, 0, "uuid") != uuids[1] ||
		dig(list, 0, "links") != nil {
		t.Errorf("by name: %v", a)
	}
	a = c.zun("GET", "/containers?limit=2", nil)
	if list := a.at("containers").([]any); len(list) != 2 || a.at("next") == nil {
		t.Errorf("first page: %v", a)
	}
	a = c.zun("GET", "/containers?limit=2&marker="+uuids[1], nil)
	if list := a.at("containers").([]any); len(list) != 1 || dig(list, 0, "uuid") != uuids[2] || a.at("next") != nil {
		t.Errorf("second page: %v", a)
	}
	c.want(400, c.zun("GET", "/containers?colour=red", nil))
	c.want(403, c.zun("GET", "/containers?all_projects=1", nil))
	carol := c.as(world.Carol)
	if list := carol.zun("GET", "/containers", nil).at("containers").([]any); len(list) != 0 {
		t.Errorf("another project sees %v", list)
	}
}

func TestUnimplementedActionsAre500(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	uuid := c.want(202, c.zun("POST", "/containers", containerBody("x"))).text("uuid")
	c.await(uuid, "Error")
	c.want(409, c.zun("GET", "/containers/"+uuid+"/top", nil)) // the state is looked at first
	c.want(406, c.zun("POST", "/containers/"+uuid+"/rename?name=y", nil))
	c.want(404, c.zun("GET", "/containers/"+uuid+"/nosuch", nil))
	c.want(404, c.zun("GET", "/containers/"+world.NewUUID(), nil))
}
