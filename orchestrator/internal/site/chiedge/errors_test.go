package chiedge

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/container/v1/containers"
)

var update = flag.Bool("update", false, "rewrite testdata/errors.md")

// errorRow is one failure of the services and what chexp makes of it.
type errorRow struct {
	situation string
	says      string // the answer, in short
	err       error
}

// answers is one answer to every request of this method whose path has this
// part.
func (c *cloud) answers(method, part string, code int, body string) {
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.Contains(r.URL.Path, part) {
			return false
		}
		if strings.HasPrefix(body, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
		return true
	}
}

func blazarBody(code int, message string) string {
	return fmt.Sprintf(`{"error_code": %d, "error_message": %q, "error_name": %d}`, code, message, code)
}

const (
	bareBlazar = `{"error_code": 500, "error_message": "Internal Server Error", "error_name": "INTERNAL_SERVER_ERROR"}`
	hidden     = "Your request could not be handled because of a problem in the server. Error Correlation id is: " +
		"3b0d3f4a"
	noServer = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this " +
		"request.\n</body></html>"
	late    = "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>"
	noToken = `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made ` +
		`requires authentication."}}`
)

func zunBody(code int, name, text string) string {
	return fmt.Sprintf(`{"errors": [{"request_id": "", "code": "container.%s", "status": %d, "title": %q, `+
		`"detail": %q, "links": []}]}`, name, code, text, text)
}

func neutronBody(kind, text string) string {
	return fmt.Sprintf(`{"NeutronError": {"type": %q, "message": %q, "detail": ""}}`, kind, text)
}

// leaseErrors are those of the contract's 2.7, and of 2.1 to 2.6 where a
// person meets them.
func leaseErrors(t *testing.T) []errorRow {
	var rows []errorRow
	create := func(situation string, code int, body string) {
		c := newCloud(t)
		s := connect(t, c)
		c.answers("POST", "/v1/leases", code, body)
		_, err := s.Reserve(t.Context(), pi5("chexp-a"))
		rows = append(rows, errorRow{situation, short(code, body), err})
	}
	extend := func(situation string, code int, body string) {
		c, s, l := withLease(t)
		c.answers("PUT", "/v1/leases", code, body)
		_, err := s.ExtendLease(t.Context(), l, l.End.Add(time.Hour))
		rows = append(rows, errorRow{situation, short(code, body), err})
	}
	create("no free device matches", 500, blazarBody(500, "Not enough resources available with query "+
		"{'resource_type': 'device'}"))
	create("the same, in other versions' words", 409, blazarBody(409, "Not enough hosts available"))
	extend("an extension meets another lease", 500, blazarBody(500, "Not enough hosts available"))
	create("a resource type that the site does not have", 500, blazarBody(500, "The physical:host resource type "+
		"is not supported"))
	create("longer than seven days", 403, blazarBody(403, "Lease duration of 691200 seconds must be less than or "+
		"equal to the maximum lease duration of 604800 seconds."))
	extend("an extension asked too early, as tempest sees it", 403, blazarBody(403, "Lease can only be extended "+
		"within 172800 seconds of the leases current end time."))
	extend("an extension asked too early, as the public code says it", 400, blazarBody(400, "Lease can only be "+
		"extended within 172800 seconds of the leases current end time."))
	create("the project's service units are used up", 400, blazarBody(400, "Reservation for project CHI-231138 "+
		"would spend 48.00 SUs, only 3.00 left"))
	create("the lease ends after the project", 400, blazarBody(400, "Reservation for project CHI-231138 extends "+
		"beyond project expiration 2026-12-31"))
	create("the portal refuses without a reason", 400, blazarBody(400, "External service enforcement filter "+
		"denied the request."))
	create("a start in the past", 400, blazarBody(400, "Start date must be later than current date"))
	create("an end before the start", 400, blazarBody(400, "End date must be later than start date."))
	create("a date in another format", 400, blazarBody(400, "2026-11-23T08:00:15 is an invalid date. Required "+
		"format: %Y-%m-%d %H:%M"))
	create("a filter that is not understood", 400,
		blazarBody(400, `Malformed requirements ["or", ["==", "$uid", "1"]]`))
	create("a property that no device has", 500, blazarBody(500, "colour DeviceExtraCapability was not found"))
	create("a missing parameter", 400, blazarBody(400, "Missing parameter min"))
	create("more devices at least than at most", 400, blazarBody(400, "Invalid values for min/max of hosts. Max "+
		"must be equal to or larger than min."))
	create("a role that may not do this", 403, blazarBody(403, "Policy doesn't allow blazar:leases:post to be "+
		"performed"))
	create("a bare 500 with an unrestricted credential", 500, bareBlazar)
	rows = append(rows, restrictedRow(t))
	extend("a lease in transition", 500, blazarBody(500, "Invalid lease status."))
	create("the token is not accepted any more", 401, noToken)
	create("the path does not exist: a wrong catalogue", 404, `{"error": 404, "error_message": "The requested `+
		`URL was not found on the server."}`)
	create("a microversion that the service does not have", 406, `{"error": 406, "error_message": "Version 9.9 `+
		`is not supported by the API."}`)
	create("the proxy in front has no server", 503, noServer)
	create("the proxy in front gives up", 504, late)
	return append(rows, leaseStates(t)...)
}

