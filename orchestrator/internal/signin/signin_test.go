package signin

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/emulator"
)

// edge starts an emulator without containers, and gives the entries of its
// clouds.yaml.
func edge(t *testing.T) (*emulator.Emulator, map[string]entry) {
	t.Helper()
	em, err := emulator.Start(t.Context(), emulator.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { em.Close() })
	raw, err := readTree(em.CloudsFile())
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]entry{}
	for name := range raw.below("clouds") {
		entries[strings.TrimPrefix(name, "chexp-emulator-")] = flatten(raw.below("clouds").below(name))
	}
	return em, entries
}

// openrc puts an entry into the environment, as sourcing an openrc file does;
// changes are names and values, "" leaves one out.
func openrc(t *testing.T, e entry, changes ...string) {
	t.Helper()
	env := map[string]string{"OS_AUTH_TYPE": e.authType, "OS_REGION_NAME": e.region, "OS_INTERFACE": "public",
		"OS_IDENTITY_API_VERSION": "3"}
	for k, v := range e.auth {
		env["OS_"+strings.ToUpper(k)] = v
	}
	for i := 0; i < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	for k, v := range env {
		if v != "" {
			t.Setenv(k, v)
		}
	}
}

// file writes an entry as a clouds.yaml with one cloud; changes as in openrc,
// by the settings' names.
func file(t *testing.T, e entry, changes ...string) string {
	t.Helper()
	all := map[string]string{}
	for k, v := range e.auth {
		all[k] = v
	}
	for i := 0; i < len(changes); i += 2 {
		all[changes[i]] = changes[i+1]
	}
	authType := cmp.Or(all["auth_type"], e.authType)
	delete(all, "auth_type")
	var y strings.Builder
	fmt.Fprintf(&y, "clouds:\n  edge:\n    auth_type: %q\n    region_name: %q\n    auth:\n", authType, e.region)
	for k, v := range all {
		if v != "" {
			fmt.Fprintf(&y, "      %s: %q\n", k, v)
		}
	}
	return write(t, "clouds.yaml", y.String())
}

// provider is an identity provider that offers the password grant and then
// gives this answer at the token endpoint.
func provider(t *testing.T, status int, body string) string {
	t.Helper()
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
		reply(w, 200, map[string]any{"token_endpoint": srv.URL + "/token",
			"grant_types_supported": []string{"password"}})
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/.well-known/openid-configuration"
}

// page answers everything alike.
func page(t *testing.T, status int, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func nobody(t *testing.T) string {
	t.Helper()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	return "http://" + closed.Addr().String()
}

// sentence is one case of the table: what is wrong, and how to have it so.
type sentence struct {
	name  string
	setup func(t *testing.T, em *emulator.Emulator, e map[string]entry) Options
	kind  failure.Kind // 0 is Auth
	same  bool         // another case has the same sentence
}

// changed is a clouds.yaml with one of the emulator's entries, changed.
func changed(name string, changes ...string) func(*testing.T, *emulator.Emulator, map[string]entry) Options {
	return func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[name], changes...)}
	}
}

// discovering is the single sign-on with another discovery document.
func discovering(discovery func(t *testing.T) string) func(*testing.T, *emulator.Emulator, map[string]entry) Options {
	return func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e["oidc"], "discovery_endpoint", discovery(t))}
	}
}

func text(yaml string) func(*testing.T, *emulator.Emulator, map[string]entry) Options {
	return func(t *testing.T, _ *emulator.Emulator, _ map[string]entry) Options {
		return Options{CloudsFile: write(t, "clouds.yaml", yaml)}
	}
}

// emulated is the entry with the application credential.
const emulated = "chexp-emulator"

