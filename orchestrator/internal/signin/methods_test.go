package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/emulator"
)

// hub is a JupyterHub that keeps alice's access token fresh; seconds is how
// its expires_at is written.
func hub(t *testing.T, em *emulator.Emulator, expires func(time.Time) any) *atomic.Int32 {
	t.Helper()
	asked := new(atomic.Int32)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hub/api/users/alice@example.org" || r.Header.Get(
			"Authorization") != "token token-of-the-hub" {
			w.WriteHeader(403)
			return
		}
		asked.Add(1)
		token, at := em.AccessToken()
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "alice", "auth_state": map[string]any{
			"access_token": token, "expires_at": expires(at)}})
	}))
	t.Cleanup(srv.Close)
	t.Setenv("JUPYTERHUB_API_URL", srv.URL+"/hub/api/")
	t.Setenv("JUPYTERHUB_USER", "alice@example.org")
	t.Setenv("JUPYTERHUB_API_TOKEN", "token-of-the-hub")
	return asked
}

func unix(t time.Time) any { return t.Unix() }

// inJupyter is the environment that Chameleon's hub sets
// [JH:jupyterhub_chameleon/authenticator/keycloak.py].
func inJupyter(t *testing.T, em *emulator.Emulator, access string) {
	t.Helper()
	for k, v := range map[string]string{"AUTH_TYPE": "v3oidcaccesstoken", "ACCESS_TOKEN": access,
		"IDENTITY_PROVIDER": "chameleon", "PROTOCOL": "openid",
		"PROJECT_DOMAIN_NAME": "chameleon", "PROJECT_NAME": "CHI-000001", "AUTH_URL": em.AuthURL(),
		"REGION_NAME": "CHI@Edge"} {
		if v != "" {
			t.Setenv("OS_"+k, v)
		}
	}
}

// Every way of signing in that is spoken, from a file and from the
// environment, against the emulator.
func TestEachAuthType(t *testing.T) {
	for name, c := range map[string]struct {
		setup  func(t *testing.T, em *emulator.Emulator, e map[string]entry) Options
		method string
	}{
		"application credential": {changed(emulated), "application credential emulator, unrestricted"},
		"application credential, openrc": {func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
			openrc(t, e[emulated])
			return Options{}
		}, "application credential emulator, unrestricted"},
		"application credential by name, no auth_type": {func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			openrc(t, e[emulated], "OS_AUTH_TYPE", "", "OS_APPLICATION_CREDENTIAL_ID", "",
				"OS_APPLICATION_CREDENTIAL_NAME", "emulator",
				"OS_USERNAME", "alice@example.org", "OS_USER_DOMAIN_NAME", "chameleon")
			return Options{}
		}, "application credential emulator, unrestricted"},
		"application credential, with a project and another's password about": {
			func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
				openrc(t, e["password"], "OS_PASSWORD", "wr0ng")
				openrc(t, e[emulated])
				return Options{}
			}, "application credential emulator, unrestricted"},
		"password":   {changed("password"), "password"},
		"v3password": {changed("password", "auth_type", "v3password"), "password"},
		"no auth_type": {func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
			openrc(t, e["password"], "OS_AUTH_TYPE", "", "OS_PROJECT_NAME", "", "OS_TENANT_NAME", "CHI-000001")
			return Options{}
		}, "password"},
		"password from OS_PASSWORD": {func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
			t.Setenv("OS_PASSWORD", e["password"].auth["password"])
			return Options{CloudsFile: file(t, e["password"], "password", "")}
		}, "password"},
		"token": {func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
			return Options{CloudsFile: file(t, e["password"], "auth_type", "token", "password", "", "token",
				takenToken(t, e["password"]))}
		}, "token"},
		"v3token of an application credential, openrc": {func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			openrc(t, entry{authType: "v3token", region: "CHI@Edge", auth: settings{
				"auth_url": e[emulated].auth["auth_url"], "token": takenToken(t, e[emulated])}})
			return Options{}
		}, "application credential emulator, unrestricted"},
		"single sign-on, the dashboard's file": {func(_ *testing.T, em *emulator.Emulator, _ map[string]entry) Options {
			return Options{CloudsFile: em.CloudsFile(), Cloud: "chexp-emulator-oidc"}
		}, "single sign-on, password"},
		"single sign-on, everything inside auth":  {changed("oidc"), "single sign-on, password"},
		"single sign-on, without a client secret": {changed("oidc", "client_secret", ""), "single sign-on, password"},
		"single sign-on, the dashboard's openrc": {func(t *testing.T, em *emulator.Emulator,
			e map[string]entry) Options {
			s, err := connect(t.Context(), Options{CloudsFile: em.CloudsFile(), Cloud: "chexp-emulator-oidc"})
			if err != nil {
				t.Fatal(err)
			}
			openrc(t, e["oidc"], "OS_PROJECT_NAME", "", "OS_PROJECT_DOMAIN_NAME", "", "OS_PROJECT_ID",
				s.Describe()["project_id"])
			return Options{}
		}, "single sign-on, password"},
		"single sign-on, password in secure.yaml": {func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			f := file(t, e["oidc"], "password", "")
			secure := fmt.Sprintf("clouds:\n  edge:\n    auth:\n      password: %q\n", e["oidc"].auth["password"])
			if err := os.WriteFile(filepath.Join(filepath.Dir(f), "secure.yaml"), []byte(secure), 0o600); err != nil {
				t.Fatal(err)
			}
			return Options{CloudsFile: f}
		}, "single sign-on, password"},
		"access token": {func(t *testing.T, em *emulator.Emulator, _ map[string]entry) Options {
			access, _ := em.AccessToken()
			inJupyter(t, em, access)
			return Options{}
		}, "single sign-on, access token"},
		"access token, old, in Jupyter": {func(t *testing.T, em *emulator.Emulator, _ map[string]entry) Options {
			hub(t, em, unix)
			inJupyter(t, em, "token-of-long-ago")
			return Options{}
		}, "single sign-on, access token"},
		"access token, good, from a hub that has none": {func(t *testing.T, em *emulator.Emulator,
			_ map[string]entry) Options {
			hub(t, em, unix)
			t.Setenv("JUPYTERHUB_API_TOKEN", "token-of-nobody")
			access, _ := em.AccessToken()
			inJupyter(t, em, access)
			return Options{}
		}, "single sign-on, access token"},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			em, entries := edge(t)
			s, err := connect(t.Context(), c.setup(t, em, entries))
			if err != nil {
				t.Fatalf("%v (%s)", err, failure.NextOf(err))
			}
			d := s.Describe()
			if d["auth_method"] != c.method || d["project"] != "CHI-000001" || d["user"] != "alice@example.org" ||
				d["region"] != "CHI@Edge" {
				t.Errorf("%v", d)
			}
			if err := ask(t, s); err != nil {
				t.Error(err)
			}
			for _, secret := range []string{entries["password"].auth["password"],
				entries[emulated].auth["application_credential_secret"], "access.", "gAAAA"} {
				if said := fmt.Sprint(d, s.Warnings()); strings.Contains(said, secret) {
					t.Errorf("a secret in %s", said)
				}
			}
		})
	}
}

