package emulator

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// at returns a time of the cloud's clock as Blazar wants it.
func (c *client) minute(d time.Duration) string {
	return c.e.world.Now().Add(d).Format("2006-01-02 15:04")
}

func reservation(b map[string]any) map[string]any {
	return b["reservations"].([]any)[0].(map[string]any)
}

func TestLeaseCreationErrors(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	props := func(p any) func(map[string]any) {
		return func(b map[string]any) { reservation(b)["resource_properties"] = p }
	}
	for _, tt := range []struct {
		name   string
		change func(b map[string]any)
		status int
		says   string
	}{
		{"no name", func(b map[string]any) { delete(b, "name") }, 400, "Missing parameter name"},
		{"no start", func(b map[string]any) { delete(b, "start_date") }, 400, "Missing parameter start_date"},
		{"no type", func(b map[string]any) { delete(reservation(b), "resource_type") }, 400,
			"Missing parameter resource_type"},
		{"no min", func(b map[string]any) { delete(reservation(b), "min") }, 400, "Missing parameter min"},
		{"no properties", func(b map[string]any) { delete(reservation(b), "resource_properties") }, 400,
			"Missing parameter resource_properties"},
		{"min 0", func(b map[string]any) { reservation(b)["min"] = 0 }, 400,
			"Malformed parameter min and max (must be greater than or equal to 1)"},
		{"min over max", func(b map[string]any) { reservation(b)["min"] = 3 }, 400,
			"Invalid values for min/max of hosts. Max must be equal to or larger than min."},
		{"min a word", func(b map[string]any) { reservation(b)["min"] = "one" }, 400, "Malformed parameter min"},
		{"before_end", func(b map[string]any) { reservation(b)["before_end"] = "party" }, 400,
			"Malformed parameter before_end"},
		{"toaster", func(b map[string]any) { reservation(b)["resource_type"] = "toaster" }, 500,
			"The toaster resource type is not supported"},
		{"host", func(b map[string]any) { reservation(b)["resource_type"] = "physical:host" }, 500,
			"The physical:host resource type is not supported"},
		{"or", props(`["or", ["==", "$uid", "a"], ["==", "$uid", "b"]]`), 400,
			"Malformed requirements ['or', ['==', '$uid', 'a'], ['==', '$uid', 'b']]"},
		{"no dollar", props(`["==", "machine_name", "raspberrypi5"]`), 400,
			"Malformed requirements ['==', 'machine_name', 'raspberrypi5']"},
		{"no JSON", props("machine_name=raspberrypi5"), 400, "Malformed requirements machine_name=raspberrypi5"},
		{"unknown property", props(`["==", "$colour", "red"]`), 500, "colour DeviceExtraCapability was not found"},
		{"a list, no text", props([]any{"==", "$machine_name", "raspberrypi5"}), 500, "Internal Server Error"},
		{"start in the past", func(b map[string]any) { b["start_date"] = c.minute(-2 * time.Minute) }, 400,
			"Start date must be later than current date"},
		{"end before start", func(b map[string]any) { b["end_date"] = c.minute(-time.Hour) }, 400,
			"End date must be later than start date."},
		{"end now", func(b map[string]any) { b["end_date"] = "now" }, 400, "End date must be later than start date."},
		{"ISO date", func(b map[string]any) { b["start_date"] = "2030-01-01T09:00:13" }, 400,
			"2030-01-01T09:00:13 is an invalid date. Required format: %Y-%m-%d %H:%M"},
		{"null date", func(b map[string]any) { b["start_date"] = nil }, 500, "Internal Server Error"},
		{"eight days", func(b map[string]any) {
			b["start_date"], b["end_date"] = c.minute(time.Hour), c.minute(time.Hour+8*24*time.Hour)
		}, 403,
			"Lease duration of 691200 seconds must be less than or equal to the maximum lease duration of 604800 " +
				"seconds."},
		{"reminder outside", func(b map[string]any) { b["before_end_date"] = c.minute(3 * time.Hour) }, 403,
			"Datetime is out of lease limits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := c.leaseBody("x", anyPi5)
			tt.change(body)
			a := c.blazar("POST", "/leases", body)
			if a.status != tt.status || a.at("error_message") != tt.says || a.at("error_code") != float64(tt.status) {
				t.Errorf("%v; want %d with %q", a, tt.status, tt.says)
			}
		})
	}
	if l := c.e.Leftovers(); !l.Empty() {
		t.Errorf("something was made: %v", l)
	}
	if a := c.want(500, c.blazar("POST", "/leases", `{"name":`)); a.at("error") != 500.0 {
		t.Errorf("bad JSON: %v", a)
	}
}

