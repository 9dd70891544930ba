package chiedge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/internal/patient"
)

// clean takes the machine's own credentials out of the test's environment.
func clean(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OS_") ||
			strings.HasPrefix(name, "JUPYTERHUB_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (c *cloud) cloudsYAML(auth string) string {
	return fmt.Sprintf("clouds:\n  edge:\n    auth_type: v3applicationcredential\n    region_name: CHI@Edge\n    "+
		"auth:\n      auth_url: %s/v3\n%s", c.srv.URL, auth)
}

const appCred1 = "      application_credential_id: ac1\n      application_credential_secret: s3cret-of-ac1\n"

// connect signs in with an application credential and hurries.
func connect(t *testing.T, c *cloud) *Site {
	t.Helper()
	clean(t)
	s, err := Connect(t.Context(), Options{CloudsFile: write(t, "clouds.yaml", c.cloudsYAML(appCred1)),
		HTTP: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	s.tcp = 10 * time.Second
	s.Pace = chameleon.Pace{
		Pace:   patient.Pace{First: time.Millisecond, Most: 2 * time.Millisecond, Failures: 5},
		Create: 10 * time.Second, Settle: 100 * time.Millisecond, Lease: 10 * time.Second, Cleanup: 10 * time.Second,
	}
	return s
}

func TestConnect(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	d := s.Describe()
	for k, want := range map[string]string{"region": "CHI@Edge", "user": "alice@example.org", "project": "CHI-231138",
		"project_id": projectID,
		"auth_host":  c.host(), "cloud": "edge", "container_api": "1.41", "auth_method": "application credential " +
			"name-of-ac1, unrestricted"} {
		if d[k] != want {
			t.Errorf("%s is %q, want %q", k, d[k], want)
		}
	}
	if strings.Contains(fmt.Sprint(d), "s3cret") || strings.Contains(fmt.Sprint(d), "token-") {
		t.Errorf("a secret in %v", d)
	}
	if w := s.Warnings(); len(w) != 0 {
		t.Errorf("warnings %v", w)
	}
}

func TestRestrictedWarns(t *testing.T) {
	c := newCloud(t)
	clean(t)
	file := write(t, "clouds.yaml", c.cloudsYAML("      application_credential_id: ac2\n      "+
		"application_credential_secret: s3cret-of-ac2\n"))
	s, err := Connect(t.Context(), Options{CloudsFile: file, Cloud: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "restricted") ||
		!strings.Contains(w[0], "Unrestricted") {
		t.Errorf("warnings %v", w)
	}
}

func TestWaysToGiveCredentials(t *testing.T) {
	c := newCloud(t)
	password := "      username: alice@example.org\n      password: alices-passw0rd\n      user_domain_name: " +
		"chameleon\n      project_name: CHI-231138\n      project_domain_name: chameleon\n"
	for name, prepare := range map[string]func(t *testing.T) Options{
		"clouds.yaml here, OS_CLOUD": func(t *testing.T) Options {
			if err := os.WriteFile("clouds.yaml", []byte(c.cloudsYAML(appCred1)), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("OS_CLOUD", "edge")
			return Options{}
		},
		"the only entry, without a name": func(t *testing.T) Options {
			if err := os.WriteFile("clouds.yaml", []byte(c.cloudsYAML(appCred1)), 0o600); err != nil {
				t.Fatal(err)
			}
			return Options{}
		},
		"OS_CLIENT_CONFIG_FILE": func(t *testing.T) Options {
			t.Setenv("OS_CLIENT_CONFIG_FILE", write(t, "c.yaml", c.cloudsYAML(appCred1)))
			return Options{Cloud: "edge"}
		},
		"user configuration": func(t *testing.T) Options {
			dir := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "openstack")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "clouds.yaml"), []byte(c.cloudsYAML(appCred1)),
				0o600); err != nil {
				t.Fatal(err)
			}
			return Options{Cloud: "edge"}
		},
		"secure.yaml": func(t *testing.T) Options {
			file := write(t, "clouds.yaml", c.cloudsYAML("      application_credential_id: ac1\n"))
			secure := "clouds:\n  edge:\n    auth:\n      application_credential_secret: s3cret-of-ac1\n"
			if err := os.WriteFile(filepath.Join(filepath.Dir(file), "secure.yaml"), []byte(secure),
				0o600); err != nil {
				t.Fatal(err)
			}
			return Options{CloudsFile: file, Cloud: "edge"}
		},
		"password": func(t *testing.T) Options {
			return Options{CloudsFile: write(t, "clouds.yaml", strings.Replace(c.cloudsYAML(password),
				"v3applicationcredential", "password", 1)), Cloud: "edge"}
		},
		"environment, application credential": func(t *testing.T) Options {
			t.Setenv("OS_AUTH_URL", c.srv.URL+"/v3")
			t.Setenv("OS_AUTH_TYPE", "v3applicationcredential")
			t.Setenv("OS_APPLICATION_CREDENTIAL_ID", "ac1")
			t.Setenv("OS_APPLICATION_CREDENTIAL_SECRET", "s3cret-of-ac1")
			t.Setenv("OS_REGION_NAME", "CHI@Edge")
			return Options{}
		},
		"environment, password, as openrc files have it": func(t *testing.T) Options {
			for k, v := range map[string]string{"AUTH_URL": c.srv.URL + "/v3", "USERNAME": "alice@example.org",
				"PASSWORD":         "alices-passw0rd",
				"USER_DOMAIN_NAME": "chameleon", "PROJECT_NAME": "CHI-231138", "PROJECT_DOMAIN_NAME": "chameleon",
				"INTERFACE": "public"} {
				t.Setenv("OS_"+k, v)
			}
			return Options{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			s, err := Connect(t.Context(), prepare(t))
			if err != nil {
				t.Fatalf("%v (%s)", err, failure.NextOf(err))
			}
			if s.Describe()["region"] != "CHI@Edge" {
				t.Errorf("%v", s.Describe())
			}
		})
	}
}

func TestConnectFails(t *testing.T) {
	c := newCloud(t)
	yaml := c.cloudsYAML(appCred1)
	for name, f := range map[string]struct {
		yaml  string
		cloud func(*cloud)
		opts  Options
		words []string // in the message and the advice
	}{
		"no project": {yaml: yaml, cloud: func(c *cloud) { c.project = false },
			words: []string{"for no project", "project_name", "CHI-231138"}},
		"no reservation": {yaml: yaml, cloud: func(c *cloud) { c.types = []string{"identity", "compute"} },
			words: []string{"no reservation service in region", "CHI@Edge (compute, identity)"}},
		"no container": {yaml: yaml, cloud: func(c *cloud) { c.types = []string{"identity", "reservation"} },
			words: []string{"no container service"}},
		"wrong region": {yaml: yaml, opts: Options{Region: "CHI@UC"}, words: []string{`"CHI@UC"`, "CHI@Edge " +
			"(container, identity, network, reservation)"}},
		"no id": {yaml: c.cloudsYAML("      application_credential_secret: s3cret-of-ac1\n"),
			words: []string{"lacks application_credential_id"}},
		"not yaml": {yaml: "clouds:\n  edge:\n    auth: [s3cret-of-ac1\n  x: {",
			words: []string{"not a valid clouds.yaml", "line"}},
		"no such file": {opts: Options{CloudsFile: "nowhere.yaml"}, words: []string{"nowhere.yaml", "three ways"}},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			if f.cloud != nil {
				c := newCloud(t)
				f.cloud(c)
				f.yaml = c.cloudsYAML(appCred1)
			}
			if f.opts.CloudsFile == "" {
				f.opts.CloudsFile = write(t, "clouds.yaml", f.yaml)
			}
			_, err := Connect(t.Context(), f.opts)
			check(t, err, failure.Auth, f.words...)
		})
	}
}

