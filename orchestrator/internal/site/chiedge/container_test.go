package chiedge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/zunexec"
)

func bench() run.ContainerRequest {
	return run.ContainerRequest{Name: "chexp-bench", Image: "docker.io/library/debian:12-slim",
		ReservationID: "res-of-lease-1", Transport: "zun"}
}

func TestLaunchFindDestroy(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	if _, found, err := s.FindContainer(t.Context(), "chexp-bench"); found || err != nil {
		t.Errorf("found %t, %v", found, err)
	}
	var said []string
	k, err := s.Launch(t.Context(), bench(), func(m string) { said = append(said, m) })
	if err != nil {
		t.Fatal(err)
	}
	if k.ID != c.containers[0].id || k.Name != "chexp-bench" || k.Status != "Running" || k.Dir != "/tmp/chexp-bench" {
		t.Errorf("%+v", k)
	}
	if got := strings.Join(said, "; "); got != "container chexp-bench is Creating; container chexp-bench is "+
		"Created; container chexp-bench is Running" {
		t.Errorf("said %s", got)
	}
	body := c.containers[0].body
	if fmt.Sprint(body["command"]) != "[sleep infinity]" || at(body, "hints", "reservation") != "res-of-lease-1" {
		t.Errorf("asked for %v", body)
	}
	if _, ok := body["exposed_ports"]; ok {
		t.Error("a port is exposed without ssh")
	}
	again, err := s.Launch(t.Context(), bench(), quiet)
	if err != nil || again.ID != k.ID || c.count("POST /v1/containers/") != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	found, ok, err := s.FindContainer(t.Context(), "chexp-bench")
	if err != nil || !ok || found.ID != k.ID {
		t.Errorf("%+v, %t, %v", found, ok, err)
	}
	for range 2 {
		if err := s.Destroy(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.containers) != 0 {
		t.Error("the container is still there")
	}
	if n := c.count("GET /v2.0/"); n != 1 { // only the second, which cannot know that no port was exposed
		t.Errorf("the network was asked %d times", n)
	}
}

func TestLaunchSSHExposesPort(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	req := bench()
	req.Transport = "ssh"
	req.Command = []string{"/usr/sbin/init"}
	if _, err := s.Launch(t.Context(), req, quiet); err != nil {
		t.Fatal(err)
	}
	body := c.containers[0].body
	if fmt.Sprint(body["exposed_ports"]) != "map[22/tcp:map[]]" || fmt.Sprint(body["command"]) != "[/usr/sbin/init]" {
		t.Errorf("asked for %v", body)
	}
}

func TestLaunchRefusesNonsense(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	for name, spoil := range map[string]func(*run.ContainerRequest){
		"upper case": func(r *run.ContainerRequest) { r.Name = "Chexp" },
		"underscore": func(r *run.ContainerRequest) { r.Name = "a_b" },
		"dash":       func(r *run.ContainerRequest) { r.Name = "a-" },
		"long":       func(r *run.ContainerRequest) { r.Name = strings.Repeat("a", 64) },
		"image":      func(r *run.ContainerRequest) { r.Image = "" }, "reservation": func(r *run.ContainerRequest) {
			r.ReservationID = ""
		},
	} {
		req := bench()
		spoil(&req)
		if _, err := s.Launch(t.Context(), req, quiet); failure.KindOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := c.count("POST /v1/containers/"); n != 0 {
		t.Errorf("%d containers were asked for", n)
	}
}

// Whatever ends a start, it is said, and nothing is left.
func TestLaunchFails(t *testing.T) {
	creating := state{status: "Creating"}
	pull := state{status: "Creating", reason: "Back-off pulling image \"foo:1\"", detail: "ImagePullBackOff"}
	for name, f := range map[string]struct {
		script []state
		hurry  func(*Site)
		words  []string
	}{
		"wrong reservation": {script: []state{creating, {status: "Error",
			reason: "0/8 nodes are available: 8 node(s) didn't match", detail: "Unschedulable"}},
			words: []string{"0/8 nodes are available", "reservation is not active"}},
		"no reservation": {script: []state{{status: "Error", reason: "container x has no reservaton ID set."}},
			words: []string{"no reservaton ID set"}},
		"crash loop": {script: []state{{status: "Created"}, {status: "Error",
			reason: "containers with unready status: [x]", detail: "ContainersNotReady"}},
			words: []string{"exec format error", "linux/arm64", "unready"}},
		"image": {script: []state{creating, {status: "Creating", reason: "rpc error", detail: "ErrImagePull"}, pull},
			hurry: func(s *Site) { s.opts.PullGrace = 20 * time.Millisecond },
			words: []string{"image docker.io/library/debian:12-slim cannot be pulled", "docker pull",
				"Back-off pulling"}},
		"for ever": {script: []state{creating}, hurry: func(s *Site) { s.opts.LaunchTimeout = 20 * time.Millisecond },
			words: []string{"still Creating", "pulled"}},
		"vanished": {script: []state{creating, {status: "Deleted"}}, words: []string{"never started",
			"marked the new container as deleted"}},
		"stopped": {script: []state{creating, {status: "Stopped"}}, words: []string{"status is Stopped"}},
		"traceback": {script: []state{{status: "Error", reason: "(422)\nReason: Unprocessable Entity\nHTTP " +
			"response headers: HTTPHeaderDict({'Server': 'BaseHTTP/0.6'})"}},
			words: []string{"(422)"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			s := connect(t, c)
			c.script = f.script
			if f.hurry != nil {
				f.hurry(s)
			}
			k, err := s.Launch(t.Context(), bench(), quiet)
			check(t, err, failure.Cloud, f.words...)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has lines", err)
			}
			if k.ID != "" || len(c.containers) != 0 {
				t.Errorf("left %+v, %d containers", k, len(c.containers))
			}
			if n := c.count("POST /v1/containers/"); n != 1 && name != "vanished" {
				t.Errorf("%d creations", n)
			}
		})
	}
}

// A pull that fails once and then works is no failure.
func TestLaunchPullRecovers(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	s.opts.PullGrace = time.Hour
	c.script = []state{{status: "Creating", detail: "ErrImagePull"}, {status: "Creating", detail: "ImagePullBackOff"},
		{status: "Creating"}, {status: "Running"}}
	if _, err := s.Launch(t.Context(), bench(), quiet); err != nil {
		t.Error(err)
	}
}

// The race of Zun's sync is worth one more try.
func TestLaunchVanishedOnce(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.script = []state{{status: "Creating"}, {status: "Deleted"}}
	c.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			c.script = []state{{status: "Running"}}
		}
		return false
	}
	k, err := s.Launch(t.Context(), bench(), quiet)
	if err != nil || k.Status != "Running" || c.count("POST /v1/containers/") != 2 || len(c.containers) != 1 {
		t.Errorf("%+v, %v, %d containers", k, err, len(c.containers))
	}
}