// A run of hours: the tokens end again and again.
func TestRunOfHours(t *testing.T) {
	for name, setup := range map[string]func(t *testing.T, em *emulator.Emulator, e map[string]entry) Options{
		"application credential": changed(emulated),
		"password":               changed("password"),
		"single sign-on":         changed("oidc"),
		"Jupyter": func(t *testing.T, em *emulator.Emulator, _ map[string]entry) Options {
			hub(t, em, unix)
			inJupyter(t, em, "")
			return Options{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			em, entries := edge(t)
			s, err := connect(t.Context(), setup(t, em, entries))
			if err != nil {
				t.Fatal(err)
			}
			for hours := 0; hours < 15; hours += 5 {
				before := s.Provider.Token()
				em.Advance(5 * time.Hour)
				if err := ask(t, s); err != nil {
					t.Fatalf("after %d hours: %v", hours+5, err)
				}
				if s.Provider.Token() == before {
					t.Error("the token has not changed")
				}
			}
			// The cloud's clock was moved on, this machine's was not.
			if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "this machine's clock is 15 h behind") {
				t.Errorf("warnings %v", w)
			}
		})
	}
}

// The hub is asked again only when its token is about to end.
func TestHubIsAskedInTime(t *testing.T) {
	for name, c := range map[string]struct {
		expires func(time.Time) any
		want    int32 // after one sign-in and two renewals of Keystone's token
	}{
		"a number":     {unix, 1},
		"a text":       {func(t time.Time) any { return fmt.Sprint(t.Unix()) }, 1},
		"RFC 3339":     {func(t time.Time) any { return t.Format(time.RFC3339) }, 1},
		"in 50 s":      {func(time.Time) any { return time.Now().Add(50 * time.Second).Unix() }, 3},
		"not told":     {func(time.Time) any { return nil }, 3},
		"told wrongly": {func(time.Time) any { return "soon" }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			em, _ := edge(t)
			asked := hub(t, em, c.expires)
			inJupyter(t, em, "")
			s, err := connect(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Provider.Reauthenticate(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
			if n := asked.Load(); n != c.want {
				t.Errorf("asked %d times, want %d", n, c.want)
			}
		})
	}
}

// What goes wrong after a good start, in testdata/midrun.golden.
func TestSentencesInARun(t *testing.T) {
	var all strings.Builder
	all.WriteString("What chexp says when its sign-in ends in the middle of a run (here: while listing the leases).\n")
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, em *emulator.Emulator, e map[string]entry) Options
		after func(t *testing.T, em *emulator.Emulator, s *Session)
	}{
		{"application credential deleted", changed(emulated), func(t *testing.T, _ *emulator.Emulator, s *Session) {
			identity, err := openstack.NewIdentityV3(s.Provider, gophercloud.EndpointOpts{})
			if err != nil {
				t.Fatal(err)
			}
			if err := applicationcredentials.Delete(t.Context(), identity, s.Token.User.ID,
				s.Token.AppCred.ID).ExtractErr(); err != nil {
				t.Fatal(err)
			}
		}},
		{"application credential expired", changed(emulated), func(_ *testing.T, _ *emulator.Emulator, s *Session) {
			s.ends = time.Date(2026, 11, 1, 14, 5, 0, 0, time.UTC)
			s.Provider.ReauthFunc = renewing(s, "wr0ng") // Keystone's 401 is the same
		}},
		{"token ended", func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
			return Options{CloudsFile: file(t, e["password"], "auth_type", "token", "token",
				takenToken(t, e["password"]))}
		}, nil},
		{"access token ended", func(t *testing.T, em *emulator.Emulator, _ map[string]entry) Options {
			access, _ := em.AccessToken()
			inJupyter(t, em, access)
			return Options{}
		}, nil},
		{"JupyterHub gone", func(t *testing.T, em *emulator.Emulator, _ map[string]entry) Options {
			hub(t, em, func(time.Time) any { return nil })
			inJupyter(t, em, "")
			return Options{}
		}, func(t *testing.T, _ *emulator.Emulator, s *Session) {
			gone, _ := newJupyterHub(func(name string) string {
				return map[string]string{"JUPYTERHUB_API_URL": nobody(t), "JUPYTERHUB_USER": "a",
					"JUPYTERHUB_API_TOKEN": "t"}[name]
			}, "")
			s.cred.oidc.Source = gone
			s.Provider.ReauthFunc = renewing(s, "")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clean(t)
			em, entries := edge(t)
			s, err := connect(t.Context(), c.setup(t, em, entries))
			if err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				c.after(t, em, s)
			}
			em.Advance(5 * time.Hour)
			err = ask(t, s)
			check(t, err, failure.Auth, "listing the leases")
			fmt.Fprintf(&all, "\n%s\n  ! %s\n  what to do: %s\n", c.name, plain(err.Error()),
				plain(failure.NextOf(err)))
		})
	}
	golden(t, "midrun", all.String())
}