// TestNoFreeDeviceIs500 is the surprise that costs clients most.
func TestNoFreeDeviceIs500(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	one := `["==", "$uid", "8334d598-d25d-4dbb-a416-d90f8e93ccc4"]`
	c.want(201, c.blazar("POST", "/leases", c.leaseBody("first", one)))
	a := c.want(500, c.blazar("POST", "/leases", c.leaseBody("second", one)))
	pattern := regexp.MustCompile(`^Not enough resources available with query \{.*` +
		`'resource_properties': '\["==", "\$uid", "8334d598-[^']*'.*` +
		`'start_date': datetime\.datetime\(\d+, \d+, \d+, \d+, \d+\), ` +
		`'end_date': datetime\.datetime\([^)]*\), 'project_id': '[0-9a-f]{32}', ` +
		`'count_range': '1-1', 'before_end': 'default', 'on_start': 'default'\}$`)
	if !pattern.MatchString(a.text("error_message")) || a.at("error_name") != 500.0 {
		t.Errorf("%v", a)
	}
	eight := c.leaseBody("eight", anyPi5)
	reservation(eight)["min"], reservation(eight)["max"] = "8", "8"
	c.want(500, c.blazar("POST", "/leases", eight))
	// Boards that are broken or somebody else's do not count.
	for _, name := range []string{"iot-rpi5-broken", "iot-rpi5-private", "no-such-board"} {
		c.want(500, c.blazar("POST", "/leases", c.leaseBody("x", `["==", "$name", "`+name+`"]`)))
	}
	carol := c.as(world.Carol)
	carol.want(201, carol.blazar("POST", "/leases", carol.leaseBody("x", `["==", "$name", "iot-rpi5-private"]`)))
}

func TestPropertyGrammar(t *testing.T) {
	t.Parallel()
	for props, want := range map[string]string{
		``:                              "nyu-rpi5-0|iot-",
		`[]`:                            "nyu-rpi5-0|iot-",
		`["=", "$name", "nyu-rpi5-03"]`: "nyu-rpi5-03",
		`["and", ["==", "$machine_name", "raspberrypi5"],
			["==", "$uid", "9a7823ea-bf40-4141-b7d7-943bfb389091"]]`: "nyu-rpi5-04",
		`["and", ["==", "$machine_name", "raspberrypi5"], [">", "$name", "nyu-rpi5-06"]]`: "nyu-rpi5-07",
		// the Jetson is taken
		`["!=", "$machine_name", "raspberrypi5"]`:        "iot-rpi4-01",
		`["==", "$pi_gpio", "True"]`:                     "nyu-rpi5-0|iot-rpi4-01",
		`["==", "$machine_name", "raspberrypi5"]`:        "nyu-rpi5-0",
		`["==", "$reservable", "True"]`:                  "nyu-rpi5-0|iot-",
		`["and", ["==", "$vendor", "Raspberry Pi"], []]`: "",
	} {
		c := start(t, Options{})
		a := c.blazar("POST", "/leases", c.leaseBody("x", props))
		if want == "" {
			if a.status != 400 {
				t.Errorf("%s: %v", props, a)
			}
			continue
		}
		c.want(201, a)
		if got := a.at("lease", "reservations", 0, "resource_properties"); got != props {
			t.Errorf("%s came back as %v", props, got)
		}
		name := c.blazar("GET", "/leases/"+a.text("lease", "id")+"/devices", nil).text("devices", 0, "name")
		if !regexp.MustCompile("^(" + want + ")").MatchString(name) {
			t.Errorf("%s got %s; want %s", props, name, want)
		}
	}
}