func TestLaunchReplacesDead(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.containers = []*fakeContainer{{id: "dead", name: "chexp-bench", user: alice, now: state{status: "Error"},
		body: map[string]any{}},
		{id: "bobs", name: "chexp-bench", user: bob, now: state{status: "Running"}, body: map[string]any{}}}
	k, err := s.Launch(t.Context(), bench(), quiet)
	if err != nil || k.ID == "dead" || k.ID == "bobs" || len(c.containers) != 2 {
		t.Fatalf("%+v, %v", k, err)
	}
	c.containers = append(c.containers, &fakeContainer{id: "twin", name: "chexp-bench", user: alice,
		now: state{status: "Running"}, body: map[string]any{}})
	_, err = s.Launch(t.Context(), bench(), quiet)
	check(t, err, failure.Cloud, "2 containers are named chexp-bench", "twin (Running)")
}

func TestLaunchLostAnswer(t *testing.T) {
	for name, made := range map[string]bool{"made": true, "not made": false} {
		c := newCloud(t)
		s := connect(t, c)
		lost := false
		lose := answering(1, "POST", "/v1/containers/", func(w http.ResponseWriter) bool {
			lost = true
			return hangUp(w)
		})
		want := 2
		if made {
			c.after, want = lose, 1
		} else {
			c.before = lose
		}
		k, err := s.Launch(t.Context(), bench(), quiet)
		if err != nil || !lost || len(c.containers) != 1 || c.containers[0].id != k.ID ||
			c.count("POST /v1/containers/") != want {
			t.Errorf("%s: %+v, %v, %d containers, %d creations", name, k, err, len(c.containers),
				c.count("POST /v1/containers/"))
		}
	}
}