// takenToken signs in with another entry and gives its token.
func takenToken(t *testing.T, e entry) string {
	t.Helper()
	s, err := connect(t.Context(), Options{CloudsFile: file(t, e)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Provider.Token()
}

var sentences = []sentence{
	{name: "no credentials", setup: func(*testing.T, *emulator.Emulator,
		map[string]entry) Options {
		return Options{}
	}},
	{name: "cloud without a file", setup: func(*testing.T, *emulator.Emulator,
		map[string]entry) Options {
		return Options{Cloud: "edge"}
	}},
	{name: "no such cloud", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated]), Cloud: "uc"}
	}},
	{name: "several clouds", setup: text("clouds:\n  edge: {auth: {}}\n  uc: {auth: {}}\n")},
	{name: "not a clouds.yaml", setup: text("clouds:\n  edge:\n    auth: s3cret\n")},
	{name: "no clouds in it", setup: text("")},
	{name: "no auth section", setup: text("clouds:\n  edge: {region_name: CHI@Edge}\n")},
	{name: "nothing to sign in with", setup: text("clouds:\n  edge:\n    auth: {auth_url: \"https://x/v3\"}\n")},
	{name: "no auth_url", setup: text("clouds:\n  edge:\n    auth: {username: alice, password: s3cret}\n")},
	{name: "auth_url from a profile", setup: text("clouds:\n  edge:\n    profile: chameleon\n    auth: " +
		"{username: alice, password: s3cret}\n")},
	{name: "auth_url is none", setup: changed(emulated, "auth_url", "chi.edge.chameleoncloud.org")},
	{name: "auth_url of version 2", setup: changed(emulated, "auth_url", "https://keystone.example:5000/v2.0/")},
	{name: "auth_url with a line end", setup: changed(emulated, "auth_url", "https://keystone.example:5000/v3\r")},
	{name: "a type with a carriage return", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		openrc(t, e[emulated], "OS_AUTH_TYPE", "v3applicationcredential\r")
		return Options{}
	}},
	{name: "secret missing", setup: changed(emulated, "application_credential_secret", "")},
	{name: "password missing", setup: changed("password", "password", "")},
	{name: "user domain missing", setup: changed("password", "user_domain_name", "")},
	{name: "project domain missing", setup: changed("oidc", "project_domain_name", "")},
	{name: "TLS file missing", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		t.Setenv("OS_CACERT", "nowhere.pem")
		return Options{CloudsFile: file(t, e[emulated], "auth_url", "https://keystone.example:5000/v3")}
	}},

	{name: "cc-login's own type", setup: changed(emulated, "auth_type", "v3chameleonoidc")},
	{name: "a browser's type", setup: changed(emulated, "auth_type", "v3oidcauthcode")},
	{name: "a service's type", setup: changed(emulated, "auth_type", "v3oidcclientcredentials")},
	{name: "a one-time code's type", setup: changed(emulated, "auth_type", "v3totp")},
	{name: "another federation's type", setup: changed(emulated, "auth_type", "v3samlpassword")},
	{name: "version 2's type", setup: changed(emulated, "auth_type", "v2password")},
	{name: "a type without Keystone", setup: changed(emulated, "auth_type", "none")},
	{name: "a misspelt type", setup: changed(emulated, "auth_type", "application_credential")},
	{name: "a type in other letters", setup: changed(emulated, "auth_type", "v3ApplicationCredential"), same: true},
	{name: "a type with a slip", setup: changed("oidc", "auth_type", "v3oicdpassword")},
	{name: "no type at all", setup: changed(emulated, "auth_type", "elephant")},

	{name: "application credential, wrong secret or expired", setup: changed(emulated, "application_credential_secret",
		"wr0ng")},
	{name: "application credential, deleted or another site's", setup: changed(emulated, "application_credential_id",
		"0123456789abcdef0123456789abcdef")},
	{name: "password, wrong", setup: changed("password", "password", "wr0ng")},
	{name: "password, wrong project", setup: changed("password", "project_name", "CHI-000002")},
	{name: "password, no project", setup: changed("password", "project_name", "")},
	{name: "token, ended", setup: func(t *testing.T, em *emulator.Emulator, e map[string]entry) Options {
		token := takenToken(t, e["password"])
		em.Advance(5 * time.Hour)
		return Options{CloudsFile: file(t, e["password"], "auth_type", "token", "token", token)}
	}},
	{name: "token, wrong project", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e["password"], "auth_type", "v3token", "token", takenToken(t, e["password"]),
			"project_name", "CHI-000002")}
	}},
	{name: "token, of an application credential", setup: func(t *testing.T, _ *emulator.Emulator,
		e map[string]entry) Options {
		return Options{CloudsFile: file(t, e["password"], "auth_type", "v3token", "token", takenToken(t, e[emulated]))}
	}},

	{name: "single sign-on, provider unreachable", setup: discovering(nobody)},
	{name: "single sign-on, no provider there", setup: discovering(func(t *testing.T) string {
		return page(t, 200, "<html>")
	})},
	{name: "single sign-on, no such realm", setup: discovering(func(t *testing.T) string {
		return page(t, 404, `{"error":"Realm does not exist"}`)
	})},
	{name: "single sign-on, provider down", setup: discovering(func(t *testing.T) string { return page(t, 503, "") }),
		kind: failure.Cloud},
	{name: "single sign-on, provider not https", setup: discovering(func(*testing.T) string {
		return "http://192.0.2.1/x"
	})},
	{name: "single sign-on, passwords not offered", setup: discovering(func(t *testing.T) string {
		return page(t, 200, `{"token_endpoint":"https://x/","grant_types_supported":["authorization_code"]}`)
	})},
	{name: "single sign-on, password not sent in the clear", setup: discovering(
		func(t *testing.T) string { return page(t, 200, `{"token_endpoint":"http://192.0.2.1/t"}`) })},
	{name: "single sign-on, wrong password", setup: changed("oidc", "password", "wr0ng")},
	{name: "single sign-on, unknown client", setup: changed("oidc", "client_id", "keystone-nowhere")},
	{name: "single sign-on, grant not allowed", setup: changed("oidc", "client_id", "chi-cli-device-token")},
	{name: "single sign-on, 401 without a reason", setup: discovering(
		func(t *testing.T) string { return provider(t, 401, "<html>") })},
	{name: "single sign-on, token endpoint down", setup: discovering(func(t *testing.T) string {
		return provider(t, 502, "<html>")
	}), kind: failure.Cloud},
	{name: "single sign-on, no token in the answer", setup: discovering(
		func(t *testing.T) string { return provider(t, 200, "{}") })},
	{name: "single sign-on, token of another realm", setup: discovering(
		func(t *testing.T) string { return provider(t, 200, `{"access_token":"token-of-another"}`) })},
	{name: "single sign-on, unknown to Keystone", setup: changed("oidc", "identity_provider", "google")},
	{name: "single sign-on, wrong project", setup: changed("oidc", "project_name", "CHI-000002"), same: true},
	{name: "access token, ended", setup: changed("oidc", "auth_type", "v3oidcaccesstoken", "access_token",
		"token-of-long-ago")},
	{name: "access token, none from JupyterHub", setup: func(t *testing.T, _ *emulator.Emulator,
		e map[string]entry) Options {
		t.Setenv("JUPYTERHUB_API_URL", page(t, 200, `{"name":"alice","auth_state":null}`))
		t.Setenv("JUPYTERHUB_USER", "alice")
		t.Setenv("JUPYTERHUB_API_TOKEN", "token-of-the-hub")
		return Options{CloudsFile: file(t, e["oidc"], "auth_type", "v3oidcaccesstoken")}
	}},

	{name: "Keystone unreachable", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated], "auth_url", nobody(t)+"/v3")}
	}},
	{name: "Keystone down", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated], "auth_url", page(t, 503, "<html><h1>503</h1>")+"/v3")}
	}, kind: failure.Cloud},
	{name: "no Keystone there", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated], "auth_url", page(t, 404, "<html><title>404 Not Found</title>")+
			"/v3")}
	}},
	{name: "a page instead of a token", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated], "auth_url", page(t, 201, "<html>Welcome to the hotel")+"/v3")}
	}, kind: failure.Cloud},
	{name: "half a token", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated], "auth_url", page(t, 201, `{"token": {"user"`)+"/v3")}
	}, kind: failure.Cloud},
	{name: "no such region", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
		return Options{CloudsFile: file(t, e[emulated]), Region: "CHI@UC"}
	}},
	{name: "a region from a stale variable", setup: func(t *testing.T, _ *emulator.Emulator,
		e map[string]entry) Options {
		t.Setenv("OS_REGION_NAME", "KVM@TACC")
		return Options{CloudsFile: file(t, e[emulated])}
	}},
	{name: "stale variables beside a wrong secret", setup: func(t *testing.T, _ *emulator.Emulator,
		e map[string]entry) Options {
		t.Setenv("OS_AUTH_URL", "https://kvm.tacc.chameleoncloud.org:5000/v3")
		t.Setenv("OS_APPLICATION_CREDENTIAL_SECRET", "s3cret-of-another")
		return Options{CloudsFile: file(t, e[emulated], "application_credential_secret", "wr0ng")}
	}},
	{name: "two openrc files one after the other", setup: func(t *testing.T, _ *emulator.Emulator,
		e map[string]entry) Options {
		openrc(t, e["password"], "OS_PASSWORD", "wr0ng-passw0rd")
		openrc(t, e[emulated], "OS_APPLICATION_CREDENTIAL_SECRET", "wr0ng")
		return Options{}
	}},
}