// TestBoardsAreChosenAtRandomFreshFirst: seven leases get seven boards, and the order
// differs between clouds.
func TestBoardsAreChosenAtRandomFreshFirst(t *testing.T) {
	t.Parallel()
	orders := map[string]bool{}
	for range 12 {
		c := start(t, Options{})
		seen := map[string]bool{}
		var order []string
		for i := range 7 {
			body := c.leaseBody("x", anyPi5)
			// The windows do not overlap: a used board would be free, yet fresh ones go first.
			body["start_date"], body["end_date"] = c.minute(time.Duration(1+2*i)*time.Hour),
				c.minute(time.Duration(2+2*i)*time.Hour)
			id := c.want(201, c.blazar("POST", "/leases", body)).text("lease", "id")
			name := c.blazar("GET", "/leases/"+id+"/devices", nil).text("devices", 0, "name")
			seen[name] = true
			order = append(order, name)
		}
		if len(seen) != 7 {
			t.Errorf("seven leases got %v", order)
		}
		orders[strings.Join(order, " ")] = true
	}
	if len(orders) < 2 {
		t.Errorf("twelve clouds chose alike: %v", orders)
	}
}

func TestLeasesThatMeetDoNotCollide(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	one := `["==", "$name", "nyu-rpi5-02"]`
	for _, tt := range []struct {
		from, to time.Duration
		status   int
	}{{4, 5, 201}, {5, 6, 201}, {3, 4, 201}, {4, 5, 500}, {3, 7, 500}} {
		body := c.leaseBody("x", one)
		body["start_date"], body["end_date"] = c.minute(tt.from*time.Hour), c.minute(tt.to*time.Hour)
		c.want(tt.status, c.blazar("POST", "/leases", body))
	}
}

// TestLifeOfALease watches every state, and the two time formats.
func TestLifeOfALease(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Tick: 300 * time.Millisecond})
	a := c.want(201, c.blazar("POST", "/leases", c.leaseBody("x", anyPi5)))
	if a.at("lease", "status") != "PENDING" || a.at("lease", "reservations", 0, "status") != "pending" {
		t.Errorf("%v", a)
	}
	whole := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000000$`)
	if s := a.text("lease", "start_date"); !whole.MatchString(s) {
		t.Errorf("start_date %s", s)
	}
	if s := a.text("lease", "created_at"); !regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`).MatchString(s) {
		t.Errorf("created_at %s", s)
	}
	id := a.text("lease", "id")
	var states []string
	watch := func(until string) answer {
		var a answer
		c.poll(until, func() bool {
			a = c.want(200, c.blazar("GET", "/leases/"+id, nil))
			if s := a.text("lease", "status"); len(states) == 0 || states[len(states)-1] != s {
				states = append(states, s)
			}
			return a.at("lease", "status") == until
		})
		return a
	}
	a = watch("ACTIVE")
	if a.at("lease", "events", 0, "status") != "DONE" || a.at("lease", "events", 1, "status") != "UNDONE" ||
		a.at("lease", "reservations", 0, "status") != "active" {
		t.Errorf("%v", a)
	}
	a = c.want(200, c.blazar("PUT", "/leases/"+id, map[string]any{"end_date": "now"}))
	if a.at("lease", "status") != "UPDATING" {
		t.Errorf("PUT answers status %v", a.at("lease", "status"))
	}
	a = watch("TERMINATED")
	if a.at("lease", "reservations", 0, "status") != "deleted" {
		t.Errorf("%v", a)
	}
	allowed := regexp.MustCompile(`^PENDING (STARTING )?ACTIVE (TERMINATING )?TERMINATED$`)
	if got := strings.Join(states, " "); !allowed.MatchString(got) {
		t.Errorf("states %s", got)
	}
	if l := c.e.Leftovers(); len(l.Leases) != 1 {
		t.Errorf("an ended lease is not yet given back: %v", l)
	}
	if a := c.want(200, c.blazar("DELETE", "/leases/"+id, nil)); a.raw != "{}" {
		t.Errorf("DELETE answers %q", a.raw)
	}
	a = c.want(404, c.blazar("DELETE", "/leases/"+id, nil))
	if a.at("error_message") != "Object with {'lease_id': '"+id+"'} not found" {
		t.Errorf("%v", a)
	}
}