// renewing signs in again with the site's credentials, changed.
func renewing(s *Session, secret string) func(ctx context.Context) error {
	cred := s.cred
	if secret != "" {
		cred.auth.ApplicationCredentialSecret = secret
	}
	return func(ctx context.Context) error {
		provider, err := cred.newProvider(nil)
		if err != nil {
			return err
		}
		if err := cred.signIn(ctx, provider); err != nil {
			return err
		}
		s.Provider.CopyTokenFrom(provider)
		return nil
	}
}

// Every warning after a good sign-in, in testdata/warnings.golden.
func TestWarnings(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var all strings.Builder
	all.WriteString("What chexp warns of after signing in; the work is to go on from 12:00 to 14:55 UTC.\n")
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, em *emulator.Emulator, e map[string]entry) Options
		after func(s *Session)
		none  bool
	}{
		{name: "nothing to warn of", setup: changed(emulated), none: true},
		{name: "single sign-on, nothing to warn of", setup: changed("oidc"), none: true},
		{name: "restricted application credential", setup: changed("restricted")},
		{name: "application credential ends within the lease", setup: changed(emulated),
			after: func(s *Session) { s.ends = now.Add(41 * time.Minute) }},
		{name: "application credential ends later", setup: changed(emulated),
			after: func(s *Session) { s.ends = now.Add(175 * time.Minute) }, none: true},
		{name: "token", setup: func(t *testing.T, _ *emulator.Emulator, e map[string]entry) Options {
			return Options{CloudsFile: file(t, e["password"], "auth_type", "token", "token",
				takenToken(t, e["password"]))}
		}, after: func(s *Session) { s.ends = now.Add(2 * time.Hour) }},
		{name: "access token outside of Jupyter", setup: func(t *testing.T, em *emulator.Emulator,
			_ map[string]entry) Options {
			access, _ := em.AccessToken()
			inJupyter(t, em, access)
			return Options{}
		}, after: func(s *Session) { s.ends = now.Add(2 * time.Hour) }},
		{name: "http", setup: changed(emulated), after: func(s *Session) {
			s.cred.auth.IdentityEndpoint = "http://keystone.example.org:5000/v3"
		}},
		{name: "stale variables beside a file", setup: func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			for k, v := range map[string]string{"OS_AUTH_URL": "https://kvm.tacc.chameleoncloud.org:5000/v3",
				"OS_PROJECT_NAME": "CHI-000009",
				"OS_PASSWORD":     "s3cret-of-another", "OS_AUTH_TYPE": "v3oidcpassword", "OS_REGION_NAME": "KVM@TACC",
				"OS_INTERFACE": "public"} {
				t.Setenv(k, v)
			}
			return Options{CloudsFile: file(t, e["password"]), Region: "CHI@Edge"}
		}},
		{name: "the same variables as in the file", setup: func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			openrc(t, e["password"], "OS_AUTH_URL", strings.TrimSuffix(e["password"].auth["auth_url"], "v3"),
				"OS_AUTH_TYPE", "v3password")
			return Options{CloudsFile: file(t, e["password"])}
		}, none: true},
		{name: "region variable wins over the file", setup: func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			other := e[emulated]
			other.region = "CHI@UC"
			t.Setenv("OS_REGION_NAME", "CHI@Edge")
			return Options{CloudsFile: file(t, other)}
		}},
		{name: "project variable beside an application credential", setup: func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			openrc(t, e[emulated], "OS_PROJECT_NAME", "CHI-000009")
			return Options{}
		}},
		{name: "two openrc files one after the other", setup: func(t *testing.T, _ *emulator.Emulator,
			e map[string]entry) Options {
			openrc(t, e["password"], "OS_AUTH_TYPE", "")
			openrc(t, e[emulated], "OS_AUTH_TYPE", "")
			return Options{}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clean(t)
			em, entries := edge(t)
			s, err := connect(t.Context(), c.setup(t, em, entries))
			if err != nil {
				t.Fatalf("%v (%s)", err, failure.NextOf(err))
			}
			if at, what := s.Ends(); !at.IsZero() && what == "" {
				t.Error("something ends, but what?")
			}
			if c.after != nil {
				c.after(s)
			}
			w := s.warnings(now, now.Add(175*time.Minute))
			if len(w) == 0 != c.none {
				t.Errorf("warnings %q", w)
			}
			for _, one := range w {
				for _, secret := range []string{"s3cret", entries["password"].auth["password"]} {
					if strings.Contains(one, secret) {
						t.Errorf("a secret in %s", one)
					}
				}
			}
			if !c.none {
				fmt.Fprintf(&all, "\n%s\n  ! %s\n", c.name, plain(strings.Join(w, "\n  ! ")))
			}
		})
	}
	golden(t, "warnings", all.String())
}