// Every sentence about a sign-in that fails, in a file that a person can read
// through: testdata/signin.golden.
func TestSentences(t *testing.T) {
	var all strings.Builder
	fmt.Fprintf(&all, "What chexp says when it cannot sign in, and what to do then. `go test "+
		"./orchestrator/internal/signin -run TestSentences -update` writes this file.\n")
	seen := map[string]string{}
	for _, c := range sentences {
		t.Run(c.name, func(t *testing.T) {
			clean(t)
			em, entries := edge(t)
			_, err := connect(t.Context(), c.setup(t, em, entries))
			check(t, err, cmp.Or(c.kind, failure.Auth))
			next := failure.NextOf(err)
			if next == "" && err != nil {
				t.Errorf("no advice with: %v", err)
			}
			said := plain(err.Error())
			if other, twice := seen[said+next]; twice && !c.same {
				t.Errorf("the same sentence as for %q", other)
			}
			seen[said+next] = c.name
			fmt.Fprintf(&all, "\n%s\n  ! %s\n  what to do: %s\n", c.name, said, plain(next))
		})
	}
	golden(t, "signin", all.String())
}

var (
	anyPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	anyDir  = regexp.MustCompile(`/\S*/(clouds\.yaml)`)
	anyID   = regexp.MustCompile(`\b(req-)?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\b`)
)

// plain takes out what is different each time.
func plain(s string) string {
	s = anyPort.ReplaceAllString(s, "127.0.0.1:5000")
	s = anyDir.ReplaceAllString(s, "$1")
	return anyID.ReplaceAllString(s, "${1}ID")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) || t.Failed() {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Errorf("%s, line %d (run with -update if it is right):\n got %s\nwant %s", path, i+1, at1(a, i),
				at1(b, i))
			return
		}
	}
}

func at1(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// Signing in changes nothing: one 503 or lost answer is no reason to give up.
func TestOneBadAnswerAtSignInIsForgiven(t *testing.T) {
	em, e := edge(t)
	for _, order := range []string{"keystone.token=503", "keystone.token=lost", "keystone.token=drop"} {
		faults, err := emulator.ParseFaults([]string{order})
		if err != nil {
			t.Fatal(err)
		}
		em.SetFaults(faults)
		said := 0
		_, err = connect(t.Context(), Options{CloudsFile: file(t, e[emulated]), Notice: func(string) { said++ }})
		if err != nil || said != 1 {
			t.Errorf("%s: said %d times, %v", order, said, err)
		}
	}
}