// check wants a failure of this kind that says all the words, in its message
// or its advice, and no secret.
func check(t *testing.T, err error, kind failure.Kind, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	said := err.Error() + "\n" + failure.NextOf(err)
	if k := failure.KindOf(err); k != kind {
		t.Errorf("kind %d, want %d: %s", k, kind, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q is not in: %s", w, said)
		}
	}
	for _, secret := range []string{"s3cret", "wr0ng", "passw0rd", "token-"} {
		if strings.Contains(said, secret) {
			t.Errorf("a secret in: %s", said)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	clean(t)
	_, err := Connect(t.Context(), Options{})
	check(t, err, failure.Auth, "no credentials found", "clouds.yaml", "OS_CLIENT_CONFIG_FILE", "OS_AUTH_URL",
		"Unrestricted")
	_, err = Connect(t.Context(), Options{Cloud: "edge"})
	check(t, err, failure.Auth, `cloud "edge"`, "three ways")
}

func TestConnectInterrupted(t *testing.T) {
	c := newCloud(t)
	clean(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Connect(ctx, Options{CloudsFile: write(t, "clouds.yaml", c.cloudsYAML(appCred1))}); !errors.Is(err,
		context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Services say 401 once a token is old; the next request must just work.
func TestTokenIsRenewed(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.mu.Lock()
	c.tokens = map[string]bool{}
	c.mu.Unlock()
	if _, err := s.Leases(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := c.count("POST /v3/auth/tokens"); n != 2 {
		t.Errorf("signed in %d times", n)
	}
}

func TestTokenCannotBeRenewed(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	c.mu.Lock()
	c.tokens, c.appCreds = map[string]bool{}, nil
	c.mu.Unlock()
	_, err := s.Leases(t.Context())
	check(t, err, failure.Auth, "listing the leases", "the token has ended", "Could not find Application Credential",
		"it was deleted")
}

// A token must not follow a redirect to wherever it leads.
func TestNoRedirects(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	elsewhere := newCloud(t)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, elsewhere.srv.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	if _, err := s.Leases(t.Context()); err == nil {
		t.Error("no error")
	}
	if n := elsewhere.count(""); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}