func restrictedRow(t *testing.T) errorRow {
	c := newCloud(t)
	clean(t)
	s, err := Connect(t.Context(), Options{CloudsFile: write(t, "clouds.yaml", c.cloudsYAML("      "+
		"application_credential_id: ac2\n      application_credential_secret: s3cret-of-ac2\n"))})
	if err != nil {
		t.Fatal(err)
	}
	s.Pace = connect(t, newCloud(t)).Pace
	c.answers("POST", "/v1/leases", 500, bareBlazar)
	_, err = s.Reserve(t.Context(), pi5("chexp-a"))
	return errorRow{"a restricted application credential", short(500, bareBlazar), err}
}

// leaseStates are failures that no request has as its answer.
func leaseStates(t *testing.T) []errorRow {
	var rows []errorRow
	await := func(situation, says string, spoil func(*Site, *fakeLease)) {
		c, s, l := reserved(t)
		spoil(s, c.leases[0])
		_, err := s.Await(t.Context(), l.ID, quiet)
		rows = append(rows, errorRow{situation, says, err})
	}
	await("the device could not be set up", "status ERROR", func(_ *Site,
		l *fakeLease) {
		l.next = []string{"STARTING", "ERROR"}
	})
	await("the lease does not start", "status PENDING for ever", func(s *Site, l *fakeLease) {
		l.next,
			s.Pace.Lease = nil, 10*time.Millisecond
	})
	await("the lease ended meanwhile", "status TERMINATED", func(_ *Site,
		l *fakeLease) {
		l.next = []string{"TERMINATED"}
	})

	c := newCloud(t)
	s := connect(t, c)
	_, err := s.Await(t.Context(), "5d1f91ff", quiet)
	rows = append(rows, errorRow{"somebody deleted the lease", "404 Object with {'lease_id': '5d1f91ff'} not found",
		err})
	for _, id := range []string{"l1", "l2"} {
		c.leases = append(c.leases, &fakeLease{id: id, name: "chexp-a", user: alice, status: "ACTIVE",
			start: time.Now(), end: time.Now().Add(time.Hour)})
	}
	_, err = s.Reserve(t.Context(), pi5("chexp-a"))
	rows = append(rows, errorRow{"two leases of one name: Blazar takes both", "201, twice", err})
	c.leases[0].user = bob
	rows = append(rows, errorRow{"a lease of another member", "200: Blazar would do it",
		s.DeleteLease(t.Context(), "l1")})
	_, err = s.OwnLease(t.Context(), "nowhere")
	rows = append(rows, errorRow{"a lease that the project does not have", "not in the list", err})
	_, lost := lostCreation(t, "/v1/leases")
	return append(rows, errorRow{"the answer to a creation is lost, and so is the list", "nothing", lost})
}