func TestLeaseUpdates(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	one := `["==", "$name", "nyu-rpi5-01"]`
	body := c.leaseBody("x", one)
	body["start_date"], body["end_date"] = c.minute(4*time.Hour), c.minute(5*time.Hour)
	id := c.want(201, c.blazar("POST", "/leases", body)).text("lease", "id")
	blocker := c.leaseBody("blocker", one)
	blocker["start_date"], blocker["end_date"] = c.minute(6*time.Hour), c.minute(7*time.Hour)
	c.want(201, c.blazar("POST", "/leases", blocker))
	put := func(body map[string]any) answer { return c.blazar("PUT", "/leases/"+id, body) }

	c.want(200, put(map[string]any{}))
	if a := c.want(200, put(map[string]any{"name": "renamed"})); a.at("lease", "name") != "renamed" {
		t.Errorf("%v", a)
	}
	c.want(200, put(map[string]any{"end_date": c.minute(6 * time.Hour)}))
	for _, tt := range []struct {
		body   map[string]any
		status int
		says   string
	}{
		{map[string]any{"start_date": c.minute(-time.Hour)}, 400, "Start date must be later than current date"},
		{map[string]any{"end_date": c.minute(3 * time.Hour)}, 400,
			"End date must be later than current and start date"},
		{map[string]any{"reservations": []any{map[string]any{"min": 1}}}, 400, "Missing parameter reservation ID"},
		{map[string]any{"reservations": []any{map[string]any{"id": "x"}}}, 400,
			"Please enter valid reservation IDs. Invalid reservation IDs are: x"},
	} {
		if a := put(tt.body); a.status != tt.status || a.at("error_message") != tt.says {
			t.Errorf("%v: %v; want %q", tt.body, a, tt.says)
		}
	}
	if a := c.want(200, c.blazar("GET", "/leases/"+id, nil)); a.at("lease", "status") != "PENDING" {
		t.Errorf("after failed updates: %v", a)
	}
	far := c.leaseBody("far", anyPi5)
	far["start_date"], far["end_date"] = c.minute(72*time.Hour), c.minute(73*time.Hour)
	id = c.want(201, c.blazar("POST", "/leases", far)).text("lease", "id")
	if a := put(map[string]any{"end_date": c.minute(74 * time.Hour)}); a.status != 400 ||
		a.at("error_message") != "Lease can only be extended within 172800 seconds of the leases current end time." {
		t.Errorf("early extension: %v", a)
	}
	id, _ = c.activeLease()
	c.e.Advance(time.Minute) // in the very minute of the start the real code lets it pass
	if a := put(map[string]any{"start_date": c.minute(time.Minute)}); a.status != 400 ||
		a.at("error_message") != "Cannot modify the start date of already started leases" {
		t.Errorf("start of an active lease: %v", a)
	}
	c.want(200, put(map[string]any{"end_date": c.minute(4 * time.Hour)}))
}