// The end of an application credential is read from Keystone.
func TestEndIsRead(t *testing.T) {
	clean(t)
	_, entries := edge(t)
	s, err := connect(t.Context(), Options{CloudsFile: file(t, entries[emulated])})
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := s.Ends(); !at.IsZero() {
		t.Errorf("ends at %v", at)
	}
	identity, err := openstack.NewIdentityV3(s.Provider, gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(90 * time.Minute).UTC().Truncate(time.Second)
	made, err := applicationcredentials.Create(t.Context(), identity, s.Token.User.ID,
		applicationcredentials.CreateOpts{
			Name: "short", Secret: "s3cret-of-short", ExpiresAt: &end}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	s, err = connect(t.Context(), Options{CloudsFile: file(t, entries[emulated], "application_credential_id", made.ID,
		"application_credential_secret", "s3cret-of-short")})
	if err != nil {
		t.Fatal(err)
	}
	if at, what := s.Ends(); !at.Equal(end) || what != "the application credential short" {
		t.Errorf("%s ends at %v, want %v", what, at, end)
	}
	if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "ends at "+end.Format("2006-01-02 15:04 UTC")) {
		t.Errorf("warnings %s", w)
	}
	if w := strings.Join(s.WarningsUntil(end.Add(-time.Minute)), "\n"); strings.Contains(w, "ends at") {
		t.Errorf("warnings %s", w)
	}
}