// lostCreation hangs up on the creation and on everything after it.
func lostCreation(t *testing.T, path string) (run.Lease, error) {
	c := newCloud(t)
	s := connect(t, c)
	posted := false
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		posted = posted || isPost(r, path)
		return posted && hangUp(w)
	}
	return s.Reserve(t.Context(), pi5("chexp-a"))
}

// containerErrors are those of the contract's section 3.
func containerErrors(t *testing.T) []errorRow {
	var rows []errorRow
	create := func(situation string, code int, body string) {
		c := newCloud(t)
		s := connect(t, c)
		c.answers("POST", "/v1/containers", code, body)
		_, err := s.Launch(t.Context(), box("chexp-a"), quiet)
		rows = append(rows, errorRow{situation, short(code, body), err})
	}
	create("another microversion, or service's name, in the header", 406, zunBody(406, "", "Invalid service type "+
		"for OpenStack-API-Version header"))
	create("a microversion that is too high", 500, "")
	create("a body that is not JSON by its header", 415, zunBody(415, "", "Unsupported media type: text/plain"))
	create("any fault of the server: it hides the cause", 500, zunBody(500, "", hidden))
	create("a key or value that is not allowed", 400, zunBody(400, "schema-validation-error", "Invalid input for "+
		"field 'environment'. Value: '{'A': 1}'. 1 is not of type 'string'"))
	create("the project's quota is used up", 403, zunBody(403, "quota-exceeded",
		"Quota exceeded for resources: ['containers']."))
	create("privileged, or another thing that policy forbids", 403, zunBody(403, "policy-not-authorized",
		"Policy doesn't "+
			"allow container:create:privileged to be performed."))
	create("the token is not accepted any more", 401, noToken)
	create("the proxy in front gives up", 504, late)
	rows = append(rows, startErrors(t)...)
	return append(rows, accessErrors(t)...)
}

func box(name string) run.ContainerRequest {
	return run.ContainerRequest{Name: name, Image: "debian:bookworm-slim", ReservationID: "res-of-lease-1"}
}

// startErrors: the creation was answered with 202, and the container's status
// tells.
func startErrors(t *testing.T) []errorRow {
	var rows []errorRow
	launch := func(situation string, spoil func(*Site, *cloud), states ...state) {
		c := newCloud(t)
		s := connect(t, c)
		c.script = states
		if spoil != nil {
			spoil(s, c)
		}
		_, err := s.Launch(t.Context(), box("chexp-a"), quiet)
		last := states[len(states)-1]
		rows = append(rows, errorRow{situation, strings.TrimSpace("202, then " + last.status + " " + last.detail + " " +
			last.reason), err})
	}
	creating := state{status: "Creating"}
	launch("no reservation in the hints", nil, creating, state{status: "Error",
		reason: "container 5a6f has no reservaton ID set."})
	launch("a wrong, expired or not yet active reservation", nil, creating,
		state{status: "Error", detail: "Unschedulable", reason: "0/9 nodes are available: 9 node(s) didn't match " +
			"Pod's node affinity/selector."})
	launch("no node for it at all", nil, creating, state{status: "Error",
		reason: "There are not enough hosts available."})
	launch("a device profile that the device does not have", nil, creating,
		state{status: "Error", reason: "Missing mapping for device_profile pi_radio"})
	launch("a disk quota", nil, creating, state{status: "Error",
		reason: "Your host does not support disk quota feature."})
	launch("the image cannot be pulled: status Creating for ever", func(s *Site,
		_ *cloud) {
		s.opts.PullGrace = time.Millisecond
	},
		state{status: "Creating", detail: "ImagePullBackOff", reason: `Back-off pulling image "debian:bookworm-slim"`})
	launch("the same on older servers, which give no reason", func(s *Site,
		_ *cloud) {
		s.opts.LaunchTimeout = time.Millisecond
	}, creating)
	launch("the image is for another architecture, or its command ends", func(_ *Site, c *cloud) {
		c.answers("GET", "/logs", 200, `"exec /bin/sleep: exec format error\n"`)
	}, creating, state{status: "Error", detail: "ContainersNotReady",
		reason: "containers with unready status: [chexp-a]"})
	launch("Zun's sync marks the new container as deleted, twice", nil, state{status: "Deleted"})
	launch("it stops before it runs", nil, creating, state{status: "Stopped"})

	c := newCloud(t)
	s := connect(t, c)
	_, err := s.Launch(t.Context(), box("Chexp_A"), quiet)
	rows = append(rows, errorRow{"a name that Kubernetes refuses after Zun took it", "never asked", err})
	for _, id := range []string{"c1", "c2"} {
		c.containers = append(c.containers, &fakeContainer{id: id, name: "chexp-a", user: alice,
			now: state{status: "Running"}})
	}
	_, err = s.Launch(t.Context(), box("chexp-a"), quiet)
	return append(rows, errorRow{"two containers of one name: Zun takes both", "202, twice", err})
}