func TestLaunchInterruptedCleansUp(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.script = nil // for ever Creating
	ctx, cancel := context.WithCancel(t.Context())
	k, err := s.Launch(ctx, bench(), func(string) { cancel() })
	if !errors.Is(err, context.Canceled) || k.ID != "" || len(c.containers) != 0 {
		t.Errorf("%+v, %v, %d containers left", k, err, len(c.containers))
	}
}

// What cannot be removed is handed over, so that somebody can.
func TestLaunchCannotCleanUp(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.script = []state{{status: "Error", reason: "broken"}}
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			zunError(w, 403, "policy-not-authorized", "Policy")
			return true
		}
		return false
	}
	k, err := s.Launch(t.Context(), bench(), quiet)
	if k.ID == "" {
		t.Error("the id is lost")
	}
	check(t, err, failure.Cloud, "broken", "Policy")
}

func TestLaunchRefused(t *testing.T) {
	for name, f := range map[string]struct {
		status int
		code   string
		kind   failure.Kind
	}{
		"quota": {403, "quota-exceeded", failure.Capacity}, "policy": {403, "policy-not-authorized", failure.Auth},
		"schema": {400, "schema-validation-error", failure.Usage},
		"server": {500, "", failure.Cloud},
	} {
		c := newCloud(t)
		s := connect(t, c)
		c.before = func(w http.ResponseWriter, r *http.Request) bool {
			if isPost(r, "/v1/containers/") {
				zunError(w, f.status, f.code, "no")
				return true
			}
			return false
		}
		_, err := s.Launch(t.Context(), bench(), quiet)
		if failure.KindOf(err) != f.kind || c.count("POST /v1/containers/") != 1 {
			t.Errorf("%s: kind %d, %v, %d creations", name, failure.KindOf(err), err, c.count("POST /v1/containers/"))
		}
	}
}

// A Creating container is not stopped, but forced.
func TestDestroyForces(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.containers = []*fakeContainer{{id: "x", name: "n", user: alice, now: state{status: "Creating"},
		body: map[string]any{}}}
	bad := 2
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" && bad > 0 {
			bad--
			w.WriteHeader(504)
			return true
		}
		return false
	}
	if err := s.Destroy(t.Context(), "x"); err != nil || len(c.containers) != 0 {
		t.Errorf("%d left, %v", len(c.containers), err)
	}
	if c.count("DELETE /v1/containers/x?stop=True") != 3 || c.count("DELETE /v1/containers/x?force=True") != 1 {
		t.Errorf("%v", c.calls)
	}
}

func TestDialZun(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	k, err := s.Launch(t.Context(), bench(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	var z zunexec.Zun
	s.ways.zun = func(got zunexec.Zun, id string) transport.Transport {
		if id != k.ID {
			t.Errorf("dialled %s", id)
		}
		z = got
		return nil
	}
	if _, err := s.Dial(t.Context(), k, bench(), quiet); err != nil {
		t.Fatal(err)
	}
	c.exec = func(command string) (string, any) { return "out of " + command, nil }
	r, err := z.Execute(t.Context(), k.ID, "uname -m")
	if err != nil || r.Output != "out of uname -m" || r.ExitCode != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if err := z.PutArchive(t.Context(), k.ID, "/opt", []byte("x")); err != nil {
		t.Error(err)
	}
	if b, err := z.GetArchive(t.Context(), k.ID, "/opt"); err != nil || string(b) != "tar!" {
		t.Errorf("%q, %v", b, err)
	}
	c.containers[0].now.status = "Stopped"
	_, err = z.Execute(t.Context(), k.ID, "x")
	check(t, err, failure.Cloud, "in Stopped state")
	req := bench()
	req.Transport = "pigeon"
	_, err = s.Dial(t.Context(), k, req, quiet)
	check(t, err, failure.Usage, "pigeon")
}