func TestLeaseFaults(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Faults: faults(t, "blazar.lease=ERROR", "blazar.create=lost")})
	if a := c.blazar("POST", "/leases", c.leaseBody("lost", anyPi5)); a.status != 0 {
		t.Errorf("blazar.create=lost answered: %v", a)
	}
	id := ""
	for _, l := range c.blazar("GET", "/leases", nil).at("leases").([]any) {
		if dig(l, "name") == "lost" {
			id = dig(l, "id").(string)
		}
	}
	c.poll("the lease to fail", func() bool {
		a := c.want(200, c.blazar("GET", "/leases/"+id, nil))
		return a.at("lease", "status") == "ERROR" && a.at("lease", "reservations", 0, "status") == "error" &&
			a.at("lease", "events", 0, "status") == "ERROR"
	})
	c.want(200, c.blazar("DELETE", "/leases/"+id, nil))
	c.order("blazar=503")
	if a := c.blazar("GET", "/leases", nil); a.status != 503 || !strings.Contains(a.raw, "<html>") {
		t.Errorf("blazar=503: %v", a)
	}
	c.want(200, c.blazar("GET", "/leases", nil))
}

func TestListsShowOtherPeople(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	a := c.want(200, c.blazar("GET", "/leases", nil))
	if a.at("leases", 0, "name") != "bobs-camera" || a.at("leases", 0, "user_id") == c.e.world.User(world.Alice).ID {
		t.Errorf("%v", a)
	}
	if l := c.e.Leftovers(); !l.Empty() {
		t.Errorf("scenery counts as left over: %v", l)
	}
	carol := c.as(world.Carol)
	if list := carol.blazar("GET", "/leases", nil).at("leases").([]any); len(list) != 0 {
		t.Errorf("another project lists %v", list)
	}
	// A lease's id opens it to everybody: the real policy checks nothing more.
	carol.want(200, carol.blazar("GET", "/leases/"+a.text("leases", 0, "id"), nil))
	rows := c.want(200, c.blazar("GET", "/devices/allocations", nil)).at("allocations").([]any)
	taken := 0
	for _, r := range rows {
		for _, v := range dig(r, "reservations").([]any) {
			taken++
			if dig(v, "extras", "user_name") != world.Bob || dig(v, "project_id") != nil {
				t.Errorf("allocation %v", v)
			}
		}
	}
	if taken != 1 || len(rows) != 11 {
		t.Errorf("%d boards, %d taken", len(rows), taken)
	}
}

func TestBlazarFrontDoor(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for _, tt := range []struct {
		method, path, version string
		status                int
	}{
		{"GET", "/leases.json", "", 200}, {"GET", "/leases/", "", 404}, {"GET", "", "", 404},
		{"GET", "/os-hosts", "", 404},
		{"PATCH", "/leases", "", 405}, {"GET", "/leases", "reservation 1.0", 200},
		{"GET", "/leases", "reservation latest", 200},
		{"GET", "/leases", "reservation 1.2", 406}, {"GET", "/leases", "reservation x", 400},
		{"GET", "/devices/properties", "", 200}, {"GET", "/devices/" + c.e.world.Devices[0].ID + "/allocation", "",
			500}, {"GET", "/devices/x/allocation", "", 404}, {"GET", "/devices/x", "", 404},
		{"POST", "/devices", "", 403},
	} {
		var headers []string
		if tt.version != "" {
			headers = []string{"OpenStack-API-Version", tt.version}
		}
		if a := c.blazar(tt.method, tt.path, nil, headers...); a.status != tt.status {
			t.Errorf("%s %s %s: %v; want %d", tt.method, tt.path, tt.version, a, tt.status)
		}
	}
	c.token = "nonsense"
	a := c.want(401, c.blazar("GET", "/leases", nil))
	if a.at("error", "title") != "Unauthorized" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"),
		"Keystone uri=") {
		t.Errorf("%v %v", a, a.header)
	}
}