// accessErrors: a container that runs, or no more.
func accessErrors(t *testing.T) []errorRow {
	var rows []errorRow
	with := func(situation, method, part string, code int, body string, do func(ctx context.Context, s *Site) error) {
		c := newCloud(t)
		s := connect(t, c)
		c.answers(method, part, code, body)
		rows = append(rows, errorRow{situation, short(code, body), do(t.Context(), s)})
	}
	exec := func(ctx context.Context, s *Site) error {
		_, err := zun{s.containerClient}.Execute(ctx, "5a6f", "uname -m")
		return err
	}
	put := func(ctx context.Context, s *Site) error {
		return zun{s.containerClient}.PutArchive(ctx, "5a6f", "/tmp", nil)
	}
	get := func(ctx context.Context, s *Site) error {
		_, err := zun{s.containerClient}.GetArchive(ctx, "5a6f", "/tmp/out")
		return err
	}
	with("execute: the container does not run", "POST", "/execute", 409,
		zunBody(409, "invalid-state-exception", "Cannot execute container 5a6f in Stopped state"), exec)
	with("execute: the container is gone", "POST", "/execute", 404, zunBody(404, "container-not-found",
		"Container 5a6f could not be found."), exec)
	with("execute: an unbalanced quote, or a fault", "POST", "/execute", 500, zunBody(500, "", hidden), exec)
	with("execute: the request line is too long for the proxy", "POST", "/execute", 414, "<html><head><title>414 "+
		"Request-URI Too Long</title></head></html>", exec)
	with("execute: longer than the proxy waits", "POST", "/execute", 504, late, exec)
	with("execute: a command that would not fit", "GET", "/none", 0, "never asked",
		func(ctx context.Context, s *Site) error {
			_, err := zun{s.containerClient}.Execute(ctx, "5a6f", strings.Repeat("x", containers.MaxCommandURL))
			return err
		})
	with("upload: tar waits for more, or a fault", "POST", "/put_archive", 500, zunBody(500, "", hidden), put)
	with("upload: too large for the proxy", "POST", "/put_archive", 413, "<html><head><title>413 Request Entity "+
		"Too Large</title></head></html>", put)
	with("upload: the container is stopped", "POST", "/put_archive", 404,
		zunBody(404, "container-not-found-remote", "Container 5a6f "+
			"could not be found.\nTraceback (most recent call last):"), put)
	with("download: the container is gone", "GET", "/get_archive", 404,
		zunBody(404, "container-not-found", "Container 5a6f could not be found."), get)
	with("download: a fault", "GET", "/get_archive", 500, zunBody(500, "", hidden), get)
	return append(rows, networkErrors(t)...)
}

func networkErrors(t *testing.T) []errorRow {
	var rows []errorRow
	bind := func(situation string, code int, body string) {
		c := newCloud(t)
		s := connect(t, c)
		c.answers("POST", "/v2.0/floatingips", code, body)
		_, err := s.addresses.floatingIP(t.Context(), containers.Container{UUID: "5a6f", Name: "chexp-a",
			Addresses: map[string][]containers.Address{netID: {{Addr: "192.168.64.9", Version: 4, Port: "port-1"}}}})
		rows = append(rows, errorRow{situation, short(code, body), err})
	}
	bind("floating IP: the pool is empty", 409, neutronBody("IpAddressGenerationFailure", "No more IP addresses "+
		"available on network 9d9be9b0."))
	bind("floating IP: the project's quota is used up", 409, neutronBody("OverQuota",
		"Quota exceeded for resources: ['floatingip']."))
	bind("floating IP: the port is gone", 404, neutronBody("PortNotFound", "Port port-1 could not be found."))
	bind("floating IP: the port has one by now, that nobody sees", 409,
		neutronBody("FloatingIPPortAlreadyAssociated", "Cannot "+
			"associate floating IP with port: it already has one."))
	bind("floating IP: the network service is away", 503, noServer)
	return rows
}

// short is an answer in a table's cell.
func short(code int, body string) string {
	body = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, " ")
	if m := regexp.MustCompile(`"(?:error_message|message|detail)": "((?:[^"\\]|\\.)*)"`).FindStringSubmatch(
		body); m != nil {
		body = strings.ReplaceAll(m[1], `\"`, `"`)
	}
	body = strings.ReplaceAll(body, `\n`, " ")
	if code == 0 {
		return body
	}
	body = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(body), fmt.Sprint(code)))
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, strings.Join(strings.Fields(body), " ")))
}

// steady takes out what changes from run to run.
var steady = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d to (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC( \([^)]*\))?`), "THEN to LATER"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC( \(\d[^)]*\))?`), "THEN"},
	{regexp.MustCompile(`(after|is still \w+,) [0-9.]+(µs|ms|s)`), "$1 SOME TIME"},
}

func cell(s string) string {
	for _, x := range steady {
		s = x.from.ReplaceAllString(s, x.to)
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// TestErrorTable writes what chexp says to every failure that the contract
// lists, and compares it with testdata/errors.md, for people to read and judge.
func TestErrorTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What chexp says when a service refuses or fails\n\n" +
		"Made by `go test ./orchestrator/internal/site/chiedge -run TestErrorTable -update`; every line is the " +
		"answer in the second\n" +
		"column given to the code that talks to that service. The exit codes are in `chexp help`.\n")
	for _, section := range []struct {
		title string
		rows  []errorRow
	}{{"Leases (Blazar)", leaseErrors(t)}, {"Containers (Zun) and floating IPs (Neutron)", containerErrors(t)}} {
		fmt.Fprintf(&b, "\n## %s\n\n| situation | the service says | chexp says | what to do | exit "+
			"|\n|---|---|---|---|---|\n", section.title)
		for _, r := range section.rows {
			if r.err == nil {
				t.Errorf("%s: no error", r.situation)
				continue
			}
			next := strings.Join(failure.Advice(r.err), "; ")
			if next == "" {
				t.Errorf("%s: %v: nothing is said about what to do", r.situation, r.err)
			}
			if text := r.err.Error() + next; strings.Contains(text, "Expected HTTP response code") ||
				strings.Contains(text, "s3cret") || strings.Contains(text, "<html") {
				t.Errorf("%s: %s", r.situation, text)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", cell(r.situation), cell(r.says), cell(r.err.Error()),
				cell(next), failure.KindOf(r.err))
		}
	}
	file := filepath.Join(home, "testdata", "errors.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantLines := strings.Split(string(want), "\n")
	for i, line := range strings.Split(b.String(), "\n") {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("%s, line %d: -update, if this is better\ngot  %s\nwant %s", file, i+1, line,
				wantLines[min(i, len(wantLines)-1)])
		}
	}
}

// home is this package's directory; the tests change theirs.
var home = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}()
